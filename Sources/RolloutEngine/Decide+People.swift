import SegueModel

/// What people, gates and judges may ask for, and why it may be refused.
extension ServiceState {
  // MARK: Deploy

  func deploy(_ order: DeployOrder, at now: Instant) throws(Refusal) -> [RolloutEvent] {
    let release = order.release
    try refuseImpossible(release)
    if let reason = takenBack[release.id], !order.again {
      throw Refusal(
        .conflict, "\(release.id) was taken back before: \(reason)",
        nextStep: "To try it once more, deploy it with --again")
    }
    guard let rollout else {
      if live?.id == release.id {
        throw Refusal(.nothingToDo, "\(release.id) is live already")
      }
      try refuseOlder(order, than: live)
      return isFreeToBegin ? [.rolloutStarted(start(order))] : queue(order)
    }
    if rollout.to.id == release.id {
      guard case .back(let cause, let reason, _) = rollout.direction else {
        throw Refusal(.nothingToDo, "\(release.id) is being rolled out already")
      }
      guard order.again || cause == .superseded else {
        throw Refusal(
          .conflict, "\(release.id) is being taken back: \(reason)",
          nextStep: "To try it once more, deploy it with --again")
      }
    }
    try refuseOlder(order, than: rollout.isGoingBack ? rollout.from : rollout.to)
    guard order.supersedes, !rollout.isGoingBack else { return queue(order) }
    return queue(order) + [
      wayBack(rollout, .superseded, "superseded by \(release.commit.short)", at: now)
    ]
  }

  private func queue(_ order: DeployOrder) -> [RolloutEvent] {
    let superseded = queued.map {
      [RolloutEvent.deploySuperseded(release: $0.release.id, by: order.release.id)]
    }
    return (superseded ?? []) + [.deployQueued(order: order)]
  }

  /// Nothing stands in the way of a new rollout: neither one in progress, nor a change of the database,
  /// nor a machine that has just come up again.
  var isFreeToBegin: Bool {
    rollout == nil && migrations.running == nil && restoringUntil == nil
  }

  /// A release that a gate turned down, or that the database can no longer serve.
  private func refuseImpossible(_ release: ServiceRelease) throws(Refusal) {
    if let reason = blocked[release.id] {
      throw Refusal(
        .conflict, "\(release.id) was turned down: \(reason)",
        nextStep: "`segue explain \(release.id)` says what would change that")
    }
    if let floor = migrations.floor, release.height < floor {
      throw Refusal(
        .conflict,
        "\(release.id) cannot run any more: a contract step has removed from the database what it "
          + "needs",
        nextStep: "Deploy a newer commit that puts right what is wrong")
    }
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
    let outgoing = live.map { live in instances.count(of: live.id, where: \.isKept) }
    let release = order.release
    let expanded = migrations.record(release.id, .expand)?.outcome?.hasSucceeded ?? false
    let expands = release.spec.migrate?.expand != nil && !expanded
    return RolloutStart(
      id: nextRolloutID, kind: .deploy, from: live, to: release,
      requestedBy: order.requestedBy, reason: nil,
      stages: StagePlan.forward(to: release, outgoing: outgoing ?? 0),
      expands: expands ? true : nil)
  }

  private var nextRolloutID: RolloutID {
    RolloutID("\(key.environment)-\(key.service)-r\(rolloutsStarted + 1)")
  }

  // MARK: Going back

  func rollBack(to wanted: ServiceRelease?, by: String, reason: String?)
    throws(Refusal) -> [RolloutEvent]
  {
    if let rollout {
      throw Refusal(
        .conflict, "\(rollout.id) is in progress",
        nextStep: "Use `segue abort` to take it back")
    }
    if let running = migrations.running {
      throw Refusal(
        .conflict, "the \(running.step.rawValue) step of \(running.release) is under way",
        nextStep: "Wait until it has ended; `segue status` shows it")
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
    try refuseImpossible(target)
    return [
      .rolloutStarted(
        RolloutStart(
          id: nextRolloutID, kind: .rollback, from: live, to: target, requestedBy: by,
          reason: reason, stages: StagePlan.rollback(to: target, from: live)))
    ]
  }

  func abort(by: String, reason: String, at now: Instant) throws(Refusal) -> [RolloutEvent] {
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

  // MARK: Waiting and going on

  func pause(by: String, reason: String?, at now: Instant) throws(Refusal) -> [RolloutEvent] {
    let rollout = try forwardRollout(to: "pause")
    if let pause = rollout.pause {
      throw Refusal(
        .nothingToDo, "\(rollout.id) was paused by \(pause.by) already",
        nextStep: "`segue resume` lets it go on")
    }
    return [
      .rolloutPaused(by: by, reason: reason, until: now + rollout.to.spec.deadlines.pause)
    ]
  }

  func resume(by: String, reason: String?) throws(Refusal) -> [RolloutEvent] {
    let rollout = try forwardRollout(to: "resume")
    guard rollout.pause != nil else {
      throw Refusal(
        .nothingToDo, "\(rollout.id) is not paused",
        nextStep: rollout.isHolding ? "It waits to be promoted: `segue promote`" : nil)
    }
    return [.rolloutResumed(by: by, reason: reason)]
  }

  func promote(toTheEnd: Bool, by: String, reason: String?) throws(Refusal) -> [RolloutEvent] {
    let rollout = try forwardRollout(to: "promote")
    let resumed: [RolloutEvent] = rollout.pause == nil ? [] : [.rolloutResumed(by: by)]
    let released: [RolloutEvent] =
      rollout.isHolding ? [.holdEnded(.promoted(by: by, reason: reason))] : []
    if toTheEnd {
      guard rollout.stage + 1 < rollout.stages.count || !resumed.isEmpty else {
        throw Refusal(.nothingToDo, "\(rollout.id) is in its last stage and goes on by itself")
      }
      return resumed + [.promotedToTheEnd(by: by, reason: reason)] + released
    }
    guard released.isEmpty, resumed.isEmpty else { return resumed + released }
    guard rollout.stages[rollout.stage...].contains(where: { $0.hold != nil }) else {
      throw Refusal(.nothingToDo, "\(rollout.id) waits for nobody: it goes on by itself")
    }
    throw Refusal(
      .conflict, "\(rollout.id) does not wait yet: stage \(rollout.current.name) is under way",
      nextStep: "Wait until it holds, or skip every hold with `segue promote --all`")
  }

  private func forwardRollout(to verb: String) throws(Refusal) -> Rollout {
    guard let rollout else {
      throw Refusal(
        .nothingToDo, "no rollout of \(key) is in progress, so there is nothing to \(verb)",
        nextStep: "`segue status` shows what runs")
    }
    if case .back(_, let reason, _) = rollout.direction {
      throw Refusal(.conflict, "\(rollout.id) is being taken back, which nothing stops: \(reason)")
    }
    return rollout
  }

  // MARK: Gates and judges

  func block(_ release: ReleaseID, reason: String, at now: Instant) -> [RolloutEvent] {
    guard blocked[release] != reason else { return [] }
    let event = RolloutEvent.releaseBlocked(release: release, reason: reason)
    guard let rollout, rollout.to.id == release, !rollout.isGoingBack else { return [event] }
    return [event, wayBack(rollout, .failure, "turned down: \(reason)", at: now)]
  }

  func judge(_ id: RolloutID, stage: Int, _ verdict: Verdict, at now: Instant) -> [RolloutEvent] {
    guard let rollout, rollout.id == id, rollout.stage == stage, !rollout.isGoingBack else {
      return []
    }
    switch verdict {
    case .bad(let why):
      return [wayBack(rollout, .failure, "judged bad: \(why)", at: now)]
    case .good(let why):
      guard case .holding(let since, _, _) = rollout.phase,
        case .verdict(let hold)? = rollout.current.hold, now - since >= hold.minimum
      else { return [] }
      return [.holdEnded(.judgedGood(why))]
    }
  }
}
