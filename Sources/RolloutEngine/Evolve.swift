public import SegueModel

/// An event that cannot follow the ones before it: the journal is corrupt, or Segue has a defect.
public struct IllegalEvent: Error, Hashable, Sendable, CustomStringConvertible {
  public var kind: String
  public var why: String
  public var description: String { "\(kind) cannot happen here: \(why)" }
}

extension ServiceState {
  /// Replays one event. Decides nothing.
  public mutating func evolve(_ event: RolloutEvent, at now: Instant) throws(IllegalEvent) {
    switch event {
    case .rolloutStarted(let start):
      try begin(start, at: now)
    case .deployQueued(let order):
      queued = order
    case .deploySuperseded(let release, _):
      if queued?.release.id == release { queued = nil }
    case .stageEntered(let index):
      try changeRollout(event) { rollout in
        rollout.stage = index
        rollout.phase = .preparing
      }
    case .shiftBegan(let split):
      self.split = split
      try changeRollout(event) { $0.phase = .shifting }
    case .retiringBegan:
      try changeRollout(event) { $0.phase = .retiring }
    case .wayBackBegan(let cause, let reason, let stages, let by):
      try changeRollout(event) { rollout in
        rollout.direction = .back(cause, reason: reason, by: by)
        rollout.stages = stages
        rollout.stage = 0
        rollout.phase = .preparing
      }
    case .abortRequested(_, let reason):
      try changeRollout(event) { rollout in
        if case .back(_, _, let by) = rollout.direction {
          rollout.direction = .back(.abort, reason: reason, by: by)
        }
      }
    case .rolloutEnded(_, let outcome, let reason):
      try end(event, outcome: outcome, reason: reason)
    case .keptWarm(let release, let until):
      guard let kept = known(release) else { throw illegal(event, "unknown release \(release)") }
      warm[release] = WarmSet(release: kept, until: until)
    case .warmExpired(let release):
      warm[release] = nil
    case .tableProposed(let table, let by):
      try propose(table, by: by, event)
    case .tableAcknowledged(let generation):
      table.acknowledged = generation
      table.acknowledgeBy = nil
    case .tableFailed:
      break
    case .instanceOrdered, .instanceStarted, .instanceCheckFailed, .instanceBecameReady,
      .instanceBecameUnready, .instanceDied, .drainBegan, .instanceDrained, .stopOrdered,
      .instanceStopped:
      try evolveInstance(event, at: now)
    }
  }

  private mutating func evolveInstance(_ event: RolloutEvent, at now: Instant)
    throws(IllegalEvent)
  {
    switch event {
    case .instanceOrdered(let id, let release, let readyBy):
      guard instances[id] == nil else { throw illegal(event, "\(id) exists") }
      instancesOrdered += 1
      instances[id] = Instance(
        id: id, release: release, rollout: rollout?.id, ordinal: instancesOrdered,
        phase: .ordered(readyBy: readyBy))
    case .instanceStarted(let id, let endpoint):
      try changeInstance(id, event) { instance in
        instance.endpoint = endpoint
        if case .ordered(let readyBy) = instance.phase {
          instance.phase = .started(readyBy: readyBy)
        }
      }
    case .instanceCheckFailed(let id, let reason):
      try changeInstance(id, event) { $0.problem = reason }
    case .instanceBecameReady(let id, _):
      try changeInstance(id, event) { instance in
        instance.phase = .ready(since: now)
        instance.problem = nil
      }
    case .instanceBecameUnready(let id, _):
      try changeInstance(id, event) { $0.phase = .unready(since: now) }
    case .instanceDied(let id, _):
      guard let instance = instances.removeValue(forKey: id) else {
        throw illegal(event, "no instance \(id)")
      }
      var record = crashes[instance.release] ?? CrashRecord(count: 0, last: now)
      record.count = now - record.last > RestartPolicy.forget ? 1 : record.count + 1
      record.last = now
      crashes[instance.release] = record
    case .drainBegan(let id, let until):
      try changeInstance(id, event) { $0.phase = .draining(until: until) }
    case .instanceDrained(let id, _):
      try changeInstance(id, event) { $0.hadTraffic = false }
    case .stopOrdered(let id, let by):
      try changeInstance(id, event) { $0.phase = .stopping(by: by) }
    case .instanceStopped(let id, _):
      guard instances.removeValue(forKey: id) != nil else {
        throw illegal(event, "no instance \(id)")
      }
    case .rolloutStarted, .deployQueued, .deploySuperseded, .stageEntered, .shiftBegan,
      .retiringBegan, .wayBackBegan, .abortRequested, .rolloutEnded, .keptWarm, .warmExpired,
      .tableProposed, .tableAcknowledged, .tableFailed:
      break
    }
  }

  private mutating func begin(_ start: RolloutStart, at now: Instant) throws(IllegalEvent) {
    guard rollout == nil else {
      throw illegal(.rolloutStarted(start), "another rollout is in progress")
    }
    rolloutsStarted += 1
    if queued?.release.id == start.to.id { queued = nil }
    takenBack[start.to.id] = nil
    crashes[start.to.id] = nil
    rollout = Rollout(
      id: start.id, kind: start.kind, from: start.from, to: start.to,
      requestedBy: start.requestedBy, startedAt: now, stages: start.stages)
  }

  private mutating func end(_ event: RolloutEvent, outcome: RolloutOutcome, reason: String?)
    throws(IllegalEvent)
  {
    guard let ended = rollout else { throw illegal(event, "no rollout is in progress") }
    rollout = nil
    switch outcome {
    case .live:
      // After a rollback the release left behind is the bad one: nobody wants to go back to it.
      previous = ended.kind == .rollback ? nil : ended.from
      live = ended.to
      warm[ended.to.id] = nil
      split = Split(sides: [
        .init(release: ended.to.id, weight: .all, instances: ended.to.spec.instances)
      ])
    case .rolledBack, .aborted, .incident:
      takenBack[ended.to.id] = reason ?? outcome.rawValue
      split =
        ended.from.map { from in
          Split(sides: [.init(release: from.id, weight: .all, instances: from.spec.instances)])
        } ?? .none
    }
  }

  private mutating func propose(_ proposed: ServiceTable, by: Instant, _ event: RolloutEvent)
    throws(IllegalEvent)
  {
    if let before = table.proposed, proposed.generation <= before.generation {
      throw illegal(event, "generation \(proposed.generation) is not above \(before.generation)")
    }
    table.proposed = proposed
    table.acknowledgeBy = by
    for endpoint in proposed.endpoints { instances[endpoint.instance]?.hadTraffic = true }
  }

  private mutating func changeRollout(_ event: RolloutEvent, _ change: (inout Rollout) -> Void)
    throws(IllegalEvent)
  {
    guard var changed = rollout else { throw illegal(event, "no rollout is in progress") }
    change(&changed)
    rollout = changed
  }

  private mutating func changeInstance(
    _ id: InstanceID, _ event: RolloutEvent, _ change: (inout Instance) -> Void
  ) throws(IllegalEvent) {
    guard var changed = instances[id] else { throw illegal(event, "no instance \(id)") }
    change(&changed)
    instances[id] = changed
  }

  private func illegal(_ event: RolloutEvent, _ why: String) -> IllegalEvent {
    IllegalEvent(kind: event.kind, why: "\(key): \(why)")
  }

  /// A release the state still has the plan of.
  public func known(_ release: ReleaseID) -> ServiceRelease? {
    if let live, live.id == release { return live }
    if let rollout, rollout.to.id == release { return rollout.to }
    if let rollout, let from = rollout.from, from.id == release { return from }
    if let set = warm[release] { return set.release }
    if let previous, previous.id == release { return previous }
    return nil
  }
}
