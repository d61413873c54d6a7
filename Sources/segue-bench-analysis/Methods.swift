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
    _ hour: [PairedCounts], settings: JudgeSettings, threshold: Double
  ) -> Int? {
    switch self {
    case .segue: Self.sequential(hour, settings)
    case .window: Self.windows(hour).first { $0.score > threshold }?.second
    case .kayenta: Self.kayenta(hour)
    case .flagger: Self.failures(hour, every: 60, below: 0.99, allowed: 4)
    case .argo: Self.failures(hour, every: 300, below: 0.95, allowed: 3)
    }
  }

  private static func sequential(_ hour: [PairedCounts], _ settings: JudgeSettings) -> Int? {
    var test = RatioTest(toleratedRatio: settings.toleratedRatio)
    for (second, block) in hour.enumerated() {
      test.add(block, dispersion: settings.dispersion)
      if test.isRefuted(alpha: settings.alpha) { return second + 1 }
    }
    return nil
  }

  /// The second at which a clean release is promoted.
  static func promotion(_ hour: [PairedCounts], _ settings: JudgeSettings) -> Int? {
    var test = PromotionTest(limit: settings.promotionLimit)
    var negligible = NegligibleTest(rate: settings.negligibleErrorRate)
    let enough = log(1 / settings.beta)
    for (second, block) in hour.enumerated() {
      test.add(block, dispersion: settings.dispersion)
      negligible.add(block, dispersion: settings.dispersion)
      if test.combined(with: negligible) >= enough { return second + 1 }
    }
    return nil
  }

  static func windows(_ hour: [PairedCounts]) -> [(second: Int, score: Double)] {
    stride(from: 60, through: hour.count, by: 60).map { end in
      (end, score(total(hour[max(0, end - 300)..<end])))
    }
  }

  /// Two proportions: how many standard errors they are apart.
  static func score(_ sum: PairedCounts) -> Double {
    let canary = Double(sum.canaryRequests)
    let baseline = Double(sum.baselineRequests)
    let rate = (Double(sum.canaryErrors) + Double(sum.baselineErrors)) / max(1, canary + baseline)
    guard canary > 0, baseline > 0, rate > 0, rate < 1 else { return 0 }
    let difference = Double(sum.canaryErrors) / canary - Double(sum.baselineErrors) / baseline
    return difference / sqrt(rate * (1 - rate) * (1 / canary + 1 / baseline))
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

  static func total(_ blocks: ArraySlice<PairedCounts>) -> PairedCounts {
    blocks.reduce(into: PairedCounts()) { sum, block in
      sum.canaryRequests += block.canaryRequests
      sum.canaryErrors += block.canaryErrors
      sum.baselineRequests += block.baselineRequests
      sum.baselineErrors += block.baselineErrors
    }
  }
}
