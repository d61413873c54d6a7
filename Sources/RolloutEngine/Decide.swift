public import SegueModel

extension ServiceState {
  /// What follows from a command: the fact itself, and every step that has become possible by it.
  ///
  /// Pure: the same state, command and moment give the same events.
  public func decide(_ command: RolloutCommand, at now: Instant) throws(Refusal)
    -> [RolloutEvent]
  {
    var after = self
    var events: [RolloutEvent] = []
    func record(_ new: [RolloutEvent], into state: inout ServiceState) {
      for event in new {
        do throws(IllegalEvent) {
          try state.evolve(event, at: now)
        } catch {
          preconditionFailure("decide made an illegal event: \(error)")
        }
        events.append(event)
      }
    }
    record(try facts(of: command, at: now), into: &after)
    // Each step moves a finite plan forward; the bound only guards against a defect here.
    var steps = 0
    while let next = after.nextStep(at: now) {
      record(next, into: &after)
      steps += 1
      precondition(steps < 100_000, "the engine does not come to rest")
    }
    return events
  }

  private func facts(of command: RolloutCommand, at now: Instant) throws(Refusal)
    -> [RolloutEvent]
  {
    switch command {
    case .deploy(let order):
      return try deploy(order)
    case .rollBack(let release, let by, let reason):
      return try rollBack(to: release, by: by, reason: reason)
    case .abort(let by, let reason):
      return try abort(by: by, reason: reason, at: now)
    case .reportStarted(let id, let endpoint):
      guard let instance = instances[id], instance.endpoint != endpoint else { return [] }
      return [.instanceStarted(instance: id, endpoint: endpoint)]
    case .reportReady(let id, let booted):
      guard let instance = instances[id], instance.isKept, !instance.isReady else { return [] }
      return [.instanceBecameReady(instance: id, booted: booted)]
    case .reportUnready(let id, let reason):
      guard let instance = instances[id], instance.isKept else { return [] }
      guard instance.isReady else {
        return instance.problem == reason
          ? [] : [.instanceCheckFailed(instance: id, reason: reason)]
      }
      return [.instanceBecameUnready(instance: id, reason: reason)]
        + failure(of: instance, "became unready: \(reason)", at: now)
    case .reportDied(let id, let reason):
      return died(id, reason: reason, at: now)
    case .reportDrained(let id, let remaining):
      guard case .draining? = instances[id]?.phase else { return [] }
      return drained(id, remaining: remaining, at: now)
    case .reportStopped(let id, let killed):
      guard instances[id] != nil else { return [] }
      return [.instanceStopped(instance: id, killed: killed)]
    case .acknowledge(let generation):
      guard table.proposed?.generation == generation, table.acknowledged < generation else {
        return []
      }
      return [.tableAcknowledged(generation: generation)]
    case .reportTableFailed(let generation, let reason):
      guard table.proposed?.generation == generation, table.acknowledged < generation else {
        return []
      }
      return [.tableFailed(generation: generation, reason: reason)]
    case .tick:
      return []
    }
  }

  private func deploy(_ order: DeployOrder) throws(Refusal) -> [RolloutEvent] {
    let release = order.release
    if let reason = takenBack[release.id], !order.again {
      throw Refusal(
        .conflict, "\(release.id) was taken back before: \(reason)",
        nextStep: "To try it once more, deploy it with --again")
    }
    if let rollout {
      if rollout.to.id == release.id, !rollout.isGoingBack {
        throw Refusal(.nothingToDo, "\(release.id) is being rolled out already")
      }
      try refuseOlder(order, than: rollout.isGoingBack ? rollout.from : rollout.to)
      let superseded = queued.map {
        [RolloutEvent.deploySuperseded(release: $0.release.id, by: release.id)]
      }
      return (superseded ?? []) + [.deployQueued(order: order)]
    }
    if live?.id == release.id {
      throw Refusal(.nothingToDo, "\(release.id) is live already")
    }
    try refuseOlder(order, than: live)
    return [.rolloutStarted(start(order))]
  }

  private func refuseOlder(_ order: DeployOrder, than other: ServiceRelease?) throws(Refusal) {
    guard let other, order.release.height < other.height, !order.allowOlder else { return }
    throw Refusal(
      .conflict,
      "commit \(order.release.commit.short) is older than \(other.commit.short), which \(key) runs",
      nextStep: "Use `segue rollback`, or deploy it with --allow-older")
  }

  /// The rollout that a deploy order becomes.
  func start(_ order: DeployOrder) -> RolloutStart {
    let outgoing = live.map { live in
      instances.values.count { $0.release == live.id && $0.isKept }
    }
    return RolloutStart(
      id: nextRolloutID, kind: .deploy, from: live, to: order.release,
      requestedBy: order.requestedBy, reason: nil,
      stages: StagePlan.forward(to: order.release, outgoing: outgoing ?? 0))
  }

  private var nextRolloutID: RolloutID {
    RolloutID("\(key.environment)-\(key.service)-r\(rolloutsStarted + 1)")
  }

  private func rollBack(to wanted: ServiceRelease?, by: String, reason: String?)
    throws(Refusal) -> [RolloutEvent]
  {
    if let rollout {
      throw Refusal(
        .conflict, "\(rollout.id) is in progress",
        nextStep: "Use `segue abort` to take it back")
    }
    guard let live else {
      throw Refusal(.notFound, "nothing is live in \(key), so there is nothing to take back")
    }
    guard let target = wanted ?? previous else {
      throw Refusal(
        .notFound, "\(key) has no earlier release to go back to",
        nextStep: "Name one of `segue history` as `segue rollback RELEASE`")
    }
    guard target.id != live.id else {
      throw Refusal(.nothingToDo, "\(target.id) is live already")
    }
    return [
      .rolloutStarted(
        RolloutStart(
          id: nextRolloutID, kind: .rollback, from: live, to: target, requestedBy: by,
          reason: reason, stages: StagePlan.rollback(to: target, from: live)))
    ]
  }

  private func abort(by: String, reason: String, at now: Instant) throws(Refusal)
    -> [RolloutEvent]
  {
    guard let rollout else {
      throw Refusal(
        .nothingToDo, "no rollout of \(key) is in progress, so there is nothing to abort",
        nextStep: "To leave the live release, use `segue rollback`")
    }
    let request = RolloutEvent.abortRequested(by: by, reason: reason)
    let superseded = queued.map { order in
      [RolloutEvent.deploySuperseded(release: order.release.id, by: rollout.to.id)]
    }
    let why = "aborted by \(by): \(reason)"
    return (superseded ?? []) + [request]
      + (rollout.isGoingBack ? [] : [wayBack(rollout, .abort, why, at: now)])
  }

  func wayBack(
    _ rollout: Rollout, _ cause: Rollout.Cause, _ reason: String, at now: Instant
  ) -> RolloutEvent {
    .wayBackBegan(
      cause: cause, reason: reason,
      stages: StagePlan.wayBack(
        to: rollout.from, from: rollout.to,
        incomingRuns: instances.values.contains { $0.release == rollout.to.id }),
      by: now + rollout.to.spec.deadlines.rollback)
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

  private func died(_ id: InstanceID, reason: String, at now: Instant) -> [RolloutEvent] {
    guard let instance = instances[id] else { return [] }
    switch instance.phase {
    case .stopping, .draining:
      return [.instanceStopped(instance: id, killed: false)]
    case .ordered, .started, .ready, .unready:
      return [.instanceDied(instance: id, reason: reason)]
        + failure(of: instance, reason, at: now)
    }
  }

  func drained(_ id: InstanceID, remaining: Int, at now: Instant) -> [RolloutEvent] {
    [.instanceDrained(instance: id, remaining: remaining), stop(id, at: now)]
  }

  func stop(_ id: InstanceID, at now: Instant) -> RolloutEvent {
    let deadlines = instances[id].flatMap { known($0.release) }?.spec.deadlines ?? DeadlineSpec()
    return .stopOrdered(instance: id, by: now + deadlines.stop)
  }
}
