import RolloutEngine
import SegueModel

/// Deploys, and everybody who meddles.
extension Simulation {
  func planOrdersDelay(_ generator: inout Generator) -> Int64? {
    switch generator.below(8) {
    case 0: generator.time(1...200)
    case 1: generator.time(1...8_000)
    case 2: generator.time(1...90_000)
    default: nil
    }
  }

  mutating func planOrders() {
    plan(.order, in: 1)
    let strikes = Fault.struck.filter(faults.contains)
    if !strikes.isEmpty { plan(.strike, in: generator.time(1...20_000)) }
  }

  /// Somebody deploys something, and plans to do so again.
  mutating func order() throws(Violation) {
    guard !isHealed else { return }
    if options.scenario != nil { return try tell(storyCommand()) }
    guard ordersLeft > 0 else { return plan(.faultsEnd, in: generator.time(1...30_000)) }
    ordersLeft -= 1
    try deploy()
    let wantsMeddling = [Fault.people, .gate, .verdict].contains(where: faults.contains)
    if wantsMeddling || swarm.strategies.contains(where: \.mayWait) {
      for _ in 0..<generator.below(4) { plan(.meddle, in: generator.time(1...20_000)) }
    }
    if let delay = planOrdersDelay(&generator) {
      plan(.order, in: delay)
    } else if journal.replica.rollout == nil {
      plan(.order, in: generator.time(1...5_000))
    } else {
      waitsForIdle = true
      plan(.orderAnyway, in: 600_000)
    }
  }

  private mutating func deploy() throws(Violation) {
    if faults.contains(.people), releases.count > 1, generator.chance(250) {
      return try deployAnother()
    }
    var height = releases.count * 2 + 2
    if faults.contains(.people), generator.chance(80) { height -= generator.within(1...6) }
    let release = makeRelease(height: height)
    let supersedes = faults.contains(.people) && generator.chance(200)
    try tell(
      .deploy(
        DeployOrder(release: release, requestedBy: "simulation", supersedes: supersedes)))
  }

  mutating func makeRelease(height: Int) -> ServiceRelease {
    let model = ReleaseModel(
      number: releases.count + 1, height: height, swarm: swarm, generator: &generator)
    releases.append(model)
    return model.release
  }

  /// A release that was there before: the same again, an older one, or a rollback.
  private mutating func deployAnother() throws(Violation) {
    let release = generator.pick(releases).release
    if generator.chance(500) {
      try tell(.rollBack(release: generator.chance(400) ? release : nil, by: "ana", reason: nil))
    } else {
      try tell(
        .deploy(
          DeployOrder(
            release: release, requestedBy: "ana", allowOlder: generator.chance(400),
            again: generator.chance(500), supersedes: generator.chance(300))))
    }
  }

  /// A command to the control plane that owns the journal; a refusal is an answer.
  private mutating func tell(_ command: RolloutCommand) throws(Violation) {
    guard let owner else { return retry(command) }
    note("somebody says \(describe(command))")
    switch try submit(command, by: owner) {
    case .recorded: break
    case .gone:
      // Whether it was recorded before the control plane died, only the journal knows.
      if !knows(command) { retry(command) }
    case .refused(let refusal): note("refused: \(refusal.message)")
    case .unavailable: retry(command)
    }
  }

  /// In a fixed story, a person sees that it did not work and says it again.
  private mutating func retry(_ command: RolloutCommand) {
    guard options.scenario != nil else { return }
    unheard = command
    plan(.order, in: 500)
  }

  private func knows(_ command: RolloutCommand) -> Bool {
    switch command {
    case .deploy(let order):
      journal.replica.known(order.release.id) != nil
        || journal.replica.takenBack[order.release.id] != nil
    case .rollBack: journal.replica.rollout?.kind == .rollback
    default: true
    }
  }

  // MARK: Meddling

  mutating func meddle() throws(Violation) {
    guard !isHealed else { return }
    let rollout = journal.replica.rollout
    let kind = generator.below(12)
    if faults.contains(.gate), kind < 2, !releases.isEmpty {
      let release = rollout?.to.id ?? generator.pick(releases).release.id
      return try tell(
        generator.chance(700)
          ? .block(release: release, reason: "a gate says no") : .unblock(release: release))
    }
    if faults.contains(.verdict), kind < 5, let rollout {
      let verdict: Verdict = generator.chance(700) ? .good("as before") : .bad("more errors")
      return try tell(.judge(rollout.id, stage: rollout.stage, verdict))
    }
    guard faults.contains(.people) else {
      // Somebody looks after what waits, or the simulation would only see it time out.
      guard rollout?.isHolding == true, generator.chance(700) else { return }
      return try tell(.promote(toTheEnd: generator.chance(300), by: "bo", reason: nil))
    }
    switch kind {
    case 0, 1, 2, 3:
      try tell(.promote(toTheEnd: generator.chance(300), by: "bo", reason: nil))
    case 4, 5: try tell(.abort(by: "ana", reason: "wrong day"))
    case 6, 7: try tell(.pause(by: "ana", reason: nil))
    case 8, 9: try tell(.resume(by: "ana"))
    case 10: try deployAnother()
    default: try tell(.rollBack(release: nil, by: "ana", reason: nil))
    }
  }

  // MARK: Fixed stories

  mutating func planScenario(_ scenario: Scenario) {
    ordersLeft = scenario.story == .firstDeploy ? 1 : 2
    plan(.order, in: 1)
  }

  /// The first deploy, then the deploy or its rollback, each when the one before has ended.
  private mutating func storyCommand() -> RolloutCommand {
    if let command = unheard {
      unheard = nil
      return command
    }
    let goesBack = options.scenario?.story == .rollback && releases.count == 2
    ordersLeft -= 1
    waitsForIdle = ordersLeft > 0 || (options.scenario?.story == .rollback && !goesBack)
    if goesBack { return .rollBack(release: nil, by: "ana", reason: nil) }
    let release = makeRelease(height: releases.count * 2 + 2)
    return .deploy(DeployOrder(release: release, requestedBy: "simulation"))
  }
}

extension StrategySpec {
  /// Its stages may hold for a person.
  var mayWait: Bool {
    switch self {
    case .rolling, .recreate: false
    case .blueGreen(let knobs): knobs.preview != nil
    case .canary, .ab, .shadow: true
    }
  }
}

extension Fault {
  /// Those that strike by themselves, at any moment.
  static let struck: [Fault] = [
    .crash, .proxy, .lag, .clock, .writers, .reboot, .death,
  ]
}
