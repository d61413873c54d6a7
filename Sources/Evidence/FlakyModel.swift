public import SegueModel

#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif

/// One attempt at one test, as a history keeps it.
public struct TestRun: Hashable, Sendable {
  /// Suite path, class, name and parameters together.
  public var test: String
  public var commit: String
  public var branch: String
  /// Where it ran; results of different environments contradict nothing.
  public var environment: String
  /// The first attempt is 1.
  public var attempt: Int
  public var passed: Bool
  public var duration: Milliseconds
  public var at: Instant

  public init(
    test: String, commit: String, branch: String = "", environment: String = "", attempt: Int = 1,
    passed: Bool, duration: Milliseconds = .zero, at: Instant
  ) {
    self.test = test
    self.commit = commit
    self.branch = branch
    self.environment = environment
    self.attempt = attempt
    self.passed = passed
    self.duration = duration
    self.at = at
  }

  /// The failures that a pass of the same test, at the same commit and in the same environment,
  /// speaks against, in the order given. The passes beside them are not counted.
  public static func contradictedFailures(in runs: [TestRun]) -> [TestRun] {
    let passes = Set(runs.lazy.filter(\.passed).map(Place.init))
    return runs.filter { !$0.passed && passes.contains(Place($0)) }
  }

  private struct Place: Hashable {
    var test: String
    var commit: String
    var environment: String

    init(_ run: TestRun) {
      test = run.test
      commit = run.commit
      environment = run.environment
    }
  }
}

/// How probable it is that a test fails without cause, given its history.
///
/// A commit is good or bad for a test. In a good state the test fails with the probability P_f; in
/// a bad one, which has the probability P_b, it always fails. So failures that a retry contradicts
/// speak for a flaky test, and those that no retry contradicts for a broken commit. After Meta's
/// Probabilistic Flakiness Score (Machalica et al., "Probabilistic flakiness: How do you test your
/// tests?", 2020).
///
/// Both are estimated on a grid: 60 values of P_f from 1e-5 to 0.9, evenly spaced by their
/// logarithms, and eight of P_b. Beforehand, 97 % of the weight lies on P_f below ``flakyFrom``.
public struct FlakyModel: Sendable {
  /// A test that fails without cause this often is called flaky.
  public static let flakyFrom = 0.001

  /// A test that was seen to fail and pass at one commit is called flaky when it is so with at least
  /// this probability. A machine that fails tests at random contradicts itself, too: in a long history,
  /// one such failure says less and less. `make bench-flaky` shows what that gains and costs.
  public static let calledFrom = 0.05

  /// What the attempts at one commit came to.
  public struct Attempts: Hashable, Sendable {
    public var failures: Int
    public var passes: Int

    public init(failures: Int, passes: Int) {
      self.failures = max(0, failures)
      self.passes = max(0, passes)
    }
  }

  /// What a history says of a test; each value from 0 to 1.
  public struct Estimate: Hashable, Sendable {
    /// The expected P_f.
    public var failureRate: Double
    /// The probability that P_f is at least ``FlakyModel/flakyFrom``.
    public var flakiness: Double
    /// The expected P_b.
    public var breakRate: Double
  }

  /// All that a history has to say to the model, in a few numbers: commits at which the test passed
  /// at least once differ only in how often it passed and failed, so their counts add up. Of the
  /// others, each number of failures is kept apart.
  public struct Statistics: Hashable, Sendable {
    /// Commits, each in one environment, at which the test passed at least once.
    public var goodCommits = 0
    /// Passes at those.
    public var passes = 0
    /// Failures at those: each is contradicted by a pass.
    public var contradictedFailures = 0
    /// How many commits there are without a pass, by how often the test failed there.
    public var broken: [Int: Int] = [:]

    public init() {}

    public init(_ history: [Attempts]) { for attempts in history { add(attempts) } }

    /// Adds `count` commits, or takes them away if it is negative.
    public mutating func add(_ attempts: Attempts, count: Int = 1) {
      if attempts.passes > 0 {
        goodCommits += count
        passes += count * attempts.passes
        contradictedFailures += count * attempts.failures
      } else if attempts.failures > 0 {
        let left = (broken[attempts.failures] ?? 0) + count
        broken[attempts.failures] = left == 0 ? nil : left
      }
    }
  }

  private struct Rate: Sendable {
    var value: Double
    var log: Double
    /// ln(1 - value)
    var complementLog: Double
    var priorLog = 0.0

    init(_ value: Double) {
      self.value = value
      log = naturalLogarithm(value)
      complementLog = log1p(-value)
    }
  }

  private let failureRates: [Rate]
  private let breakRates: [Rate]

  public init() {
    let count = 60
    let low = log(1e-5)
    let step = (log(0.9) - low) / Double(count - 1)
    var rates = (0..<count).map { Rate(exp(low + step * Double($0))) }
    let stable = Double(rates.count { $0.value < Self.flakyFrom })
    for index in rates.indices {
      rates[index].priorLog = log(
        rates[index].value < Self.flakyFrom ? 0.97 / stable : 0.03 / (Double(count) - stable))
    }
    failureRates = rates
    breakRates = [1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3].map(Rate.init)
  }

  /// Whether a test with this history is to be called flaky. Failures that no pass contradicts do not
  /// suffice: a test that stays broken has many.
  public static func isCalledFlaky(_ statistics: Statistics, _ estimate: Estimate) -> Bool {
    statistics.contradictedFailures > 0 && estimate.flakiness >= calledFrom
  }

  /// Weighs a history, one entry for each commit at which the test ran, in any order.
  public func estimate(_ history: [Attempts]) -> Estimate { estimate(Statistics(history)) }

  /// Weighs a history by its statistics. The work does not grow with the history.
  public func estimate(_ statistics: Statistics) -> Estimate {
    let broken = statistics.broken.sorted { $0.key < $1.key }
    let good = Double(statistics.goodCommits)
    var logs: [Double] = []
    logs.reserveCapacity(failureRates.count * breakRates.count)
    for rate in failureRates {
      let always =
        rate.priorLog + Double(statistics.contradictedFailures) * rate.log
        + Double(statistics.passes) * rate.complementLog
      let failing = broken.map { (chance: exp(Double($0.key) * rate.log), count: $0.value) }
      for breakRate in breakRates {
        var sum = always + good * breakRate.complementLog
        for kind in failing {
          let chance = breakRate.value + (1 - breakRate.value) * kind.chance
          sum += Double(kind.count) * log(chance)
        }
        logs.append(sum)
      }
    }
    return summarize(logs)
  }

  /// - Parameter logs: the logarithm of the weight of each pair of rates.
  private func summarize(_ logs: [Double]) -> Estimate {
    let top = logs.max() ?? 0
    var total = 0.0
    var estimate = Estimate(failureRate: 0, flakiness: 0, breakRate: 0)
    for (index, value) in logs.enumerated() where value > top - 40 {
      let weight = exp(value - top)
      let failureRate = failureRates[index / breakRates.count].value
      total += weight
      estimate.failureRate += weight * failureRate
      estimate.flakiness += failureRate >= Self.flakyFrom ? weight : 0
      estimate.breakRate += weight * breakRates[index % breakRates.count].value
    }
    estimate.failureRate /= total
    estimate.flakiness /= total
    estimate.breakRate /= total
    return estimate
  }

  /// How many runs without a failure show with 95 % confidence that a test which failed at this
  /// rate has been mended: ln 0.05 / ln(1 - p), rounded up. `nil` for a rate that is not between 0
  /// and 1.
  public static func cleanRunsToConfirmFix(failureRate: Double) -> Int? {
    guard failureRate > 1e-12, failureRate <= 1 else { return nil }
    return failureRate == 1 ? 1 : Int((log(0.05) / log1p(-failureRate)).rounded(.up))
  }
}

private func naturalLogarithm(_ value: Double) -> Double { log(value) }
