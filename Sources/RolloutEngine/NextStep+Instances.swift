import SegueModel

/// How many instances of each release there should be, and what follows from it.
extension ServiceState {
  /// The releases that instances may have to be started of, in the order in which they are.
  var managedReleases: [ReleaseID] {
    guard let rollout else { return live.map { [$0.id] } ?? [] }
    guard let from = rollout.from else { return [rollout.to.id] }
    return from.id < rollout.to.id ? [from.id, rollout.to.id] : [rollout.to.id, from.id]
  }

  /// How many instances of a release should run now.
  func demand(of release: ReleaseID) -> Int {
    if let rollout {
      if release == rollout.to.id { return incomingDemand(rollout) }
      if let from = rollout.from, release == from.id { return outgoingDemand(rollout, from) }
    } else if let live, release == live.id {
      return live.spec.instances
    }
    return warm[release] == nil ? 0 : kept(of: release)
  }

  private func incomingDemand(_ rollout: Rollout) -> Int {
    guard rollout.phase != .expanding else { return 0 }
    // Nothing of the incoming release is taken away before the traffic has left it.
    if rollout.isGoingBack, rollout.phase != .retiring { return kept(of: rollout.to.id) }
    return rollout.current.incoming
  }

  private func outgoingDemand(_ rollout: Rollout, _ from: ServiceRelease) -> Int {
    let stage = rollout.current
    guard !rollout.isGoingBack else { return stage.outgoing }
    switch rollout.phase {
    case .expanding: return from.spec.instances
    case .preparing, .shifting:
      let before =
        rollout.stage > 0 ? rollout.stages[rollout.stage - 1].outgoing : from.spec.instances
      return max(before, stage.outgoing)
    case .retiring, .holding:
      return stage.keepOutgoing == nil
        ? stage.outgoing : max(stage.outgoing, kept(of: from.id))
    }
  }

  func kept(of release: ReleaseID) -> Int { instances.count(of: release, where: \.isKept) }

  func ready(of release: ReleaseID) -> Int { instances.count(of: release, where: \.isReady) }

  func missingInstance(at now: Instant) -> [RolloutEvent]? {
    for release in managedReleases where kept(of: release) < demand(of: release) {
      guard let plan = known(release), now >= restartTime(of: release), mayRun(plan) else {
        continue
      }
      let id = InstanceID("\(key.environment)-\(key.service)-\(instancesOrdered + 1)")
      return [
        .instanceOrdered(instance: id, release: release, readyBy: now + plan.spec.deadlines.ready)
      ]
    }
    return nil
  }

  /// Whether no instance stands in the way: what cannot run twice waits until those of other releases
  /// are gone.
  func mayRun(_ release: ServiceRelease) -> Bool {
    let isExclusive = release.spec.strategy.isExclusive
    for other in instances where other.release != release.id {
      if isExclusive || other.isAlone == true { return false }
    }
    return true
  }

  func restartTime(of release: ReleaseID) -> Instant {
    guard let crash = crashes[release] else { return Instant(milliseconds: .min) }
    return crash.last + RestartPolicy.delay(afterCrashes: crash.count)
  }

  /// Takes one instance away that is above its release's number and gets no traffic.
  func surplusInstance(at now: Instant) -> [RolloutEvent]? {
    guard table.isSettled else { return nil }
    for instance in instances.reversed() where instance.isKept && !isInTable(instance.id) {
      guard kept(of: instance.release) > demand(of: instance.release) else { continue }
      return [retire(instance, at: now)]
    }
    return nil
  }

  /// Stops an instance that the router has let go of; what may have requests in flight is drained
  /// first.
  func retire(_ instance: Instance, at now: Instant) -> RolloutEvent {
    guard instance.hadTraffic else { return stop(instance.id, at: now) }
    let deadlines = deadlineSpec(of: instance)
    let span = max(deadlines.drain, deadlines.tunnelDrain)
    return .drainBegan(instance: instance.id, until: now + span)
  }

  func deadlineSpec(of instance: Instance) -> DeadlineSpec {
    known(instance.release)?.spec.deadlines ?? DeadlineSpec()
  }
}
