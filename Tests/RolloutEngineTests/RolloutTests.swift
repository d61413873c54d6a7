import RolloutEngine
import SegueModel
import Testing

@Suite struct RolloutTests {
  private func live(_ strategy: StrategySpec = rolling()) throws -> World {
    var world = World()
    try world.deploy("r1", height: 1, strategy)
    try world.settle()
    #expect(world.state.live?.id == "r1")
    world.log = []
    return world
  }

  @Test func aFirstDeployGoesLive() throws {
    let world = try live()
    #expect(world.ready == ["r1": 3])
    #expect(world.served == ["r1": 3])
    #expect(world.state.rollout == nil)
  }

  @Test func rollingReplacesEveryInstance() throws {
    var world = try live()
    try world.deploy("r2", height: 2)
    try world.settle()
    #expect(world.state.live?.id == "r2")
    #expect(world.ready == ["r2": 3])
    #expect(world.served == ["r2": 3])
    #expect(world.state.instances.count == 3)
  }

  @Test func nothingIsDrainedBeforeTheRouterAcknowledged() throws {
    var world = try live()
    world.routerAnswers = false
    try world.deploy("r2", height: 2)
    try world.settle()
    #expect(!world.log.contains { $0.kind == "drainBegan" || $0.kind == "stopOrdered" })
    world.routerAnswers = true
    try world.settle()
    #expect(world.state.live?.id == "r2")
  }

  @Test func blueGreenSwitchesOnceAndKeepsTheOldWarm() throws {
    let strategy = StrategySpec.blueGreen(BlueGreenSpec(keepOld: .minutes(10)))
    var world = try live(strategy)
    try world.deploy("r2", height: 2, strategy)
    try world.settle()
    #expect(world.log.filter { $0.kind == "tableProposed" }.count == 1)
    #expect(world.ready == ["r1": 3, "r2": 3])
    #expect(world.served == ["r2": 3])

    world.log = []
    try world.submit(.rollBack(release: nil, by: "test", reason: nil))
    #expect(world.log.contains { $0.kind == "tableProposed" }, "a warm rollback waits for nothing")
    #expect(!world.log.contains { $0.kind == "instanceOrdered" })
    try world.settle()
    #expect(world.state.live?.id == "r1")
    #expect(world.served == ["r1": 3])
    #expect(world.ready == ["r1": 3])
  }

  @Test func aWarmSetIsStoppedWhenItsTimeIsOver() throws {
    let strategy = StrategySpec.blueGreen(BlueGreenSpec(keepOld: .minutes(10)))
    var world = try live(strategy)
    try world.deploy("r2", height: 2, strategy)
    try world.settle()
    try world.pass(.minutes(11))
    #expect(world.ready == ["r2": 3])
    #expect(world.state.warm.isEmpty)
  }

  @Test(arguments: [rolling(), .blueGreen(BlueGreenSpec())])
  func aReleaseThatNeverGetsReadyIsTakenBack(strategy: StrategySpec) throws {
    var world = try live(strategy)
    world.neverReady = ["r2"]
    try world.deploy("r2", height: 2, strategy)
    try world.settle()
    try world.pass(.seconds(61))
    #expect(world.state.live?.id == "r1")
    #expect(world.state.rollout == nil)
    #expect(world.ready == ["r1": 3])
    #expect(world.state.instances.count == 3)
    #expect(world.state.takenBack["r2"]?.contains("was not ready within 1 m") == true)
    #expect(throws: Refusal.self) { try world.deploy("r2", height: 2, strategy) }
  }

  @Test func aNewInstanceThatDiesTakesTheRolloutBackInOrder() throws {
    var world = try live()
    try world.deploy("r2", height: 2)
    while world.state.rollout?.stage != 2 { #expect(try world.step()) }
    let died = try #require(world.state.orderedInstances.last { $0.release == "r2" && $0.isReady })
    world.log = []
    try world.submit(.reportDied(died.id, reason: "exited with status 1"))
    try world.settle()
    #expect(world.state.live?.id == "r1")
    #expect(world.ready == ["r1": 3])
    let kinds = world.log.map(\.kind)
    let restored = try #require(kinds.lastIndex(of: "instanceBecameReady"))
    let removed = try #require(kinds.firstIndex(of: "drainBegan"))
    #expect(restored < removed, "capacity first, removal last")
  }

  @Test func aFirstDeployThatFailsLeavesNothing() throws {
    var world = World()
    world.neverReady = ["r1"]
    try world.deploy("r1", height: 1)
    try world.settle()
    try world.pass(.seconds(61))
    #expect(world.state.live == nil)
    #expect(world.state.rollout == nil)
    #expect(world.state.instances.isEmpty)
  }

  @Test func abortTakesTheRolloutBack() throws {
    var world = try live()
    world.neverReady = ["r2"]
    try world.deploy("r2", height: 2)
    try world.settle()
    try world.submit(.abort(by: "ana", reason: "wrong day"))
    try world.settle()
    #expect(world.state.rollout == nil)
    #expect(world.ready == ["r1": 3])
    #expect(
      world.log.contains { if case .rolloutEnded(_, .aborted, _) = $0 { true } else { false } })
  }

  @Test func abortWithoutARolloutIsRefusedInWords() throws {
    var world = try live()
    let refusal = #expect(throws: Refusal.self) {
      try world.submit(.abort(by: "ana", reason: ""))
    }
    #expect(refusal?.message.contains("nothing to abort") == true)
  }

  @Test func aNewerCommitWaitsAndTheOneBetweenIsSuperseded() throws {
    var world = try live()
    try world.deploy("r2", height: 2)
    try world.deploy("r3", height: 3)
    try world.deploy("r4", height: 4)
    try world.settle()
    #expect(world.state.live?.id == "r4")
    #expect(world.log.contains(.deploySuperseded(release: "r3", by: "r4")))
  }

  @Test func anOlderCommitIsRefused() throws {
    var world = try live()
    try world.deploy("r2", height: 5)
    try world.settle()
    #expect(throws: Refusal.self) { try world.deploy("r3", height: 4) }
  }

  @Test func aDeadInstanceLeavesTheTableAtOnceAndIsReplaced() throws {
    var world = try live()
    let first = try #require(world.state.orderedInstances.first)
    try world.submit(.reportDied(first.id, reason: "was killed by signal 9"))
    #expect(world.served == ["r1": 2])
    try world.settle()
    #expect(world.served == ["r1": 3])
    #expect(world.state.instances[first.id] == nil)
  }

  @Test func restartsBackOff() throws {
    var world = try live()
    for _ in 0..<2 {
      let last = try #require(world.state.orderedInstances.last)
      try world.submit(.reportDied(last.id, reason: "exited with status 1"))
      try world.settle()
    }
    #expect(world.ready == ["r1": 2], "the second restart waits")
    let due = try #require(world.state.nextDeadline(after: world.now))
    #expect(due - world.now <= .seconds(1))
    try world.pass(.seconds(1))
    #expect(world.ready == ["r1": 3])
  }

  @Test func aRouterThatNeverAnswersTakesTheRolloutBack() throws {
    var world = try live()
    world.routerAnswers = false
    try world.deploy("r2", height: 2)
    try world.settle()
    try world.pass(.seconds(6))
    #expect(world.state.rollout?.isGoingBack == true)
    try world.pass(.seconds(130))
    #expect(
      world.log.contains { if case .rolloutEnded(_, .incident, _) = $0 { true } else { false } })
    world.routerAnswers = true
    try world.settle()
    #expect(world.served == ["r1": 3])
  }

  @Test func replayGivesTheSameState() throws {
    var world = World()
    try world.deploy("r1", height: 1)
    try world.settle()
    try world.deploy("r2", height: 2)
    try world.settle()
    var replayed = ServiceState(key: world.state.key)
    for event in world.log { try replayed.evolve(event, at: world.now) }
    #expect(replayed == world.state)
  }

  /// Any order of things that can happen, from a seed: it always comes to rest on a release.
  @Test(arguments: 0..<200)
  func anyOrderComesToRest(seed: Int) throws {
    var random = SplitMix(state: UInt64(seed))
    var world = World()
    try world.deploy("r0", height: 0)
    try world.settle()
    var height = 0
    for _ in 0..<120 {
      switch random.next() % 8 {
      case 0:
        height += 1
        let strategy: StrategySpec =
          random.next() % 2 == 0 ? rolling() : .blueGreen(BlueGreenSpec())
        if random.next() % 3 == 0 { world.neverReady.insert(ReleaseID("r\(height)")) }
        try? world.deploy(ReleaseID("r\(height)"), height: height, strategy)
      case 1: try? world.submit(.abort(by: "seed", reason: "chance"))
      case 2:
        if let victim = world.state.orderedInstances.last {
          try world.submit(.reportDied(victim.id, reason: "chance"))
        }
      case 3: try? world.submit(.rollBack(release: nil, by: "seed", reason: nil))
      case 4:
        world.now = world.now + .seconds(Int64(random.next() % 30))
        try world.submit(.tick)
      default: _ = try world.step()
      }
    }
    for _ in 0..<40 { try world.pass(.seconds(61)) }
    #expect(world.state.rollout == nil)
    let live = try #require(world.state.live)
    if !world.neverReady.contains(live.id) {
      #expect(world.served == [live.id: live.spec.instances])
    }
  }
}

struct SplitMix {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
