import Evidence
import SegueModel
import Testing

@Suite struct FlakyModelTests {
  typealias Attempts = FlakyModel.Attempts

  struct Vector: Sendable {
    var odd: Attempts
    var failureRate: Double
    var flakiness: Double
    var breakRate: Double
  }

  @Test(arguments: [
    Vector(
      odd: Attempts(failures: 0, passes: 1), failureRate: 2.338e-4, flakiness: 0.00842,
      breakRate: 0.00214),
    Vector(
      odd: Attempts(failures: 1, passes: 1), failureRate: 0.02867, flakiness: 0.99348,
      breakRate: 0.00214),
    Vector(
      odd: Attempts(failures: 3, passes: 0), failureRate: 2.353e-4, flakiness: 0.00854,
      breakRate: 0.02698),
    Vector(
      odd: Attempts(failures: 1, passes: 0), failureRate: 9.87e-4, flakiness: 0.0390,
      breakRate: 0.02614),
  ])
  func weighsNinetySevenPassesAndThreeOthers(_ vector: Vector) {
    let passes = [Attempts](repeating: Attempts(failures: 0, passes: 1), count: 97)
    let estimate = FlakyModel().estimate(passes + [vector.odd, vector.odd, vector.odd])
    #expect(abs(estimate.failureRate / vector.failureRate - 1) < 0.003)
    #expect(abs(estimate.flakiness / vector.flakiness - 1) < 0.003)
    #expect(abs(estimate.breakRate / vector.breakRate - 1) < 0.003)
  }

  /// One failure that a retry contradicts is much in a short history and little in a long one; failures
  /// that nothing contradicts are those of a broken test, however many there are.
  @Test(arguments: [
    (commits: 30, flakes: 1, broken: 0, isFlaky: true),
    (commits: 3_000, flakes: 1, broken: 0, isFlaky: false),
    (commits: 3_000, flakes: 6, broken: 0, isFlaky: true),
    (commits: 100, flakes: 0, broken: 40, isFlaky: false),
  ])
  func aTestIsCalledFlakyByContradictionAndProbability(
    commits: Int, flakes: Int, broken: Int, isFlaky: Bool
  ) {
    var statistics = FlakyModel.Statistics()
    statistics.add(Attempts(failures: 0, passes: 1), count: commits)
    statistics.add(Attempts(failures: 1, passes: 1), count: flakes)
    statistics.add(Attempts(failures: 1, passes: 0), count: broken)
    #expect(
      FlakyModel.isCalledFlaky(statistics, FlakyModel().estimate(statistics)) == isFlaky)
  }

  @Test func onlyAContradictedFailureCounts() {
    func run(_ commit: String, _ environment: String, _ attempt: Int, _ passed: Bool) -> TestRun {
      TestRun(
        test: "a", commit: commit, environment: environment, attempt: attempt, passed: passed,
        at: Instant(milliseconds: 0))
    }
    let runs = [
      run("1", "ci", 1, false), run("1", "ci", 2, true),
      run("2", "ci", 1, false), run("2", "ci", 2, false),
      run("3", "ci", 1, false), run("3", "arm", 1, true),
    ]
    #expect(TestRun.contradictedFailures(in: runs) == [runs[0]])
  }

  @Test func aFixIsConfirmedByEnoughCleanRuns() {
    #expect(FlakyModel.cleanRunsToConfirmFix(failureRate: 0.5) == 5)
    #expect(FlakyModel.cleanRunsToConfirmFix(failureRate: 0.01) == 299)
    #expect(FlakyModel.cleanRunsToConfirmFix(failureRate: 1) == 1)
    #expect(FlakyModel.cleanRunsToConfirmFix(failureRate: 0) == nil)
    #expect(FlakyModel.cleanRunsToConfirmFix(failureRate: .nan) == nil)
  }
}

@Suite struct DurationTrendTests {
  static let rising: [Double] = [100, 101, 99, 102, 103, 101, 104, 106, 105, 107]

  @Test func theilSenSlopeHasItsInterval() {
    let slope = DurationTrend.slope(Self.rising)
    #expect([slope?.slope, slope?.low, slope?.high] == [0.75, 0.5, 1.0])
    #expect(DurationTrend.slope([1, 2]) == nil)
  }

  @Test func mannKendallCountsTies() throws {
    let trend = try #require(DurationTrend.mannKendall(Self.rising))
    #expect(trend.score == 34)
    #expect(abs(trend.tau - 0.764093) < 1e-6)
    #expect(abs(trend.pValue - 0.0030417) < 1e-6)
    #expect(DurationTrend.mannKendall([5, 5, 5, 5]) == nil)
  }

  @Test func findsWhereDurationsHalved() {
    let values = [
      1.02, 0.95, 0.99, 1.00, 1.12, 1.00, 1.01, 0.98, 1.01, 0.96,
      0.50, 0.51, 0.48, 0.48, 0.55, 0.50, 0.49, 0.51, 0.50, 0.49,
    ]
    #expect(DurationTrend.changePoints(values) == [10])
    #expect(DurationTrend.changePoints([Double](repeating: 9, count: 400) + values) != [])
    #expect(DurationTrend.changePoints([Double](repeating: 1, count: 20)) == [])
    #expect(DurationTrend.changePoints([]) == [])
  }
}

@Suite struct ShardPlanTests {
  @Test func theLongestGoFirst() {
    let times: [String: Milliseconds] = [
      "a": Milliseconds(70), "b": Milliseconds(60),
      "c": Milliseconds(50), "d": Milliseconds(40), "e": Milliseconds(30),
    ]
    let plan = ShardPlan(tests: ["e", "d", "c", "b", "a"], times: times, count: 2)
    #expect(plan.shards.map(\.tests) == [["a", "d", "e"], ["b", "c"]])
    #expect(plan.shards.map(\.expected) == [Milliseconds(140), Milliseconds(110)])
    #expect(plan == ShardPlan(tests: ["a", "c", "b", "e", "d"], times: times, count: 2))
  }

  @Test func everyTestRunsExactlyOnce() {
    let plan = ShardPlan(tests: ["new", "old", "old"], times: ["old": Milliseconds(5)], count: 0)
    #expect(plan.shards.map(\.tests) == [["new", "old"]])
    #expect(ShardPlan(tests: [], times: [:], count: 3).shards.count == 3)
    let unmeasured = ShardPlan(
      tests: ["a", "b"], times: ["a": .zero, "b": .zero], count: 2)
    #expect(unmeasured.shards.map(\.tests) == [["a"], ["b"]])
  }
}
