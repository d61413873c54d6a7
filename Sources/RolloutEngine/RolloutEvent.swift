public import SegueModel

/// Something that was decided or that happened to a service. The journal's record of a rollout.
public enum RolloutEvent: Hashable, Codable, Sendable {
  case rolloutStarted(RolloutStart)
  case deployQueued(order: DeployOrder)
  case deploySuperseded(release: ReleaseID, by: ReleaseID)
  case stageEntered(index: Int)
  /// Traffic is to follow the stage's weights from now on.
  case shiftBegan(split: Split)
  case retiringBegan
  case wayBackBegan(cause: Rollout.Cause, reason: String, stages: [Stage], by: Instant)
  case abortRequested(by: String, reason: String)
  case rolloutEnded(rollout: RolloutID, outcome: RolloutOutcome, reason: String?)
  case keptWarm(release: ReleaseID, until: Instant)
  case warmExpired(release: ReleaseID)

  case instanceOrdered(instance: InstanceID, release: ReleaseID, readyBy: Instant)
  case instanceStarted(instance: InstanceID, endpoint: Endpoint)
  /// `booted` is the time from its start to its first passed check.
  case instanceBecameReady(instance: InstanceID, booted: Milliseconds)
  /// It is not ready yet, and this is the newest reason.
  case instanceCheckFailed(instance: InstanceID, reason: String)
  case instanceBecameUnready(instance: InstanceID, reason: String)
  /// It ended without having been told to.
  case instanceDied(instance: InstanceID, reason: String)
  case drainBegan(instance: InstanceID, until: Instant)
  /// `remaining` requests were still in flight when its drain ended.
  case instanceDrained(instance: InstanceID, remaining: Int)
  case stopOrdered(instance: InstanceID, by: Instant)
  case instanceStopped(instance: InstanceID, killed: Bool)

  case tableProposed(table: ServiceTable, acknowledgeBy: Instant)
  case tableAcknowledged(generation: Generation)
  case tableFailed(generation: Generation, reason: String)

  /// The case's name, as the journal keeps it.
  public var kind: String {
    switch self {
    case .rolloutStarted: "rolloutStarted"
    case .deployQueued: "deployQueued"
    case .deploySuperseded: "deploySuperseded"
    case .stageEntered: "stageEntered"
    case .shiftBegan: "shiftBegan"
    case .retiringBegan: "retiringBegan"
    case .wayBackBegan: "wayBackBegan"
    case .abortRequested: "abortRequested"
    case .rolloutEnded: "rolloutEnded"
    case .keptWarm: "keptWarm"
    case .warmExpired: "warmExpired"
    case .instanceOrdered: "instanceOrdered"
    case .instanceStarted: "instanceStarted"
    case .instanceBecameReady: "instanceBecameReady"
    case .instanceCheckFailed: "instanceCheckFailed"
    case .instanceBecameUnready: "instanceBecameUnready"
    case .instanceDied: "instanceDied"
    case .drainBegan: "drainBegan"
    case .instanceDrained: "instanceDrained"
    case .stopOrdered: "stopOrdered"
    case .instanceStopped: "instanceStopped"
    case .tableProposed: "tableProposed"
    case .tableAcknowledged: "tableAcknowledged"
    case .tableFailed: "tableFailed"
    }
  }
}

/// The whole plan of a rollout, fixed when it starts.
public struct RolloutStart: Hashable, Codable, Sendable {
  public var id: RolloutID
  public var kind: Rollout.Kind
  public var from: ServiceRelease?
  public var to: ServiceRelease
  public var requestedBy: String
  public var reason: String?
  public var stages: [Stage]
}

/// What a service can be told, by people or by the workers that carried something out.
public enum RolloutCommand: Hashable, Sendable {
  case deploy(DeployOrder)
  /// `release` nil: the one that was live before.
  case rollBack(release: ServiceRelease?, by: String, reason: String?)
  case abort(by: String, reason: String)

  case reportStarted(InstanceID, Endpoint)
  case reportReady(InstanceID, booted: Milliseconds)
  case reportUnready(InstanceID, reason: String)
  /// It ended, or could not be started.
  case reportDied(InstanceID, reason: String)
  case reportDrained(InstanceID, remaining: Int)
  case reportStopped(InstanceID, killed: Bool)
  case acknowledge(Generation)
  case reportTableFailed(Generation, reason: String)
  /// Time has passed: let due deadlines have their consequence.
  case tick
}

/// Why a command is not carried out, and what to do instead.
public struct Refusal: Error, Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    case nothingToDo, conflict, notFound
  }
  public var kind: Kind
  public var message: String
  public var nextStep: String?

  public init(_ kind: Kind, _ message: String, nextStep: String? = nil) {
    self.kind = kind
    self.message = message
    self.nextStep = nextStep
  }
}
