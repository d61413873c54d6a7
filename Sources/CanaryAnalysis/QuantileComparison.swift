#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Whether a quantile, say the median, is the same in two samples, from the values themselves and at
/// any moment (Howard and Ramdas, Sequential estimation of quantiles with applications to A/B
/// testing and best-arm identification, 2022).
///
/// For those who have values; ``LatencyTest`` needs only histograms and watches all quantiles.
public struct QuantileComparison: Hashable, Sendable {
  /// Between 0 and 1, both excluded.
  public let quantile: Double
  private let rho: Double
  private let normaliser: Double

  /// `nil` for arguments that mean nothing.
  ///
  /// - Parameter tunedFor: values of each sample after which the test is at its sharpest.
  public init?(quantile: Double, tunedFor: Double, alpha: Double = 0.05) {
    guard quantile > 0, quantile < 1, tunedFor > 0 else { return nil }
    let spread = quantile * (1 - quantile)
    guard let best = NormalMixture.bestRho(variance: tunedFor * spread, alpha: alpha) else {
      return nil
    }
    self.quantile = quantile
    rho = max(best - spread, spread / 1_000)
    normaliser = Self.logBeta(rho / quantile, rho / (1 - quantile))
  }

  /// The chance of ever seeing two such samples if their quantiles are the same, at most. Values
  /// that are not finite are left out; 1 while a sample is empty.
  public func chance(_ first: [Double], _ second: [Double]) -> Double {
    let first = first.filter(\.isFinite).sorted()
    let second = second.filter(\.isFinite).sorted()
    guard !first.isEmpty, !second.isEmpty else { return 1 }
    // Between two neighbouring values nothing changes, and at a value the evidence is least.
    let least = (first + second).map { evidence(first, at: $0) + evidence(second, at: $0) }.min()
    return min(1, exp(-(least ?? 0)))
  }

  /// How much speaks against `value` being the quantile of the sorted sample.
  private func evidence(_ sample: [Double], at value: Double) -> Double {
    let count = Double(sample.count)
    let below = Double(Self.count(of: sample) { $0 < value }) - quantile * count
    let upTo = Double(Self.count(of: sample) { $0 <= value }) - quantile * count
    let sum = below > 0 ? below : min(upTo, 0)
    let variance = count * quantile * (1 - quantile)
    let successes = variance / (1 - quantile) + sum
    let failures = variance / quantile - sum
    return -successes * log(quantile) - failures * log(1 - quantile)
      + Self.logBeta(rho / quantile + failures, rho / (1 - quantile) + successes) - normaliser
  }

  /// How many values at the front of a sorted sample match.
  private static func count(of sample: [Double], where matches: (Double) -> Bool) -> Int {
    var low = 0
    var high = sample.count
    while low < high {
      let middle = low + (high - low) / 2
      if matches(sample[middle]) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private static func logBeta(_ a: Double, _ b: Double) -> Double {
    Numerics.logGamma(a) + Numerics.logGamma(b) - Numerics.logGamma(a + b)
  }
}
