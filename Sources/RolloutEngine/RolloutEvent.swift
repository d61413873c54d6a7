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
  /// The stage is done, and the next one waits. `isExtended`: again as long, for a person.
  case holdBegan(until: Instant, isExtended: Bool)
  case holdEnded(HoldEnd)
  case rolloutPaused(by: String, reason: String?, until: Instant)
  case rolloutResumed(by: String, reason: String? = nil)
  /// No hold is kept any more, and the last stage comes next.
  case promotedToTheEnd(by: String, reason: String?)
  case wayBackBegan(cause: Rollout.Cause, reason: String, stages: [Stage], by: Instant)
  case abortRequested(by: String, reason: String)
  case rolloutEnded(rollout: RolloutID, outcome: RolloutOutcome, reason: String?)
  case keptWarm(release: ReleaseID, until: Instant)
  case warmExpired(release: ReleaseID)
  case releaseBlocked(release: ReleaseID, reason: String)
  case releaseUnblocked(release: ReleaseID)

  case migrationOrdered(release: ReleaseID, step: MigrationStep, attempt: Int, by: Instant)
  /// `output`: the last lines it printed.
  case migrationFinished(
    release: ReleaseID, step: MigrationStep, outcome: MigrationOutcome, output: [String])
  case contractScheduled(release: ReleaseID, due: Instant)
  /// Its release is not live any more.
  case contractDropped(release: ReleaseID)

  case instanceOrdered(instance: InstanceID, release: ReleaseID, readyBy: Instant)
  case instanceStarted(instance: InstanceID, endpoint: Endpoint)
  /// `booted` is the time from its start to its first passed check.
  case instanceBecameReady(instance: InstanceID, booted: Milliseconds)
  /// It is not ready yet, and this is the newest reason.
  case instanceCheckFailed(instance: InstanceID, reason: String)
  case instanceBecameUnready(instance: InstanceID, reason: String)
  /// It ended without having been told to.
  case instanceDied(instance: InstanceID, reason: String)
  /// It is gone with a restart of the machine.
  case instanceVanished(instance: InstanceID, restoringUntil: Instant)
  case restored(isComplete: Bool)
  case drainBegan(instance: InstanceID, until: Instant)
  /// `remaining` requests were still in flight when its drain ended.
  case instanceDrained(instance: InstanceID, remaining: Int)
  case stopOrdered(instance: InstanceID, by: Instant)
  case instanceStopped(instance: InstanceID, killed: Bool)
  /// It was told to stop again and again, and nobody confirmed that it did.
  case instanceAbandoned(instance: InstanceID)

  case tableProposed(table: ServiceTable, acknowledgeBy: Instant)
  case tableAcknowledged(generation: Generation)
  case tableFailed(generation: Generation, reason: String)
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
  /// The release's `expand` runs before its first instance; `nil`: it has none, or it ran already.
  public var expands: Bool?
}

extension RolloutEvent {
  /// The case's name, as the journal keeps it.
  public var kind: String {
    switch self {
    case .rolloutStarted: "rolloutStarted"
    case .deployQueued: "deployQueued"
    case .deploySuperseded: "deploySuperseded"
    case .stageEntered: "stageEntered"
    case .shiftBegan: "shiftBegan"
    case .retiringBegan: "retiringBegan"
    case .holdBegan: "holdBegan"
    case .holdEnded: "holdEnded"
    case .rolloutPaused: "rolloutPaused"
    case .rolloutResumed: "rolloutResumed"
    case .promotedToTheEnd: "promotedToTheEnd"
    case .wayBackBegan: "wayBackBegan"
    case .abortRequested: "abortRequested"
    case .rolloutEnded: "rolloutEnded"
    case .keptWarm: "keptWarm"
    case .warmExpired: "warmExpired"
    case .releaseBlocked: "releaseBlocked"
    case .releaseUnblocked: "releaseUnblocked"
    case .migrationOrdered: "migrationOrdered"
    case .migrationFinished: "migrationFinished"
    case .contractScheduled: "contractScheduled"
    case .contractDropped: "contractDropped"
    case .instanceOrdered: "instanceOrdered"
    case .instanceStarted: "instanceStarted"
    case .instanceBecameReady: "instanceBecameReady"
    case .instanceCheckFailed: "instanceCheckFailed"
    case .instanceBecameUnready: "instanceBecameUnready"
    case .instanceDied: "instanceDied"
    case .instanceVanished: "instanceVanished"
    case .restored: "restored"
    case .drainBegan: "drainBegan"
    case .instanceDrained: "instanceDrained"
    case .stopOrdered: "stopOrdered"
    case .instanceStopped: "instanceStopped"
    case .instanceAbandoned: "instanceAbandoned"
    case .tableProposed: "tableProposed"
    case .tableAcknowledged: "tableAcknowledged"
    case .tableFailed: "tableFailed"
    }
  }
}
