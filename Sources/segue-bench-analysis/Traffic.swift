import CanaryAnalysis
import Foundation

/// SplitMix64: the same seed is the same benchmark.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }

  mutating func uniform() -> Double { Double.random(in: 0..<1, using: &self) }

  /// Poisson, by multiplying uniform numbers (Knuth); large means in halves.
  mutating func count(_ mean: Double) -> UInt64 {
    if mean > 30 { return count(mean / 2) + count(mean / 2) }
    let limit = exp(-mean)
    var product = uniform()
    var count: UInt64 = 0
    while product > limit {
      count += 1
      product *= uniform()
    }
    return count
  }

  /// Log-normal with a mean of 1.
  mutating func heterogeneity(_ deviation: Double) -> Double {
    let normal = sqrt(-2 * log(1 - uniform())) * cos(2 * Double.pi * uniform())
    return exp(deviation * normal - deviation * deviation / 2)
  }
}

/// The ways in which nothing is wrong with the canary.
enum Null: String, CaseIterable {
  case independent
  /// The base rate swings by a half within each twenty minutes.
  case drift
  /// The share grows from 1 % to 50 % within the hour.
  case ramp
  /// Errors come in clusters of five on average: retries.
  case bursts
  /// The canary is one instance of many, and each has an error rate of its own.
  case pods
  /// The same, with instances that are further apart.
  case unlikePods = "unlike pods"

  /// How far apart the logarithms of the instances' error rates are.
  var deviation: Double {
    switch self {
    case .independent, .drift, .ramp, .bursts: 0
    case .pods: 0.2
    case .unlikePods: 0.5
    }
  }
}

/// An hour of one-second blocks of a rollout, and the hour before it.
struct Traffic {
  static let baseRate = 0.001
  static let seconds = 3_600
  /// Of the release before.
  static let instances = 10

  var requestsPerSecond: Double
  var share: Double
  /// The true ratio of error rates; 1 is a clean release.
  var ratio = 1.0
  var null = Null.independent

  /// What Segue knows when the rollout starts: the same traffic by the second and by instance.
  func earlier(_ generator: inout SeededGenerator) -> TrafficHistory {
    let blocks = (0..<Self.seconds).map { _ in
      count(requestsPerSecond * Self.baseRate, of: UInt64(requestsPerSecond), &generator)
    }
    let each = requestsPerSecond * Double(Self.seconds) / Double(Self.instances)
    let instances = (0..<Self.instances).map { _ in
      let pod = generator.heterogeneity(null.deviation)
      return count(each * Self.baseRate * pod, of: UInt64(each), &generator)
    }
    return TrafficHistory(blocks: blocks, instances: instances)
  }

  private func count(
    _ mean: Double, of requests: UInt64, _ generator: inout SeededGenerator
  ) -> TrafficHistory.Count {
    .init(requests: requests, errors: min(requests, errors(mean, &generator)))
  }

  func hour(_ generator: inout SeededGenerator) -> [PairedCounts] {
    let pod = generator.heterogeneity(null.deviation)
    var canaryShare = 0.0
    var whole: (canary: UInt64, all: UInt64) = (0, 0)
    return (0..<Self.seconds).map { second in
      let passed = Double(second) / Double(Self.seconds)
      let share = null == .ramp ? 0.01 * pow(50, passed) : share
      let swing = null == .drift ? 1 + 0.5 * sin(passed * 6 * Double.pi) : 1
      // Requests come evenly: what is random is their errors.
      canaryShare += requestsPerSecond * share
      let canary = UInt64(canaryShare) - whole.canary
      let baseline = UInt64(requestsPerSecond * Double(second + 1)) - whole.all - canary
      whole = (whole.canary + canary, whole.all + canary + baseline)
      let rate = Self.baseRate * swing
      return PairedCounts(
        canaryRequests: canary,
        canaryErrors: min(
          canary, errors(Double(canary) * min(1, rate * ratio * pod), &generator)),
        baselineRequests: baseline,
        baselineErrors: min(baseline, errors(Double(baseline) * rate, &generator)))
    }
  }

  private func errors(_ mean: Double, _ generator: inout SeededGenerator) -> UInt64 {
    guard null == .bursts else { return generator.count(mean) }
    return (0..<generator.count(mean / 5)).reduce(0) { sum, _ in sum + 1 + generator.count(4) }
  }
}
