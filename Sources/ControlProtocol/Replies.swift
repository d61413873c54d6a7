public import SegueModel

/// Everything that `segue status` shows.
public struct StatusReply: Hashable, Codable, Sendable {
  public var protocolVersion: Int
  public var segueVersion: String
  public var project: ProjectName
  public var deployBranch: String
  /// The source, as a person would name it: a path or URL.
  public var source: String
  public var now: Instant
  public var startedAt: Instant
  /// The last journal sequence: follow the feed from here to miss nothing.
  public var sequence: Int64
  public var proxy: ProxyStatus
  /// The pipeline that runs now, or the last one that ended.
  public var pipeline: PipelineStatus?
  /// Commits waiting their turn, oldest first.
  public var queued: [CommitID]
  public var services: [ServiceStatus]
  /// Anything that needs a person, one sentence each.
  public var problems: [String]
  /// Releases that calendar or people do not let start yet; `nil`: none.
  public var waiting: [HeldStartStatus]?

  public init(
    protocolVersion: Int = controlProtocolVersion, segueVersion: String, project: ProjectName,
    deployBranch: String, source: String, now: Instant, startedAt: Instant, sequence: Int64,
    proxy: ProxyStatus, pipeline: PipelineStatus?, queued: [CommitID], services: [ServiceStatus],
    problems: [String], waiting: [HeldStartStatus]? = nil
  ) {
    self.protocolVersion = protocolVersion
    self.segueVersion = segueVersion
    self.project = project
    self.deployBranch = deployBranch
    self.source = source
    self.now = now
    self.startedAt = startedAt
    self.sequence = sequence
    self.proxy = proxy
    self.pipeline = pipeline
    self.queued = queued
    self.services = services
    self.problems = problems
    self.waiting = waiting
  }
}

public struct ProxyStatus: Hashable, Codable, Sendable {
  public var running: Bool
  /// `127.0.0.1:8080`
  public var address: String
  public var pid: Int32?
  /// How often it had to be started again since the control plane started.
  public var restarts: Int
  public init(running: Bool, address: String, pid: Int32?, restarts: Int) {
    self.running = running
    self.address = address
    self.pid = pid
    self.restarts = restarts
  }
}

public struct PipelineStatus: Hashable, Codable, Sendable {
  public enum State: String, Hashable, Codable, Sendable {
    case running, passed, refused, failed, cancelled
  }
  public var id: PipelineID
  public var commit: Commit
  public var state: State
  /// Why it was refused or failed, in one sentence.
  public var reason: String?
  public var startedAt: Instant
  public var endedAt: Instant?
  public var release: ReleaseID?
  public var steps: [StepStatus]
  public init(
    id: PipelineID, commit: Commit, state: State, reason: String?, startedAt: Instant,
    endedAt: Instant?, release: ReleaseID?, steps: [StepStatus]
  ) {
    self.id = id
    self.commit = commit
    self.state = state
    self.reason = reason
    self.startedAt = startedAt
    self.endedAt = endedAt
    self.release = release
    self.steps = steps
  }
}

public struct StepStatus: Hashable, Codable, Sendable {
  public enum State: String, Hashable, Codable, Sendable {
    case waiting, running, passed, failed, skipped, cancelled
  }
  public var name: StepName
  public var state: State
  public var startedAt: Instant?
  public var took: Milliseconds?
  /// `212 tests passed`, `exited with status 2`
  public var detail: String?
  public init(
    name: StepName, state: State, startedAt: Instant?, took: Milliseconds?, detail: String?
  ) {
    self.name = name
    self.state = state
    self.startedAt = startedAt
    self.took = took
    self.detail = detail
  }
}

public struct ServiceStatus: Hashable, Codable, Sendable {
  public var key: ServiceKey
  public var live: ReleaseSummary?
  /// Earlier releases still up: a rollback to one is a single table swap.
  public var warm: [ReleaseSummary]
  public var rollout: RolloutStatus?
  public var instances: [InstanceStatus]
  public var versions: [VersionStatus]
  /// Requests that found no ready instance.
  public var unavailable: UInt64
  /// The release that waits for the rollout in progress.
  public var queued: ReleaseSummary?
  /// The change of the database that runs now.
  public var migration: MigrationStatus?
  /// Contract steps that wait until nobody can go back any more; `nil`: none.
  public var contracts: [ContractStatus]?
  /// What holding requests has come to; `nil`: none ever was held.
  public var held: HoldCounters?
  /// What comparing copied requests has shown of the rollout in progress; `nil`: none was copied.
  public var mirrored: MirrorReport?

  public init(
    key: ServiceKey, live: ReleaseSummary?, warm: [ReleaseSummary], rollout: RolloutStatus?,
    instances: [InstanceStatus], versions: [VersionStatus], unavailable: UInt64,
    queued: ReleaseSummary? = nil, migration: MigrationStatus? = nil,
    contracts: [ContractStatus]? = nil, held: HoldCounters? = nil, mirrored: MirrorReport? = nil
  ) {
    self.key = key
    self.live = live
    self.warm = warm
    self.rollout = rollout
    self.instances = instances
    self.versions = versions
    self.unavailable = unavailable
    self.queued = queued
    self.migration = migration
    self.contracts = contracts
    self.held = held
    self.mirrored = mirrored
  }
}

/// A change of the database that runs now.
public struct MigrationStatus: Hashable, Codable, Sendable {
  public var release: ReleaseID
  public var step: MigrationStep
  /// It is given up then.
  public var until: Instant
  public init(release: ReleaseID, step: MigrationStep, until: Instant) {
    self.release = release
    self.step = step
    self.until = until
  }
}

/// A contract step that waits; once it has begun, nobody can go back behind its release.
public struct ContractStatus: Hashable, Codable, Sendable {
  public var release: ReleaseID
  public var due: Instant
  public init(release: ReleaseID, due: Instant) {
    self.release = release
    self.due = due
  }
}

public struct ReleaseSummary: Hashable, Codable, Sendable {
  public var id: ReleaseID
  public var commit: CommitID
  public var subject: String
  public init(id: ReleaseID, commit: CommitID, subject: String) {
    self.id = id
    self.commit = commit
    self.subject = subject
  }
}

public struct RolloutStatus: Hashable, Codable, Sendable {
  public var id: RolloutID
  public var strategy: String
  public var from: ReleaseID?
  public var to: ReleaseID
  /// `forward`, or `back` while it takes itself back.
  public var direction: String
  /// `batch 2 of 3: 1 of 2 instances ready`; without times, which ``wait`` has.
  public var phase: String
  public var stage: Int
  public var stages: Int
  public var startedAt: Instant
  /// `deploy`, or `rollback` when somebody asked for an earlier release.
  public var kind: String?
  public var startedBy: String?
  /// `5%`, `batch 2 of 3`, `switch`
  public var stageName: String?
  /// The incoming release's share of the traffic now.
  public var weight: Permille?
  public var wait: WaitStatus?
  /// Why it is taken back.
  public var reason: String?
  /// What live traffic says of it so far, in a sentence.
  public var judgement: String?

  public init(
    id: RolloutID, strategy: String, from: ReleaseID?, to: ReleaseID, direction: String,
    phase: String, stage: Int, stages: Int, startedAt: Instant, kind: String? = nil,
    startedBy: String? = nil, stageName: String? = nil, weight: Permille? = nil,
    wait: WaitStatus? = nil, reason: String? = nil, judgement: String? = nil
  ) {
    self.judgement = judgement
    self.id = id
    self.strategy = strategy
    self.from = from
    self.to = to
    self.direction = direction
    self.phase = phase
    self.stage = stage
    self.stages = stages
    self.startedAt = startedAt
    self.kind = kind
    self.startedBy = startedBy
    self.stageName = stageName
    self.weight = weight
    self.wait = wait
    self.reason = reason
  }
}

/// What a rollout waits for.
public struct WaitStatus: Hashable, Codable, Sendable {
  public enum Kind: String, Hashable, Codable, Sendable {
    /// The change of the database before the first instance.
    case database
    /// Instances that are not ready yet.
    case instances
    /// The router's acknowledgement.
    case router
    /// Requests in flight on what left the table.
    case drain
    /// A hold that ends by itself.
    case time
    /// A hold that somebody ends.
    case promotion
    /// A hold that the judge ends.
    case verdict
    /// The judge had not enough evidence: somebody is to decide.
    case decision
    /// Somebody paused it.
    case pause
  }
  public var kind: Kind
  /// When the wait ends by itself.
  public var until: Instant?
  /// Who paused it, and why.
  public var by: String?
  public var reason: String?
  /// With ``Kind/instances``: how many are ready, and how many are wanted.
  public var ready: Int?
  public var wanted: Int?

  public init(
    _ kind: Kind, until: Instant? = nil, by: String? = nil, reason: String? = nil,
    ready: Int? = nil, wanted: Int? = nil
  ) {
    self.kind = kind
    self.until = until
    self.by = by
    self.reason = reason
    self.ready = ready
    self.wanted = wanted
  }

  /// Whether nothing but a time, a person or a verdict is waited for.
  public var isHold: Bool {
    switch kind {
    case .time, .promotion, .verdict, .decision, .pause: true
    case .database, .instances, .router, .drain: false
    }
  }
}

public struct InstanceStatus: Hashable, Codable, Sendable {
  public var id: InstanceID
  public var release: ReleaseID
  /// `starting`, `ready`, `draining`, `stopping`
  public var phase: String
  public var port: Int?
  public var pid: Int32?
  public var since: Instant
  public var inFlight: Int
  public init(
    id: InstanceID, release: ReleaseID, phase: String, port: Int?, pid: Int32?, since: Instant,
    inFlight: Int
  ) {
    self.id = id
    self.release = release
    self.phase = phase
    self.port = port
    self.pid = pid
    self.since = since
    self.inFlight = inFlight
  }
}

public struct VersionStatus: Hashable, Codable, Sendable {
  public var release: ReleaseID
  public var weight: Permille
  public var requests: UInt64
  public var failed: UInt64
  public var inFlight: Int
  public init(
    release: ReleaseID, weight: Permille, requests: UInt64, failed: UInt64, inFlight: Int
  ) {
    self.release = release
    self.weight = weight
    self.requests = requests
    self.failed = failed
    self.inFlight = inFlight
  }
}

public struct HistoryEntry: Hashable, Codable, Sendable {
  /// `live`, `rolled back`, `refused`, `aborted`, `incident`, `superseded`
  public var outcome: String
  public var commit: CommitID
  public var subject: String
  public var author: String
  public var rollout: RolloutID?
  public var release: ReleaseID?
  public var key: ServiceKey?
  public var startedAt: Instant
  public var endedAt: Instant
  public var reason: String?
  /// `rollback` when somebody asked for an earlier release; `nil`: a deploy.
  public var kind: String?
  public var startedBy: String?
  /// Why it was asked for.
  public var request: String?
  public init(
    outcome: String, commit: CommitID, subject: String, author: String, rollout: RolloutID?,
    release: ReleaseID?, key: ServiceKey?, startedAt: Instant, endedAt: Instant, reason: String?,
    kind: String? = nil, startedBy: String? = nil, request: String? = nil
  ) {
    self.outcome = outcome
    self.commit = commit
    self.subject = subject
    self.author = author
    self.rollout = rollout
    self.release = release
    self.key = key
    self.startedAt = startedAt
    self.endedAt = endedAt
    self.reason = reason
    self.kind = kind
    self.startedBy = startedBy
    self.request = request
  }
}

/// Why a commit is or is not live: one answer per question that was asked of it.
public struct Explanation: Hashable, Codable, Sendable {
  public var commit: Commit
  public var release: ReleaseID?
  /// The answer in one sentence.
  public var verdict: String
  public var answers: [Answer]

  public struct Answer: Hashable, Codable, Sendable {
    public enum Result: String, Hashable, Codable, Sendable { case pass, fail, wait, unknown }
    /// `step test`, `rollout production/web`
    public var question: String
    public var result: Result
    /// Full sentences.
    public var why: String
    /// Lines of evidence: failed tests, the tail of a log.
    public var evidence: [String]
    /// What would change the answer, in the imperative.
    public var remedies: [String]
    /// When that was decided, where it matters.
    public var at: Instant?
    public init(
      question: String, result: Result, why: String, evidence: [String] = [],
      remedies: [String] = [], at: Instant? = nil
    ) {
      self.question = question
      self.result = result
      self.why = why
      self.evidence = evidence
      self.remedies = remedies
      self.at = at
    }
  }

  public init(commit: Commit, release: ReleaseID?, verdict: String, answers: [Answer]) {
    self.commit = commit
    self.release = release
    self.verdict = verdict
    self.answers = answers
  }
}
