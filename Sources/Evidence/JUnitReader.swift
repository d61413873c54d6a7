internal import SegueModel

/// Reads a JUnit XML report, in any of the dialects that test tools write, piece by piece.
///
/// Totals come from the test cases alone, a failure is never hidden by anything beside it, and a
/// report that is empty, cut off or without cases is a failure of its own.
public struct JUnitReader: Sendable {
  private var scanner = XMLScanner(JUnitCollector())

  public init() {}

  /// Takes the next bytes of the file.
  ///
  /// - Throws: ``ReportFailure`` as soon as the report cannot be believed; do not go on after that.
  public mutating func feed(_ bytes: some Collection<UInt8>) throws(ReportFailure) {
    try scanner.feed(bytes)
  }

  /// Tells that the file has ended.
  ///
  /// - Throws: ``ReportFailure`` also for a report that is well-formed but holds no test case.
  public consuming func finish() throws(ReportFailure) -> TestReport {
    try scanner.finish()
    let cases = GoSubtests.leaves(of: scanner.handler.cases)
    guard !cases.isEmpty else { throw .noTestCases(declared: scanner.handler.declared) }
    return TestReport(cases: cases)
  }

  /// Reads a report that is in memory as a whole.
  public static func read(_ bytes: some Collection<UInt8>) throws(ReportFailure) -> TestReport {
    var reader = JUnitReader()
    try reader.feed(bytes)
    return try reader.finish()
  }
}

/// Turns elements into test cases.
struct JUnitCollector: XMLHandler {
  private(set) var cases: [TestCase] = []
  /// The `tests` of suites that hold no suites, added up.
  private(set) var declared = 0

  private var suites: [Suite] = []
  /// The names of the open suites, joined.
  private var suitePath = ""
  private var current: Draft?
  private var verdict: Verdict?
  private var depth = 0

  private struct Suite {
    var name: String
    var file: String?
    var declared: Int
    var hasSuites = false
  }

  private struct Draft {
    var attributes: XMLAttributes
    var failed = false
    var errored = false
    var flaky = false
    var skipped = false
    var message: String?
    var reason: String?
  }

  /// A `failure` or its like while its text is read.
  private struct Verdict {
    var kind: Kind
    var message: String?
    var type: String?
    var text = ""
  }

  private enum Kind: String {
    case failure, error, skipped, flakyFailure, flakyError, rerunFailure, rerunError
  }

  var wantsText: Bool {
    guard let verdict else { return false }
    return verdict.message == nil && verdict.text.utf8.count < Self.messageLimit
  }

  /// Bytes kept of a message.
  private static let messageLimit = 2_048
  private static let caseLimit = 500_000

  mutating func start(
    _ name: String, _ attributes: XMLAttributes, line: Int
  ) throws(ReportFailure) {
    depth += 1
    if depth == 1, name != "testsuites", name != "testsuite" { throw .notJUnit(root: name) }
    switch name {
    case "testsuite":
      if !suites.isEmpty { suites[suites.count - 1].hasSuites = true }
      suites.append(
        Suite(
          name: attributes["name"] ?? "", file: attributes["file"] ?? attributes["filepath"],
          declared: attributes["tests"].flatMap { Int($0) } ?? 0))
      joinSuites()
    case "testcase":
      guard cases.count < Self.caseLimit else {
        throw .invalid(line: line, reason: "it lists more than \(Self.caseLimit) test cases")
      }
      current = Draft(attributes: attributes)
    default:
      guard verdict == nil, let kind = Kind(rawValue: name) else { return }
      verdict = Verdict(kind: kind, message: attributes["message"], type: attributes["type"])
    }
  }

  mutating func text(_ text: String) {
    verdict?.text += text
  }

  mutating func end(_ name: String) {
    depth -= 1
    switch name {
    case "testsuite":
      let suite = suites.removeLast()
      if !suite.hasSuites { declared += suite.declared }
      joinSuites()
    case "testcase":
      if let draft = current { add(finished(draft)) }
      current = nil
    default:
      guard let ended = verdict, ended.kind.rawValue == name else { return }
      verdict = nil
      judge(ended)
    }
  }

  private mutating func joinSuites() {
    suitePath = suites.map(\.name).filter { !$0.isEmpty }.joined(separator: " > ")
  }

  private mutating func judge(_ verdict: Verdict) {
    let message = Self.firstLine(verdict.message ?? verdict.text, otherwise: verdict.type)
    guard current != nil else {
      // A suite that failed as a whole, outside of any case: setting it up, or loading it.
      if verdict.kind == .failure || verdict.kind == .error {
        var draft = Draft(attributes: XMLAttributes(pairs: [("name", "(the suite itself)")]))
        draft.failed = true
        draft.message = message
        cases.append(finished(draft))
      }
      return
    }
    switch verdict.kind {
    case .failure, .rerunFailure, .rerunError:
      current?.failed = true
      if current?.message == nil { current?.message = message }
    case .error:
      current?.errored = true
      if current?.message == nil { current?.message = message }
    case .flakyFailure, .flakyError:
      current?.flaky = true
      if current?.reason == nil { current?.reason = message }
    case .skipped:
      current?.skipped = true
      if current?.reason == nil { current?.reason = message }
    }
  }

  private func finished(_ draft: Draft) -> TestCase {
    let attributes = draft.attributes
    let file = attributes["file"] ?? suites.last { $0.file != nil }?.file
    let status = Self.status(of: draft)
    let nearest = suites.last { !$0.name.isEmpty }?.name
    var className = attributes["classname"] ?? attributes["class"] ?? file ?? nearest ?? ""
    // Neighbours share a class: one copy of its name serves them all.
    if let last = cases.last?.className, last == className { className = last }
    return TestCase(
      suite: suitePath, className: className,
      name: attributes["name"] ?? "(without a name)", file: file, status: status,
      message: (status == .failed ? draft.message : draft.reason) ?? "",
      time: Self.time(attributes["time"]))
  }

  /// Fail wins over everything, then flaky, then skipped.
  private static func status(of draft: Draft) -> TestCase.Status {
    if draft.failed || draft.errored { return .failed }
    // Tools that run plain programs say it in an attribute (CTest, GoogleTest).
    let words = [draft.attributes["status"], draft.attributes["result"]]
      .compactMap { $0?.lowercased() }
    if words.contains(where: { ["fail", "failed", "error"].contains($0) }) { return .failed }
    if draft.flaky { return .flaky }
    let skips = ["notrun", "disabled", "skipped", "suppressed", "ignored", "pending"]
    return draft.skipped || words.contains { skips.contains($0) } ? .skipped : .passed
  }

  /// pytest names no two tests alike, so cases of one name after another are one test: a teardown
  /// that failed after it passed, or runs again by pytest-rerunfailures, which leaves the failures
  /// before the last run out. Only a test that failed is run again, so one that ends well is flaky.
  private mutating func add(_ test: TestCase) {
    guard let last = cases.last, last.name == test.name, last.className == test.className,
      last.suite == test.suite
    else { return cases.append(test) }
    let isTeardown = current?.errored == true && current?.failed == false
    let isPytest = suites.last?.name == "pytest"
    if test.status == .failed, isTeardown || isPytest, last.status != .failed {
      cases[cases.count - 1] = test
    } else if isPytest, test.status == .passed, last.status == .passed || last.status == .flaky {
      cases[cases.count - 1].status = .flaky
      cases[cases.count - 1].message = "was run again, and the report leaves out why"
      cases[cases.count - 1].time = test.time
    } else {
      cases.append(test)
    }
  }

  private static func firstLine(_ text: String, otherwise type: String?) -> String {
    let line = text.split(whereSeparator: \.isNewline)
      .first { line in line.contains { !$0.isWhitespace } }
    guard let line else { return type ?? "" }
    let trimmed = line.drop(while: \.isWhitespace)
    return String(trimmed.prefix(500))
  }

  /// Seconds with a fraction; with thousands separators from Surefire, a decimal comma from tools that
  /// heed the locale.
  static func time(_ text: String?) -> Milliseconds {
    guard var text else { return .zero }
    if text.contains(".") {
      text.removeAll { $0 == "," }
    } else {
      text = String(text.map { $0 == "," ? "." : $0 })
    }
    guard let seconds = Double(text), seconds > 0, seconds < 1e12 else { return .zero }
    return Milliseconds(Int64((seconds * 1_000).rounded()))
  }
}

/// Go reports a test with subtests beside its subtests, and lets it fail with them.
enum GoSubtests {
  /// The cases without those that only repeat what their subtests say. A parent that failed while no
  /// subtest of it did stays: the failure is its own.
  static func leaves(of cases: [TestCase]) -> [TestCase] {
    var parents: [Key: Bool] = [:]
    for test in cases where isGo(test.name) {
      var name = test.name[...]
      while let slash = name.lastIndex(of: "/") {
        name = name[..<slash]
        let key = Key(suite: test.suite, className: test.className, name: String(name))
        parents[key] = (parents[key] ?? false) || test.status == .failed
      }
    }
    guard !parents.isEmpty else { return cases }
    return cases.filter { test in
      let key = Key(suite: test.suite, className: test.className, name: test.name)
      guard let subtestFailed = parents[key] else { return true }
      return test.status == .failed && !subtestFailed
    }
  }

  private struct Key: Hashable {
    var suite: String
    var className: String
    var name: String
  }

  private static func isGo(_ name: String) -> Bool {
    ["Test", "Example", "Fuzz", "Benchmark"].contains { name.hasPrefix($0) }
      && !name.contains { $0.isWhitespace }
  }
}
