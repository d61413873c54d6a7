import SegueModel

/// How a rollout goes from phase to phase and from stage to stage.
extension ServiceState {
  func stageStep(at now: Instant) -> [RolloutEvent]? {
    guard let rollout else { return nil }
    switch rollout.phase {
    case .expanding:
      return nil
    case .preparing:
      guard mayGoOn(rollout), isPrepared(rollout) else { return nil }
      return [.shiftBegan(split: stageSplit(rollout))]
    case .shifting:
      guard table.isSettled else { return nil }
      return [.retiringBegan] + keepWarm(rollout, at: now) + expiredForHold(rollout)
    case .retiring:
      guard isRetired(rollout) else { return nil }
      if let hold = rollout.current.hold, !rollout.isReleased, !rollout.skipsHolds {
        return [.holdBegan(until: now + hold.limit, isExtended: false)]
      }
      return mayGoOn(rollout) ? advance(rollout, at: now) : nil
    case .holding:
      return nil
    }
  }

  /// A pause never keeps a service down: while requests are held and nobody serves, it goes on.
  private func mayGoOn(_ rollout: Rollout) -> Bool {
    rollout.pause == nil || split.holdLimit != nil
  }

  private func isPrepared(_ rollout: Rollout) -> Bool {
    let stage = rollout.current
    guard rollout.isGoingBack else { return ready(of: rollout.to.id) >= stage.incoming }
    guard let from = rollout.from else { return true }
    return ready(of: from.id) >= stage.outgoing
  }

  private func stageSplit(_ rollout: Rollout) -> Split {
    let stage = rollout.current
    guard stage.holdLimit == nil else { return Split(sides: [], holdLimit: stage.holdLimit) }
    var sides = [
      Split.Side(release: rollout.to.id, weight: stage.weight, instances: stage.incoming)
    ]
    if let from = rollout.from {
      sides.append(
        .init(release: from.id, weight: stage.weight.complement, instances: stage.outgoing))
    }
    return Split(
      sides: sides,
      beside: stage.side.map {
        .init(role: $0, release: rollout.to.id, instances: stage.incoming)
      })
  }

  private func keepWarm(_ rollout: Rollout, at now: Instant) -> [RolloutEvent] {
    guard let keep = rollout.current.keepOutgoing, keep > .zero, let from = rollout.from,
      !rollout.isGoingBack
    else { return [] }
    return [.keptWarm(release: from.id, until: now + keep)]
  }

  /// What cannot run beside another release cannot run beside a warm one either.
  private func expiredForHold(_ rollout: Rollout) -> [RolloutEvent] {
    guard rollout.current.holdLimit != nil else { return [] }
    return warm.keys.sorted().map { .warmExpired(release: $0) }
  }

  /// Whether everything that the stage takes away has gone.
  private func isRetired(_ rollout: Rollout) -> Bool {
    if rollout.current.holdLimit != nil { return instances.isEmpty }
    func isDown(_ release: ReleaseID) -> Bool {
      instances.count(of: release) { _ in true } <= demand(of: release)
    }
    return isDown(rollout.to.id) && (rollout.from.map { isDown($0.id) } ?? true)
  }

  private func advance(_ rollout: Rollout, at now: Instant) -> [RolloutEvent] {
    if case .back(let cause, let reason, _) = rollout.direction {
      guard rollout.stage + 1 >= rollout.stages.count else {
        return [.stageEntered(index: rollout.stage + 1)]
      }
      let outcome: RolloutOutcome =
        switch cause {
        case .failure: .rolledBack
        case .abort: .aborted
        case .superseded: .superseded
        }
      return [.rolloutEnded(rollout: rollout.id, outcome: outcome, reason: reason)]
    }
    guard rollout.stage + 1 < rollout.stages.count else {
      return [.rolloutEnded(rollout: rollout.id, outcome: .live, reason: nil)]
        + scheduledContract(of: rollout.to, at: now)
    }
    return [
      .stageEntered(index: rollout.skipsHolds ? rollout.stages.count - 1 : rollout.stage + 1)
    ]
  }
}
