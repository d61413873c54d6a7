#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A verdict for JSON: in whole numbers, so that it fits into a journal that keeps no others.
public struct VerdictReport: Hashable, Codable, Sendable {
  public enum Answer: String, Hashable, Codable, Sendable {
    case good
    case bad
    case notEnoughEvidence = "not-enough-evidence"
  }

  /// What one metric says. Evidence is the decimal logarithm of the e-value in thousandths: 2,000 is
  /// a chance of at most 1 in 100.
  public struct Metric: Hashable, Codable, Sendable {
    public var name: String
    public var objects: Bool
    public var against: Int64
    /// `nil` for a metric that can only object.
    public var inFavour: Int64?
  }

  public var answer: Answer
  /// For people.
  public var sentence: String
  public var counts: PairedCounts
  /// The ratio of error rates and the bounds around it, in thousandths.
  public var ratio: Int64?
  public var ratioAtLeast: Int64?
  public var ratioAtMost: Int64?
  public var toleratedRatio: Int64
  /// The e-value against the release by its errors, as its decimal logarithm in thousandths.
  public var evidence: Int64
  /// The chance of it within the tolerance, at most, in millionths and rounded up.
  public var chance: Int64
  /// Microseconds.
  public var slowBeyond: UInt64?
  public var failuresNeeded: Int64?
  public var requestsStillNeeded: Int64?
  public var refusedBlocks: UInt64
  public var metrics: [Metric]

  public init(_ verdict: CanaryVerdict) {
    let evidence = verdict.evidence
    var objecting: Set<CanaryVerdict.Guardrail> = []
    switch verdict {
    case .good: answer = .good
    case .bad(_, because: let names): (answer, objecting) = (.bad, names)
    case .notEnoughEvidence: answer = .notEnoughEvidence
    }
    sentence = verdict.description
    counts = evidence.counts
    ratio = evidence.counts.ratio.map { Self.whole($0 * 1_000) }
    ratioAtLeast = evidence.ratioAtLeast.map { Self.whole($0 * 1_000) }
    ratioAtMost = evidence.ratioAtMost.map { Self.whole($0 * 1_000) }
    toleratedRatio = Self.whole(evidence.toleratedRatio * 1_000)
    self.evidence = Self.decimal(evidence.logEvidence)
    chance = Self.whole((evidence.chance * 1e6).rounded(.up))
    slowBeyond = evidence.slowBeyond
    failuresNeeded = evidence.failuresNeeded.map { Self.whole($0.rounded(.up)) }
    requestsStillNeeded = evidence.requestsStillNeeded.map { Self.whole($0.rounded(.up)) }
    refusedBlocks = evidence.refusedBlocks
    let own = [
      GuardrailEvidence(
        name: CanaryVerdict.Guardrail.errors.name, againstIt: evidence.logEvidence,
        forIt: evidence.promotionLogEvidence),
      GuardrailEvidence(
        name: CanaryVerdict.Guardrail.latency.name, againstIt: evidence.latencyLogEvidence,
        forIt: nil),
    ]
    let names = Set(objecting.map(\.name))
    metrics = (own + evidence.metrics).map {
      Metric(
        name: $0.name, objects: names.contains($0.name), against: Self.decimal($0.againstIt),
        inFavour: $0.forIt.map(Self.decimal))
    }
  }

  private static func decimal(_ logarithm: Double) -> Int64 { whole(logarithm / log(10) * 1_000) }

  /// What does not fit stays at the end that it is beyond.
  private static func whole(_ value: Double) -> Int64 {
    guard !value.isNaN else { return 0 }
    return Int64(min(max(value.rounded(), -9e15), 9e15))
  }
}
