#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// How much more errors vary from block to block than independent requests would.
///
/// Retries, and one bad instance among many, make errors come in clusters; a test that takes each for
/// itself then cries wolf. The estimate must come from *before* the rollout: taken from the canary's
/// own blocks it would explain away what is to be found.
public enum Dispersion {
  /// Pearson's chi-square by its degrees of freedom, at least 1. Fewer than two blocks with
  /// requests, or no errors, give 1.
  public static func estimate(_ blocks: [(requests: UInt64, errors: UInt64)]) -> Double {
    let usable = blocks.filter { $0.requests > 0 && $0.errors <= $0.requests }
    guard usable.count > 1 else { return 1 }
    var requests = CompensatedSum()
    var errors = CompensatedSum()
    for block in usable {
      requests.add(Double(block.requests))
      errors.add(Double(block.errors))
    }
    let rate = errors.value / requests.value
    guard rate > 0, rate < 1 else { return 1 }
    var chiSquare = CompensatedSum()
    for block in usable {
      let expected = Double(block.requests) * rate
      let difference = Double(block.errors) - expected
      chiSquare.add(difference * difference / (expected * (1 - rate)))
    }
    return clamped(chiSquare.value / Double(usable.count - 1))
  }

  static func clamped(_ value: Double) -> Double { value.isFinite ? max(1, value) : 1 }
}

/// What a rollout can expect, before it starts.
public enum Planning {
  /// Failing canary requests until a true ratio of `ratio` times the tolerated one is caught, about;
  /// `nil` when there is nothing to catch.
  ///
  /// `ln(1 / (alpha * w)) * r / (r ln r - r + 1)`, `w` being the weight of one alternative of the
  /// grid: the first passage of the mixture along the alternative next to the truth, at a small share.
  public static func failuresUntilCaught(ratio: Double, alpha: Double = 0.01) -> Double? {
    guard ratio > 1, ratio.isFinite, alpha > 0, alpha < 1 else { return nil }
    let threshold = log(Double(RatioTest.grid.count) / alpha)
    return threshold * ratio / (ratio * log(ratio) - ratio + 1)
  }

  /// Canary requests until a clean release is promoted, about; `nil` when no errors are expected,
  /// because then nothing can be ruled out by counting them.
  ///
  /// At a share near 0 it is `ln(1 / beta) / (p0 * (D - 1 - ln D))`.
  public static func requestsUntilPromoted(
    limit: Double = 2, beta: Double = 0.05, baselineRate: Double, share: Double = 0
  ) -> Double? {
    guard beta > 0, beta < 1 else { return nil }
    return growth(limit: limit, baselineRate: baselineRate, share: share).map { log(1 / beta) / $0 }
  }

  /// The evidence for promotion that one canary request brings on average when nothing has changed.
  static func growth(limit: Double, baselineRate: Double, share: Double) -> Double? {
    guard limit > 1, limit.isFinite, baselineRate > 0, baselineRate <= 1, share >= 0, share < 1
    else { return nil }
    let perError = share < 1e-9 ? limit - 1 : log1p((limit - 1) * share) / share
    let growth = baselineRate * (perError - log(limit))
    return growth > 0 && growth.isFinite ? growth : nil
  }

  /// The evidence that a chance to be wrong of `chance` asks for.
  static func threshold(_ chance: Double) -> Double {
    chance > 0 && chance < 1 ? log(1 / chance) : .infinity
  }

  /// Seconds until `ratio` times the tolerated errors are caught at `requestsPerSecond` for the
  /// whole service; `nil` when that never happens.
  public static func secondsUntilCaught(
    ratio: Double, toleratedRatio: Double = 1.25, alpha: Double = 0.01, baselineRate: Double,
    share: Double, requestsPerSecond: Double
  ) -> Double? {
    guard let failures = failuresUntilCaught(ratio: ratio, alpha: alpha) else { return nil }
    let rate = min(1, baselineRate * ratio * toleratedRatio) * share * requestsPerSecond
    return rate > 0 && rate.isFinite ? failures / rate : nil
  }

  /// Seconds until a clean release is promoted; `nil` when that never happens.
  public static func secondsUntilPromoted(
    limit: Double = 2, beta: Double = 0.05, baselineRate: Double, share: Double,
    requestsPerSecond: Double
  ) -> Double? {
    guard
      let requests = requestsUntilPromoted(
        limit: limit, beta: beta, baselineRate: baselineRate, share: share)
    else { return nil }
    let rate = share * requestsPerSecond
    return rate > 0 && rate.isFinite ? requests / rate : nil
  }
}
