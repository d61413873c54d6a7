public import Ports
public import SegueModel

/// One test as one report tells of it.
public struct TestCase: Hashable, Sendable {
  public enum Status: String, Hashable, Sendable {
    case passed
    /// Passed, but only after failing first in the same run.
    case flaky
    case failed
    case skipped
  }

  /// The names of the enclosing suites from the outermost in, joined by ` > `; empty names left out.
  public var suite: String
  /// What the report calls the class; the file or the nearest suite where it leaves the class empty.
  public var className: String
  public var name: String
  /// The file of the test, where the report names one.
  public var file: String?
  public var status: Status
  /// The first line of the failure, or the reason for skipping; empty when there is none.
  public var message: String
  /// Never negative: a report that says less than nothing means nothing.
  public var time: Milliseconds

  public init(
    suite: String, className: String, name: String, file: String? = nil, status: Status,
    message: String = "", time: Milliseconds = .zero
  ) {
    self.suite = suite
    self.className = className
    self.name = name
    self.file = file
    self.status = status
    self.message = message
    self.time = time
  }

  /// `class.name`, as people say it.
  public var fullName: String { className.isEmpty ? name : "\(className).\(name)" }
}

/// What one report file says, test by test, in the order of the file.
public struct TestReport: Hashable, Sendable {
  public var cases: [TestCase]

  public init(cases: [TestCase] = []) { self.cases = cases }

  /// The cases added up. Nothing is taken from the totals that a report writes about itself: tools
  /// count issues, attempts or parents there.
  public var summary: TestSummary {
    var summary = TestSummary()
    for test in cases {
      switch test.status {
      case .passed: summary.passed += 1
      case .flaky:
        summary.passed += 1
        summary.flaky += 1
      case .skipped: summary.skipped += 1
      case .failed:
        summary.failed += 1
        if summary.failures.count < TestSummary.failureLimit {
          summary.failures.append(TestFailure(test: test.fullName, message: test.message))
        }
      }
    }
    return summary
  }
}

extension TestSummary {
  /// How many failures a summary names; it counts all of them.
  public static let failureLimit = 100

  /// Adds the tests of another report of the same step.
  public mutating func add(_ other: TestSummary) {
    passed += other.passed
    failed += other.failed
    skipped += other.skipped
    flaky += other.flaky
    failures += other.failures.prefix(Self.failureLimit - failures.count)
  }

  /// `3 of 212 tests failed: a.b, c.d, e.f`, with at most `limit` names; `nil` when none failed.
  public func refusal(naming limit: Int = 5) -> String? {
    guard failed > 0 else { return nil }
    let names = failures.prefix(limit).map(\.test).joined(separator: ", ")
    let more = failed - min(limit, failures.count)
    let rest = more > 0 && !names.isEmpty ? " and \(more) more" : ""
    let colon = names.isEmpty ? "" : ": "
    return "\(failed) of \(total) \(total == 1 ? "test" : "tests") failed\(colon)\(names)\(rest)"
  }
}

/// Why a report cannot be believed. Each is a failure of the step that promised the report: a test run
/// that left no readable account of itself did not pass.
public enum ReportFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// Not a byte in it, or nothing but white space.
  case empty
  /// The file ends in the middle: its writer crashed or was ended.
  case truncated(line: Int)
  case invalid(line: Int, reason: String)
  /// Well-formed, but of another kind.
  case notJUnit(root: String)
  /// No test case in it, whatever it counts; `declared` is what the suites say they hold.
  case noTestCases(declared: Int)

  /// A phrase that follows the name of the file: `is truncated at line 12`.
  public var description: String {
    switch self {
    case .empty: "is empty"
    case .truncated(let line): "is truncated at line \(line)"
    case .invalid(let line, let reason): "is not valid at line \(line): \(reason)"
    case .notJUnit(let root):
      "is not a JUnit report: its root element is <\(root)>, not <testsuites> or <testsuite>"
    case .noTestCases(let declared):
      declared > 0 ? "speaks of \(declared) tests but lists none" : "lists no test cases"
    }
  }
}
