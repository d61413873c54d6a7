import SegueModel

/// Every wait has an end, and every end has its consequence.
extension ServiceState {
  func dueDeadline(at now: Instant) -> [RolloutEvent]? {
    if let rollout, let due = dueDeadline(of: rollout, at: now) { return due }
    for instance in instances {
      guard let deadline = deadline(of: instance), now >= deadline else { continue }
      if let due = consequence(for: instance, at: now) { return due }
    }
    if !table.isSettled, let by = table.acknowledgeBy, now >= by {
      return unacknowledged(at: now)
    }
    guard !warm.isEmpty else { return nil }
    for release in warm.keys.sorted() {
      if let set = warm[release], now >= set.until { return [.warmExpired(release: release)] }
    }
    return nil
  }

  private func dueDeadline(of rollout: Rollout, at now: Instant) -> [RolloutEvent]? {
    if case .back(_, let reason, let by) = rollout.direction {
      guard now >= by else { return nil }
      let patience = rollout.to.spec.deadlines.rollback
      return [
        .rolloutEnded(
          rollout: rollout.id, outcome: .incident,
          reason: "the way back was not finished in \(patience): \(reason)")
      ]
    }
    if let pause = rollout.pause, now >= pause.until {
      let patience = rollout.to.spec.deadlines.pause
      let reason = "paused by \(pause.by), and nobody resumed it within \(patience)"
      return [wayBack(rollout, .failure, reason, at: now)]
    }
    guard rollout.pause == nil, case .holding(_, let until, let isExtended) = rollout.phase,
      now >= until, let hold = rollout.current.hold
    else { return nil }
    return holdElapsed(hold, isExtended: isExtended, rollout, at: now)
  }

  private func holdElapsed(
    _ hold: HoldSpec, isExtended: Bool, _ rollout: Rollout, at now: Instant
  ) -> [RolloutEvent] {
    switch hold {
    case .time: return [.holdEnded(.elapsed)]
    case .promotion(let limit):
      return [wayBack(rollout, .failure, "nobody promoted it within \(limit)", at: now)]
    case .verdict(let verdict):
      switch verdict.onInsufficient {
      case .promote: return [.holdEnded(.insufficient)]
      case .hold where !isExtended:
        return [.holdBegan(until: now + verdict.maximum, isExtended: true)]
      case .hold, .rollBack:
        let patience = isExtended ? verdict.maximum * 2 : verdict.maximum
        let reason = "there was not enough evidence within \(patience)"
        return [wayBack(rollout, .failure, reason, at: now)]
      }
    }
  }

  /// When something has to happen about an instance, if nothing is heard of it before.
  func deadline(of instance: Instance) -> Instant? {
    switch instance.phase {
    case .ordered(let by), .started(let by): by
    case .draining(let until): until + Self.grace
    case .unready(let since): since + deadlineSpec(of: instance).ready
    case .stopping(let by): by + Self.grace
    case .ready: nil
    }
  }

  /// Called when the deadline has passed.
  private func consequence(for instance: Instance, at now: Instant) -> [RolloutEvent]? {
    switch instance.phase {
    case .ordered, .started:
      let patience = deadlineSpec(of: instance).ready
      let last = instance.problem.map { " (last answer: \($0))" } ?? ""
      let reason = "was not ready within \(patience)\(last)"
      let ending = [stop(instance.id, at: now)]
      guard let rollout, !rollout.isGoingBack, instance.release == rollout.to.id else {
        return ending
      }
      return ending
        + [wayBack(rollout, .failure, "instance \(instance.id) \(reason)", at: now)]
    case .unready:
      // Out of the table it is worth nothing; in it, it is the last one, and stays.
      guard !isInTable(instance.id), table.isSettled, mayStopAccepting(instance) else {
        return nil
      }
      return [retire(instance, at: now)]
    case .draining:
      return drained(instance.id, remaining: 0, at: now)
    case .stopping:
      return (instance.stops ?? 1) < Self.stopLimit
        ? [stop(instance.id, at: now)] : [.instanceAbandoned(instance: instance.id)]
    case .ready:
      return nil
    }
  }

  /// Whether requests still have somewhere to go without it. What accepts from a shared socket is in no
  /// table, and gets requests whether it is ready or not.
  private func mayStopAccepting(_ instance: Instance) -> Bool {
    known(instance.release)?.spec.sharedAddress == nil || instances.contains { $0.isReady }
  }

  private func unacknowledged(at now: Instant) -> [RolloutEvent]? {
    if let rollout, !rollout.isGoingBack, rollout.phase == .shifting {
      let patience = rollout.to.spec.deadlines.acknowledge
      let reason = "the router did not acknowledge the table within \(patience)"
      return [wayBack(rollout, .failure, reason, at: now)] + proposal(at: now)
    }
    let again = proposal(at: now)
    return again.isEmpty ? nil : again
  }
}
