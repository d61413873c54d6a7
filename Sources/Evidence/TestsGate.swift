public import Ports
public import SegueModel

/// Whether the tests of a commit speak for it.
public struct TestsGate: Sendable {
  /// What one run of the tests left: the first, or a retry of what failed.
  public struct Attempt: Hashable, Sendable {
    public var cases: [TestCase]
    /// Promised reports that are missing, empty or cannot be believed: `the report a.xml is missing`.
    public var problems: [String]

    public init(cases: [TestCase] = [], problems: [String] = []) {
      self.cases = cases
      self.problems = problems
    }
  }

  /// What failed is run again at most so often.
  public static let mostRetries = 2
  /// With more failures than this, nothing is run again: that is no flaky test.
  public static let mostRetried = 20

  /// How often what failed is run again.
  public var retries: Int
  public var quarantines: [Quarantine]
  /// What was known of tests before this run, by name.
  public var records: [String: TestRecord]
  /// In which runs tests failed before, as ``FailureGroup`` takes it.
  public var failingRuns: [String: Set<Int64>]

  public init(
    retries: Int = 0, quarantines: [Quarantine] = [], records: [String: TestRecord] = [:],
    failingRuns: [String: Set<Int64>] = [:]
  ) {
    self.retries = min(max(0, retries), Self.mostRetries)
    self.quarantines = quarantines
    self.records = records
    self.failingRuns = failingRuns
  }

  /// The tests to run again now, in alphabetical order: those that failed in every attempt so far,
  /// those in quarantine too, since their attempts are evidence. None when retries are used up, too
  /// many tests failed, or the reports cannot be believed.
  public func retry(after attempts: [Attempt]) -> [String] {
    let outcome = Outcome(attempts)
    guard !attempts.isEmpty, attempts.count <= retries, outcome.problems.isEmpty,
      outcome.failed.count <= Self.mostRetried
    else { return [] }
    return outcome.failed.keys.sorted()
  }

  /// The tests that failed and never passed, in all attempts together, each with the message of its
  /// last failure. A test that a retry leaves out stays as it was.
  public static func failures(in attempts: [Attempt]) -> [String: String] {
    Outcome(attempts).failed
  }

  /// All attempts together, each test counted once: what a retry that ran only some of the tests says
  /// of the whole step.
  public static func summary(of attempts: [Attempt]) -> TestSummary {
    let outcome = Outcome(attempts)
    var summary = TestSummary(
      passed: outcome.total - outcome.failed.count - outcome.skipped, failed: outcome.failed.count,
      skipped: outcome.skipped, flaky: outcome.retried.count)
    summary.failures = outcome.failed.sorted { $0.key < $1.key }
      .prefix(TestSummary.failureLimit).map { TestFailure(test: $0.key, message: $0.value) }
    return summary
  }

  /// - Parameter attempts: the first run and its retries; none while it has not ended.
  public func answer(_ attempts: [Attempt], at now: Instant) -> GateAnswer {
    guard !attempts.isEmpty else {
      return GateAnswer(
        gate: "tests", verdict: .wait, reason: "the tests have not ended yet",
        remedies: ["Wait for the steps of the pipeline"])
    }
    let outcome = Outcome(attempts)
    if let problem = refusal(outcome, attempts) { return problem }
    let again = retry(after: attempts)
    guard again.isEmpty else {
      return GateAnswer(
        gate: "tests", verdict: .wait,
        reason: "\(again.count) of \(outcome.total) tests failed and run again "
          + "(attempt \(attempts.count + 1) of \(retries + 1))",
        evidence: again, remedies: ["Wait for the retry"])
    }
    return verdict(outcome, at: now)
  }

  private func refusal(_ outcome: Outcome, _ attempts: [Attempt]) -> GateAnswer? {
    func fail(_ reason: String, _ evidence: [String], _ remedy: String) -> GateAnswer {
      GateAnswer(
        gate: "tests", verdict: .fail, reason: reason, evidence: evidence, remedies: [remedy])
    }
    if !outcome.problems.isEmpty {
      return fail(
        "a report that was promised cannot be believed: \(outcome.problems.sorted().named(1))",
        outcome.problems.sorted(),
        "Make the step write every report that segue.yaml promises, also when a test fails")
    }
    if outcome.total == 0 {
      return fail(
        "no test ran", [], "Check what the step runs: a run without tests proves nothing")
    }
    if attempts.count > retries + 1 {
      return fail(
        "the tests were run \(attempts.count) times, and \(retries + 1) are allowed", [],
        "Run what failed again at most \(retries) times: enough attempts hide every failure")
    }
    return nil
  }

  private func verdict(_ outcome: Outcome, at now: Instant) -> GateAnswer {
    var counting: [String: String] = [:]
    var warnings: [String] = []
    for (test, message) in outcome.failed {
      guard let quarantine = quarantines.first(where: { $0.test == test }) else {
        counting[test] = message
        continue
      }
      if let objection = quarantine.objection(to: message, record: records[test], at: now) {
        counting[test] = message.isEmpty ? objection : "\(message); \(objection)"
      } else {
        warnings.append(
          "\(test) failed in quarantine until \(quarantine.expires.day); "
            + "\(quarantine.owner) has it in \(quarantine.issue)")
      }
    }
    warnings += outcome.retried.sorted().map { "\($0) failed first and passed when run again" }
    warnings += endingSoon(at: now)
    let counts = "\(outcome.total) \(outcome.total == 1 ? "test" : "tests")"
    guard !counting.isEmpty else {
      let skipped = outcome.skipped == 0 ? "" : ", \(outcome.skipped) of them skipped"
      return GateAnswer(
        gate: "tests", verdict: .pass,
        reason: "no failure counts among \(counts)\(skipped)", warnings: warnings.sorted())
    }
    let groups = FailureGroup.groups(of: Array(counting.keys), runs: failingRuns)
    let first = groups.first?.tests.first ?? ""
    return GateAnswer(
      gate: "tests", verdict: .fail,
      reason: "\(counting.count) of \(counts) failed: "
        + "\(groups.compactMap(\.tests.first).named(3))",
      evidence: groups.map { Self.line($0, counting) },
      remedies: [
        "Run \(first) at this commit, and mend the code or the test",
        "If it is known to fail without cause, put it in quarantine with an owner and an issue, in a "
          + "commit of its own",
      ], warnings: warnings.sorted())
  }

  private static func line(_ group: FailureGroup, _ messages: [String: String]) -> String {
    let message = group.tests.lazy.compactMap { messages[$0] }.first { !$0.isEmpty } ?? ""
    let names =
      group.tests.count == 1
      ? group.tests[0] : "\(group.tests.named(3)), which always fail together"
    return message.isEmpty ? names : "\(names): \(message)"
  }

  private func endingSoon(at now: Instant) -> [String] {
    quarantines.filter { $0.expires > now && $0.expires - now <= Waiver.warning }
      .map { "the quarantine of \($0.test) ends on \($0.expires.day); \($0.owner) has it" }
  }
}

/// What the attempts together came to.
private struct Outcome {
  var total = 0
  var skipped = 0
  /// Failed, and never passed, with the message of the last failure.
  var failed: [String: String] = [:]
  /// Failed and passed.
  var retried: Set<String> = []
  var problems: Set<String> = []

  init(_ attempts: [TestsGate.Attempt]) {
    var passed: Set<String> = []
    var skips: Set<String> = []
    // A test that a retry leaves out stays as it was.
    for attempt in attempts {
      problems.formUnion(attempt.problems)
      var failedNow: Set<String> = []
      var passedNow: Set<String> = []
      for test in attempt.cases {
        let name = test.historyName
        switch test.status {
        case .passed: passedNow.insert(name)
        case .flaky:
          passedNow.insert(name)
          retried.insert(name)
        case .failed:
          failed[name] = test.message
          failedNow.insert(name)
        case .skipped: skips.insert(name)
        }
      }
      // Two cases of one name in one report are two tests that cannot be told apart, not a retry.
      passed.formUnion(passedNow.subtracting(failedNow))
    }
    total = Set(failed.keys).union(passed).union(skips).union(retried).count
    skipped = skips.subtracting(passed).subtracting(failed.keys).count
    retried.formUnion(passed.intersection(failed.keys))
    for test in passed { failed[test] = nil }
    retried.subtract(failed.keys)
  }
}

extension Instant {
  /// `2026-01-31`, in UTC.
  var day: String {
    let days = milliseconds >= 0 ? milliseconds / 86_400_000 : (milliseconds + 1) / 86_400_000 - 1
    // The inverse of the count of days in ``init(rfc3339:)``: eras of 400 years that begin in March.
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let ofEra = shifted - era * 146_097
    let year = (ofEra - ofEra / 1_460 + ofEra / 36_524 - ofEra / 146_096) / 365
    let ofYear = ofEra - (365 * year + year / 4 - year / 100)
    let month = (5 * ofYear + 2) / 153
    let day = ofYear - (153 * month + 2) / 5 + 1
    let number = month < 10 ? month + 3 : month - 9
    let full = year + era * 400 + (number <= 2 ? 1 : 0)
    func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return "\(full)-\(two(number))-\(two(day))"
  }
}
