public import SegueModel

extension ServiceState {
  /// What follows from a command: the fact itself, and every step that has become possible by it.
  ///
  /// Pure: the same state, command and moment give the same events.
  public func decide(_ command: RolloutCommand, at now: Instant) throws(Refusal)
    -> [RolloutEvent]
  {
    var after = self
    return try after.carryOut(command, at: now)
  }

  /// ``decide(_:at:)`` and ``evolve(_:at:)`` in one: for whoever has no use for the state before.
  /// A command that is refused changes nothing.
  public mutating func carryOut(_ command: RolloutCommand, at now: Instant) throws(Refusal)
    -> [RolloutEvent]
  {
    var events = try facts(of: command, at: now)
    for event in events { follow(event, at: now) }
    // Each step moves a finite plan forward; the bound only guards against a defect here.
    var steps = 0
    while let next = nextStep(at: now) {
      for event in next { follow(event, at: now) }
      events += next
      steps += 1
      precondition(steps < 100_000, "the engine does not come to rest")
    }
    return events
  }

  private mutating func follow(_ event: RolloutEvent, at now: Instant) {
    do throws(IllegalEvent) {
      try evolve(event, at: now)
    } catch {
      preconditionFailure("decide made an illegal event: \(error)")
    }
  }

  private func facts(of command: RolloutCommand, at now: Instant) throws(Refusal)
    -> [RolloutEvent]
  {
    switch command {
    case .deploy(let order): try deploy(order, at: now)
    case .rollBack(let release, let by, let reason):
      try rollBack(to: release, by: by, reason: reason)
    case .abort(let by, let reason): try abort(by: by, reason: reason, at: now)
    case .pause(let by, let reason): try pause(by: by, reason: reason, at: now)
    case .resume(let by, let reason): try resume(by: by, reason: reason)
    case .promote(let toTheEnd, let by, let reason):
      try promote(toTheEnd: toTheEnd, by: by, reason: reason)
    case .block(let release, let reason): block(release, reason: reason, at: now)
    case .unblock(let release): blocked[release] == nil ? [] : [.releaseUnblocked(release: release)]
    case .judge(let id, let stage, let verdict): judge(id, stage: stage, verdict, at: now)
    case .reportStarted(let id, let endpoint): started(id, at: endpoint)
    case .reportReady(let id, let booted): becameReady(id, booted: booted)
    case .reportUnready(let id, let reason): unready(id, reason: reason, at: now)
    case .reportDied(let id, let reason): died(id, reason: reason, at: now)
    case .reportVanished(let id): vanished(id, at: now)
    case .reportDrained(let id, let remaining): reportedDrained(id, remaining: remaining, at: now)
    case .reportStopped(let id, let killed):
      instances[id] == nil ? [] : [.instanceStopped(instance: id, killed: killed)]
    case .acknowledge(let generation):
      awaits(generation) ? [.tableAcknowledged(generation: generation)] : []
    case .reportTableFailed(let generation, let reason):
      awaits(generation) ? [.tableFailed(generation: generation, reason: reason)] : []
    case .reportMigrated(let release, let step, let outcome, let output, let attempt):
      migrated(release, step, outcome, output: output, attempt: attempt, at: now)
    case .tick: []
    }
  }

  // MARK: Reports

  private func awaits(_ generation: Generation) -> Bool {
    table.proposed?.generation == generation && table.acknowledged < generation
  }

  private func started(_ id: InstanceID, at endpoint: Endpoint) -> [RolloutEvent] {
    guard let instance = instances[id], instance.endpoint != endpoint else { return [] }
    return [.instanceStarted(instance: id, endpoint: endpoint)]
  }

  private func becameReady(_ id: InstanceID, booted: Milliseconds) -> [RolloutEvent] {
    guard let instance = instances[id], instance.isKept, !instance.isReady,
      instance.endpoint != nil
    else { return [] }
    return [.instanceBecameReady(instance: id, booted: booted)]
  }

  private func unready(_ id: InstanceID, reason: String, at now: Instant) -> [RolloutEvent] {
    guard let instance = instances[id], instance.isKept else { return [] }
    guard instance.isReady else {
      return instance.problem == reason
        ? [] : [.instanceCheckFailed(instance: id, reason: reason)]
    }
    return [.instanceBecameUnready(instance: id, reason: reason)]
      + failure(of: instance, "became unready: \(reason)", at: now)
  }

  private func died(_ id: InstanceID, reason: String, at now: Instant) -> [RolloutEvent] {
    guard let instance = instances[id] else { return [] }
    guard instance.isKept else { return [.instanceStopped(instance: id, killed: false)] }
    return [.instanceDied(instance: id, reason: reason)]
      + failure(of: instance, reason, at: now)
  }

  private func vanished(_ id: InstanceID, at now: Instant) -> [RolloutEvent] {
    guard let instance = instances[id] else { return [] }
    guard instance.isKept else { return [.instanceStopped(instance: id, killed: false)] }
    let until = now + deadlineSpec(of: instance).ready
    return [.instanceVanished(instance: id, restoringUntil: until)]
  }

  private func reportedDrained(_ id: InstanceID, remaining: Int, at now: Instant)
    -> [RolloutEvent]
  {
    guard case .draining? = instances[id]?.phase else { return [] }
    return drained(id, remaining: remaining, at: now)
  }

  private func migrated(
    _ release: ReleaseID, _ step: MigrationStep, _ outcome: MigrationOutcome, output: [String],
    attempt: Int?, at now: Instant
  ) -> [RolloutEvent] {
    guard let running = migrations.running, running.release == release, running.step == step
    else { return [] }
    // What an earlier attempt came to says nothing of this one.
    if let attempt, attempt != migrations.record(release, step)?.attempts { return [] }
    return finished(running, outcome, output: output, at: now)
  }

  /// A migration's end, and what it means for the rollout that waits for it.
  func finished(
    _ running: MigrationState.Running, _ outcome: MigrationOutcome, output: [String],
    at now: Instant
  ) -> [RolloutEvent] {
    let event = RolloutEvent.migrationFinished(
      release: running.release, step: running.step, outcome: outcome, output: output)
    guard running.step == .expand, !outcome.hasSucceeded, let rollout, !rollout.isGoingBack,
      rollout.to.id == running.release
    else { return [event] }
    return [event, wayBack(rollout, .failure, "the expand step \(outcome.sentence)", at: now)]
  }

  // MARK: Consequences

  func wayBack(
    _ rollout: Rollout, _ cause: Rollout.Cause, _ reason: String, at now: Instant
  ) -> RolloutEvent {
    let stages = StagePlan.wayBack(
      to: rollout.from, from: rollout.to,
      incomingRuns: instances.contains { $0.release == rollout.to.id })
    return .wayBackBegan(
      cause: cause, reason: reason, stages: stages, by: now + rollout.to.spec.deadlines.rollback)
  }

  /// The consequence, if any, of an incoming instance failing while its rollout goes forward.
  private func failure(of instance: Instance, _ what: String, at now: Instant)
    -> [RolloutEvent]
  {
    guard let rollout, !rollout.isGoingBack, instance.release == rollout.to.id,
      instance.isKept
    else { return [] }
    return [wayBack(rollout, .failure, "instance \(instance.id) \(what)", at: now)]
  }

  func drained(_ id: InstanceID, remaining: Int, at now: Instant) -> [RolloutEvent] {
    [.instanceDrained(instance: id, remaining: remaining), stop(id, at: now)]
  }

  func stop(_ id: InstanceID, at now: Instant) -> RolloutEvent {
    let deadline = instances[id].flatMap { known($0.release) }?.spec.stopDeadline
    return .stopOrdered(instance: id, by: now + (deadline ?? DeadlineSpec().stop))
  }
}
