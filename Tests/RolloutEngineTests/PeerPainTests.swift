import RolloutEngine
import SegueModel
import Testing

/// What users of other tools were hurt by, as threads of their trackers tell it: Segue must not do it.
@Suite struct PeerPainTests {
  private static let hold = HoldSpec.promotion(limit: .minutes(60))
  private static func canary(_ weights: [Int] = [50, 500], hold: HoldSpec = hold) -> StrategySpec {
    .canary(CanarySpec(steps: weights.map { .init(weight: Permille($0), hold: hold) }))
  }

  private func canaryInProgress(instances: Int = 5) throws -> World {
    var world = try World.live(Self.canary(), instances: instances)
    try world.deploy(release("r2", height: 2, Self.canary(), instances: instances))
    try world.settle()
    #expect(world.state.rollout?.isHolding == true)
    world.log = []
    return world
  }

  // MARK: Traffic moved before the router caught up

  /// argo-rollouts#4433, argo-rollouts#4710, argo-rollouts#2235, flagger#773, flagger#826,
  /// flagger#1202, coolify#8627: old instances went before the router had let go of them.
  @Test(arguments: [
    rolling(), .blueGreen(BlueGreenSpec(keepOld: .zero)), .recreate(RecreateSpec()), canary([500]),
  ])
  func nothingIsTakenAwayBeforeTheRouterLetGo(strategy: StrategySpec) throws {
    var world = try World.live(strategy)
    world.routerAnswers = false
    try world.deploy(release("r2", height: 2, strategy))
    try world.settle()
    #expect(world.ready["r1"] == 3)
    #expect(world.position(of: "drainBegan") == nil)
    #expect(world.position(of: "stopOrdered") == nil)
  }

  /// dokku#8282, dokku#2749: a retiring container got new requests.
  @Test func whatDrainsIsInNoTable() throws {
    var world = try World.live()
    try world.deploy(release("r2", height: 2))
    while try world.step() {
      for instance in world.state.orderedInstances where !instance.isKept {
        let serves = world.state.table.proposed?.endpoints.contains { $0.instance == instance.id }
        #expect(serves == false)
      }
    }
  }

  // MARK: Abort or deadline ignored

  /// argo-rollouts#4128, argo-rollouts#4461, argo-rollouts#3120, flagger#523, flagger#1588: an
  /// abort had no effect in some phase.
  @Test(arguments: [
    rolling(), .blueGreen(BlueGreenSpec()), canary(), .ab(ABSpec()), .shadow(ShadowSpec()),
    .recreate(RecreateSpec()),
  ])
  func anAbortWinsAtEveryStep(strategy: StrategySpec) throws {
    for steps in 0..<60 {
      var world = try World.live(strategy)
      try world.deploy(release("r2", height: 2, strategy))
      for _ in 0..<steps { _ = try world.step() }
      guard world.state.rollout != nil else { break }
      try world.submit(.abort(by: "ana", reason: "no"))
      try world.settle()
      #expect(world.outcomes == [.aborted])
      #expect(world.served == ["r1": 3])
    }
  }

  /// argo-rollouts#1292: an abort scaled the stable set to zero.
  @Test func anAbortNeverTakesTheLiveReleaseDown() throws {
    var world = try canaryInProgress()
    try world.submit(.abort(by: "ana", reason: "no"))
    repeat { #expect(world.ready["r1"] == 5) } while try world.step()
    #expect(world.served == ["r1": 5])
  }

  /// nomad#10465: the deadline of a deployment passed, and nothing followed.
  @Test func everyWaitHasADeadlineThatIsKnown() throws {
    var world = try World.live()
    world.neverReady = ["r2"]
    try world.deploy(release("r2", height: 2))
    try world.settle()
    let due = try #require(world.state.nextDeadline(after: world.now))
    try world.pass(due - world.now)
    #expect(world.outcomes == [.rolledBack])
  }

  /// pipecd#3468: a rollback that had no timeout.
  @Test func aWayBackHasADeadlineToo() throws {
    var world = try canaryInProgress()
    world.routerAnswers = false
    try world.submit(.abort(by: "ana", reason: "no"))
    try world.settle()
    try world.pass(.seconds(120))
    #expect(world.outcomes == [.incident])
  }

  // MARK: Rollback in the wrong order

  /// argo-rollouts#4612: most of the traffic went to a canary sized for a twentieth of it.
  @Test func aCanaryNeverGetsMoreThanItIsSizedFor() throws {
    var world = try canaryInProgress()
    try world.submit(.promote(toTheEnd: true, by: "ana", reason: nil))
    repeat {
      let all = Double(world.served.values.reduce(0, +))
      let share = Double(world.served["r2"] ?? 0) / all
      #expect(Double(world.weights["r2"] ?? 0) / 1_000 <= share + 0.001)
    } while try world.step()
    #expect(world.served == ["r2": 5])
  }

  /// nomad#10882, nomad#19643: a revert went through the canary phase.
  @Test func aRollbackIsOneSwap() throws {
    var world = try canaryInProgress()
    try world.submit(.promote(toTheEnd: true, by: "ana", reason: nil))
    try world.settle()
    world.log = []
    try world.submit(.rollBack(release: nil, by: "ana", reason: nil))
    try world.settle()
    #expect(world.log.filter { $0.kind == "tableProposed" }.count == 1)
    #expect(world.position(of: "holdBegan") == nil)
    #expect(world.served == ["r1": 5])
  }

  /// flagger#1898: the canary was deleted after it had been promoted.
  @Test func whatWasPromotedStaysUp() throws {
    var world = try canaryInProgress()
    let canaries = world.state.orderedInstances.filter { $0.release == "r2" }.map(\.id)
    try world.submit(.promote(toTheEnd: true, by: "ana", reason: nil))
    try world.settle()
    for id in canaries { #expect(world.state.instances[id]?.isReady == true) }
  }

  // MARK: Lost or stuck after a restart

  /// argo-cd#3663, argo-rollouts#2522, argo-rollouts#3080, argo-rollouts#1904, spinnaker#5952,
  /// pipecd#5717, kargo#6790, concourse#1797, woodpecker#1915: a restart of the controller lost or
  /// froze what was under way. The exhaustive tests of the simulation try every place; this one
  /// shows that nothing is kept outside of the journal.
  @Test func aReplayGoesOnFromEveryPlace() throws {
    var world = try World.live()
    let before = world.state
    try world.deploy(release("r2", height: 2))
    while try world.step() {
      var replayed = before
      for event in world.log { try replayed.evolve(event, at: world.now) }
      #expect(replayed == world.state)
      #expect(replayed.nextDeadline(after: world.now) == world.state.nextDeadline(after: world.now))
    }
    #expect(world.outcomes == [.live])
  }

  // MARK: Half a fleet

  /// Kamal: a host that failed stopped only its own container, and the hosts before it had stopped the
  /// old one already. kamal#1677: a rollback wants the version on every host.
  @Test func aFailureInTheLastBatchBringsBackEveryInstance() throws {
    var world = try World.live(instances: 4)
    try world.deploy(release("r2", height: 2, instances: 4))
    for _ in 0..<1_000 where world.state.rollout?.stage != 3 { _ = try world.step() }
    let last = try #require(world.state.orderedInstances.last { $0.release == "r2" })
    try world.submit(.reportDied(last.id, reason: "exited with status 1"))
    try world.settle()
    #expect(world.ready == ["r1": 4])
    #expect(world.served == ["r1": 4])
  }

  // MARK: Locks

  /// A cancelled job held Kamal's lock for four weeks: a pause, and a hold, end by themselves.
  @Test func nothingHoldsARolloutForEver() throws {
    var world = try canaryInProgress()
    try world.submit(.pause(by: "ana", reason: "back on Monday"))
    for _ in 0..<50 { try world.pass(.minutes(60)) }
    #expect(world.state.rollout == nil)
    #expect(world.outcomes == [.rolledBack])
    try world.deploy(release("r3", height: 3))
    try world.settle()
    #expect(world.state.live?.id == "r3")
  }

  // MARK: Judges

  /// CircleCI: a window with no signal counted as success. flagger#1689, argo-rollouts#1905: no traffic
  /// counted as failure. Here it waits for a person, and the spec may say otherwise.
  @Test func noSignalIsNeitherGoodNorBad() throws {
    let hold = HoldSpec.verdict(VerdictHold(maximum: .minutes(10)))
    var world = try World.live(Self.canary(hold: hold))
    try world.deploy(release("r2", height: 2, Self.canary(hold: hold)))
    try world.settle()
    try world.pass(.minutes(10))
    #expect(world.state.rollout?.isHolding == true)
    #expect(world.state.rollout?.stage == 0)
  }

  /// kamal#1041: "target failed to become healthy", and no reason.
  @Test func aFailureSaysWhy() throws {
    var world = try World.live()
    world.neverReady = ["r2"]
    try world.deploy(release("r2", height: 2))
    try world.settle()
    let id = try #require(world.state.orderedInstances.last?.id)
    try world.submit(.reportUnready(id, reason: "GET /health answered 500"))
    try world.pass(.minutes(1))
    #expect(world.state.takenBack["r2"]?.contains("GET /health answered 500") == true)
  }

  /// Argo Rollouts skips every step of a first deploy, and says so nowhere: here it has one stage, and its
  /// name is `first start`.
  @Test func aFirstDeployNamesItsOneStage() throws {
    var world = World()
    try world.deploy(release("r1", height: 1, Self.canary()))
    #expect(world.state.rollout?.stages.map(\.name) == ["first start"])
  }

  /// A five-instance service without a mesh could be split in steps of a fifth only.
  @Test func theShareIsFreeOfTheNumberOfInstances() throws {
    var world = try World.live(Self.canary([10]), instances: 1)
    try world.deploy(release("r2", height: 2, Self.canary([10]), instances: 1))
    try world.settle()
    #expect(world.weights == ["r1": 990, "r2": 10])
  }
}
