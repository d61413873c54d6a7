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

  private let failureRates: [Double]
  private let breakRates = [1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3]
  private let priors: [Double]

  public init() {
    let count = 60
    let low = log(1e-5)
    let step = (log(0.9) - low) / Double(count - 1)
    failureRates = (0..<count).map { exp(low + step * Double($0)) }
    let stable = Double(failureRates.count { $0 < Self.flakyFrom })
    priors = failureRates.map { rate in
      rate < Self.flakyFrom ? 0.97 / stable : 0.03 / (Double(count) - stable)
    }
  }

  /// Weighs a history, one entry for each commit at which the test ran, in any order.
  public func estimate(_ history: [Attempts]) -> Estimate {
    let kinds = history.reduce(into: [Attempts: Int]()) { $0[$1, default: 0] += 1 }
      .sorted { ($0.key.failures, $0.key.passes) < ($1.key.failures, $1.key.passes) }
    var logs: [Double] = []
    for (index, failureRate) in failureRates.enumerated() {
      for breakRate in breakRates {
        var sum = log(priors[index])
        for (attempts, count) in kinds {
          sum += Double(count) * Self.logarithm(attempts, failureRate, breakRate)
        }
        logs.append(sum)
      }
    }
    let top = logs.max() ?? 0
    var total = 0.0
    var estimate = Estimate(failureRate: 0, flakiness: 0, breakRate: 0)
    for (index, value) in logs.enumerated() {
      let weight = exp(value - top)
      let failureRate = failureRates[index / breakRates.count]
      total += weight
      estimate.failureRate += weight * failureRate
      estimate.flakiness += failureRate >= Self.flakyFrom ? weight : 0
      estimate.breakRate += weight * breakRates[index % breakRates.count]
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

  private static func logarithm(
    _ attempts: Attempts, _ failureRate: Double, _ breakRate: Double
  ) -> Double {
    let failures = Double(attempts.failures) * log(failureRate)
    guard attempts.passes > 0 else {
      return attempts.failures == 0 ? 0 : log(breakRate + (1 - breakRate) * exp(failures))
    }
    return log1p(-breakRate) + failures + Double(attempts.passes) * log1p(-failureRate)
  }
}
