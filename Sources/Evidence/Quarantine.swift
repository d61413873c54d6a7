public import SegueModel

/// Leave for a test to fail without blocking, for a time. It goes on running.
public struct Quarantine: Hashable, Sendable {
  /// See ``TestCase/historyName``.
  public var test: String
  public var owner: String
  /// Where the flaw is tracked, such as `SHOP-17`.
  public var issue: String
  /// From this moment on it does not hold.
  public var expires: Instant
  /// The failure that it is about (see ``FailureSignature``); `nil` for the last one recorded.
  public var signature: String?
  /// Whether the commit that is judged brought the entry in. It cannot excuse itself.
  public var isOfThisCommit: Bool

  public init(
    test: String, owner: String, issue: String, expires: Instant, signature: String? = nil,
    isOfThisCommit: Bool = false
  ) {
    self.test = test
    self.owner = owner
    self.issue = issue
    self.expires = expires
    self.signature = signature
    self.isOfThisCommit = isOfThisCommit
  }

  /// Runs in a row that end with a failure, after which it counts again.
  public static let failuresInARow = 3

  /// Why this does not excuse a failure; `nil` when it does.
  ///
  /// A classifier of flaky *tests* with 99 % precision would still have hidden 76 % of the
  /// regressions that flaky tests caught at Chromium (Haben et al., "The importance of discerning
  /// flaky from fault-triggering test failures", 2023): so failures are judged, not tests.
  ///
  /// - Parameter record: what was known before the run that is judged.
  public func objection(
    to message: String, record: TestRecord?, at now: Instant
  ) -> String? {
    if let objection = objection(record, at: now) { return objection }
    if knownSignature(record) != FailureSignature.of(message) {
      return "it fails in another way than the one in quarantine"
    }
    return nil
  }

  /// The signature of the failure that this would excuse now; `nil` when it excuses none. It is known
  /// before the test has run.
  public func excusedSignature(record: TestRecord?, at now: Instant) -> String? {
    objection(record, at: now) == nil ? knownSignature(record) : nil
  }

  private func knownSignature(_ record: TestRecord?) -> String {
    signature ?? record?.lastSignature ?? ""
  }

  /// What speaks against it whatever the failure says.
  private func objection(_ record: TestRecord?, at now: Instant) -> String? {
    if owner.isEmpty || issue.isEmpty { return "its quarantine names no owner or no issue" }
    if now >= expires { return "its quarantine has expired; \(owner) has it in \(issue)" }
    if isOfThisCommit { return "its quarantine comes with the very commit that it would excuse" }
    guard let record, record.statistics.contradictedFailures > 0 else {
      return "it was never seen to fail without cause before this commit"
    }
    if record.failingInARow + 1 >= Self.failuresInARow {
      return "it failed \(record.failingInARow + 1) times in a row, which is not by chance"
    }
    return nil
  }
}

/// Tests whose failures have one cause, as far as their history tells.
public struct FailureGroup: Hashable, Sendable {
  /// In alphabetical order.
  public var tests: [String]

  /// Puts tests together that failed in exactly the same runs, two at least. Groups are in the order
  /// of their first tests.
  ///
  /// - Parameter runs: for each test, the runs in which it failed.
  public static func groups(of tests: [String], runs: [String: Set<Int64>]) -> [FailureGroup] {
    var groups: [Set<Int64>: [String]] = [:]
    var alone: [FailureGroup] = []
    for test in Set(tests) {
      if let failed = runs[test], failed.count >= 2 {
        groups[failed, default: []].append(test)
      } else {
        alone.append(FailureGroup(tests: [test]))
      }
    }
    return (alone + groups.values.map { FailureGroup(tests: $0.sorted()) })
      .sorted { ($0.tests.first ?? "") < ($1.tests.first ?? "") }
  }
}
