public import Ports
public import SegueModel

/// What the steps of a pipeline left behind, read, and what the commit changes.
public struct CommitEvidence: Sendable {
  /// Of each step that promised test reports and ran: its first run and the retries.
  public var tests: [StepName: [TestsGate.Attempt]] = [:]
  /// Of all steps together; `nil` when none was read.
  public var coverage: CoverageReport?
  /// What scans found.
  public var findings: [SecurityFinding] = []
  /// From lists of components and from lock files.
  public var components = ComponentList()
  /// Why reports of a kind cannot be believed: `the report a.xml is missing`.
  public var problems: [ReportSpec.Kind: [String]] = [:]
  /// Steps that promised reports and did not run.
  public var unrun: [StepName] = []
  /// The commit that this one is compared with; `nil` when there is none before it.
  public var base: CommitID?
  /// From `base` to the commit.
  public var diff = UnifiedDiff()

  public init() {}
}

/// Reads what the steps of a pipeline left behind.
public protocol EvidenceReader: Sendable {
  /// - Parameter bases: commits that the commit may be compared with, the best first; taken is the
  ///   first that it descends from, else its parent.
  func evidence(
    of run: PipelineRun, comparedWith bases: [CommitID]
  ) async throws(PortError) -> CommitEvidence
}

/// A directory of advisories.
public protocol AdvisorySource: Sendable {
  /// Differs when anything in the directory has changed.
  func stamp(of directory: String) async throws(PortError) -> String
  func advisories(in directory: String) async throws(PortError) -> AdvisoryIndex
}

/// Which tests are asked for.
public enum TestQuestion: Hashable, Sendable {
  /// Probably failing without cause (see ``FlakyModel``), the most probable first.
  case flaky
  /// By mean duration, the slowest first.
  case slow
  /// First seen at or after a moment, the newest first.
  case new(since: Instant)
  /// Failed the last time, those that have failed longest first.
  case failing
}

/// A test, with what the model makes of its history.
public struct JudgedTest: Hashable, Sendable {
  public var record: TestRecord
  public var estimate: FlakyModel.Estimate

  public init(record: TestRecord, estimate: FlakyModel.Estimate) {
    self.record = record
    self.estimate = estimate
  }
}

/// What is kept of the evidence about earlier commits and releases. It may be lost: that changes what is
/// known of tests, never what was decided.
public protocol EvidenceHistory: Sendable {
  func records(
    of project: ProjectName, tests: Set<String>
  ) async throws(PortError) -> [String: TestRecord]
  /// For each of these tests, the runs in which it failed.
  func failingRuns(
    of tests: [String], in project: ProjectName, limit: Int
  ) async throws(PortError) -> [String: Set<Int64>]
  func tests(
    of project: ProjectName, _ question: TestQuestion, limit: Int
  ) async throws(PortError) -> [JudgedTest]
  func coverage(
    of commit: CommitID, in project: ProjectName
  ) async throws(PortError) -> CoverageReport?
  func components(of release: ReleaseID) async throws(PortError) -> ComponentList?
  /// How long each test takes on the average.
  func durations(of project: ProjectName) async throws(PortError) -> [String: Milliseconds]
  /// What became of the durations of tests.
  ///
  /// - Parameter limit: how many tests at most; steps are told of all.
  func durationStudies(
    of project: ProjectName, limit: Int
  ) async throws(PortError) -> DurationStudies

  func record(_ batch: TestBatch) async throws(PortError)
  func record(
    _ report: CoverageReport, of commit: CommitID, in project: ProjectName, at: Instant
  ) async throws(PortError)
  func record(
    _ findings: [SecurityFinding], of commit: CommitID, in project: ProjectName, at: Instant
  ) async throws(PortError)
  func record(_ list: ComponentList, of release: ReleaseID, at: Instant) async throws(PortError)
  /// Says that releases are live, so that what they consist of is not removed for its age.
  func keep(_ releases: [ReleaseID], at: Instant) async throws(PortError)
}
