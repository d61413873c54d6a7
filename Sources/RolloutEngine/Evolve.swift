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
    case .rolloutEnded(_, let outcome, let reason):
      try end(event, outcome: outcome, reason: reason, at: now)
    case .keptWarm(let release, let until):
      guard let kept = known(release) else { throw illegal(event, "unknown release \(release)") }
      warm[release] = WarmSet(release: kept, until: until)
    case .warmExpired(let release):
      warm[release] = nil
    case .releaseBlocked(let release, let reason):
      blocked[release] = reason
      if queued?.release.id == release { queued = nil }
    case .releaseUnblocked(let release):
      blocked[release] = nil
    case .restored:
      restoringUntil = nil
    case .tableProposed(let table, let by):
      try propose(table, by: by, event)
    case .tableAcknowledged(let generation):
      table.acknowledged = generation
      table.acknowledgeBy = nil
    case .tableFailed:
      break
    case .stageEntered, .shiftBegan, .retiringBegan, .holdBegan, .holdEnded, .rolloutPaused,
      .rolloutResumed, .promotedToTheEnd, .wayBackBegan, .abortRequested:
      try evolveRollout(event, at: now)
    case .migrationOrdered, .migrationFinished, .contractScheduled, .contractDropped:
      try evolveMigrations(event)
    case .instanceOrdered, .instanceStarted, .instanceCheckFailed, .instanceBecameReady,
      .instanceBecameUnready, .instanceDied, .instanceVanished, .drainBegan, .instanceDrained,
      .stopOrdered, .instanceStopped, .instanceAbandoned:
      try evolveInstance(event, at: now)
    }
  }

  private mutating func begin(_ start: RolloutStart, at now: Instant) throws(IllegalEvent) {
    guard rollout == nil else {
      throw illegal(.rolloutStarted(start), "another rollout is in progress")
    }
    guard !start.stages.isEmpty else { throw illegal(.rolloutStarted(start), "it has no stage") }
    rolloutsStarted += 1
    if queued?.release.id == start.to.id { queued = nil }
    takenBack[start.to.id] = nil
    crashes[start.to.id] = nil
    var begun = Rollout(
      id: start.id, kind: start.kind, from: start.from, to: start.to,
      requestedBy: start.requestedBy, startedAt: now, stages: start.stages)
    if start.expands == true { begun.phase = .expanding }
    rollout = begun
  }

  private mutating func end(
    _ event: RolloutEvent, outcome: RolloutOutcome, reason: String?, at now: Instant
  ) throws(IllegalEvent) {
    guard let ended = rollout else { throw illegal(event, "no rollout is in progress") }
    rollout = nil
    switch outcome {
    case .live:
      // After a rollback the release left behind is the bad one: nobody wants to go back to it.
      previous = ended.kind == .rollback ? nil : ended.from
      live = ended.to
      warm[ended.to.id] = nil
      split = .all(to: ended.to)
    case .incident:
      takenBack[ended.to.id] = reason ?? outcome.rawValue
      endUnfinished(ended, at: now)
    case .rolledBack, .aborted, .superseded:
      if outcome != .superseded { takenBack[ended.to.id] = reason ?? outcome.rawValue }
      if let from = ended.from { warm[from.id] = nil }
      split = ended.from.map { .all(to: $0) } ?? .none
    }
  }

  /// The last good table stays until the release that is live has its full number again. What cannot
  /// run twice leaves at once, and requests are held until the live one is back.
  private mutating func endUnfinished(_ ended: Rollout, at now: Instant) {
    guard let from = ended.from else {
      split = Split(sides: [], holdLimit: StagePlan.exclusive(ended.to)?.holdLimit)
      return
    }
    warm[from.id] = nil
    restoringUntil = now + from.spec.deadlines.ready
    let recreate = StagePlan.exclusive(ended.to) ?? StagePlan.exclusive(from)
    let onlyFrom = split.sides.allSatisfy { $0.release == from.id }
    if recreate != nil || onlyFrom || from.spec.route == nil {
      split = .all(to: from)
      split.holdLimit = recreate?.holdLimit
    } else {
      split.beside = nil
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
    for version in proposed.versions { noteTraffic(version.endpoints) }
    if let side = proposed.side { noteTraffic(side.endpoints) }
  }

  private mutating func noteTraffic(_ endpoints: [Endpoint]) {
    for endpoint in endpoints {
      guard let position = instances.position(of: endpoint.instance) else { continue }
      instances.change(at: position) { $0.hadTraffic = true }
    }
  }

  // MARK: The rollout

  private mutating func evolveRollout(_ event: RolloutEvent, at now: Instant)
    throws(IllegalEvent)
  {
    if rollout == nil, case .shiftBegan(let split) = event {
      // After an incident: back to the live release alone.
      self.split = split
      return
    }
    guard rollout != nil else { throw illegal(event, "no rollout is in progress") }
    switch event {
    case .stageEntered(let index):
      guard rollout?.stages.indices.contains(index) == true else {
        throw illegal(event, "there is no stage \(index)")
      }
      rollout?.stage = index
      rollout?.phase = .preparing
      rollout?.isReleased = false
    case .shiftBegan(let split):
      self.split = split
      rollout?.phase = .shifting
    case .retiringBegan:
      rollout?.phase = .retiring
    case .holdBegan(let until, let isExtended):
      rollout?.phase = .holding(since: now, until: until, isExtended: isExtended)
    case .holdEnded:
      rollout?.phase = .retiring
      rollout?.isReleased = true
    case .rolloutPaused(let by, let reason, let until):
      rollout?.pause = Rollout.Pause(by: by, reason: reason, until: until)
    case .rolloutResumed:
      rollout?.pause = nil
    case .promotedToTheEnd:
      rollout?.skipsHolds = true
    case .wayBackBegan(let cause, let reason, let stages, let by):
      rollout?.direction = .back(cause, reason: reason, by: by)
      rollout?.stages = stages
      rollout?.stage = 0
      rollout?.phase = .preparing
      rollout?.pause = nil
      rollout?.isReleased = false
      rollout?.skipsHolds = false
    case .abortRequested(_, let reason):
      if case .back(_, _, let by)? = rollout?.direction {
        rollout?.direction = .back(.abort, reason: reason, by: by)
      }
    default:
      throw illegal(event, "it is not about a rollout")
    }
  }

  // MARK: Migrations

  private mutating func evolveMigrations(_ event: RolloutEvent) throws(IllegalEvent) {
    switch event {
    case .migrationOrdered(let release, let step, let attempt, let by):
      guard migrations.running == nil else { throw illegal(event, "another one is under way") }
      migrations.running = .init(release: release, step: step, by: by)
      migrations.records.removeAll { $0.release == release && $0.step == step }
      migrations.records.append(.init(release: release, step: step, attempts: attempt))
      if migrations.records.count > MigrationState.limit { migrations.records.removeFirst() }
      if step == .contract { beginContract(of: release) }
    case .migrationFinished(let release, let step, let outcome, _):
      guard let running = migrations.running, running.release == release, running.step == step
      else { throw illegal(event, "it is not under way") }
      migrations.running = nil
      for index in migrations.records.indices
      where migrations.records[index].release == release && migrations.records[index].step == step {
        migrations.records[index].outcome = outcome
      }
      if step == .expand, outcome.hasSucceeded, rollout?.phase == .expanding,
        rollout?.to.id == release
      {
        rollout?.phase = .preparing
      }
    case .contractScheduled(let release, let due):
      guard let plan = known(release) else { throw illegal(event, "unknown release \(release)") }
      migrations.contracts.removeAll { $0.release.id == release }
      migrations.contracts.append(.init(release: plan, due: due))
      migrations.contracts.sort { $0.release.height < $1.release.height }
    case .contractDropped(let release):
      migrations.contracts.removeAll { $0.release.id == release }
    default:
      throw illegal(event, "it is not about a migration")
    }
  }

  /// From its first moment on nobody knows what of the old schema is left.
  private mutating func beginContract(of release: ReleaseID) {
    guard let index = migrations.contracts.firstIndex(where: { $0.release.id == release }) else {
      return
    }
    let height = migrations.contracts.remove(at: index).release.height
    migrations.floor = max(migrations.floor ?? height, height)
    if let earlier = previous, earlier.height < height { previous = nil }
  }

  // MARK: Instances

  private mutating func evolveInstance(_ event: RolloutEvent, at now: Instant)
    throws(IllegalEvent)
  {
    switch event {
    case .instanceOrdered(let id, let release, let readyBy):
      guard instances[id] == nil else { throw illegal(event, "\(id) exists") }
      instancesOrdered += 1
      var instance = Instance(
        id: id, release: release, rollout: rollout?.id, ordinal: instancesOrdered,
        phase: .ordered(readyBy: readyBy))
      if known(release)?.spec.strategy.isExclusive == true { instance.isAlone = true }
      instances.append(instance)
    case .instanceStarted(let id, let endpoint):
      try change(id, event) { instance in
        instance.endpoint = endpoint
        if case .ordered(let readyBy) = instance.phase {
          instance.phase = .started(readyBy: readyBy)
        }
      }
    case .instanceCheckFailed(let id, let reason):
      try change(id, event) { $0.problem = reason }
    case .instanceBecameReady(let id, _):
      try change(id, event) { instance in
        instance.phase = .ready(since: now)
        instance.problem = nil
      }
    case .instanceBecameUnready(let id, _):
      try change(id, event) { $0.phase = .unready(since: now) }
    case .instanceDied(let id, _):
      noteCrash(of: try remove(id, event).release, at: now)
    case .instanceVanished(let id, let until):
      let instance = try remove(id, event)
      if instance.release == live?.id { restoringUntil = until }
    case .drainBegan(let id, let until):
      try change(id, event) { $0.phase = .draining(until: until) }
    case .instanceDrained(let id, _):
      try change(id, event) { $0.hadTraffic = false }
    case .stopOrdered(let id, let by):
      try change(id, event) { instance in
        instance.phase = .stopping(by: by)
        instance.stops = (instance.stops ?? 0) + 1
      }
    case .instanceStopped(let id, _), .instanceAbandoned(let id):
      _ = try remove(id, event)
    default:
      throw illegal(event, "it is not about an instance")
    }
  }

  private mutating func noteCrash(of release: ReleaseID, at now: Instant) {
    var record = crashes[release] ?? CrashRecord(count: 0, last: now)
    record.count = now - record.last > RestartPolicy.forget ? 1 : record.count + 1
    record.last = now
    crashes[release] = record
  }

  private mutating func change(
    _ id: InstanceID, _ event: RolloutEvent, _ body: (inout Instance) -> Void
  ) throws(IllegalEvent) {
    guard let position = instances.position(of: id) else {
      throw illegal(event, "no instance \(id)")
    }
    instances.change(at: position, body)
  }

  private mutating func remove(_ id: InstanceID, _ event: RolloutEvent)
    throws(IllegalEvent) -> Instance
  {
    guard let position = instances.position(of: id) else {
      throw illegal(event, "no instance \(id)")
    }
    return instances.remove(at: position)
  }

  private func illegal(_ event: RolloutEvent, _ why: String) -> IllegalEvent {
    IllegalEvent(kind: event.kind, why: "\(key): \(why)")
  }
}
