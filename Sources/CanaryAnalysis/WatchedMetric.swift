#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A metric that a user watches beside errors and latency.
public struct WatchedMetric: Hashable, Codable, Sendable {
  public enum Kind: Hashable, Codable, Sendable {
    /// Bad events of all, both versions in the same block; up to `toleratedRatio` times the
    /// baseline's part is accepted.
    case rate(toleratedRatio: Double)
    /// One number of each version in each block. `toleratedChange` is a part of the baseline's: 0.1
    /// accepts ten percent.
    case value(worse: Direction, toleratedChange: Double)
  }

  public enum Direction: String, Hashable, Codable, Sendable {
    case higher
    case lower
  }

  public var name: String
  /// Its part of the false-alarm rate, in any unit; errors and latency weigh 1.
  public var weight: Double
  public var kind: Kind

  public init(name: String, weight: Double = 1, kind: Kind) {
    self.name = name
    self.weight = weight
    self.kind = kind
  }
}

/// What a watched metric was in one block.
public enum MetricBlock: Hashable, Sendable {
  case rate(PairedCounts)
  case values(canary: Double, baseline: Double)
}

/// Whether one version's values are worse than the other's beyond a tolerated change, from the
/// difference in each block.
///
/// The one-sided normal mixture (Howard, Ramdas, McAuliffe and Sekhon, 2021) with the variance that
/// was seen. That makes it asymptotic, so it says nothing in its first ``silence`` blocks.
public struct ValueTest: Hashable, Sendable {
  public static let silence: UInt64 = 20

  private let worse: WatchedMetric.Direction
  private let toleratedChange: Double
  private var differences = Moments()
  public private(set) var greatestLogEvidence = 0.0

  public init(worse: WatchedMetric.Direction, toleratedChange: Double) {
    self.worse = worse
    self.toleratedChange = toleratedChange.isFinite ? max(0, toleratedChange) : 0
  }

  /// How many blocks have counted.
  public var blocks: UInt64 { differences.count }

  /// Takes in one block; numbers that are not finite are left out.
  public mutating func add(canary: Double, baseline: Double) {
    let slack = toleratedChange * baseline.magnitude
    switch worse {
    case .higher: differences.add(canary - baseline - slack)
    case .lower: differences.add(baseline - canary - slack)
    }
    greatestLogEvidence = max(greatestLogEvidence, logEvidence)
  }

  /// The logarithm of the e-value now.
  public var logEvidence: Double {
    guard blocks >= Self.silence else { return 0 }
    let count = Double(blocks)
    let deviation = max(
      differences.variance.squareRoot(), differences.mean.magnitude * 1e-9, 1e-300)
    let sum = count * differences.mean / deviation
    guard let rho = NormalMixture.bestRho(variance: 60, alpha: 0.02), sum.isFinite else { return 0 }
    let distance = sum / (count + rho).squareRoot()
    // Far below, the two large terms cancel: what stays is the tail's leading factor.
    guard distance > -20 else {
      return log(2) + 0.5 * log(rho / (count + rho)) - log(-distance * (2 * Double.pi).squareRoot())
    }
    let evidence =
      log(2) + NormalMixture.logEvidence(sum: sum, variance: count, rho: rho)
      + log(0.5 * erfc(-distance / 2.0.squareRoot()))
    return min(evidence, 700)
  }
}

/// A watched metric and what has come of it.
struct MetricWatch: Hashable, Sendable {
  let metric: WatchedMetric
  private var ratio: RatioTest
  private var promotion: PromotionTest
  private var values: ValueTest
  private(set) var blocks: UInt64 = 0
  /// As in a verdict: errors and latency are taken already.
  private let name: String
  /// Why the latest block is missing; `nil` when it is not.
  var absence: String?

  init(_ metric: WatchedMetric, promotionLimit: Double) {
    self.metric = metric
    let taken = [CanaryVerdict.Guardrail.errors.name, CanaryVerdict.Guardrail.latency.name]
    name = taken.contains(metric.name) ? metric.name + " (metric)" : metric.name
    var worse = WatchedMetric.Direction.higher
    var change = 0.0
    var tolerated = 1.0
    switch metric.kind {
    case .rate(let ratio): tolerated = ratio
    case .value(let direction, let tolerance): (worse, change) = (direction, tolerance)
    }
    ratio = RatioTest(toleratedRatio: tolerated)
    promotion = PromotionTest(limit: max(promotionLimit, tolerated * 1.6))
    values = ValueTest(worse: worse, toleratedChange: change)
  }

  /// `false`, with the reason kept, for a block that cannot be believed.
  mutating func add(_ block: MetricBlock, dispersion: Double) -> Bool {
    absence = nil
    switch (metric.kind, block) {
    case (.rate, .rate(let counts)) where counts.isPlausible:
      ratio.add(counts, dispersion: dispersion)
      promotion.add(counts, dispersion: dispersion)
    case (.value, .values(let canary, let baseline)) where canary.isFinite && baseline.isFinite:
      values.add(canary: canary, baseline: baseline)
    case (.rate, .rate): absence = "more bad events than events"
    case (.value, .values): absence = "a value that is not a number"
    case (.rate, .values): absence = "a value where counts were expected"
    case (.value, .rate): absence = "counts where a value was expected"
    }
    if absence == nil { blocks = PairedCounts.sum(blocks, 1) }
    return absence == nil
  }

  var evidence: GuardrailEvidence {
    switch metric.kind {
    case .rate:
      GuardrailEvidence(
        name: name, weight: metric.weight, againstIt: ratio.greatestLogEvidence,
        suspicion: ratio.logEvidence, forIt: promotion.logEvidence)
    case .value:
      // Too few values are no objection, and no consent either.
      GuardrailEvidence(
        name: name, weight: metric.weight, againstIt: values.greatestLogEvidence,
        suspicion: values.logEvidence, forIt: values.blocks < ValueTest.silence ? 0 : nil)
    }
  }
}
