public import SegueModel

extension ServiceState {
  /// The next thing that may happen without anybody asking, or `nil` when the service is at rest
  /// until a report arrives or a deadline passes.
  func nextStep(at now: Instant) -> [RolloutEvent]? {
    dueDeadline(at: now) ?? queuedDeploy() ?? missingInstance(at: now) ?? staleTable(at: now)
      ?? surplusInstance(at: now) ?? stageStep(at: now)
  }

  /// When ``RolloutCommand/tick`` should come next; `nil`: nothing is waited for.
  public func nextDeadline(after now: Instant) -> Instant? {
    var deadlines: [Instant] = warm.values.map(\.until)
    for instance in instances.values {
      switch instance.phase {
      case .ordered(let by), .started(let by): deadlines.append(by)
      case .draining(let until): deadlines.append(until + Self.drainGrace)
      case .unready(let since): deadlines.append(since + deadlineSpec(of: instance).ready)
      case .ready, .stopping: break
      }
    }
    if !table.isSettled, let by = table.acknowledgeBy { deadlines.append(by) }
    if case .back(_, _, let by)? = rollout?.direction { deadlines.append(by) }
    for (release, count) in wanted where keptInstances(of: release).count < count {
      deadlines.append(restartTime(of: release))
    }
    return deadlines.min().map { max($0, now) }
  }

  /// The drain's own worker reports first; this only guards against a worker that was lost.
  static let drainGrace = Milliseconds.seconds(2)

  // MARK: Deadlines

  private func dueDeadline(at now: Instant) -> [RolloutEvent]? {
    if let rollout, case .back(_, let reason, let by) = rollout.direction, now >= by {
      return [
        .rolloutEnded(
          rollout: rollout.id, outcome: .incident,
          reason:
            "the way back was not finished in \(rollout.to.spec.deadlines.rollback): \(reason)"
        )
      ]
    }
    for instance in orderedInstances {
      if let due = dueDeadline(of: instance, at: now) { return due }
    }
    if !table.isSettled, let by = table.acknowledgeBy, now >= by {
      return unacknowledged(at: now)
    }
    for release in warm.keys.sorted() {
      if let set = warm[release], now >= set.until { return [.warmExpired(release: release)] }
    }
    return nil
  }

  private func dueDeadline(of instance: Instance, at now: Instant) -> [RolloutEvent]? {
    switch instance.phase {
    case .ordered(let by) where now >= by, .started(let by) where now >= by:
      let patience = deadlineSpec(of: instance).ready
      let last = instance.problem.map { " (last answer: \($0))" } ?? ""
      let reason = "was not ready within \(patience)\(last)"
      let ending = [stop(instance.id, at: now)]
      guard let rollout, !rollout.isGoingBack, instance.release == rollout.to.id else {
        return ending
      }
      return ending
        + [wayBack(rollout, .failure, "instance \(instance.id) \(reason)", at: now)]
    case .unready(let since) where now >= since + deadlineSpec(of: instance).ready:
      // Out of the table it is worth nothing; in it, it is the last one, and stays.
      guard !isInTable(instance.id) else { return nil }
      return [stop(instance.id, at: now)]
    case .draining(let until) where now >= until + Self.drainGrace:
      return drained(instance.id, remaining: 0, at: now)
    case .ordered, .started, .ready, .unready, .draining, .stopping:
      return nil
    }
  }

  private func unacknowledged(at now: Instant) -> [RolloutEvent]? {
    if let rollout, !rollout.isGoingBack, rollout.phase == .shifting {
      let patience = rollout.to.spec.deadlines.acknowledge
      return [
        wayBack(
          rollout, .failure, "the router did not acknowledge the table within \(patience)", at: now)
      ] + proposal(at: now)
    }
    return proposal(at: now)
  }

  // MARK: Deploys

  private func queuedDeploy() -> [RolloutEvent]? {
    guard rollout == nil, let queued else { return nil }
    if queued.release.id == live?.id {
      return [.deploySuperseded(release: queued.release.id, by: queued.release.id)]
    }
    return [.rolloutStarted(start(queued))]
  }

  // MARK: Numbers

  /// How many instances of each release should run now.
  var wanted: [(release: ReleaseID, count: Int)] {
    var counts: [ReleaseID: Int] = [:]
    if let rollout {
      let stage = rollout.current
      let before = rollout.stage > 0 ? rollout.stages[rollout.stage - 1] : nil
      counts[rollout.to.id] = stage.incoming
      if let from = rollout.from {
        let outgoingBefore = before?.outgoing ?? from.spec.instances
        counts[from.id] =
          switch rollout.phase {
          case .preparing where rollout.isGoingBack: stage.outgoing
          case .preparing, .shifting: max(outgoingBefore, stage.outgoing)
          case .retiring:
            stage.keepOutgoing == nil
              ? stage.outgoing : max(stage.outgoing, keptInstances(of: from.id).count)
          }
      }
      if rollout.isGoingBack, rollout.phase != .retiring {
        // Nothing of the incoming release is taken away before the traffic has left it.
        counts[rollout.to.id] = keptInstances(of: rollout.to.id).count
      }
    } else if let live {
      counts[live.id] = live.spec.instances
    }
    for release in warm.keys where counts[release] == nil {
      counts[release] = keptInstances(of: release).count
    }
    return counts.sorted { $0.key < $1.key }.map { (release: $0.key, count: $0.value) }
  }

  private func missingInstance(at now: Instant) -> [RolloutEvent]? {
    for (release, count) in wanted where keptInstances(of: release).count < count {
      guard let plan = known(release), now >= restartTime(of: release) else { continue }
      let id = InstanceID("\(key.environment)-\(key.service)-\(instancesOrdered + 1)")
      return [
        .instanceOrdered(instance: id, release: release, readyBy: now + plan.spec.deadlines.ready)
      ]
    }
    return nil
  }

  private func restartTime(of release: ReleaseID) -> Instant {
    guard let crash = crashes[release] else { return Instant(milliseconds: 0) }
    return crash.last + RestartPolicy.delay(afterCrashes: crash.count)
  }

  /// Takes one instance away that is above its release's number and gets no traffic.
  private func surplusInstance(at now: Instant) -> [RolloutEvent]? {
    guard table.isSettled else { return nil }
    let counts = wanted
    for instance in orderedInstances.reversed() where instance.isKept && !isInTable(instance.id) {
      let count = counts.first { $0.release == instance.release }?.count ?? 0
      guard keptInstances(of: instance.release).count > count else { continue }
      guard instance.hadTraffic else { return [stop(instance.id, at: now)] }
      return [
        .drainBegan(instance: instance.id, until: now + deadlineSpec(of: instance).drain)
      ]
    }
    return nil
  }

  // MARK: The table

  private func staleTable(at now: Instant) -> [RolloutEvent]? {
    guard let desired = desiredTable, desired.versions != table.proposed?.versions ?? [] else {
      return nil
    }
    return proposal(at: now)
  }

  private func proposal(at now: Instant) -> [RolloutEvent] {
    guard let desired = desiredTable else { return [] }
    let spec = rollout?.to.spec ?? live?.spec
    return [
      .tableProposed(
        table: desired, acknowledgeBy: now + (spec?.deadlines.acknowledge ?? .seconds(5)))
    ]
  }

  /// What the split means for the instances that are ready now; `nil` for a worker.
  var desiredTable: ServiceTable? {
    guard
      let route = (rollout?.isGoingBack == true ? rollout?.from : nil)?.spec.route
        ?? (rollout?.to ?? live)?.spec.route
    else { return nil }
    var versions: [VersionTarget] = split.sides.compactMap { side in
      let endpoints = servingInstances(of: side).compactMap(\.endpoint)
      return endpoints.isEmpty
        ? nil : VersionTarget(release: side.release, weight: side.weight, endpoints: endpoints)
    }
    if versions.count == 1 { versions[0].weight = .all }
    return ServiceTable(
      key: key, generation: (table.proposed?.generation ?? .zero).next, route: route,
      versions: versions)
  }

  /// The ready instances of one side; if none is, those that were ready once and still run: an answer
  /// from them is likelier than from nobody.
  private func servingInstances(of side: Split.Side) -> [Instance] {
    let kept = keptInstances(of: side.release)
    let ready = kept.filter(\.isReady)
    let serving = ready.isEmpty ? kept.filter(\.isUnready) : ready
    return Array(serving.prefix(side.instances))
  }

  private func isInTable(_ id: InstanceID) -> Bool {
    table.proposed?.endpoints.contains { $0.instance == id } ?? false
  }

  // MARK: Stages

  private func stageStep(at now: Instant) -> [RolloutEvent]? {
    guard let rollout else { return nil }
    switch rollout.phase {
    case .preparing:
      return isPrepared(rollout) ? [.shiftBegan(split: stageSplit(rollout))] : nil
    case .shifting:
      guard table.isSettled else { return nil }
      return [.retiringBegan] + keepWarm(rollout, at: now)
    case .retiring:
      return isRetired(rollout) ? advance(rollout) : nil
    }
  }

  private func isPrepared(_ rollout: Rollout) -> Bool {
    let stage = rollout.current
    guard rollout.isGoingBack else {
      return readyInstances(of: rollout.to.id) >= stage.incoming
    }
    guard let from = rollout.from else { return true }
    return readyInstances(of: from.id) >= stage.outgoing
  }

  private func stageSplit(_ rollout: Rollout) -> Split {
    let stage = rollout.current
    var sides = [
      Split.Side(release: rollout.to.id, weight: stage.weight, instances: stage.incoming)
    ]
    if let from = rollout.from {
      sides.append(
        .init(release: from.id, weight: stage.weight.complement, instances: stage.outgoing))
    }
    return Split(sides: sides)
  }

  private func keepWarm(_ rollout: Rollout, at now: Instant) -> [RolloutEvent] {
    guard let keep = rollout.current.keepOutgoing, keep > .zero, let from = rollout.from,
      !rollout.isGoingBack
    else { return [] }
    return [.keptWarm(release: from.id, until: now + keep)]
  }

  /// Whether everything that the stage takes away has gone.
  private func isRetired(_ rollout: Rollout) -> Bool {
    let counts = Dictionary(uniqueKeysWithValues: wanted.map { ($0.release, $0.count) })
    let involved = [rollout.to.id] + (rollout.from.map { [$0.id] } ?? [])
    return involved.allSatisfy { release in
      let all = instances.values.count { $0.release == release }
      return all <= counts[release] ?? 0
    }
  }

  private func advance(_ rollout: Rollout) -> [RolloutEvent] {
    if case .back(let cause, let reason, _) = rollout.direction {
      let outcome: RolloutOutcome = cause == .abort ? .aborted : .rolledBack
      return [.rolloutEnded(rollout: rollout.id, outcome: outcome, reason: reason)]
    }
    guard rollout.stage + 1 < rollout.stages.count else {
      return [.rolloutEnded(rollout: rollout.id, outcome: .live, reason: nil)]
    }
    return [.stageEntered(index: rollout.stage + 1)]
  }

  // MARK: Instances

  /// By order of creation, so that every decision is the same in every replay.
  public var orderedInstances: [Instance] {
    instances.values.sorted { $0.ordinal < $1.ordinal }
  }

  private func keptInstances(of release: ReleaseID) -> [Instance] {
    orderedInstances.filter { $0.release == release && $0.isKept }
  }

  private func readyInstances(of release: ReleaseID) -> Int {
    instances.values.count { $0.release == release && $0.isReady }
  }

  private func deadlineSpec(of instance: Instance) -> DeadlineSpec {
    known(instance.release)?.spec.deadlines ?? DeadlineSpec()
  }
}

extension Instance {
  fileprivate var isUnready: Bool {
    switch phase {
    case .unready: true
    case .ordered, .started, .ready, .draining, .stopping: false
    }
  }
}
