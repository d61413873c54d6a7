import ControlProtocol
import Ports
import RolloutEngine
import SegueModel

extension RolloutEvent: JournalEvent {}

/// What happens to one commit on its way to a release. Stream `pipeline/ID`.
enum PipelineEvent: Hashable, JournalEvent {
  case commitAccepted(CommitAcceptance)
  case pipelineStarted(spec: ProjectSpec)
  case stepStarted(step: StepName)
  /// The control plane died while it ran; it runs again.
  case stepInterrupted(step: StepName)
  case stepFinished(step: StepName, result: StepResult)
  /// What the gates said of the evidence; comes before the release, or before the refusal.
  case gatesJudged(GateRecord)
  /// The evidence did not suffice: one sentence.
  case commitRefused(reason: String)
  /// Something outside the commit went wrong: disk full, Git unreachable.
  case pipelineFailed(reason: String)
  case pipelineCancelled(reason: String)
  case commitSuperseded(by: CommitID)
  /// It was only asked what would stop the commit: everything that would, or nothing.
  case questionAnswered(reason: String?)
  case releaseSealed(release: Release)
  /// How the release came to be is signed: without that paper it is not rolled out any more.
  case releaseSigned(release: ReleaseID, key: String)
  /// Its files are gone, because newer ones need the room: it cannot be rolled out any more.
  case releaseRemoved(release: ReleaseID)

  var kind: String {
    switch self {
    case .commitAccepted: "commitAccepted"
    case .pipelineStarted: "pipelineStarted"
    case .stepStarted: "stepStarted"
    case .stepInterrupted: "stepInterrupted"
    case .stepFinished: "stepFinished"
    case .gatesJudged: "gatesJudged"
    case .commitRefused: "commitRefused"
    case .pipelineFailed: "pipelineFailed"
    case .pipelineCancelled: "pipelineCancelled"
    case .commitSuperseded: "commitSuperseded"
    case .questionAnswered: "questionAnswered"
    case .releaseSealed: "releaseSealed"
    case .releaseSigned: "releaseSigned"
    case .releaseRemoved: "releaseRemoved"
    }
  }
}

/// Why a pipeline exists.
struct CommitAcceptance: Hashable, Codable, Sendable {
  var pipeline: PipelineID
  var commit: Commit
  var requestedBy: String
  var allowOlder: Bool
  var again: Bool
  /// It is not to be deployed: somebody only asks what would stop it.
  var asks: Bool?

  var isQuestion: Bool { asks == true }
}

/// What an environment is meant to run. Stream `target/ENVIRONMENT`.
enum TargetEvent: Hashable, JournalEvent {
  case targetSet(TargetOrder)
  /// A person took the release back or aborted it: nothing is rolled out until the next commit.
  case targetCleared(by: String, reason: String)
  /// Calendar or people do not let the rollout begin: why, and when it will begin by itself.
  /// `needsPeople`: somebody has to say yes, and not only the time to come.
  case startHeld(commit: CommitID, reason: String, next: Instant?, needsPeople: Bool?)
  /// It begins in spite of the calendar.
  case startOverridden(commit: CommitID, reason: String)
  /// The service's rollout is about to be ordered; `from` was live before it.
  case serviceBegan(service: ServiceName, from: ReleaseID?)
  /// One service failed: the others are taken back, those that need others first.
  case unwindingBegan(commit: CommitID, reason: String)
  /// Every service's fate is decided for this commit. `isFinal`: in every environment that gets it by
  /// itself; records that were written when there was only one do not say so.
  case commitSettled(commit: CommitID, live: Bool, summary: String, isFinal: Bool?)

  var kind: String {
    switch self {
    case .targetSet: "targetSet"
    case .targetCleared: "targetCleared"
    case .startHeld: "startHeld"
    case .startOverridden: "startOverridden"
    case .serviceBegan: "serviceBegan"
    case .unwindingBegan: "unwindingBegan"
    case .commitSettled: "commitSettled"
    }
  }
}

struct TargetOrder: Hashable, Codable, Sendable {
  var release: ReleaseID
  var commit: CommitID
  var requestedBy: String
  var allowOlder: Bool
  var again: Bool
  /// The environment it was live in before; `nil`: it came from the pipeline or a person.
  var promotion: Promotion?
}

/// A release on its way from one environment to the next.
struct Promotion: Hashable, Codable, Sendable {
  var from: EnvironmentName
  /// The event by which it became live there: each is promoted once.
  var settled: Int64
}

/// What happens to the machine itself. Stream `machine`.
enum MachineEvent: Hashable, JournalEvent {
  /// Seen for the first time since; `before` is the one before, of which nothing runs any more.
  case machineStarted(bootID: String, before: String?)

  var kind: String {
    switch self {
    case .machineStarted: "machineStarted"
    }
  }
}

/// Where the world was found to differ from the journal. Stream `drift`.
enum DriftEvent: Hashable, JournalEvent {
  case driftFound(subject: String, what: String)
  /// An advisory names a component of a release that is live: where, and what it says.
  case advisoryMatched(release: ReleaseID, places: [ServiceKey], what: String)
  /// A release turned out worse than the one before it, after its rollout had finished.
  case regressionFound(place: ServiceKey, release: ReleaseID, what: String)
  case driftEnded(subject: String)

  var kind: String {
    switch self {
    case .driftFound: "drift"
    case .advisoryMatched: "advisoryMatched"
    case .regressionFound: "regressionFound"
    case .driftEnded: "driftEnded"
    }
  }

  /// What it is about, as the status shows it: each is told once, and once more when it is gone.
  var subject: String {
    switch self {
    case .driftFound(let subject, _), .driftEnded(let subject): subject
    case .advisoryMatched(let release, _, _): "\(Self.components)\(release)"
    case .regressionFound(let place, _, _): "\(Self.regressions)\(place)"
    }
  }

  static let components = "components of "
  static let regressions = "regression of "
}

/// Finished accounts. Stream `receipts`.
enum ReceiptEvent: Hashable, JournalEvent {
  /// What the router had counted when a rollout started.
  case trafficMeasured(rollout: RolloutID, traffic: TrafficBaseline)
  case receiptIssued(receipt: Receipt)

  var kind: String {
    switch self {
    case .trafficMeasured: "trafficMeasured"
    case .receiptIssued: "receiptIssued"
    }
  }
}

/// The router's counts at one moment, for one service.
struct TrafficBaseline: Hashable, Codable, Sendable {
  var versions: [VersionCounters]
  var unavailable: UInt64
  /// Latency of the steady minutes before, in buckets of ``LatencyHistogram``.
  var steady: [UInt64]
  var held: HoldCounters?
  var mirrored: MirrorReport?
}

/// The names of the journal's streams.
enum Streams {
  static let pipelinePrefix = "pipeline/"
  static let receipts: StreamID = "receipts"
  static let machine: StreamID = "machine"
  static let drift: StreamID = "drift"
  static let people: StreamID = "people"
  static let notices: StreamID = "notices"
  static let servicePrefix = "service/"
  static let targetPrefix = "target/"
  static func pipeline(_ id: PipelineID) -> StreamID { StreamID(pipelinePrefix + id.rawValue) }
  static func service(_ key: ServiceKey) -> StreamID { StreamID(servicePrefix + "\(key)") }
  static func target(_ environment: EnvironmentName) -> StreamID {
    StreamID(targetPrefix + environment.rawValue)
  }
}
