public import SegueModel

/// One attempt at one test, within a ``TestBatch``.
public struct TestResult: Hashable, Sendable {
  public enum Status: Int, Hashable, Sendable {
    case passed = 0
    case failed = 1
    case skipped = 2
  }

  /// See ``TestCase/historyName``.
  public var test: String
  /// The first attempt is 1.
  public var attempt: Int
  public var status: Status
  public var duration: Milliseconds
  /// The first line of the failure; empty when there is none.
  public var message: String

  public init(
    test: String, attempt: Int = 1, status: Status, duration: Milliseconds = .zero,
    message: String = ""
  ) {
    self.test = test
    self.attempt = attempt
    self.status = status
    self.duration = duration
    self.message = message
  }
}

/// The results of one step at one commit: what a history takes in at once.
public struct TestBatch: Hashable, Sendable {
  public var project: ProjectName
  public var commit: CommitID
  public var branch: String
  /// Where the tests ran; results of different environments contradict nothing.
  public var environment: String
  public var at: Instant
  public var results: [TestResult]

  public init(
    project: ProjectName, commit: CommitID, branch: String, environment: String = "", at: Instant,
    results: [TestResult]
  ) {
    self.project = project
    self.commit = commit
    self.branch = branch
    self.environment = environment
    self.at = at
    self.results = results
  }

  /// What a run and the retries of what failed in it left, the first attempt first. A test that its
  /// own tool has retried counts as a failure followed by a pass: no attempt is hidden.
  public static func results(of attempts: [[TestCase]]) -> [TestResult] {
    var counts: [String: Int] = [:]
    var results: [TestResult] = []
    func add(_ test: TestCase, _ status: TestResult.Status, _ duration: Milliseconds) {
      let name = test.historyName
      counts[name, default: 0] += 1
      results.append(
        TestResult(
          test: name, attempt: counts[name] ?? 1, status: status, duration: duration,
          message: status == .failed ? test.message : ""))
    }
    for test in attempts.joined() {
      switch test.status {
      case .passed: add(test, .passed, test.time)
      case .failed: add(test, .failed, test.time)
      case .skipped: add(test, .skipped, .zero)
      case .flaky:
        add(test, .failed, .zero)
        add(test, .passed, test.time)
      }
    }
    return results
  }
}

extension TestCase {
  /// The name by which a history knows the test: the suites around it, its class, its name with its
  /// parameters. A part that only repeats the class is left out.
  public var historyName: String {
    suite.isEmpty || suite == className ? fullName : "\(suite) > \(fullName)"
  }
}

/// What a history knows of one test.
public struct TestRecord: Hashable, Sendable {
  public var test: String
  public var firstSeen: Instant
  public var firstCommit: CommitID
  public var lastSeen: Instant
  public var lastCommit: CommitID
  /// Attempts that passed or failed, and those that were skipped.
  public var runs: Int
  public var failures: Int
  public var skips: Int
  /// How the last run ended, after its retries.
  public var lastStatus: TestResult.Status
  /// Runs that ended with a failure, counted back from the last; those that skipped it passed over.
  public var failingInARow: Int
  /// Of the last failure; empty when it never failed.
  public var lastSignature: String
  /// The commit of the first failure of the present row.
  public var failingSince: CommitID?
  /// Of the attempts that passed or failed.
  public var meanDuration: Milliseconds
  public var statistics: FlakyModel.Statistics

  public init(
    test: String, firstSeen: Instant, firstCommit: CommitID, lastSeen: Instant,
    lastCommit: CommitID, runs: Int = 0, failures: Int = 0, skips: Int = 0,
    lastStatus: TestResult.Status = .passed, failingInARow: Int = 0, lastSignature: String = "",
    failingSince: CommitID? = nil, meanDuration: Milliseconds = .zero,
    statistics: FlakyModel.Statistics = FlakyModel.Statistics()
  ) {
    self.test = test
    self.firstSeen = firstSeen
    self.firstCommit = firstCommit
    self.lastSeen = lastSeen
    self.lastCommit = lastCommit
    self.runs = runs
    self.failures = failures
    self.skips = skips
    self.lastStatus = lastStatus
    self.failingInARow = failingInARow
    self.lastSignature = lastSignature
    self.failingSince = failingSince
    self.meanDuration = meanDuration
    self.statistics = statistics
  }
}

/// What a failure says, without what differs from run to run: numbers and
/// addresses. Two failures with one signature are taken to be of one cause.
public enum FailureSignature {
  /// At most 200 characters; empty for an empty message.
  public static func of(_ message: String) -> String {
    var result = ""
    var word = ""
    func flush() {
      result += isVariable(word) ? "#" : word
      word = ""
    }
    for character in message.prefix(500) {
      if character.isLetter || character.isNumber || character == "_" {
        word.append(character)
      } else {
        flush()
        let character = character.isWhitespace ? " " : character
        if character != " " || result.last != " " { result.append(character) }
      }
    }
    flush()
    return String(result.prefix(200))
  }

  /// A number, or hexadecimal digits of which at least one is a digit.
  private static func isVariable(_ word: String) -> Bool {
    guard word.contains(where: \.isNumber) else { return false }
    let digits = word.hasPrefix("0x") ? word.dropFirst(2) : word[...]
    return digits.allSatisfy(\.isHexDigit) || word.first?.isNumber ?? false
  }
}
