public import SegueModel

/// Work to be done in the world because of an event. Data, never a closure: it is written down in
/// the same transaction as the event, and done at least once.
public enum Effect: Hashable, Codable, Sendable {
  case startInstance(instance: InstanceID, release: ReleaseID)
  case applyTable(table: ServiceTable)
  /// Report when nothing is in flight on the instance any more, or at `until` what still is.
  case awaitDrain(instance: InstanceID, until: Instant)
  case stopInstance(instance: InstanceID, deadline: Milliseconds)
  /// Run it exactly once for this attempt, whoever asks how often.
  case migrate(release: ReleaseID, step: MigrationStep, attempt: Int)
  case issueReceipt(rollout: RolloutID)

  public var kind: String {
    switch self {
    case .startInstance: "startInstance"
    case .applyTable: "applyTable"
    case .awaitDrain: "awaitDrain"
    case .stopInstance: "stopInstance"
    case .migrate: "migrate"
    case .issueReceipt: "issueReceipt"
    }
  }
}

extension ServiceState {
  /// The effect of an event, seen from the state after it.
  public func effect(of event: RolloutEvent, at now: Instant) -> Effect? {
    switch event {
    case .instanceOrdered(let instance, let release, _):
      .startInstance(instance: instance, release: release)
    case .tableProposed(let table, _):
      .applyTable(table: table)
    case .drainBegan(let instance, let until):
      .awaitDrain(instance: instance, until: until)
    case .stopOrdered(let instance, let by):
      .stopInstance(instance: instance, deadline: by - now)
    case .migrationOrdered(let release, let step, let attempt, _):
      .migrate(release: release, step: step, attempt: attempt)
    case .rolloutEnded(let rollout, _, _):
      .issueReceipt(rollout: rollout)
    case .rolloutStarted, .deployQueued, .deploySuperseded, .stageEntered, .shiftBegan,
      .retiringBegan, .holdBegan, .holdEnded, .rolloutPaused, .rolloutResumed, .promotedToTheEnd,
      .wayBackBegan, .abortRequested, .keptWarm, .warmExpired, .releaseBlocked, .releaseUnblocked,
      .migrationFinished, .contractScheduled, .contractDropped, .instanceStarted,
      .instanceBecameReady, .instanceCheckFailed, .instanceBecameUnready, .instanceDied,
      .instanceVanished, .restored, .instanceDrained, .instanceStopped, .instanceAbandoned,
      .tableAcknowledged, .tableFailed:
      nil
    }
  }
}
