#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Whether an experiment's units were split as intended. If they were not, its results prove nothing:
/// whoever is missing may be just those who differ.
public enum SampleRatio {
  /// Below this chance the split is taken to be broken.
  public static let threshold = 0.001

  /// The chance of a split at least as uneven (chi-square). `nil` when there is nothing to test:
  /// fewer than two arms, a share that is not positive, or no units.
  ///
  /// - Parameter shares: one for each arm, in any unit.
  public static func chance(observed: [UInt64], shares: [Double]) -> Double? {
    guard observed.count > 1, observed.count == shares.count,
      shares.allSatisfy({ $0 > 0 && $0.isFinite })
    else { return nil }
    let units = observed.reduce(0.0) { $0 + Double($1) }
    let whole = shares.reduce(0, +)
    guard units > 0, whole.isFinite else { return nil }
    var chiSquare = 0.0
    for (count, share) in zip(observed, shares) {
      let expected = units * share / whole
      let difference = Double(count) - expected
      chiSquare += difference * difference / expected
    }
    return Numerics.upperGamma(Double(observed.count - 1) / 2, chiSquare / 2)
  }
}

/// Chances of several tests that were made together.
public enum FalseDiscoveries {
  /// Adjusted so that flagging all below `q` keeps the expected part of false ones at `q` (Benjamini
  /// and Hochberg, 1995). In the order they came in; what is not a chance counts as 1.
  public static func adjusted(_ chances: [Double]) -> [Double] {
    let sound = chances.map { $0 >= 0 && $0 <= 1 ? $0 : 1 }
    var result = sound
    var least = 1.0
    let descending = sound.indices.sorted { sound[$0] > sound[$1] }
    for (index, position) in descending.enumerated() {
      least = min(least, sound[position] * Double(sound.count) / Double(sound.count - index))
      result[position] = least
    }
    return result
  }
}

/// What one metric has to say about a release.
public struct GuardrailEvidence: Hashable, Codable, Sendable {
  public var name: String
  /// Its part of the false-alarm rate, in any unit.
  public var weight: Double
  /// Logarithm of the greatest e-value against the release.
  public var againstIt: Double
  /// The same now: a suspicion that has passed does not hold a release back.
  public var suspicion: Double
  /// Logarithm of the e-value for promotion; `nil` for a metric that can only object.
  public var forIt: Double?

  /// Without a `suspicion` the greatest evidence is the one of now.
  public init(
    name: String, weight: Double = 1, againstIt: Double, suspicion: Double? = nil, forIt: Double?
  ) {
    self.name = name
    self.weight = weight
    self.againstIt = againstIt
    self.suspicion = suspicion ?? againstIt
    self.forIt = forIt
  }
}

/// Several metrics, one answer.
///
/// Bad: the false-alarm rate is split by weight, and one metric suffices. Good: every metric that can
/// pass must pass. All of them are needed, so that none alone can promote a release that another
/// would have held back; sharing `beta` is the cautious reading of that.
public enum Guardrails {
  public enum Answer: Hashable, Sendable {
    /// The metrics that object, in their order.
    case bad([String])
    case good
    /// The metrics that are not convinced yet, in their order.
    case undecided([String])
  }

  public static func answer(
    _ metrics: [GuardrailEvidence], alpha: Double = 0.01, beta: Double = 0.05
  ) -> Answer {
    let weights = metrics.map { $0.weight > 0 && $0.weight.isFinite ? $0.weight : 0 }
    let whole = weights.reduce(0, +)
    let objecting = zip(metrics, weights).filter { metric, weight in
      weight > 0 && metric.againstIt >= log(whole / (weight * alpha))
    }
    guard objecting.isEmpty else { return .bad(objecting.map(\.0.name)) }
    let passing = metrics.filter { $0.forIt != nil }
    let needed = log(Double(max(passing.count, 1)) / beta)
    let unconvinced = metrics.filter { metric in
      if let evidence = metric.forIt { return !(evidence >= needed) }
      return !(metric.suspicion < log(1 / beta))
    }
    return unconvinced.isEmpty && !passing.isEmpty ? .good : .undecided(unconvinced.map(\.name))
  }
}
