import RolloutEngine
import SegueModel
import Testing

/// What the simulation found, each as small as it gets.
@Suite struct RegressionTests {
  /// With `max-unavailable` as large as the service, nothing was left to serve, and the rollout waited
  /// for ever for the last instance to leave the table.
  @Test(arguments: 1...4, 0...2)
  func maxUnavailableNeverTakesEverything(instances: Int, surge: Int) throws {
    let strategy = rolling(surge: surge, unavailable: 5)
    var world = try World.live(strategy, instances: instances)
    try world.deploy(release("r2", height: 2, strategy, instances: instances))
    while try world.step() { #expect(!world.served.isEmpty) }
    #expect(world.outcomes == [.live])
  }

  /// What could not run beside another release was left running when the next release's strategy no
  /// longer said so.
  @Test(arguments: [
    StrategySpec.rolling(RollingSpec()), .blueGreen(BlueGreenSpec()), .shadow(ShadowSpec()),
  ])
  func whatCannotRunTwiceIsStoppedFirstWhateverComesAfterIt(strategy: StrategySpec) throws {
    var world = try World.live(.recreate(RecreateSpec()))
    try world.deploy(release("r2", height: 2, strategy))
    while try world.step() {
      #expect(Set(world.state.orderedInstances.map(\.release)).count <= 1)
    }
    #expect(world.state.live?.id == "r2")
  }

  /// A warm set went on running beside a release that must run alone.
  @Test func aWarmSetMakesRoomForWhatMustRunAlone() throws {
    let blueGreen = StrategySpec.blueGreen(BlueGreenSpec(keepOld: .minutes(60)))
    var world = try World.live(blueGreen)
    try world.deploy(release("r2", height: 2, blueGreen))
    try world.settle()
    #expect(world.state.warm["r1"] != nil)
    try world.deploy(release("r3", height: 3, .recreate(RecreateSpec())))
    while try world.step() {
      let releases = Set(world.state.orderedInstances.map(\.release))
      #expect(!releases.contains("r3") || releases.count == 1)
    }
    #expect(world.ready == ["r3": 3])
  }

  /// While paused, the end of a hold was looked at again and again.
  @Test func aPausedHoldIsNotWaitedFor() throws {
    let hold = HoldSpec.time(.minutes(1))
    let strategy = StrategySpec.canary(
      CanarySpec(steps: [.init(weight: Permille(100), hold: hold)]))
    var world = try World.live(strategy)
    try world.deploy(release("r2", height: 2, strategy))
    try world.settle()
    try world.submit(.pause(by: "ana", reason: nil))
    try world.pass(.minutes(2))
    let due = try #require(world.state.nextDeadline(after: world.now))
    #expect(due > world.now)
  }

  /// A pause between stop and start would have kept the service down.
  @Test func aPauseNeverKeepsAServiceDown() throws {
    let strategy = StrategySpec.recreate(RecreateSpec())
    var world = try World.live(strategy)
    try world.deploy(release("r2", height: 2, strategy))
    #expect(world.served.isEmpty)
    try world.submit(.pause(by: "ana", reason: nil))
    try world.settle()
    #expect(world.served == ["r2": 3])
  }

  /// A first deploy whose table nobody acknowledged left the engine in a circle of nothing.
  @Test func aFirstDeployThatNoRouterTakesComesToAnEnd() throws {
    var world = World()
    world.routerAnswers = false
    try world.deploy(release("r1", height: 1))
    try world.settle()
    try world.pass(.seconds(6))
    try world.pass(.minutes(2))
    try world.pass(.minutes(2))
    #expect(world.state.rollout == nil)
    world.routerAnswers = true
    try world.settle()
    #expect(world.served.isEmpty)
    #expect(world.state.instances.isEmpty)
  }

  /// Instances of a blocked release that got ready on the way back were put into the table.
  @Test func aBlockedReleaseIsNotBroughtIntoTheTableOnTheWayBack() throws {
    let hold = HoldSpec.promotion(limit: .minutes(60))
    let strategy = StrategySpec.canary(
      CanarySpec(steps: [.init(weight: Permille(100), hold: hold)]))
    var world = try World.live(strategy)
    try world.deploy(release("r2", height: 2, strategy))
    try world.settle()
    world.neverReady = ["r1"]
    for id in world.state.orderedInstances.map(\.id) { try world.submit(.reportVanished(id)) }
    #expect(world.served.isEmpty)
    try world.submit(.block(release: "r2", reason: "a flaw"))
    try world.settle()
    #expect(world.ready["r2"] == 1)
    #expect(world.served.isEmpty)
  }

  /// An instance that was away for a moment made a canary plan for fewer of the live release.
  @Test func anAbsentInstanceDoesNotShrinkThePlan() throws {
    let hold = HoldSpec.promotion(limit: .minutes(60))
    let strategy = StrategySpec.canary(
      CanarySpec(steps: [.init(weight: Permille(100), hold: hold)]))
    var world = try World.live(strategy)
    let last = try #require(world.state.orderedInstances.last?.id)
    try world.submit(.reportUnready(last, reason: "answered 503"))
    try world.pass(.minutes(1))
    try world.deploy(release("r2", height: 2, strategy))
    try world.settle()
    #expect(world.served["r1"] == 3)
  }

  /// What has no route any more left its last table, with instances long gone, to the router.
  @Test func whatLosesItsRouteLeavesTheRouter() throws {
    var world = try World.live()
    let worker = ServiceRelease(
      id: "r2", commit: "c2", height: 2,
      spec: ServiceSpec(name: "web", run: "work", instances: 3, route: nil))
    try world.deploy(worker)
    try world.settle()
    #expect(world.state.live?.id == "r2")
    #expect(world.served.isEmpty)
    #expect(world.state.table.isSettled)
  }

  /// An incident let in what its way back had kept out.
  @Test func anIncidentBringsNothingOfTheOtherReleaseIn() throws {
    let hold = HoldSpec.promotion(limit: .minutes(60))
    let strategy = StrategySpec.canary(
      CanarySpec(steps: [.init(weight: Permille(100), hold: hold)]))
    var world = try World.live(strategy)
    try world.deploy(release("r2", height: 2, strategy))
    try world.settle()
    world.neverReady = ["r1"]
    for id in world.state.orderedInstances.map(\.id) { try world.submit(.reportVanished(id)) }
    try world.submit(.block(release: "r2", reason: "a flaw"))
    try world.settle()
    try world.pass(.minutes(2))
    #expect(world.outcomes.contains(.incident))
    #expect(world.served.isEmpty)
  }

  /// What an incident left of a release that must run alone was forgotten by the rollout after it.
  @Test func whatAnIncidentLeftOfAReleaseThatRunsAloneIsWaitedFor() throws {
    var world = World()
    world.routerAnswers = false
    try world.deploy(release("r1", height: 1, .recreate(RecreateSpec())))
    try world.settle()
    try world.pass(.seconds(6))
    try world.pass(.minutes(2))
    #expect(world.outcomes == [.incident])
    world.stopsAnswer = false
    world.routerAnswers = true
    try world.deploy(release("r2", height: 2))
    try world.deploy(release("r3", height: 3), supersedes: true)
    for _ in 0..<20 {
      try world.settle()
      #expect(Set(world.state.orderedInstances.map(\.release)).count <= 1)
      try world.pass(.seconds(12))
      world.stopsAnswer = true
    }
    #expect(world.state.live?.id == "r3")
  }
}
