import RolloutEngine
import SegueModel
import Testing

/// What each strategy does with instances and traffic, stage by stage.
@Suite struct StrategyTests {
  private static let minute = HoldSpec.time(.minutes(1))

  @Test func aCanaryGrowsStepByStepWithCapacityForItsShare() throws {
    let steps = [100, 500].map { CanarySpec.Step(weight: Permille($0), hold: Self.minute) }
    let strategy = StrategySpec.canary(CanarySpec(steps: steps))
    var world = try World.live(strategy, instances: 4)
    try world.deploy(release("r2", height: 2, strategy, instances: 4))
    try world.settle()
    #expect(world.state.rollout?.isHolding == true)
    #expect(world.weights == ["r1": 900, "r2": 100])
    #expect(world.ready == ["r1": 4, "r2": 1])
    try world.pass(.minutes(1))
    #expect(world.weights == ["r1": 500, "r2": 500])
    #expect(world.ready == ["r1": 4, "r2": 2])
    try world.pass(.minutes(1))
    #expect(world.outcomes == [.live])
    #expect(world.served == ["r2": 4])
    #expect(world.ready == ["r2": 4])
  }

  @Test(arguments: [(1, 10, 1), (4, 250, 1), (4, 251, 2), (10, 500, 5), (3, 999, 3)])
  func capacityIsNeverLessThanTheShare(instances: Int, weight: Int, expected: Int) {
    let step = CanarySpec.Step(weight: Permille(weight), hold: Self.minute)
    let stages = StagePlan.forward(
      to: release("r2", height: 2, .canary(CanarySpec(steps: [step])), instances: instances),
      outgoing: instances)
    #expect(stages[0].incoming == expected)
    #expect(stages[0].outgoing == instances)
  }

  @Test func abByShareHoldsUntilSomebodyEndsIt() throws {
    let strategy = StrategySpec.ab(ABSpec(audience: .share(Permille(300))))
    var world = try World.live(strategy)
    try world.deploy(release("r2", height: 2, strategy))
    try world.settle()
    #expect(world.weights == ["r1": 700, "r2": 300])
    try world.pass(.minutes(60))
    #expect(world.weights == ["r1": 700, "r2": 300])
    try world.submit(.promote(toTheEnd: false, by: "ana", reason: "it sells"))
    try world.settle()
    #expect(world.served == ["r2": 3])
  }

  @Test func abByMatchTakesNoShare() throws {
    let match = RequestMatch.cookie(name: "beta", value: "yes")
    let strategy = StrategySpec.ab(ABSpec(audience: .requests(match)))
    var world = try World.live(strategy)
    try world.deploy(release("r2", height: 2, strategy))
    try world.settle()
    #expect(world.weights == ["r1": 1_000])
    #expect(world.state.table.proposed?.side?.role == .requests(match))
    #expect(world.state.table.proposed?.side?.endpoints.count == 3)
    try world.submit(.abort(by: "ana", reason: "it does not sell"))
    try world.settle()
    #expect(world.state.table.proposed?.side == nil)
    #expect(world.ready == ["r1": 3])
  }

  @Test func shadowGetsCopiesAndNoAnswers() throws {
    let strategy = StrategySpec.shadow(ShadowSpec(hold: Self.minute))
    var world = try World.live(strategy)
    try world.deploy(release("r2", height: 2, strategy))
    try world.settle()
    #expect(world.weights == ["r1": 1_000])
    #expect(world.state.table.proposed?.side?.role == .mirror(MirrorSpec()))
    try world.pass(.minutes(1))
    #expect(world.served == ["r2": 3])
    #expect(world.state.table.proposed?.side == nil)
  }

  @Test func blueGreenCanBeSeenBeforeTheSwitch() throws {
    let preview = PreviewSpec(host: "next.shop.test")
    let strategy = StrategySpec.blueGreen(BlueGreenSpec(preview: preview))
    var world = try World.live(strategy)
    try world.deploy(release("r2", height: 2, strategy))
    try world.settle()
    #expect(world.weights == ["r1": 1_000])
    #expect(world.state.table.proposed?.side?.role == .host("next.shop.test"))
    try world.submit(.promote(toTheEnd: false, by: "ana", reason: nil))
    try world.settle()
    #expect(world.served == ["r2": 3])
    #expect(world.state.table.proposed?.side == nil)
  }

  /// How many instances of each release existed at the same time at most.
  private func releasesAtOnce(_ world: World, before: ServiceState) throws -> Int {
    var state = before
    var most = 0
    for event in world.log {
      try state.evolve(event, at: world.now)
      most = max(most, Set(state.orderedInstances.map(\.release)).count)
    }
    return most
  }

  @Test func recreateNeverRunsTwoReleases() throws {
    let strategy = StrategySpec.recreate(RecreateSpec(holdLimit: .seconds(20)))
    var world = try World.live(strategy)
    let before = world.state
    try world.deploy(release("r2", height: 2, strategy))
    #expect(world.served.isEmpty)
    #expect(world.state.table.proposed?.holdLimit == .seconds(20), "requests are held")
    try world.settle()
    #expect(world.served == ["r2": 3])
    #expect(try releasesAtOnce(world, before: before) == 1)
  }

  @Test func recreateNeverRunsTwoReleasesOnTheWayBackEither() throws {
    let strategy = StrategySpec.recreate(RecreateSpec())
    var world = try World.live(strategy)
    let before = world.state
    world.neverReady = ["r2"]
    try world.deploy(release("r2", height: 2, strategy))
    try world.settle()
    try world.submit(.abort(by: "ana", reason: "it hangs"))
    try world.settle()
    #expect(world.outcomes == [.aborted])
    #expect(world.served == ["r1": 3])
    #expect(try releasesAtOnce(world, before: before) == 1)
  }

  @Test func goingBackByHandFollowsTheSameOrder() throws {
    var world = try World.live(.recreate(RecreateSpec()))
    try world.deploy(release("r2", height: 2, .recreate(RecreateSpec())))
    try world.settle()
    let before = world.state
    world.log = []
    try world.submit(.rollBack(release: nil, by: "ana", reason: nil))
    try world.settle()
    #expect(world.served == ["r1": 3])
    #expect(try releasesAtOnce(world, before: before) == 1)
  }
}
