public import SegueModel

extension ServiceState {
  /// The next thing that may happen without anybody asking, or `nil` when the service is at rest
  /// until a report arrives or a deadline passes.
  func nextStep(at now: Instant) -> [RolloutEvent]? {
    dueDeadline(at: now) ?? restoration(at: now) ?? migrationStep(at: now) ?? shiftAfterIncident()
      ?? queuedDeploy() ?? missingInstance(at: now) ?? staleTable(at: now)
      ?? surplusInstance(at: now) ?? stageStep(at: now)
  }

  /// When ``RolloutCommand/tick`` should come next; `nil`: nothing is waited for.
  public func nextDeadline(after now: Instant) -> Instant? {
    var earliest: Instant?
    func wait(until moment: Instant) {
      if let known = earliest, known <= moment { return }
      earliest = moment
    }
    for set in warm.values { wait(until: set.until) }
    for instance in instances {
      if instance.isUnready, isInTable(instance.id) || !table.isSettled { continue }
      if let due = deadline(of: instance) { wait(until: due) }
    }
    if !table.isSettled, let by = table.acknowledgeBy { wait(until: by) }
    if let rollout {
      if case .back(_, _, let by) = rollout.direction { wait(until: by) }
      if let pause = rollout.pause {
        wait(until: pause.until)
      } else if case .holding(_, let until, _) = rollout.phase {
        wait(until: until)
      }
    }
    if let running = migrations.running { wait(until: running.by + Self.grace) }
    if migrations.running == nil, rollout == nil, onlyLiveRuns, restoringUntil == nil,
      let contract = migrations.contracts.first
    {
      wait(until: due(contract))
    }
    if let restoringUntil { wait(until: restoringUntil) }
    for release in managedReleases where kept(of: release) < demand(of: release) {
      if let plan = known(release), mayRun(plan) { wait(until: restartTime(of: release)) }
    }
    return earliest.map { max($0, now) }
  }

  /// The worker that carries something out reports first; this only guards against one that was lost.
  static let grace = Milliseconds.seconds(2)
  /// How often an instance is told to stop before it is given up.
  static let stopLimit = 3

  // MARK: Deploys

  private func queuedDeploy() -> [RolloutEvent]? {
    guard let queued, isFreeToBegin else { return nil }
    let id = queued.release.id
    let isRefused = takenBack[id] != nil && !queued.again
    let isImpossible = queued.release.height < migrations.floor ?? .min
    if id == live?.id || isRefused || isImpossible {
      return [.deploySuperseded(release: id, by: live?.id ?? id)]
    }
    return [.rolloutStarted(start(queued))]
  }

  /// A machine that came up again gives the live release its capacity back before anything new begins.
  private func restoration(at now: Instant) -> [RolloutEvent]? {
    guard let restoringUntil else { return nil }
    guard let live else { return [.restored(isComplete: true)] }
    let isComplete = ready(of: live.id) >= demand(of: live.id)
    return isComplete || now >= restoringUntil ? [.restored(isComplete: isComplete)] : nil
  }

  /// After an incident the last good table stays until the live release has its full number again, or
  /// nothing else is left.
  private func shiftAfterIncident() -> [RolloutEvent]? {
    guard rollout == nil, let live, live.spec.route != nil else { return nil }
    guard split != .all(to: live) else { return nil }
    let readyNow = ready(of: live.id)
    let isCovered = split.sides.contains { $0.release != live.id && ready(of: $0.release) > 0 }
    guard readyNow >= live.spec.instances || (readyNow > 0 && !isCovered) else { return nil }
    return [.shiftBegan(split: .all(to: live))]
  }

  // MARK: Migrations

  private func migrationStep(at now: Instant) -> [RolloutEvent]? {
    if let running = migrations.running {
      guard now >= running.by + Self.grace else { return nil }
      return finished(
        running, .interrupted("nothing was heard of it in time"), output: [], at: now)
    }
    if let rollout {
      guard rollout.phase == .expanding, !rollout.isGoingBack else { return nil }
      return [order(.expand, of: rollout.to, at: now)]
    }
    guard let next = migrations.contracts.first else { return nil }
    if let last = migrations.contracts.last, last.release.height > live?.height ?? .min {
      return [.contractDropped(release: last.release.id)]
    }
    guard now >= due(next), restoringUntil == nil, onlyLiveRuns else { return nil }
    return [order(.contract, of: next.release, at: now)]
  }

  /// No instance of another release is left, not even one that finishes its last requests: it may
  /// still need of the database what a contract removes.
  private var onlyLiveRuns: Bool { instances.allSatisfy { $0.release == live?.id } }

  /// As long as an earlier release is warm, people can go back to it.
  public func due(_ contract: MigrationState.Contract) -> Instant {
    warm.values.filter { $0.release.height < contract.release.height }.map(\.until)
      .reduce(contract.due, max)
  }

  private func order(_ step: MigrationStep, of release: ServiceRelease, at now: Instant)
    -> RolloutEvent
  {
    let attempt = (migrations.record(release.id, step)?.attempts ?? 0) + 1
    let timeout = release.spec.migrate?.timeout ?? MigrateSpec().timeout
    // The runner ends the command at the timeout, which takes it a moment.
    return .migrationOrdered(
      release: release.id, step: step, attempt: attempt, by: now + timeout + .seconds(10))
  }

  /// The contract of a release that has just become live waits until nobody can go back any more.
  func scheduledContract(of release: ServiceRelease, at now: Instant) -> [RolloutEvent] {
    guard let migrate = release.spec.migrate, migrate.contract != nil,
      migrations.record(release.id, .contract) == nil,
      !migrations.contracts.contains(where: { $0.release.id == release.id })
    else { return [] }
    return [.contractScheduled(release: release.id, due: now + migrate.contractAfter)]
  }
}
