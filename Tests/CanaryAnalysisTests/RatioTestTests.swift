import CanaryAnalysis
import Testing

@Suite struct RatioTestTests {
  private let blocks = [block(300, 5_700, 3, 6), block(300, 5_700, 4, 5), block(300, 5_700, 5, 6)]

  @Test func givesTheMixtureAndItsPartsBlockByBlock() {
    let expected = [
      (2.428837, 1.640330, 3.563683, -2.235010), (7.876743, 3.973807, 9.429952, 0.135149),
      (15.259493, 6.902851, 16.855678, 3.543697),
    ]
    var test = RatioTest(toleratedRatio: 1)
    for (block, row) in zip(blocks, expected) {
      test.add(block)
      #expect(isClose(test.logEvidence, row.0))
      #expect(isClose(test.logRatios[2], row.1))
      #expect(isClose(test.logRatios[5], row.2))
      #expect(isClose(test.logRatios[8], row.3))
    }
  }

  @Test func scalesTheAlternativesByTheToleratedRatio() {
    var test = RatioTest(toleratedRatio: 1.5)
    for block in blocks { test.add(block) }
    #expect(isClose(test.logEvidence, 11.142512))
    #expect(test.isRefuted(alpha: 0.01))
    #expect(!test.isRefuted(alpha: 0.000_01))
    #expect(!test.isRefuted(alpha: 0))
  }

  @Test func promotesAfterCleanBlocks() {
    var test = PromotionTest(limit: 2)
    for _ in 0..<40 { test.add(block(300, 5_700, 0, 6)) }
    #expect(isClose(test.logEvidence, 11.709639))
    #expect(test.isPassed(beta: 0.05))
  }

  @Test(arguments: [(1.5, 31_689.0), (2, 9_763), (3, 3_323), (5, 1_253), (10, 447)])
  func saysHowManyRequestsPromotionTakes(_ limit: Double, _ requests: Double) {
    let planned = Planning.requestsUntilPromoted(limit: limit, baselineRate: 0.001)
    #expect(isClose(planned, requests, within: 1))
  }

  @Test(arguments: [
    (1.2, 435, 0.5), (1.5, 94, 0.5), (2, 35, 0.5), (3, 15.8, 0.06), (5, 8.4, 0.05),
    (10, 4.9, 0.06), (100, 1.9, 0.05),
  ])
  func saysHowManyFailuresItTakes(_ ratio: Double, _ failures: Double, _ tolerance: Double) {
    let planned = Planning.failuresUntilCaught(ratio: ratio)
    #expect(isClose(planned, failures, within: tolerance))
  }

  @Test func plansInTime() {
    let caught = Planning.secondsUntilCaught(
      ratio: 10, toleratedRatio: 1, baselineRate: 0.001, share: 0.05, requestsPerSecond: 100)
    #expect(isClose(caught, 97, within: 1))
    let promoted = Planning.secondsUntilPromoted(
      baselineRate: 0.001, share: 0.05, requestsPerSecond: 100)
    #expect(isClose(promoted, 2_120, within: 1))
  }

  @Test func plansNothingFromNothing() {
    #expect(Planning.failuresUntilCaught(ratio: 1) == nil)
    #expect(Planning.failuresUntilCaught(ratio: .nan) == nil)
    #expect(Planning.failuresUntilCaught(ratio: 2, alpha: 0) == nil)
    #expect(Planning.requestsUntilPromoted(baselineRate: 0) == nil)
    #expect(
      Planning.secondsUntilCaught(ratio: 2, baselineRate: 0.1, share: 0, requestsPerSecond: 1)
        == nil)
    #expect(
      Planning.secondsUntilPromoted(baselineRate: 0.1, share: 0.1, requestsPerSecond: 0) == nil)
  }

  @Test func failingMoreNeverSpeaksForTheCanary() {
    var evidence = -Double.infinity
    var promotion = Double.infinity
    for errors: UInt64 in 0...300 {
      var test = RatioTest()
      test.add(block(300, 5_700, errors, 6))
      #expect(test.logEvidence >= evidence || errors < 2)
      evidence = test.logEvidence
      var clean = PromotionTest()
      clean.add(block(300, 5_700, errors, 6))
      #expect(clean.logEvidence < promotion)
      promotion = clean.logEvidence
    }
  }

  @Test func theChanceNeverGrowsAgain() {
    var generator = SeededGenerator(state: 7)
    var test = RatioTest()
    var chance = 1.0
    for _ in 0..<2_000 {
      test.add(block(100, 900, generator.count(0.3), generator.count(1.8)))
      #expect(test.chance <= chance && test.chance > 0)
      chance = test.chance
    }
  }

  /// Under the null, with the ratio on the very border, a base rate that drifts and a share that moves,
  /// of 2,000 runs 1 in 20 may alarm. The bound is four deviations above that.
  @Test func falseAlarmsStayBelowAlpha() {
    var generator = SeededGenerator(state: 20_240_229)
    var alarms = 0
    for run in 0..<2_000 {
      var test = RatioTest(toleratedRatio: 1)
      for second in 0..<200 {
        let rate = 0.02 + 0.01 * Double((second + run) % 50) / 50
        let canary: UInt64 = second < 100 ? 10 : 50
        test.add(
          block(
            canary, 100, min(canary, generator.count(rate * Double(canary))),
            min(100, generator.count(rate * 100))))
      }
      if test.isRefuted(alpha: 0.05) { alarms += 1 }
    }
    #expect(alarms < 139)
    #expect(alarms > 0)
  }

  @Test func wrongPromotionsStayBelowBeta() {
    var generator = SeededGenerator(state: 11)
    var wrong = 0
    for _ in 0..<2_000 {
      var test = PromotionTest(limit: 2)
      for _ in 0..<200 where !test.isPassed(beta: 0.05) {
        test.add(block(50, 450, min(50, generator.count(1)), generator.count(4.5)))
      }
      if test.isPassed(beta: 0.05) { wrong += 1 }
    }
    #expect(wrong < 139)
    #expect(wrong > 0)
  }

  @Test(arguments: [
    block(0, 0, 0, 0), block(1, 0, 1, 0), block(0, 1, 0, 1), block(5, 1, 9, 0), block(1, 5, 0, 9),
    block(1_000_000_000_000_000, 1, 1_000_000_000_000_000, 0),
    block(1, 1_000_000_000_000_000, 0, 1_000_000_000_000_000),
    block(1_000_000_000_000_000, 1_000_000_000_000_000, 7, 1_000_000_000_000_000),
    block(.max, .max, .max, .max), block(.max, .max, 0, .max),
  ])
  func everyBlockGivesANumber(_ block: PairedCounts) {
    for dispersion in [1, 0, -.infinity, .nan, 3] as [Double] {
      var test = RatioTest()
      var promotion = PromotionTest()
      for _ in 0..<3 {
        test.add(block, dispersion: dispersion)
        promotion.add(block, dispersion: dispersion)
      }
      #expect(test.logEvidence.isFinite)
      #expect(promotion.logEvidence.isFinite)
      #expect(test.chance >= 0 && test.chance <= 1)
    }
  }

  @Test func whatIsNotPlausibleSaysNothing() {
    var test = RatioTest()
    test.add(block(5, 100, 6, 0))
    test.add(block(5, 100, 0, 101))
    #expect(test == RatioTest())
    #expect(RatioTest(toleratedRatio: .nan).toleratedRatio == 1)
    #expect(PromotionTest(limit: 0.5).limit == 2)
  }

  /// A million blocks stand for years: their sum is that of the one block, to the last digits.
  @Test func aMillionBlocksLoseNothing() {
    var one = PromotionTest()
    one.add(block(1, 19, 0, 1))
    var many = PromotionTest()
    for _ in 0..<1_000_000 { many.add(block(1, 19, 0, 1)) }
    #expect(isClose(many.logEvidence / (one.logEvidence * 1_000_000), 1, within: 1e-15))
  }

  @Test func dispersionIsThatOfTheBlocks() {
    #expect(Dispersion.estimate([]) == 1)
    #expect(Dispersion.estimate([(10, 1)]) == 1)
    #expect(Dispersion.estimate([(10, 0), (10, 0)]) == 1)
    #expect(Dispersion.estimate([(10, 10), (10, 10)]) == 1)
    #expect(Dispersion.estimate([(10, 1), (10, 1), (10, 11)]) == 1)
    // Rate 0.05, expected 5 of 100: (5^2 + 5^2) / (5 * 0.95) by one degree of freedom.
    #expect(isClose(Dispersion.estimate([(100, 0), (100, 10)]), 50 / 4.75))
  }

  @Test func dispersionTempersClusters() {
    var generator = SeededGenerator(state: 5)
    func cluster(_ mean: Double) -> UInt64 {
      (0..<generator.count(mean / 5)).reduce(0) { sum, _ in sum + generator.count(5) }
    }
    let earlier = (0..<600).map { _ in (requests: UInt64(900), errors: min(900, cluster(2))) }
    let dispersion = Dispersion.estimate(earlier)
    #expect(dispersion > 4 && dispersion < 9)
    var alarms = (plain: 0, tempered: 0)
    for _ in 0..<300 {
      var plain = RatioTest()
      var tempered = RatioTest()
      for _ in 0..<600 {
        let block = block(100, 900, min(100, cluster(0.2)), min(900, cluster(2)))
        plain.add(block)
        tempered.add(block, dispersion: dispersion)
      }
      if plain.isRefuted(alpha: 0.01) { alarms.plain += 1 }
      if tempered.isRefuted(alpha: 0.01) { alarms.tempered += 1 }
    }
    #expect(alarms.plain > 30)
    #expect(alarms.tempered < 15)
  }
}
