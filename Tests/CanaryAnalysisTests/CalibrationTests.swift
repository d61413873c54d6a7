import CanaryAnalysis
import Testing

@Suite struct CalibrationTests {
  private func history(
    instances errors: [UInt64] = [], blocks: [UInt64] = [], clean: [PairedCounts] = []
  ) -> TrafficHistory {
    TrafficHistory(
      blocks: blocks.map { .init(requests: 1_000, errors: $0) },
      instances: errors.map { .init(requests: 36_000, errors: $0) }, clean: clean)
  }

  @Test func instancesThatAreAlikeChangeNothing() {
    let even = Calibration(history(instances: [36, 30, 41, 33, 38, 36, 44, 29, 35, 40]))
    #expect(even.spread == 0)
    var settings = JudgeSettings()
    settings.calibrate(by: even, instances: (1, 9))
    #expect(settings == JudgeSettings())
  }

  @Test func unlikeInstancesRaiseTheTolerance() {
    let uneven = Calibration(history(instances: [20, 60, 35, 18, 90, 30, 25, 55, 22, 40]))
    #expect(uneven.spread > 0.4 && uneven.spread < 0.6)
    #expect(uneven.learntFrom == 10)
    var settings = JudgeSettings()
    settings.calibrate(by: uneven, instances: (1, 9))
    #expect(settings.toleratedRatio > 2 && settings.toleratedRatio < 3.5)
    #expect(isClose(settings.promotionLimit / settings.toleratedRatio, 1.6, within: 1e-9))
    // More instances are more alike on average.
    let many = uneven.toleratedRatio(atLeast: 1.25, instances: (5, 50))
    #expect(many < settings.toleratedRatio)
  }

  /// Each service has instances whose error rates are log-normal with a deviation of 0.5, and the
  /// canary is one more of them.
  @Test func falseAlarmsStayRareWhereInstancesAreUnlike() {
    var generator = SeededGenerator(state: 11)
    var alarms = (calibrated: 0, untuned: 0)
    let services = 400
    for _ in 0..<services {
      let errors = (0..<10).map { _ in generator.count(36 * generator.heterogeneity(0.5)) }
      var settings = JudgeSettings()
      settings.calibrate(by: Calibration(history(instances: errors)), instances: (1, 10))
      let canary = generator.heterogeneity(0.5)
      var calibrated = RatioTest(toleratedRatio: settings.toleratedRatio)
      var untuned = RatioTest()
      for _ in 0..<60 {
        let minute = block(6_000, 54_000, generator.count(6 * canary), generator.count(54))
        calibrated.add(minute)
        untuned.add(minute)
      }
      alarms.calibrated += calibrated.isRefuted(alpha: 0.01) ? 1 : 0
      alarms.untuned += untuned.isRefuted(alpha: 0.01) ? 1 : 0
    }
    #expect(alarms.calibrated <= services * 5 / 100)
    #expect(alarms.untuned > services * 10 / 100)
  }

  @Test func earlierRolloutsCountToo() {
    let ratios: [UInt64] = [50, 200, 80, 130, 60, 170, 100, 90]
    let clean = ratios.map { block(100_000, 100_000, $0, 100) }
    #expect(Calibration(history(clean: clean)).spread > 0.2)
    let alike = [95, 105, 110, 90].map { block(100_000, 100_000, $0, 100) }
    #expect(Calibration(history(clean: alike)).spread == 0)
  }

  @Test func retriesThatLastAreSeenAsClusters() {
    var generator = SeededGenerator(state: 7)
    let alone = (0..<3_600).map { _ in generator.count(0.5) }
    #expect(Calibration(history(blocks: alone)).dispersion < 1.15)
    // Every cluster reaches over ten blocks with one error each: by the block nothing can be seen.
    var lasting = Array(repeating: UInt64(0), count: 3_600)
    for start in 0..<3_590 where generator.count(0.05) > 0 {
      for block in start..<start + 10 { lasting[block] += 1 }
    }
    #expect(Calibration(history(blocks: lasting)).dispersion > 5)
  }

  @Test func nothingToLearnFromIsNoTrap() {
    for history in [
      history(), history(instances: [0, 0, 0]), history(instances: [1]),
      history(instances: [.max, .max, .max]), history(blocks: [.max, 0]),
      history(clean: [block(0, 0, 0, 0), block(1, 1, 5, 5), block(1, 1, 1, 1)]),
    ] {
      let calibration = Calibration(history)
      #expect(calibration.dispersion == 1)
      #expect(calibration.spread == 0)
    }
  }

  @Test func quantilesOfTwoSamples() throws {
    let test = try #require(QuantileComparison(quantile: 0.5, tunedFor: 100))
    let values = (1...1_000).map(Double.init)
    for (shift, chance) in [(70.0, 0.814704), (85, 0.0838055), (100, 0.0054947)] {
      #expect(isClose(test.chance(values, values.map { $0 + shift }), chance, within: 1e-6))
    }
    #expect(test.chance(values, values) == 1)
    #expect(test.chance([], values) == 1)
    #expect(test.chance([.nan, .infinity], values) == 1)
    #expect(QuantileComparison(quantile: 1, tunedFor: 100) == nil)
    #expect(QuantileComparison(quantile: 0.5, tunedFor: .nan) == nil)
  }

  @Test func theIntervalHoldsTheRatio() throws {
    var generator = SeededGenerator(state: 3)
    var interval = RatioInterval()
    for _ in 0..<2_000 {
      interval.add(block(100, 900, generator.count(0.6), generator.count(0.9)))
    }
    // Six times as often: 0.006 against 0.001.
    let bounds = interval.bounds()
    let lower = try #require(bounds.lower)
    let upper = try #require(bounds.upper)
    #expect(lower > 4.5 && lower < 6)
    #expect(upper > 6 && upper < 8)
    #expect(RatioInterval().bounds() == (nil, nil))
    var silent = RatioInterval()
    silent.add(block(100, 900, 101, 0))
    silent.add(block(0, 900, 0, 5))
    #expect(silent.bounds() == (nil, nil))
  }
}
