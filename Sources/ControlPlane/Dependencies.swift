public import Evidence
import Glibc
public import Logging
public import Ports
public import ReleaseCalendar
public import SegueModel

/// The world as the control plane sees it.
public struct Dependencies: Sendable {
  public var journal: any Journal
  public var source: any Source
  public var pipeline: any PipelineExecutor
  public var releases: any ReleaseStore
  public var platform: any Platform
  public var migrations: any MigrationRunner
  public var director: any TrafficDirector
  public var probe: any Probe
  public var time: any TimeSource
  /// `nil`: the router has its certificates from elsewhere.
  public var certificates: (any CertificateKeeping)?
  /// Where a watched metric comes from; `nil`: none can be had.
  public var metricSource: (@Sendable (MetricSpec) -> any MetricSource)?
  /// `nil`: nothing but the steps themselves is asked about a commit.
  public var evidence: EvidenceDesk?
  /// `nil`: releases are not signed, and no paper of theirs is asked for.
  public var papers: (any ReleaseSigner)?
  /// `nil`: nobody is told anything.
  public var outreach: (any OutreachKeeping)?
  /// What a tracker says about an issue; `nil`: none can be asked.
  public var issue: (@Sendable (String, TrackerSpec) async -> IssueState)?
  /// What a forge says about the review of a commit of a branch; `nil`: none can be asked.
  public var review: (@Sendable (CommitID, String, ForgeSpec) async -> ReviewState)?
  public var readSpec: @Sendable ([UInt8]) throws(PortError) -> ProjectSpec
  /// The time zones that windows and freezes go by.
  public var zones: ZoneLibrary
  public var logger: Logger

  public init(
    journal: any Journal, source: any Source, pipeline: any PipelineExecutor,
    releases: any ReleaseStore, platform: any Platform, migrations: any MigrationRunner,
    director: any TrafficDirector, probe: any Probe, time: any TimeSource,
    readSpec: @escaping @Sendable ([UInt8]) throws(PortError) -> ProjectSpec,
    zones: ZoneLibrary = .utcOnly, logger: Logger
  ) {
    self.journal = journal
    self.source = source
    self.pipeline = pipeline
    self.releases = releases
    self.platform = platform
    self.migrations = migrations
    self.director = director
    self.probe = probe
    self.time = time
    self.readSpec = readSpec
    self.zones = zones
    self.logger = logger
  }
}

/// What a control plane is told when it starts.
public struct ControlPlaneSettings: Sendable {
  public var version: String
  /// `nil` until the first commit names it.
  public var project: ProjectName?
  public var deployBranch: String
  /// How often the source is asked for a new head.
  public var pollInterval: Milliseconds
  /// How often what runs is held against the journal.
  public var driftInterval: Milliseconds
  /// How often the files of one release that is live are held against its manifest.
  public var verifyInterval: Milliseconds
  /// How often the advisories are looked at for changes.
  public var advisoryInterval = Milliseconds.minutes(1)
  public var stateDirectory: String
  /// As people name it: a path or URL.
  public var sourceName: String

  public init(
    version: String, project: ProjectName?, deployBranch: String, pollInterval: Milliseconds,
    driftInterval: Milliseconds = .seconds(2), verifyInterval: Milliseconds = .minutes(1),
    stateDirectory: String, sourceName: String
  ) {
    self.version = version
    self.project = project
    self.deployBranch = deployBranch
    self.pollInterval = pollInterval
    self.driftInterval = driftInterval
    self.verifyInterval = verifyInterval
    self.stateDirectory = stateDirectory
    self.sourceName = sourceName
  }
}

/// The machine's own clock.
public struct SystemTime: TimeSource {
  public init() {}

  public func now() -> Instant {
    var moment = timespec()
    clock_gettime(CLOCK_REALTIME, &moment)
    return Instant(milliseconds: Int64(moment.tv_sec) * 1_000 + Int64(moment.tv_nsec) / 1_000_000)
  }

  public func sleep(for span: Milliseconds) async throws {
    try await Task.sleep(for: span.duration)
  }
}
