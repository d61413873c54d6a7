import CanaryAnalysis
import SegueModel
import Testing

@Suite struct KayentaJudgeTests {
  @Test func shiftsOfSmallSamples() throws {
    let first = try #require(
      MannWhitney.shift(experiment: [10, 20, 30, 40], control: [1, 2, 3, 4], confidence: 0.95))
    #expect(first.lower == 6 && first.upper == 39 && first.estimate == 22.5)
    #expect(isClose(first.chance, 0.028571, within: 1e-6))
    let second = try #require(
      MannWhitney.shift(
        experiment: [20, 22, 21, 25, 30], control: [1, 2.2, 1.1, 2.5, 3], confidence: 0.95))
    #expect(isClose(second.lower, 17.8) && isClose(second.upper, 27.8))
    #expect(isClose(second.estimate, 20) && isClose(second.chance, 0.0079365))
  }

  @Test func shiftsOfOddSamples() {
    #expect(MannWhitney.shift(experiment: [], control: [1]) == nil)
    #expect(MannWhitney.shift(experiment: [.nan], control: [1]) == nil)
    let long = Array(repeating: 1.0, count: MannWhitney.limit + 1)
    #expect(MannWhitney.shift(experiment: long, control: [1]) == nil)
    let same = MannWhitney.shift(experiment: [1, 1, 1], control: [1, 1])
    #expect(same?.estimate == 0 && same?.chance == 1)
    let many = (0..<60).map(Double.init)
    let moved = MannWhitney.shift(experiment: many.map { $0 + 50 }, control: many)
    #expect(moved?.estimate == 50)
    #expect((moved?.lower ?? 0) > 40 && (moved?.chance ?? 1) < 1e-9)
  }

  @Test func scoresAndThresholds() {
    let judge = KayentaJudge()
    #expect(judge.score([]) == nil)
    #expect(judge.score([.init(.noData)]) == nil)
    #expect(judge.score([.init(.pass, weight: 3), .init(.high), .init(.noData)]) == 75)
    #expect(judge.outcome(score: 75) == .pass)
    #expect(judge.outcome(score: 74.9) == .marginal)
    #expect(judge.outcome(score: 49.9) == .fail)
    #expect(judge.classify(experiment: [.nan], control: [1]) == .noData)
    #expect(judge.classify(experiment: [1, 2], control: [1, 2]) == .pass)
    #expect(
      judge.classify(
        experiment: [1, 1, 2, 2, 1], control: [9, 9, 8, 8, 9], direction: .either) == .low)
  }

  private func judged(_ canary: [UInt64], _ baseline: [UInt64], of requests: UInt64) -> RatioTest {
    var test = RatioTest()
    for (canary, baseline) in zip(canary, baseline) {
      test.add(block(requests, requests, canary, baseline))
    }
    return test
  }

  private func compatible(_ canary: [UInt64], _ baseline: [UInt64]) -> KayentaJudge.Classification {
    KayentaJudge().classify(experiment: canary.map(Double.init), control: baseline.map(Double.init))
  }

  @Test func aCanaryThatMostlyFailsPassesThereAndNotHere() {
    let canary: [UInt64] = Array(repeating: 100, count: 7) + [1, 1, 1]
    let baseline: [UInt64] = Array(repeating: 1, count: 10)
    #expect(compatible(canary, baseline) == .pass)
    #expect(judged(canary, baseline, of: 1_000).isRefuted(alpha: 0.01))
  }

  /// Four errors against none are no proof. To call that a pass is the mistake: here it is not enough
  /// evidence, and when it goes on it is bad.
  @Test func aFewNewErrorsPassThereAndStayOpenHere() {
    let canary: [UInt64] = [0, 1, 2, 1, 0, 0]
    let baseline: [UInt64] = [0, 0, 0, 0, 0, 0]
    #expect(compatible(canary, baseline) == .pass)
    var judge = ReleaseJudge()
    var errors: UInt64 = 0
    judge.observe(
      canary: .init(requests: 0, errors: 0), baseline: .init(requests: 0, errors: 0),
      at: Instant(milliseconds: 0))
    for second in 1...24 {
      errors += canary[second % 6]
      let requests = UInt64(second) * 100
      judge.observe(
        canary: .init(requests: requests, errors: errors),
        baseline: .init(requests: requests, errors: 0),
        at: Instant(milliseconds: Int64(second) * 1_000))
      let verdict = judge.verdict(at: Instant(milliseconds: Int64(second) * 1_000))
      switch verdict {
      case .good: Issue.record("good after \(second) s")
      case .notEnoughEvidence: #expect(second < 24)
      case .bad: #expect(second > 6)
      }
    }
  }

  @Test func aChangeOfVariabilityPassesThereAndNotHere() {
    let jitter = (0..<40).map { Double($0 % 5) }
    let control = jitter.map { 100 + $0 }
    let experiment: [Double] = jitter.enumerated().map { $0 % 2 == 0 ? 60 + $1 : 140 + $1 }
    #expect(KayentaJudge().classify(experiment: experiment, control: control) == .pass)
    var test = LatencyTest(toleratedRatio: 1)
    for _ in 0..<5 {
      test.add(canary: histogram(experiment), baseline: histogram(control))
    }
    #expect(test.chance < 0.01)
  }

  private func histogram(_ milliseconds: [Double]) -> [UInt64] {
    var counts = Array(repeating: UInt64(0), count: LatencyHistogram.bucketCount)
    for value in milliseconds {
      counts[LatencyHistogram.bucket(microseconds: UInt64(value * 1_000))] += 1
    }
    return counts
  }

  @Test func elevenErrorsAgainstNoneAreHighThereAndBadHere() {
    let canary: [UInt64] = [1, 4, 2, 3, 1]
    let baseline: [UInt64] = [0, 0, 0, 0, 0]
    #expect(compatible(canary, baseline) == .high)
    #expect(judged(canary, baseline, of: 100).isRefuted(alpha: 0.01))
    #expect(!judged([1, 0, 0, 0, 0], baseline, of: 100).isRefuted(alpha: 0.01))
  }
}
