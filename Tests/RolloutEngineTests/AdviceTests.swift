import SegueModel
import Testing

@testable import RolloutEngine

@Suite struct AdviceTests {
  /// Three instances, 100 requests a second of which one in a thousand fails, a boot of 4 s and a
  /// drain of 2 s; the bad release fails ten times as often: one request a second, if it has all.
  private func facts(
    _ strategy: StrategySpec = .rolling(RollingSpec()), rate: Double = 100, ratio: Double = 10,
    instances: Int = 3, route: RouteSpec? = RouteSpec(), boot: Milliseconds = .seconds(4)
  ) -> AdviceFacts {
    AdviceFacts(
      spec: ServiceSpec(
        name: "web", run: "serve", instances: instances, route: route, strategy: strategy),
      requestRate: rate, errorRate: 0.001, badRatio: ratio, boot: boot, drain: .seconds(2),
      cost: CostSpec(instanceHour: 40_000, currency: "EUR"))
  }

  private func row(_ name: String, _ facts: AdviceFacts) throws -> StrategyAdvice {
    try #require(Advice(facts).rows.first { $0.name == name })
  }

  @Test func whereInstancesShareASocketNothingIsSplit() throws {
    var facts = facts(route: nil)
    facts.spec.listen = .inherit(SharedAddress(port: 8_080))
    for name in ["canary", "ab", "shadow"] {
      #expect(try row(name, facts).impossible?.contains("accept from one socket") == true)
    }
    #expect(Advice(facts).recommended == "rolling")
  }

  /// The table of `ln(1/(alpha*w)) * r / (r ln r - r + 1)` for alpha 1 % and nine ratios.
  @Test(arguments: [
    (1.2, 435.0, 1.0), (1.5, 94, 1), (2, 35, 0.5), (3, 15.8, 0.1), (5, 8.4, 0.1), (10, 4.9, 0.1),
    (100, 1.9, 0.05),
  ])
  func theJudgeNeedsSoManyFailures(ratio: Double, failures: Double, within: Double) {
    #expect(abs(Evidence.failingUntilCaught(ratio: ratio) - failures) <= within)
  }

  @Test func whatIsNoWorseIsNeverCaught() {
    #expect(Evidence.failingUntilCaught(ratio: 1) == .infinity)
  }

  /// At a small share, beta 5 %, one failure in a thousand.
  @Test(arguments: [(1.5, 31_689.0), (2, 9_763), (3, 3_323), (5, 1_253), (10, 447)])
  func theJudgeNeedsSoManyRequestsToClearARelease(ratio: Double, requests: Double) {
    let needed = Evidence.requestsUntilCleared(ratio: ratio, share: 1e-6, errorRate: 0.001)
    #expect(abs(needed - requests) / requests < 0.01)
  }

  @Test(arguments: [(0.001, 12_417.0), (0.005, 2_127), (0.01, 984)])
  func theJudgeNeedsSoManyCopies(tolerated: Double, copies: Double) {
    #expect(abs(Evidence.copiesUntilGood(tolerated: tolerated) - copies) <= 1)
  }

  /// A boot, and copies of half of the requests until 984 were the same; users take as long as they do.
  @Test func whatIsTriedTakesItsTime() throws {
    let hold = HoldSpec.verdict(VerdictHold(onInsufficient: .rollBack))
    let shadow = StrategySpec.shadow(
      ShadowSpec(
        mirror: MirrorSpec(share: Permille(500)), hold: hold, tolerated: Permille(10)))
    let takes = try row("shadow, judged", facts(shadow)).takes.count
    #expect((4_000 + 19_600...4_000 + 19_800 + 2_000).contains(takes), "\(takes)")
    let ab = StrategySpec.ab(ABSpec(hold: hold, goals: [GoalSpec(name: "a", source: .posted)]))
    #expect(try row("ab, judged", facts(ab)).takes >= .minutes(60))
  }

  @Test func withoutAnOldReleaseBesideItNothingIsCleared() {
    #expect(Evidence.requestsUntilCleared(ratio: 2, share: 1, errorRate: 0.001) == .infinity)
  }

  /// Each number can be had with pencil and paper:
  /// - rolling: three batches of 4 s boot and 2 s drain, one instance too many in each. Bad: 6 s at
  ///   333, 6 s at 666, 288 s at 1000 permille until five minutes are over, 4 s boot of the old one.
  /// - blue-green: one boot, three too many for 4 s and for 600 s. Bad: 300 s, then one swap.
  /// - canary: 4+300, 300, 300, 4+300, 4+2 s; one too many in the first three steps, two in the
  ///   fourth, three in the last. Bad: 3 s + 15 s + 300 s at a quarter, where it shows.
  /// - recreate: nothing is extra; 6 s of requests wait. Bad: 300 s.
  @Test(arguments: [
    ("rolling", Int64(18_000), 1, Int64(18_000), 297.994),
    ("blue-green", 4_000, 3, 1_812_000, 300),
    ("canary", 1_214_000, 3, 1_530_000, 93),
    ("ab", 310_000, 3, 626_000, 150),
    ("shadow", 306_000, 3, 918_000, 0),
    ("recreate", 6_000, 0, 0, 300),
  ])
  func everyStrategyByHand(
    name: String, takes: Int64, peak: Int, extra: Int64, failing: Double
  ) throws {
    let row = try row(name, facts())
    #expect(row.takes.count == takes)
    #expect(row.peakExtra == peak)
    #expect(row.extraTime.count == extra)
    #expect(abs(row.failing - failing) < 0.001)
    #expect(row.price == extra * 40_000 / 3_600_000)
  }

  /// Steps of 474.4, 116.8, 49.7 and 54.1 s, two boots of 4 s more, and 4 + 2 s at the end.
  @Test func aJudgeEndsAHoldWithTheEvidence() throws {
    let row = try row("canary, judged", facts())
    #expect(abs(Double(row.takes.count) / 1_000 - 709) < 1)
    #expect(abs(row.failing - 4.85) < 0.01)
    #expect(!row.endsByPerson)
  }

  /// One request a second: 1 % of it is cleared in no hour, and then somebody is asked, who has
  /// five minutes; two hours of one request in a hundred spoil less than the judge needs to see.
  @Test func aJudgeWithoutTrafficWaitsForAPerson() throws {
    let canary = CanarySpec(steps: [.init(weight: Permille(10), hold: .verdict(VerdictHold()))])
    let row = try row("canary, judged", facts(.canary(canary), rate: 1))
    #expect(row.takes == .seconds(4 + 3_600 + 300 + 4 + 2))
    #expect(abs(row.failing - 7_200 * 0.01 * 0.01) < 0.001)
  }

  @Test func requestsWaitWhileARecreatedServiceBoots() throws {
    let quick = try row("recreate", facts())
    #expect(quick.held == 600)
    #expect(quick.lost == 0)
    // 32 s, and patience for 30.
    let slow = try row("recreate", facts(boot: .seconds(30)))
    #expect(slow.held == 3_200)
    #expect(slow.lost == 200)
  }

  @Test func theServicesOwnKnobsCountForItsOwnStrategy() throws {
    let own = CanarySpec(
      steps: [.init(weight: Permille(500), hold: .time(.seconds(60)))], keepOld: .minutes(1))
    let canary = try row("canary", facts(.canary(own)))
    // Two boots; what is kept is not drained.
    #expect(canary.takes == .seconds(4 + 60 + 4))
    #expect(try row("canary, judged", facts(.canary(own))).takes > .seconds(600))
    #expect(try row("rolling", facts(.canary(own))).takes == .seconds(18))
    let batches = try row("rolling", facts(.rolling(RollingSpec(maxSurge: 3))))
    #expect(batches.takes == .seconds(6))
  }

  /// Barely worse: at no share does the service fail twice as often, so it takes until all of it
  /// is there, and five minutes more.
  @Test func whatHardlyShowsIsNoticedLate() throws {
    let row = try row("canary", facts(ratio: 1.5))
    let seconds = 300 * (0.01 + 0.05 + 0.25 + 0.5) + 4 * 0.25 + 4 * 0.5 + 300 + 4
    #expect(abs(row.failing - seconds * 100 * 0.0015) < 0.01)
  }

  @Test(arguments: [
    ("canary, judged", 100.0), ("rolling", 2), ("rolling", 0),
  ])
  func theRecommendationFollowsTheTraffic(name: String, rate: Double) {
    let advice = Advice(facts(rate: rate))
    #expect(advice.recommended == name)
    #expect(advice.why.hasSuffix("."))
  }

  @Test func whatMustNotRunTwiceIsRecreated() throws {
    let advice = Advice(facts(.recreate(RecreateSpec())))
    #expect(advice.recommended == "recreate")
    #expect(advice.rows.filter { $0.impossible == nil }.map(\.name) == ["recreate"])
  }

  @Test func aWorkerHasNothingToSplit() throws {
    let advice = Advice(facts(route: nil))
    #expect(advice.recommended == "rolling")
    #expect(
      advice.rows.filter { $0.impossible == nil }.map(\.name) == [
        "rolling", "blue-green", "recreate",
      ])
    #expect(advice.rows.allSatisfy { $0.failing == 0 })
  }

  @Test(arguments: [0.0, 0.01, 1e6], [1.01, 2, 1e6])
  func noNumberIsOutOfHand(rate: Double, ratio: Double) {
    for instances in [1, 2, 50] {
      for row in Advice(facts(rate: rate, ratio: ratio, instances: instances)).rows {
        #expect(row.failing.isFinite && row.failing >= 0)
        #expect(row.takes >= .zero && row.takes < .minutes(60 * 24 * 30))
        #expect(row.extraTime >= .zero)
      }
    }
  }
}
