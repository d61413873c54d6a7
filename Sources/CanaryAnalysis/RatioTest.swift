#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// How the odds move with one block, for each alternative: shared by all tests that look at the same
/// requests, because logarithms are what the analysis costs.
struct RatioIncrements {
  /// Per error of the canary, and per error of either.
  var perCanaryError: [Double]
  var perError: [Double]

  init(alternatives: [Double], tolerated: Double, canary: UInt64, baseline: UInt64) {
    let canary = Double(canary)
    let baseline = Double(baseline)
    perCanaryError = alternatives.map { log($0 / tolerated) }
    perError = alternatives.map {
      guard canary > 0 else { return 0 }
      return log1p(-($0 - tolerated) * canary / ($0 * canary + baseline))
    }
  }

  func evidence(_ index: Int, canaryErrors: UInt64, baselineErrors: UInt64) -> Double {
    let canaryErrors = Double(canaryErrors)
    return canaryErrors * perCanaryError[index]
      + (canaryErrors + Double(baselineErrors)) * perError[index]
  }
}

/// Whether the canary fails more than the tolerated ratio allows, answered at any moment.
///
/// The null hypothesis is `p1 <= r0 * p0`. Given the errors of a block, the canary's part of them is
/// binomial; the likelihood ratio of each alternative has a mean of at most 1 under the null, whatever
/// the base rate does and however the canary's share moved, as long as it was chosen from the past. The
/// mean of the ratios over a grid of alternatives is therefore a nonnegative supermartingale, and by
/// Ville's inequality it ever reaches `1 / alpha` with a chance of at most `alpha`. Looking after
/// each block, or stopping when it suits, costs nothing.
public struct RatioTest: Hashable, Sendable {
  /// The alternatives, as multiples of the tolerated ratio. Equal weights.
  public static let grid = [1.25, 1.5, 2, 3, 5, 10, 20, 50, 100]

  /// The ratio of error rates that is still accepted.
  public let toleratedRatio: Double
  let alternatives: [Double]
  private var sums: [CompensatedSum]
  /// The logarithm of the e-value now.
  public private(set) var logEvidence = 0.0
  /// The greatest it ever was: what the verdict and the chance go by.
  public private(set) var greatestLogEvidence = 0.0

  /// A ratio that is not a positive number counts as 1.
  public init(toleratedRatio: Double = 1.25) {
    let tolerated = toleratedRatio.isFinite && toleratedRatio > 0 ? toleratedRatio : 1
    self.toleratedRatio = tolerated
    alternatives = Self.grid.map { $0 * tolerated }
    sums = Array(repeating: CompensatedSum(), count: Self.grid.count)
  }

  /// Takes in one block. `dispersion`, at least 1, tempers what errors that come in clusters seem
  /// to prove; see ``Dispersion``. A block that is not plausible is left out.
  public mutating func add(_ block: PairedCounts, dispersion: Double = 1) {
    guard block.isPlausible, block.canaryErrors > 0 || block.baselineErrors > 0 else { return }
    let increments = RatioIncrements(
      alternatives: alternatives, tolerated: toleratedRatio, canary: block.canaryRequests,
      baseline: block.baselineRequests)
    add(
      increments, canaryErrors: block.canaryErrors, baselineErrors: block.baselineErrors,
      dispersion: dispersion)
  }

  mutating func add(
    _ increments: RatioIncrements, canaryErrors: UInt64, baselineErrors: UInt64, dispersion: Double
  ) {
    guard canaryErrors > 0 || baselineErrors > 0 else { return }
    let divisor = Dispersion.clamped(dispersion)
    for index in sums.indices {
      let evidence = increments.evidence(
        index, canaryErrors: canaryErrors, baselineErrors: baselineErrors)
      sums[index].add(evidence / divisor)
    }
    logEvidence = Numerics.logMeanExp(sums.map(\.value))
    greatestLogEvidence = max(greatestLogEvidence, logEvidence)
  }

  /// The logarithm of the likelihood ratio of each alternative of the grid.
  public var logRatios: [Double] { sums.map(\.value) }

  /// The chance of ever seeing so much under the null, at most: valid at any moment.
  public var chance: Double { min(1, exp(-greatestLogEvidence)) }

  /// Whether the null is refuted with at most `alpha` false alarms, ever.
  public func isRefuted(alpha: Double) -> Bool {
    alpha > 0 && greatestLogEvidence >= log(1 / alpha)
  }
}

/// Whether a ratio of `limit` or more is ruled out, so that a release can be promoted early.
///
/// The same test the other way round, against the single alternative that nothing has changed.
public struct PromotionTest: Hashable, Sendable {
  /// The ratio to rule out; more than 1.
  public let limit: Double
  private var sum = CompensatedSum()

  /// A limit that is not more than 1 counts as 2.
  public init(limit: Double = 2) {
    self.limit = limit.isFinite && limit > 1 ? limit : 2
  }

  /// The logarithm of the e-value now.
  public var logEvidence: Double { sum.value }

  /// The evidence that the canary's error rate is below `negligible`, whatever the baseline does, by
  /// the same number of blocks; see ``NegligibleTest``.
  public func combined(with negligible: NegligibleTest) -> Double {
    guard negligible.rate > 0 else { return logEvidence }
    let parts = [log(0.8) + logEvidence, log(0.2) + negligible.logEvidence]
    return Numerics.logMeanExp(parts) + log(2)
  }

  /// Takes in one block; what is not plausible, or lacks one of the two versions, says nothing.
  public mutating func add(_ block: PairedCounts, dispersion: Double = 1) {
    guard block.isPlausible, block.canaryRequests > 0, block.baselineRequests > 0 else { return }
    let canary = Double(block.canaryRequests)
    let all = canary + Double(block.baselineRequests)
    let errors = Double(block.canaryErrors) + Double(block.baselineErrors)
    let evidence =
      errors * log1p((limit - 1) * canary / all) - Double(block.canaryErrors) * log(limit)
    sum.add(evidence / Dispersion.clamped(dispersion))
  }

  /// Whether the limit is ruled out now with a chance of at most `beta` to be wrong, ever.
  public func isPassed(beta: Double) -> Bool { beta > 0 && sum.value >= log(1 / beta) }
}

/// Whether the canary fails less than nobody minds: the way to promotion for a service whose baseline
/// has no errors to compare with.
///
/// The null is an error rate of ``rate`` or more, the alternative a tenth of it. Combined with
/// ``PromotionTest`` by a weighted mean, because a mean of e-values is one.
public struct NegligibleTest: Hashable, Sendable {
  /// 0 is off.
  public let rate: Double
  private var sum = CompensatedSum()

  public init(rate: Double) {
    self.rate = rate > 0 && rate < 0.5 ? rate : 0
  }

  public var logEvidence: Double { sum.value }

  public mutating func add(_ block: PairedCounts, dispersion: Double = 1) {
    guard rate > 0, block.isPlausible, block.canaryRequests > 0 else { return }
    let failed = Double(block.canaryErrors)
    let passed = Double(block.canaryRequests) - failed
    let evidence = passed * (log1p(-rate / 10) - log1p(-rate)) - failed * log(10)
    sum.add(evidence / Dispersion.clamped(dispersion))
  }

  /// Canary requests until it is passed if none fails.
  static func requests(missing: Double, rate: Double) -> Double? {
    let growth = log1p(-rate / 10) - log1p(-rate)
    return rate > 0 && growth > 0 ? max(0, missing) / growth : nil
  }
}
