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
  /// The evidence did not suffice: one sentence.
  case commitRefused(reason: String)
  /// Something outside the commit went wrong: disk full, Git unreachable.
  case pipelineFailed(reason: String)
  case pipelineCancelled(reason: String)
  case commitSuperseded(by: CommitID)
  case releaseSealed(release: Release)

  var kind: String {
    switch self {
    case .commitAccepted: "commitAccepted"
    case .pipelineStarted: "pipelineStarted"
    case .stepStarted: "stepStarted"
    case .stepInterrupted: "stepInterrupted"
    case .stepFinished: "stepFinished"
    case .commitRefused: "commitRefused"
    case .pipelineFailed: "pipelineFailed"
    case .pipelineCancelled: "pipelineCancelled"
    case .commitSuperseded: "commitSuperseded"
    case .releaseSealed: "releaseSealed"
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
}

/// What an environment is meant to run. Stream `target/ENVIRONMENT`.
enum TargetEvent: Hashable, JournalEvent {
  case targetSet(TargetOrder)
  /// A person took the release back or aborted it: nothing is rolled out until the next commit.
  case targetCleared(by: String, reason: String)
  /// Every service's fate is decided for this commit.
  case commitSettled(commit: CommitID, live: Bool, summary: String)

  var kind: String {
    switch self {
    case .targetSet: "targetSet"
    case .targetCleared: "targetCleared"
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
  static func pipeline(_ id: PipelineID) -> StreamID { StreamID(pipelinePrefix + id.rawValue) }
  static func service(_ key: ServiceKey) -> StreamID { StreamID("service/\(key)") }
  static func target(_ environment: EnvironmentName) -> StreamID {
    StreamID("target/\(environment)")
  }
}
