import RolloutEngine
import SegueModel
import Testing

/// What people may say, when, and in what words they are refused.
@Suite struct PeopleTests {
  private static let pause = RolloutCommand.pause(by: "ana", reason: "lunch")
  private static let resume = RolloutCommand.resume(by: "ana")
  private static let promote = RolloutCommand.promote(toTheEnd: false, by: "ana", reason: nil)
  private static let promoteAll = RolloutCommand.promote(toTheEnd: true, by: "ana", reason: nil)

  private static func canary(_ hold: HoldSpec = .promotion(limit: .minutes(60))) -> StrategySpec {
    .canary(CanarySpec(steps: [100, 500].map { .init(weight: Permille($0), hold: hold) }))
  }

  private func holding(_ hold: HoldSpec = .promotion(limit: .minutes(60))) throws -> World {
    var world = try World.live(Self.canary(hold))
    try world.deploy(release("r2", height: 2, Self.canary(hold)))
    try world.settle()
    #expect(world.state.rollout?.isHolding == true)
    world.log = []
    return world
  }

  @Test(arguments: [
    (pause, "nothing to pause"), (resume, "nothing to resume"), (promote, "nothing to promote"),
    (promoteAll, "nothing to promote"), (.abort(by: "ana", reason: ""), "nothing to abort"),
    (.rollBack(release: nil, by: "ana", reason: nil), "no earlier release"),
  ])
  func withoutARolloutItIsRefusedInWords(command: RolloutCommand, words: String) throws {
    var world = try World.live()
    #expect(world.refusal(of: command)?.contains(words) == true)
  }

  @Test(arguments: [pause, resume, promote, promoteAll])
  func nothingStopsAWayBack(command: RolloutCommand) throws {
    var world = try holding()
    world.routerAnswers = false
    try world.submit(.abort(by: "ana", reason: "no"))
    #expect(world.refusal(of: command)?.contains("is being taken back") == true)
    world.routerAnswers = true
    try world.settle()
    #expect(world.outcomes == [.aborted])
  }

  @Test func aPauseWhilePreparingKeepsTheTrafficWhereItIs() throws {
    var world = try World.live()
    try world.deploy(release("r2", height: 2))
    try world.submit(Self.pause)
    try world.settle()
    #expect(world.state.rollout?.phase == .preparing)
    #expect(world.ready["r2"] == 1)
    #expect(world.served == ["r1": 3])
    #expect(world.refusal(of: Self.pause)?.contains("was paused by ana already") == true)
    try world.submit(Self.resume)
    try world.settle()
    #expect(world.outcomes == [.live])
  }

  @Test func aPauseWhileShiftingFinishesTheStageAndNoMore() throws {
    var world = try World.live()
    world.routerAnswers = false
    try world.deploy(release("r2", height: 2))
    try world.settle()
    #expect(world.state.rollout?.phase == .shifting)
    try world.submit(Self.pause)
    world.routerAnswers = true
    try world.settle()
    #expect(world.state.rollout?.stage == 0)
    #expect(world.served == ["r1": 2, "r2": 1])
    #expect(world.state.instances.count == 3, "what the stage takes away is gone")
    try world.submit(Self.resume)
    try world.settle()
    #expect(world.outcomes == [.live])
  }

  @Test func aPauseStopsTheClockOfAHold() throws {
    var world = try holding(.time(.minutes(1)))
    try world.submit(Self.pause)
    try world.pass(.minutes(5))
    #expect(world.state.rollout?.stage == 0)
    try world.submit(Self.resume)
    #expect(world.state.rollout?.stage == 1)
  }

  @Test func aPauseThatNobodyEndsTakesTheRolloutBack() throws {
    var world = try holding()
    try world.submit(Self.pause)
    #expect(world.state.nextDeadline(after: world.now) == world.now + .minutes(24 * 60))
    try world.pass(.minutes(24 * 60))
    #expect(world.outcomes == [.rolledBack])
    #expect(world.state.takenBack["r2"]?.contains("nobody resumed it") == true)
  }

  @Test func anAbortEndsAPause() throws {
    var world = try holding()
    try world.submit(Self.pause)
    try world.submit(.abort(by: "bo", reason: "enough"))
    try world.settle()
    #expect(world.outcomes == [.aborted])
  }

  @Test func promoteEndsOneHoldAndPromoteAllEveryOne() throws {
    var world = try holding()
    try world.submit(Self.promote)
    try world.settle()
    #expect(world.weights == ["r1": 500, "r2": 500])
    #expect(world.state.rollout?.isHolding == true)
    try world.submit(Self.promoteAll)
    try world.settle()
    #expect(world.outcomes == [.live])

    world = try holding()
    try world.submit(Self.promoteAll)
    try world.settle()
    #expect(world.outcomes == [.live])
    #expect(!world.log.contains { $0.kind == "holdBegan" })
  }

  @Test func promoteResumesWhatIsPaused() throws {
    var world = try holding()
    try world.submit(Self.pause)
    try world.submit(Self.promote)
    #expect(world.state.rollout?.pause == nil)
    #expect(world.state.rollout?.stage == 1)
  }

  @Test func promoteBeforeTheHoldIsRefusedWithWhatToDo() throws {
    var world = try World.live(Self.canary())
    try world.deploy(release("r2", height: 2, Self.canary()))
    #expect(world.refusal(of: Self.promote)?.contains("does not wait yet") == true)
    try world.submit(Self.promoteAll)
    try world.settle()
    #expect(world.outcomes == [.live])
  }

  @Test func whatWaitsForNobodyCannotBePromoted() throws {
    var world = try World.live()
    try world.deploy(release("r2", height: 2))
    #expect(world.refusal(of: Self.promote)?.contains("waits for nobody") == true)
  }

  @Test func aHoldThatNobodyEndsTakesTheRolloutBack() throws {
    var world = try holding()
    try world.pass(.minutes(60))
    #expect(world.outcomes == [.rolledBack])
    #expect(world.state.takenBack["r2"] == "nobody promoted it within 1 h")
  }

  // MARK: Verdicts

  private func judged(_ hold: VerdictHold = VerdictHold(minimum: .minutes(2))) throws -> World {
    try holding(.verdict(hold))
  }

  private func judge(_ world: inout World, _ verdict: Verdict, stage: Int = 0) throws {
    let rollout = try #require(world.state.rollout?.id)
    try world.submit(.judge(rollout, stage: stage, verdict))
  }

  @Test func goodCountsOnlyAfterTheMinimum() throws {
    var world = try judged()
    try judge(&world, .good("as before"))
    #expect(world.state.rollout?.stage == 0)
    try world.pass(.minutes(2))
    try judge(&world, .good("as before"))
    #expect(world.state.rollout?.stage == 1)
  }

  @Test func badCountsAtOnceAndAVerdictOnAnotherStageDoesNot() throws {
    var world = try judged()
    try judge(&world, .bad("more errors"), stage: 1)
    #expect(world.state.rollout?.isGoingBack == false)
    try judge(&world, .bad("more errors"))
    try world.settle()
    #expect(world.outcomes == [.rolledBack])
    #expect(world.state.takenBack["r2"] == "judged bad: more errors")
  }

  @Test(arguments: [
    (VerdictHold.OnInsufficient.promote, 60, nil), (.rollBack, 60, RolloutOutcome.rolledBack),
    (.hold, 120, .rolledBack),
  ])
  func withoutEnoughEvidenceTheSpecDecides(
    policy: VerdictHold.OnInsufficient, minutes: Int64, outcome: RolloutOutcome?
  ) throws {
    var world = try judged(VerdictHold(onInsufficient: policy))
    try world.pass(.minutes(60))
    if policy == .hold {
      #expect(world.state.rollout?.isHolding == true, "a person has as long again")
      try world.pass(.minutes(60))
    }
    #expect(world.outcomes.first == outcome)
    if outcome == nil { #expect(world.state.rollout?.stage == 1) }
  }

  // MARK: Newer commits and gates

  @Test func aSupersedingCommitAbortsWhatIsUnderWay() throws {
    var world = try holding()
    try world.deploy(release("r3", height: 3), supersedes: true)
    try world.settle()
    #expect(world.outcomes == [.superseded, .live])
    #expect(world.state.live?.id == "r3")
    #expect(world.state.takenBack["r2"] == nil, "it did nothing wrong")
  }

  @Test func whatIsBeingTakenBackIsRefusedUnlessAgain() throws {
    var world = try holding()
    world.routerAnswers = false
    try world.submit(.abort(by: "ana", reason: "no"))
    let again = release("r2", height: 2, Self.canary())
    #expect(throws: Refusal.self) { try world.deploy(again) }
    try world.deploy(again, again: true)
    world.routerAnswers = true
    try world.settle()
    #expect(world.outcomes == [.aborted])
    #expect(world.state.rollout?.to.id == "r2")
  }

  @Test func aBlockedReleaseIsTakenBackAndRefusedUntilItIsUnblocked() throws {
    var world = try holding()
    try world.submit(.block(release: "r2", reason: "a flaw was found in it"))
    try world.settle()
    #expect(world.outcomes == [.rolledBack])
    let again = release("r2", height: 2)
    #expect(throws: Refusal.self) { try world.deploy(again, again: true) }
    try world.submit(.unblock(release: "r2"))
    try world.deploy(again, again: true)
    try world.settle()
    #expect(world.state.live?.id == "r2")
  }

  @Test func aBlockedReleaseDoesNotWaitForItsTurn() throws {
    var world = try holding()
    try world.deploy(release("r3", height: 3))
    try world.submit(.block(release: "r3", reason: "a flaw was found in it"))
    #expect(world.state.queued == nil)
  }
}
