#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Count, mean and spread of a metric: enough for a confidence sequence, and mergeable.
public struct Moments: Hashable, Codable, Sendable {
  public private(set) var count: UInt64
  public private(set) var mean: Double
  /// The sum of the squared distances from the mean.
  private var squares: Double

  public init() {
    count = 0
    mean = 0
    squares = 0
  }

  /// From sums that somebody else kept. `nil` if no values could have given them.
  public init?(count: UInt64, sum: Double, sumOfSquares: Double) {
    guard count > 0, sum.isFinite, sumOfSquares.isFinite, sumOfSquares >= 0 else { return nil }
    let mean = sum / Double(count)
    let squares = sumOfSquares - sum * mean
    guard squares.isFinite, squares >= -1e-9 * sumOfSquares else { return nil }
    self.count = count
    self.mean = mean
    self.squares = max(0, squares)
  }

  /// Takes in one value (Welford, 1962). What is not a finite number is left out.
  public mutating func add(_ value: Double) {
    guard value.isFinite, value.magnitude < 1e150 else { return }
    count += 1
    let distance = value - mean
    mean += distance / Double(count)
    squares += distance * (value - mean)
  }

  /// Unbiased; 0 with fewer than two values.
  public var variance: Double { count > 1 ? squares / Double(count - 1) : 0 }
}

/// What an experiment says of a mean: how much more the treatment has than the control.
public struct Lift: Hashable, Codable, Sendable {
  /// The relative difference: 0.5 is half as much again.
  public var value: Double
  public var standardError: Double
  public var lower: Double
  public var upper: Double

  /// Whether the interval says which of the two is ahead.
  public var isDecided: Bool { lower > 0 || upper < 0 }
}

/// Intervals for means that hold at all times together (Waudby-Smith, Arbour, Sinha, Kennedy and
/// Ramdas, Time-uniform central limit theory and asymptotic confidence sequences, 2024).
///
/// Asymptotic: as with the central limit theorem, some hundred values must have come in before they
/// are to be trusted.
public enum ConfidenceSequence {
  /// The parameter of the mixture that makes the interval narrowest at `tunedFor` values; `nil` for
  /// arguments that mean nothing.
  public static func rho(alpha: Double, tunedFor: Double) -> Double? {
    guard alpha > 0, alpha < 1, tunedFor > 0, tunedFor.isFinite else { return nil }
    let doubled = -2 * log(alpha)
    return ((doubled + log1p(doubled)) / tunedFor).squareRoot()
  }

  /// Half the width of the two-sided interval.
  public static func halfWidth(
    deviation: Double, count: Double, alpha: Double = 0.05, tunedFor: Double
  ) -> Double? {
    guard let rho = rho(alpha: alpha, tunedFor: tunedFor), count > 0, deviation.isFinite else {
      return nil
    }
    let grown = count * rho * rho + 1
    let scale = 2 * grown / (count * rho * count * rho)
    return deviation * (scale * log(grown.squareRoot() / alpha)).squareRoot()
  }

  /// The distance of a bound on one side only. Its mixture is tuned for twice `alpha`.
  public static func oneSidedWidth(
    deviation: Double, count: Double, alpha: Double = 0.05, tunedFor: Double
  ) -> Double? {
    guard let rho = rho(alpha: 2 * alpha, tunedFor: tunedFor), count > 0, deviation.isFinite else {
      return nil
    }
    let grown = count * rho * rho + 1
    let scale = 2 * grown / (count * rho * count * rho)
    return deviation * (scale * log1p(grown.squareRoot() / (2 * alpha))).squareRoot()
  }

  /// The relative difference of two means with its interval, by the delta method; `nil` while one
  /// side has fewer than two values or the control's mean is 0.
  public static func lift(
    control: Moments, treatment: Moments, alpha: Double = 0.05, tunedFor: Double = 1_000
  ) -> Lift? {
    guard control.count > 1, treatment.count > 1, control.mean != 0 else { return nil }
    let base = control.mean * control.mean
    let variance =
      treatment.variance / Double(treatment.count) / base + control.variance
      / Double(control.count) * treatment.mean * treatment.mean / (base * base)
    let error = variance.squareRoot()
    let count = Double(control.count) + Double(treatment.count)
    let value = (treatment.mean - control.mean) / control.mean
    guard
      let half = halfWidth(
        deviation: error * count.squareRoot(), count: count, alpha: alpha, tunedFor: tunedFor),
      value.isFinite, half.isFinite
    else { return nil }
    return Lift(value: value, standardError: error, lower: value - half, upper: value + half)
  }
}

/// The normal mixture for sums whose variance grows (Howard, Ramdas, McAuliffe and Sekhon,
/// Time-uniform, nonparametric, nonasymptotic confidence sequences, 2021, proposition 5).
public enum NormalMixture {
  /// The parameter that is best at the intrinsic time `variance`; `nil` for arguments that mean
  /// nothing.
  public static func bestRho(variance: Double, alpha: Double) -> Double? {
    guard variance > 0, variance.isFinite, alpha > 0, alpha < 1 else { return nil }
    let doubled = 2 * log(1 / alpha)
    return variance / (doubled + log1p(doubled))
  }

  /// The logarithm of the two-sided supermartingale at a sum and its intrinsic time.
  public static func logEvidence(sum: Double, variance: Double, rho: Double) -> Double {
    0.5 * log(rho / (variance + rho)) + sum * sum / (2 * (variance + rho))
  }

  /// The two-sided bound that the sum ever crosses with a chance of at most `alpha`.
  public static func bound(variance: Double, alpha: Double, rho: Double) -> Double {
    ((variance + rho) * (log1p(variance / rho) + 2 * log(1 / alpha))).squareRoot()
  }
}
