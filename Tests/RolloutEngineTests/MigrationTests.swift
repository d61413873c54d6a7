import RolloutEngine
import SegueModel
import Testing

/// Changes of the database: expand before the first instance, contract once nobody can go back.
@Suite struct MigrationTests {
  private let both = MigrateSpec(
    expand: "expand", contract: "contract", timeout: .minutes(1), contractAfter: .minutes(60))

  private func orders(_ world: World, _ step: MigrationStep) -> Int {
    world.log.reduce(0) { count, event in
      if case .migrationOrdered(_, step, _, _) = event { count + 1 } else { count }
    }
  }

  @Test func expandComesBeforeTheFirstInstanceAndRunsOnce() throws {
    var world = try World.live()
    world.hanging = [.expand]
    try world.deploy(release("r2", height: 2, migrate: both))
    try world.settle()
    #expect(world.state.rollout?.phase == .expanding)
    #expect(world.position(of: "instanceOrdered") == nil)
    world.hanging = []
    try world.settle()
    #expect(world.state.live?.id == "r2")
    #expect(orders(world, .expand) == 1)
  }

  @Test func aFailedExpandTakesTheRolloutBackBeforeAnythingRan() throws {
    var world = try World.live()
    world.failing = [.expand]
    try world.deploy(release("r2", height: 2, migrate: both))
    try world.settle()
    #expect(world.outcomes == [.rolledBack])
    #expect(world.position(of: "instanceOrdered") == nil)
    #expect(
      world.state.takenBack["r2"] == "the expand step exited with status 1")
  }

  @Test func anExpandThatNobodyHearsOfHasADeadline() throws {
    var world = try World.live()
    world.hanging = [.expand]
    try world.deploy(release("r2", height: 2, migrate: both))
    try world.settle()
    let due = try #require(world.state.nextDeadline(after: world.now))
    #expect(due - world.now == .seconds(72), "the timeout, and what ending it takes")
    try world.pass(due - world.now)
    #expect(world.outcomes == [.rolledBack])
  }

  @Test func anExpandThatWorkedIsNotRunAgain() throws {
    var world = try World.live()
    world.neverReady = ["r2"]
    let second = release("r2", height: 2, migrate: both)
    try world.deploy(second)
    try world.settle()
    try world.submit(.abort(by: "ana", reason: "it hangs"))
    try world.settle()
    world.neverReady = []
    try world.deploy(second, again: true)
    try world.settle()
    #expect(world.state.live?.id == "r2")
    #expect(orders(world, .expand) == 1)
  }

  @Test func theResultOfAnEarlierAttemptSaysNothingOfThisOne() throws {
    var world = try World.live()
    world.failing = [.expand]
    let second = release("r2", height: 2, migrate: both)
    try world.deploy(second)
    try world.settle()
    world.hanging = [.expand]
    try world.deploy(second, again: true)
    try world.submit(
      .reportMigrated("r2", .expand, .failed("exited with status 1"), output: [], attempt: 1))
    #expect(world.state.rollout?.phase == .expanding)
    try world.submit(.reportMigrated("r2", .expand, .succeeded, output: [], attempt: 2))
    #expect(world.state.rollout?.phase == .preparing)
  }

  @Test func contractWaitsUntilNobodyCanGoBack() throws {
    let strategy = StrategySpec.blueGreen(BlueGreenSpec(keepOld: .minutes(90)))
    var world = try World.live(strategy)
    try world.deploy(release("r2", height: 2, strategy, migrate: both))
    try world.settle()
    try world.pass(.minutes(61))
    #expect(orders(world, .contract) == 0, "r1 is warm still")
    world.drainsEnd = false
    try world.pass(.minutes(30))
    #expect(world.state.warm.isEmpty)
    #expect(orders(world, .contract) == 0, "r1 still finishes requests")
    world.drainsEnd = true
    try world.settle()
    #expect(orders(world, .contract) == 1)
    #expect(world.state.migrations.floor == 2)
    #expect(
      world.refusal(of: .rollBack(release: release("r1", height: 1), by: "ana", reason: nil))?
        .contains("cannot run any more") == true)
    #expect(
      world.refusal(of: .rollBack(release: nil, by: "ana", reason: nil))?
        .contains("no earlier release") == true)
  }

  @Test func contractIsDroppedWhenItsReleaseIsLeft() throws {
    var world = try World.live()
    try world.deploy(release("r2", height: 2, migrate: both))
    try world.settle()
    try world.submit(.rollBack(release: nil, by: "ana", reason: nil))
    try world.settle()
    #expect(world.state.live?.id == "r1")
    #expect(world.state.migrations.contracts.isEmpty)
    try world.pass(.minutes(120))
    #expect(orders(world, .contract) == 0)
  }

  @Test func nothingBeginsWhileTheDatabaseChanges() throws {
    var world = try World.live()
    try world.deploy(release("r2", height: 2, migrate: both))
    try world.settle()
    world.hanging = [.contract]
    try world.pass(.minutes(61))
    #expect(world.state.migrations.running?.step == .contract)
    try world.deploy(release("r3", height: 3))
    #expect(world.state.rollout == nil)
    #expect(
      world.refusal(of: .rollBack(release: nil, by: "ana", reason: nil))?
        .contains("is under way") == true)
    world.hanging = []
    try world.settle()
    #expect(world.state.live?.id == "r3")
  }
}
