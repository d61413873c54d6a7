import CanaryAnalysis

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// SplitMix64: the same seed is the same test.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }

  /// Poisson for small means, by multiplying uniform numbers (Knuth).
  mutating func count(_ mean: Double) -> UInt64 {
    let limit = exp(-mean)
    var product = Double.random(in: 0..<1, using: &self)
    var count: UInt64 = 0
    while product > limit {
      count += 1
      product *= Double.random(in: 0..<1, using: &self)
    }
    return count
  }

  /// Log-normal with a mean of 1.
  mutating func heterogeneity(_ deviation: Double) -> Double {
    let length = (-2 * log(1 - Double.random(in: 0..<1, using: &self))).squareRoot()
    let normal = length * cos(2 * Double.pi * Double.random(in: 0..<1, using: &self))
    return exp(deviation * normal - deviation * deviation / 2)
  }
}

func isClose(_ left: Double?, _ right: Double, within tolerance: Double = 1e-6) -> Bool {
  guard let left else { return false }
  return (left - right).magnitude <= tolerance
}

func block(_ n1: UInt64, _ n0: UInt64, _ e1: UInt64, _ e0: UInt64) -> PairedCounts {
  PairedCounts(canaryRequests: n1, canaryErrors: e1, baselineRequests: n0, baselineErrors: e0)
}
