#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What is known of a service from before a rollout. All of it must come from before: taken from the
/// canary's own blocks it would explain away what is to be found.
public struct TrafficHistory: Hashable, Sendable {
  /// Requests and errors of one block, or of one instance.
  public struct Count: Hashable, Codable, Sendable {
    public var requests: UInt64
    public var errors: UInt64

    public init(requests: UInt64, errors: UInt64) {
      self.requests = requests
      self.errors = errors
    }
  }

  /// Of equal length and in their order: the last hour, second by second, say.
  public var blocks: [Count]
  /// The same time by instance of one and the same release.
  public var instances: [Count]
  /// Final counts of earlier rollouts that turned out well, and of rollouts of a release against
  /// itself: what a ratio is when nothing is wrong.
  public var clean: [PairedCounts]

  public init(blocks: [Count] = [], instances: [Count] = [], clean: [PairedCounts] = []) {
    self.blocks = blocks
    self.instances = instances
    self.clean = clean
  }
}

/// What keeps the promised false-alarm rate true on a service whose requests do not fail
/// independently of each other.
public struct Calibration: Hashable, Codable, Sendable {
  /// How much more errors vary from moment to moment than independent requests would; at least 1.
  public var dispersion = 1.0
  /// How far the error rates of instances of one release are apart: the standard deviation of their
  /// logarithms.
  public var spread = 0.0
  /// How many instances, or earlier rollouts, that was learnt from.
  public var learntFrom = 0

  public init() {}

  public init(_ history: TrafficHistory) {
    dispersion = Dispersion.ofClusters(history.blocks.map { ($0.requests, $0.errors) })
    let between = Spread.ofInstances(history.instances, dispersion: dispersion)
    let ratios = Spread.ofRatios(history.clean, dispersion: dispersion)
    // A ratio has the spread of two sides, so that one side's is smaller by the root of two.
    let halved = ratios.map { Spread(deviation: $0.deviation / 2.0.squareRoot(), of: $0.of) }
    for found in [between, halved].compactMap(\.self) where found.deviation > spread {
      spread = found.deviation
      learntFrom = found.of
    }
  }

  /// The ratio that a clean release's instances exceed with a chance of `chance`, at least
  /// `tolerated`: the bound of a prediction interval of Student's for the logarithm.
  ///
  /// - Parameter instances: how many the canary has, and how many the baseline.
  public func toleratedRatio(
    atLeast tolerated: Double, instances: (canary: Int, baseline: Int), chance: Double = 0.04
  ) -> Double {
    guard spread > 0, learntFrom > 1 else { return tolerated }
    let parts = 1 / Double(max(1, instances.canary)) + 1 / Double(max(1, instances.baseline))
    let bound = Numerics.studentQuantile(1 - chance, degrees: Double(learntFrom - 1))
    // Nobody is helped by a tolerance beyond that.
    return min(max(tolerated, exp(bound * spread * parts.squareRoot())), max(tolerated, 10))
  }
}

/// A standard deviation, and how many values it was taken from.
struct Spread {
  var deviation: Double
  var of: Int

  /// Moments (DerSimonian and Laird, 1986): what the error rates vary more than their numbers explain.
  /// `nil` when they do not: chance alone exceeds the bar in three cases in a hundred.
  static func ofInstances(_ instances: [TrafficHistory.Count], dispersion: Double) -> Spread? {
    let usable = instances.filter { $0.requests > 0 && $0.errors <= $0.requests }
    let requests = usable.reduce(0) { $0 + Double($1.requests) }
    let errors = usable.reduce(0) { $0 + Double($1.errors) }
    guard usable.count > 2, errors > 0 else { return nil }
    let expected = usable.map { Double($0.requests) * errors / requests }
    let degrees = Double(usable.count - 1)
    let divisor = Dispersion.clamped(dispersion)
    let chiSquare = zip(usable, expected).reduce(0) { sum, pair in
      let distance = Double(pair.0.errors) - pair.1
      return sum + distance * distance / (pair.1 * divisor)
    }
    guard Numerics.upperGamma(degrees / 2, chiSquare / 2) < 0.03 else { return nil }
    let weight = (errors - expected.reduce(0) { $0 + $1 * $1 } / errors) / divisor
    let variance = max(0, chiSquare - degrees) / weight
    // The variance of a log-normal variable by the square of its mean is exp(d * d) - 1.
    return Spread(deviation: log1p(variance).squareRoot(), of: usable.count)
  }

  /// From the ratios of rollouts in which nothing was wrong; `nil` for fewer than three with errors.
  static func ofRatios(_ rollouts: [PairedCounts], dispersion: Double) -> Spread? {
    let usable = rollouts.filter { $0.isPlausible && $0.canaryErrors > 0 && $0.baselineErrors > 0 }
    guard usable.count > 2 else { return nil }
    let noise = usable.map {
      (1 / Double($0.canaryErrors) + 1 / Double($0.baselineErrors))
        * Dispersion.clamped(dispersion)
    }
    let logs = usable.map { log($0.ratio ?? 1) }
    let whole = noise.reduce(0) { $0 + 1 / $1 }
    // Around zero, not around their mean: nothing was wrong.
    let chiSquare = zip(logs, noise).reduce(0) { $0 + $1.0 * $1.0 / $1.1 }
    let degrees = Double(usable.count)
    guard Numerics.upperGamma(degrees / 2, chiSquare / 2) < 0.03 else { return nil }
    return Spread(
      deviation: (max(0, chiSquare - degrees) / whole).squareRoot(), of: usable.count)
  }
}

extension Dispersion {
  /// Over one block, ten and sixty at once, because retries last: the greatest of the three. What
  /// is clearly more than 1 counts with its upper confidence limit of 95 %.
  static func ofClusters(_ blocks: [(requests: UInt64, errors: UInt64)]) -> Double {
    var greatest = estimate(blocks)
    for length in [1, 10, 60] where blocks.count / length >= 10 {
      let whole = blocks.count - blocks.count % length
      let joined = stride(from: 0, to: whole, by: length).map { start in
        blocks[start..<start + length].reduce((requests: UInt64(0), errors: UInt64(0))) {
          (
            PairedCounts.sum($0.requests, $1.requests), PairedCounts.sum($0.errors, $1.errors)
          )
        }
      }
      let found = interval(joined)
      if found.lower > 1.05 { greatest = max(greatest, found.upper) }
    }
    return clamped(greatest)
  }

  /// From how much the terms of the chi-square vary among themselves.
  private static func interval(
    _ blocks: [(requests: UInt64, errors: UInt64)]
  ) -> (lower: Double, upper: Double) {
    let usable = blocks.filter { $0.requests > 0 && $0.errors <= $0.requests }
    let requests = usable.reduce(0) { $0 + Double($1.requests) }
    let errors = usable.reduce(0) { $0 + Double($1.errors) }
    guard usable.count > 2, errors > 0, errors < requests else { return (1, 1) }
    let rate = errors / requests
    var terms = Moments()
    for block in usable {
      let expected = Double(block.requests) * rate
      let distance = Double(block.errors) - expected
      terms.add(distance * distance / (expected * (1 - rate)))
    }
    let error = (terms.variance / Double(usable.count)).squareRoot()
    return (terms.mean - 2.5 * error, terms.mean + 1.645 * error)
  }
}
