public import SegueModel

/// What one gate said of a commit.
public struct GateResult: Hashable, Codable, Sendable {
  public enum Verdict: String, Hashable, Codable, Sendable {
    case pass, fail
    /// It could not be asked: what it goes by never came.
    case wait
  }

  /// `tests`, `coverage.changed-lines`, `security`
  public var gate: String
  public var verdict: Verdict
  /// One sentence for a newcomer, without a final period.
  public var reason: String
  /// What the answer rests on, one fact each; at most ``GateRecord/evidenceLimit``.
  public var evidence: [String]
  /// What would change the answer.
  public var remedies: [String]
  /// What does not count now but may soon.
  public var warnings: [String]

  public init(
    gate: String, verdict: Verdict, reason: String, evidence: [String] = [],
    remedies: [String] = [], warnings: [String] = []
  ) {
    self.gate = gate
    self.verdict = verdict
    self.reason = reason
    self.evidence = evidence
    self.remedies = remedies
    self.warnings = warnings
  }
}

/// What all gates said of a commit, once.
public struct GateRecord: Hashable, Codable, Sendable {
  /// Facts of one gate that are recorded; the rest are counted.
  public static let evidenceLimit = 20

  public var answers: [GateResult]
  /// The commit that this one was compared with.
  public var base: CommitID?

  public init(answers: [GateResult] = [], base: CommitID? = nil) {
    self.answers = answers
    self.base = base
  }

  public var failing: [GateResult] { answers.filter { $0.verdict == .fail } }
  /// What is not known yet.
  public var waiting: [GateResult] { answers.filter { $0.verdict == .wait } }
}

/// The answers of the gates about one commit.
public struct GateReply: Hashable, Codable, Sendable {
  public var commit: Commit
  /// Whether nothing stops it.
  public var passes: Bool
  /// The answer in one sentence.
  public var verdict: String
  public var record: GateRecord
  /// What calendar and people say to a rollout of it now: `calendar production`, `approval production`;
  /// `nil`: it has begun, or nothing is to be asked.
  public var starts: [GateResult]?
  /// Its steps were run, so that every gate could be asked.
  public var isComplete: Bool?
  public init(
    commit: Commit, passes: Bool, verdict: String, record: GateRecord,
    starts: [GateResult]? = nil, isComplete: Bool? = nil
  ) {
    self.commit = commit
    self.passes = passes
    self.verdict = verdict
    self.record = record
    self.starts = starts
    self.isComplete = isComplete
  }
}

public struct TestsRequest: Hashable, Codable, Sendable {
  public enum Question: String, Hashable, Codable, Sendable, CaseIterable {
    case flaky, slow, new, failing
  }
  public var question: Question
  /// How many at most.
  public var limit: Int
  public init(question: Question, limit: Int = 20) {
    self.question = question
    self.limit = limit
  }
}

/// What is known of one test.
public struct TestStanding: Hashable, Codable, Sendable {
  public var test: String
  /// Attempts that passed or failed.
  public var runs: Int
  public var failures: Int
  public var skips: Int
  /// `passed`, `failed`, `skipped`
  public var last: String
  /// Runs that ended with a failure, counted back from the last.
  public var failingInARow: Int
  public var failingSince: CommitID?
  public var firstSeen: Instant
  public var firstCommit: CommitID
  public var lastSeen: Instant
  public var meanDuration: Milliseconds
  /// How probable it is that it fails without cause.
  public var flakiness: Permille

  public init(
    test: String, runs: Int, failures: Int, skips: Int = 0, last: String, failingInARow: Int = 0,
    failingSince: CommitID? = nil, firstSeen: Instant, firstCommit: CommitID, lastSeen: Instant,
    meanDuration: Milliseconds = .zero, flakiness: Permille
  ) {
    self.test = test
    self.runs = runs
    self.failures = failures
    self.skips = skips
    self.last = last
    self.failingInARow = failingInARow
    self.failingSince = failingSince
    self.firstSeen = firstSeen
    self.firstCommit = firstCommit
    self.lastSeen = lastSeen
    self.meanDuration = meanDuration
    self.flakiness = flakiness
  }
}
