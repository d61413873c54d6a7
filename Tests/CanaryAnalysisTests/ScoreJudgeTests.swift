import CanaryAnalysis
import SegueModel
import Testing

@Suite struct ScoreJudgeTests {
  private func judge(latency: Bool = false, metrics: [String] = []) -> ScoreJudge {
    ScoreJudge(
      KayentaJudge(), interval: .seconds(60), minimum: .minutes(10), errors: true,
      latency: latency, metrics: metrics.map { ($0, .increase) })
  }

  /// Feeds `minutes` of counters, with so many errors of 1,000 requests each minute.
  private func run(
    _ judge: inout ScoreJudge, minutes: Int, canary: (Int) -> UInt64, baseline: (Int) -> UInt64
  ) -> [ScoreJudge.Answer] {
    var own = CumulativeCounts(requests: 0, errors: 0)
    var other = own
    return (0...minutes).map { minute in
      let now = Instant(milliseconds: Int64(minute) * 60_000 + 1_000)
      judge.observe(canary: own, baseline: other, at: now)
      own.requests += 1_000
      own.errors += canary(minute)
      other.requests += 1_000
      other.errors += baseline(minute)
      return judge.answer(at: now)
    }
  }

  @Test func aReleaseThatFailsMoreIsBadOnceThereAreEnoughValues() {
    var judge = judge()
    let answers = run(
      &judge, minutes: 10, canary: { UInt64(50 + $0) }, baseline: { UInt64(1 + $0 % 3) })
    #expect(answers[...4].allSatisfy { $0 == .open })
    #expect(answers[5...].allSatisfy { $0 == .bad })
    #expect(judge.description == "score 0 of 100, below 50: errors high")
  }

  @Test func aCleanReleaseIsGoodAfterTheMinimum() {
    var judge = judge()
    let answers = run(
      &judge, minutes: 10, canary: { UInt64($0 * 7 % 5) }, baseline: { UInt64($0 * 3 % 5) })
    #expect(answers[...9].allSatisfy { $0 == .open })
    #expect(answers[10] == .good)
    #expect(judge.description == "score 100 of 100, at least 75: errors pass")
  }

  @Test func aMetricWithoutValuesHoldsBack() {
    var judge = judge(metrics: ["queue"])
    let answers = run(&judge, minutes: 20, canary: { _ in 1 }, baseline: { _ in 1 })
    #expect(answers.allSatisfy { $0 == .open })
    #expect(judge.description.hasPrefix("no score yet"))
    for value in [100.0, 110, 120, 130, 140] {
      judge.observe(metric: "queue", canary: value, baseline: value / 10)
    }
    #expect(judge.score == 50)
    // Half of the metrics pass: marginal, and nothing happens by itself.
    #expect(judge.answer(at: Instant(milliseconds: 3_600_000)) == .open)
    #expect(judge.description == "score 50 of 100, below 75: errors pass, queue high")
  }

  @Test func latencyIsComparedByItsSlowestHundredth() {
    var judge = judge(latency: true)
    var own = CumulativeCounts(
      requests: 0, errors: 0,
      latency: Array(repeating: 0, count: LatencyHistogram.bucketCount))
    var other = own
    for minute in 0...6 {
      judge.observe(
        canary: own, baseline: other, at: Instant(milliseconds: Int64(minute) * 60_000))
      own.requests += 100
      own.latency[100 + minute] += 100
      other.requests += 100
      other.latency[80 + minute] += 100
    }
    #expect(judge.score == 50)
    #expect(judge.description.hasSuffix("errors pass, latency high"))
  }

  @Test func countersAndClocksThatGoBackGiveNoValue() {
    var judge = judge()
    let much = CumulativeCounts(requests: 1_000, errors: 1_000)
    let little = CumulativeCounts(requests: 10, errors: 0)
    for minute in 0..<20 {
      let at = Instant(milliseconds: Int64(minute) * 60_000)
      judge.observe(canary: minute % 2 == 0 ? much : little, baseline: little, at: at)
    }
    for minute in (0..<20).reversed() {
      judge.observe(
        canary: much, baseline: little, at: Instant(milliseconds: Int64(minute) * 60_000))
    }
    #expect(judge.score == nil)
    #expect(judge.answer(at: Instant(milliseconds: 0)) == .open)
  }
}
