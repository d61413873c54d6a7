public import SegueModel

/// Where commits come from: a local repository, a remote one, or the embedded remote.
public protocol Source: Sendable {
  /// Brings the local copy up to date (a fetch, where there is a remote).
  func refresh() async throws(PortError)
  /// The commit at the head of `branch`; `nil` when there is no such branch yet.
  func head(of branch: String) async throws(PortError) -> Commit?
  /// The commit that a branch, tag, or (short) id names.
  func resolve(_ revision: String) async throws(PortError) -> Commit
  /// The contents of one file of a commit; `nil` when the commit has no such file. At most
  /// `limit` bytes; more is an error.
  func file(_ path: String, at commit: CommitID, limit: Int) async throws(PortError) -> [UInt8]?
  /// Who wrote the commits that lead up to `commit` and not to `earlier`, as `Name <address>`, those
  /// whom a message names as co-authors included; each once, of the newest `limit` commits.
  func authors(
    after earlier: CommitID, upTo commit: CommitID, limit: Int
  ) async throws(PortError) -> [String]
  /// Writes the exact files of `commit`, submodules and LFS objects included, into the new
  /// directory `directory`.
  func checkOut(_ commit: CommitID, into directory: String) async throws(PortError)
  /// Where a commit comes from, and those before it, by first parents: newest first.
  func origins(of question: OriginQuestion) async throws(PortError) -> [CommitOrigin]
}

/// Which commits somebody wants to know the origins of.
public struct OriginQuestion: Hashable, Sendable {
  public var commit: CommitID
  /// Not this one, and nothing that it has already; `nil`, or one that is not before it: only
  /// ``commit``.
  public var since: CommitID?
  /// The branch that they are on, which is not where they come from.
  public var deployBranch: String
  /// Verifies signatures, which takes a process each.
  public var verifiesSignatures: Bool

  public init(
    _ commit: CommitID, since: CommitID? = nil, deployBranch: String,
    verifiesSignatures: Bool = false
  ) {
    self.commit = commit
    self.since = since
    self.deployBranch = deployBranch
    self.verifiesSignatures = verifiesSignatures
  }

  /// Commits that are looked at; older ones are not.
  public static let limit = 200
}

/// Runs the steps of one commit.
public protocol PipelineExecutor: Sendable {
  /// Runs every step that `run` does not list as passed, in parallel where `needs` allow, and
  /// returns when all have ended or been skipped. `observe` is awaited before a step's process
  /// starts and after it ended, so that both can be recorded first.
  ///
  /// Cancelling the task ends every process of every step.
  func execute(
    _ run: PipelineRun, observe: @escaping @Sendable (StepProgress) async throws -> Void
  ) async throws(PortError) -> PipelineResult

  /// Ends what an earlier, crashed daemon left running for this pipeline.
  func endLeftovers(of pipeline: PipelineID) async
}

/// One run of the pipeline for one commit.
public struct PipelineRun: Hashable, Codable, Sendable {
  public var id: PipelineID
  public var commit: Commit
  public var spec: ProjectSpec
  /// The checkout: made by the executor if it does not exist yet.
  public var directory: String
  /// Where each step's log goes, as `STEP.log`.
  public var logDirectory: String
  /// Steps that passed before a restart: not run again.
  public var passed: [StepName]
  /// Tests that may fail for now, by name, each with the signature of the failure that is known. A
  /// step of which nothing else failed does not keep those from running that need it.
  public var excused: [String: String]
  /// How long tests took before, by name: what splits them. Only where a step is split.
  public var testTimes: [String: Milliseconds]

  public init(
    id: PipelineID, commit: Commit, spec: ProjectSpec, directory: String, logDirectory: String,
    passed: [StepName] = [], excused: [String: String] = [:],
    testTimes: [String: Milliseconds] = [:]
  ) {
    self.id = id
    self.commit = commit
    self.spec = spec
    self.directory = directory
    self.logDirectory = logDirectory
    self.passed = passed
    self.excused = excused
    self.testTimes = testTimes
  }
}

/// What a running pipeline tells.
public enum StepProgress: Hashable, Sendable {
  case started(StepName)
  /// Whole lines, secrets masked.
  case output(StepName, [String])
  case finished(StepName, StepResult)
}

/// How a step ended.
public struct StepResult: Hashable, Codable, Sendable {
  public enum Outcome: Hashable, Codable, Sendable {
    case passed
    /// The command's exit status.
    case failed(status: Int32)
    case killed(signal: Int32)
    case timedOut
    case cancelled
    /// A step it needs did not pass.
    case skipped
    /// The command passed but its evidence did not: one sentence.
    case refused(String)
  }

  public var outcome: Outcome
  public var took: Milliseconds
  public var tests: TestSummary?
  /// The last lines of its log, for a step that did not pass.
  public var tail: [String]
  /// The tests that failed, where all of them may for now; `nil` otherwise.
  public var excused: [String]?

  public init(
    outcome: Outcome, took: Milliseconds, tests: TestSummary? = nil, tail: [String] = [],
    excused: [String]? = nil
  ) {
    self.outcome = outcome
    self.took = took
    self.tests = tests
    self.tail = tail
    self.excused = excused
  }

  public var passed: Bool { outcome == .passed }
  /// Whether what needs the step may run.
  public var letsOthersRun: Bool { passed || excused != nil }
}

/// The test reports of one step, added up.
public struct TestSummary: Hashable, Codable, Sendable {
  public var passed: Int
  public var failed: Int
  public var skipped: Int
  /// Passed, but only after failing first in the same run.
  public var flaky: Int
  /// Names of failed tests with their messages' first lines; at most 100.
  public var failures: [TestFailure]

  public init(
    passed: Int = 0, failed: Int = 0, skipped: Int = 0, flaky: Int = 0,
    failures: [TestFailure] = []
  ) {
    self.passed = passed
    self.failed = failed
    self.skipped = skipped
    self.flaky = flaky
    self.failures = failures
  }

  public var total: Int { passed + failed + skipped }
}

public struct TestFailure: Hashable, Codable, Sendable {
  /// `class.name`
  public var test: String
  public var message: String
  public init(test: String, message: String) {
    self.test = test
    self.message = message
  }
}

/// What a pipeline came to.
public struct PipelineResult: Hashable, Sendable {
  public var steps: [StepName: StepResult]
  public init(steps: [StepName: StepResult]) { self.steps = steps }
}

/// Turns a built checkout into a release.
public protocol ReleaseStore: Sendable {
  /// Hashes every file under `run.directory` (without `.git`) into a manifest, makes the files
  /// read-only, and returns the release. Calling it again for the same run returns the same one.
  func seal(_ run: PipelineRun, at instant: Instant) async throws(PortError) -> Release
  /// Whether the files of a release are still those of its manifest.
  func verify(_ release: Release) async throws(PortError) -> Bool
  /// Deletes a release's files.
  func remove(_ release: Release) async throws(PortError)
}
