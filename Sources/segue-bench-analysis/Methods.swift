import CanaryAnalysis
import Foundation

/// The second at which each method would take the release back, `nil` if it does not within the hour.
enum Method: String, CaseIterable {
  case segue
  /// Two proportions over the last five minutes, each minute; its threshold is tuned to one false
  /// alarm in a hundred hours on the independent null.
  case window = "fixed window"
  /// Error rates of the last thirty minutes at most, every ten minutes.
  case kayenta
  /// The documentation's example: success rate below 99 %, five times, each minute.
  case flagger
  /// The documentation's example: success rate below 95 %, more than three times, every five minutes.
  case argo

  func alarm(
    _ hour: [PairedCounts], earlier: [(requests: UInt64, errors: UInt64)], threshold: Double
  ) -> Int? {
    switch self {
    case .segue: Self.sequential(hour, dispersion: Dispersion.estimate(earlier))
    case .window: Self.windows(hour).first { $0.score > threshold }?.second
    case .kayenta: Self.kayenta(hour)
    case .flagger: Self.failures(hour, every: 60, below: 0.99, allowed: 4)
    case .argo: Self.failures(hour, every: 300, below: 0.95, allowed: 3)
    }
  }

  private static func sequential(_ hour: [PairedCounts], dispersion: Double) -> Int? {
    var test = RatioTest()
    for (second, block) in hour.enumerated() {
      test.add(block, dispersion: dispersion)
      if test.isRefuted(alpha: 0.01) { return second + 1 }
    }
    return nil
  }

  /// The second at which a clean release is promoted.
  static func promotion(_ hour: [PairedCounts], dispersion: Double) -> Int? {
    var test = PromotionTest()
    for (second, block) in hour.enumerated() {
      test.add(block, dispersion: dispersion)
      if test.isPassed(beta: 0.05) { return second + 1 }
    }
    return nil
  }

  static func windows(_ hour: [PairedCounts]) -> [(second: Int, score: Double)] {
    stride(from: 60, through: hour.count, by: 60).map { end in
      let sum = total(hour[max(0, end - 300)..<end])
      let canary = Double(sum.canaryRequests)
      let baseline = Double(sum.baselineRequests)
      let rate =
        (Double(sum.canaryErrors) + Double(sum.baselineErrors)) / max(1, canary + baseline)
      guard canary > 0, baseline > 0, rate > 0, rate < 1 else { return (end, 0) }
      let difference = Double(sum.canaryErrors) / canary - Double(sum.baselineErrors) / baseline
      return (end, difference / sqrt(rate * (1 - rate) * (1 / canary + 1 / baseline)))
    }
  }

  private static func kayenta(_ hour: [PairedCounts]) -> Int? {
    let minutes = stride(from: 0, to: hour.count, by: 60).map { total(hour[$0..<$0 + 60]) }
    for end in stride(from: 10, through: minutes.count, by: 10) {
      let seen = minutes[max(0, end - 30)..<end]
      let classification = KayentaJudge().classify(
        experiment: seen.compactMap(\.canaryRate), control: seen.compactMap(\.baselineRate))
      if classification == .high { return end * 60 }
    }
    return nil
  }

  private static func failures(
    _ hour: [PairedCounts], every step: Int, below limit: Double, allowed: Int
  ) -> Int? {
    var failures = 0
    for end in stride(from: step, through: hour.count, by: step) {
      guard let rate = total(hour[(end - step)..<end]).canaryRate else { continue }
      if 1 - rate < limit { failures += 1 }
      if failures > allowed { return end }
    }
    return nil
  }

  private static func total(_ blocks: ArraySlice<PairedCounts>) -> PairedCounts {
    blocks.reduce(into: PairedCounts()) { sum, block in
      sum.canaryRequests += block.canaryRequests
      sum.canaryErrors += block.canaryErrors
      sum.baselineRequests += block.baselineRequests
      sum.baselineErrors += block.baselineErrors
    }
  }
}
