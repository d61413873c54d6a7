import RolloutEngine
import SegueModel
import Testing

/// Restarts of the machine, stops that nobody confirms, and what an incident leaves.
@Suite struct RecoveryTests {
  private func reboot(_ world: inout World) throws {
    for id in world.state.orderedInstances.map(\.id) { try world.submit(.reportVanished(id)) }
  }

  @Test func aRestartOfTheMachineRestoresBeforeAQueuedDeploy() throws {
    var world = try World.live()
    try reboot(&world)
    try world.deploy(release("r2", height: 2))
    #expect(world.state.rollout == nil)
    #expect(world.state.queued?.release.id == "r2")
    try world.settle()
    let restored = try #require(world.position(of: "restored"))
    let started = try #require(world.position(of: "rolloutStarted"))
    #expect(restored < started)
    #expect(world.state.live?.id == "r2")
    #expect(world.state.crashes.isEmpty, "it was nobody's fault")
  }

  @Test func whatDoesNotComeBackHoldsNothingUpForEver() throws {
    var world = try World.live()
    world.neverReady = ["r1"]
    try reboot(&world)
    try world.deploy(release("r2", height: 2))
    try world.settle()
    try world.pass(.minutes(1))
    #expect(world.log.contains(.restored(isComplete: false)))
    #expect(world.state.live?.id == "r2")
  }

  @Test func aStopThatNobodyConfirmsIsRepeatedAndGivenUp() throws {
    var world = try World.live()
    world.stopsAnswer = false
    try world.deploy(release("r2", height: 2))
    try world.settle()
    try world.pass(.seconds(12))
    try world.pass(.seconds(12))
    try world.pass(.seconds(12))
    let first = try #require(
      world.log.compactMap { if case .stopOrdered(let id, _) = $0 { id } else { nil } }.first)
    #expect(
      world.log.filter { if case .stopOrdered(first, _) = $0 { true } else { false } }.count == 3)
    #expect(world.log.contains(.instanceAbandoned(instance: first)))
    for _ in 0..<10 { try world.pass(.seconds(12)) }
    #expect(world.outcomes == [.live])
  }

  @Test func anUnreadyInstanceIsDrainedBeforeItIsStopped() throws {
    var world = try World.live()
    let first = try #require(world.state.orderedInstances.first?.id)
    try world.submit(.reportUnready(first, reason: "answered 503"))
    try world.settle()
    world.drainsEnd = false
    try world.pass(.minutes(1))
    #expect(world.log.contains { if case .drainBegan(first, _) = $0 { true } else { false } })
    #expect(!world.log.contains { if case .stopOrdered(first, _) = $0 { true } else { false } })
  }

  /// A rolling rollout whose second batch fails, and an earlier release that does not come back.
  private func incident(_ strategy: StrategySpec = rolling()) throws -> World {
    var world = try World.live(strategy)
    try world.deploy(release("r2", height: 2, strategy))
    for _ in 0..<1_000 where world.state.rollout?.stage != 2 { _ = try world.step() }
    world.neverReady = ["r1", "r2"]
    world.log = []
    try world.submit(.abort(by: "ana", reason: "it lies"))
    try world.settle()
    try world.pass(.minutes(1))
    try world.pass(.minutes(1))
    #expect(world.outcomes == [.incident])
    return world
  }

  @Test func anIncidentKeepsTheLastGoodTable() throws {
    var world = try incident()
    #expect(world.state.live?.id == "r1")
    #expect(world.served.values.reduce(0, +) == 3, "nobody who serves is taken away")
    world.neverReady = []
    try world.pass(.minutes(1))
    try world.pass(.minutes(1))
    #expect(world.served == ["r1": 3], "once it is whole again, the live release has all of it")
    #expect(world.state.instances.count == 3)
  }

  @Test func afterAnIncidentTheNextDeployBegins() throws {
    var world = try incident()
    world.neverReady = ["r1"]
    try world.deploy(release("r3", height: 3))
    try world.settle()
    for _ in 0..<6 { try world.pass(.seconds(30)) }
    #expect(world.state.live?.id == "r3")
    #expect(world.served == ["r3": 3])
  }

  @Test func anIncidentOfWhatCannotRunTwiceStillNeverRunsItTwice() throws {
    let strategy = StrategySpec.recreate(RecreateSpec())
    var world = try World.live()
    try world.deploy(release("r2", height: 2, strategy))
    try world.settle()
    #expect(world.state.live?.id == "r2")
    world.log = []
    world.neverReady = ["r3"]
    try world.deploy(release("r3", height: 3, strategy))
    try world.settle()
    world.stopsAnswer = false
    try world.submit(.abort(by: "ana", reason: "it hangs"))
    try world.pass(.minutes(2))
    #expect(world.outcomes == [.incident])
    #expect(!world.state.orderedInstances.contains { $0.release == "r2" })
    world.stopsAnswer = true
    try world.settle()
    #expect(world.served == ["r2": 3])
  }
}
