public import SegueModel

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What one version has done since something was started, whoever counted it.
public struct CumulativeCounts: Hashable, Sendable {
  public var requests: UInt64
  public var errors: UInt64
  /// Counts per bucket of ``LatencyHistogram``; empty when nobody measures.
  public var latency: [UInt64]

  public init(requests: UInt64, errors: UInt64, latency: [UInt64] = []) {
    self.requests = requests
    self.errors = errors
    self.latency = latency
  }

  /// An error is an answer of status 5xx, or none at all. Stays at the greatest number rather than
  /// overflow, and the judge refuses that.
  public init(_ counters: VersionCounters) {
    requests = counters.responses.reduce(counters.failed, PairedCounts.sum)
    errors = PairedCounts.sum(counters.failed, counters.responses.dropFirst(4).first ?? 0)
    latency = counters.latency
  }
}

/// Why a report was not believed. None of these ever leads to a verdict.
public enum RefusedReport: Hashable, Sendable, CustomStringConvertible {
  case canaryMissing
  case baselineMissing
  /// A counter is less than it was: whoever counts has started anew. Counting goes on from here.
  case countersDecreased
  case clockWentBack
  case noTimePassed
  case blockTooLong(Milliseconds)
  case moreErrorsThanRequests
  case impossibleCount
  /// Whoever was asked could not say, and why.
  case source(String)

  public var description: String {
    switch self {
    case .canaryMissing: "the report lacks the canary"
    case .baselineMissing: "the report lacks the baseline"
    case .countersDecreased: "a counter is less than it was: it was restarted, counting from here"
    case .clockWentBack: "the clock went back, counting from here"
    case .noTimePassed: "no time has passed since the report before"
    case .blockTooLong: "the report before is too long ago, counting from here"
    case .moreErrorsThanRequests: "there are more errors than requests"
    case .impossibleCount: "a count is beyond all that can be"
    case .source(let reason): reason
    }
  }
}

/// Judges one release against another from cumulative counters: makes blocks of their differences,
/// feeds the tests, and refuses what cannot be believed.
///
/// A value without a clock: the moment of each report is an argument.
public struct ReleaseJudge: Hashable, Sendable {
  /// Beyond this a Double no longer counts one by one, and nobody serves so many.
  public static let greatestCount: UInt64 = 1 << 53

  private struct Sample: Hashable, Sendable {
    var moment: Instant
    var canary: CumulativeCounts
    var baseline: CumulativeCounts
  }

  public enum Outcome: Hashable, Sendable {
    /// The first report, to which the next is compared.
    case began
    case counted(PairedCounts)
    case refused(RefusedReport)
  }

  public let settings: JudgeSettings
  private var last: Sample?
  private(set) var began: Instant?
  private var counts = PairedCounts()
  private var refusedBlocks: UInt64 = 0
  private var errors: RatioTest
  private var latency: LatencyTest
  private var promotion: PromotionTest
  private var negligible: NegligibleTest
  private var interval = RatioInterval()
  private var metrics: [MetricWatch]
  private var latestRefusal: RefusedReport?

  public init(settings: JudgeSettings = JudgeSettings()) {
    self.settings = settings
    errors = RatioTest(toleratedRatio: settings.toleratedRatio)
    latency = LatencyTest(toleratedRatio: settings.toleratedLatencyRatio)
    promotion = PromotionTest(limit: settings.promotionLimit)
    negligible = NegligibleTest(rate: settings.negligibleErrorRate)
    metrics = settings.metrics.map {
      MetricWatch($0, promotionLimit: settings.promotionLimit)
    }
  }

  /// Takes in what the proxy reports of a service.
  @discardableResult
  public mutating func observe(
    _ versions: [VersionCounters], canary: ReleaseID, baseline: ReleaseID, at now: Instant
  ) -> Outcome {
    observe(
      canary: versions.first { $0.release == canary }.map(CumulativeCounts.init),
      baseline: versions.first { $0.release == baseline }.map(CumulativeCounts.init), at: now)
  }

  /// Takes in one block of a watched metric; `false` when nobody watches that, or when it cannot be
  /// believed: then it counts as missing.
  @discardableResult
  public mutating func observe(metric name: String, _ block: MetricBlock) -> Bool {
    guard let index = metrics.firstIndex(where: { $0.metric.name == name }) else { return false }
    return metrics[index].add(block, dispersion: settings.dispersion)
  }

  /// A source had nothing for this block: of the counters, or of one watched metric.
  public mutating func noData(_ reason: String, metric name: String? = nil) {
    guard let name else {
      _ = refuse(.source(reason))
      return
    }
    for index in metrics.indices where metrics[index].metric.name == name {
      metrics[index].absence = reason
    }
  }

  /// Takes in one block that somebody else has measured.
  @discardableResult
  public mutating func observe(block: PairedCounts, at now: Instant) -> Outcome {
    if let fault = block.fault { return refuse(fault) }
    if began == nil { began = now }
    return .counted(
      take(
        CumulativeCounts(requests: block.canaryRequests, errors: block.canaryErrors),
        CumulativeCounts(requests: block.baselineRequests, errors: block.baselineErrors)))
  }

  /// Takes in cumulative counters; `nil` for a version that was not reported.
  @discardableResult
  public mutating func observe(
    canary: CumulativeCounts?, baseline: CumulativeCounts?, at now: Instant
  ) -> Outcome {
    guard let canary else { return refuse(.canaryMissing) }
    guard let baseline else { return refuse(.baselineMissing) }
    if let fault = Self.fault(canary) ?? Self.fault(baseline) { return refuse(fault) }
    let sample = Sample(moment: now, canary: canary, baseline: baseline)
    guard let before = last else {
      last = sample
      latestRefusal = nil
      if began == nil { began = now }
      return .began
    }
    let (elapsed, _) = now.milliseconds.subtractingReportingOverflow(before.moment.milliseconds)
    let span = Milliseconds(elapsed)
    if now == before.moment { return refuse(.noTimePassed) }
    if now < before.moment { return refuse(.clockWentBack, goingOnFrom: sample) }
    if span < .zero || span > settings.longestBlock {
      return refuse(.blockTooLong(span), goingOnFrom: sample)
    }
    guard let newCanary = canary.minus(before.canary),
      let newBaseline = baseline.minus(before.baseline)
    else { return refuse(.countersDecreased, goingOnFrom: sample) }
    if let fault = Self.fault(newCanary) ?? Self.fault(newBaseline) {
      return refuse(fault, goingOnFrom: sample)
    }
    last = sample
    return .counted(take(newCanary, newBaseline))
  }

  private mutating func take(
    _ canary: CumulativeCounts, _ baseline: CumulativeCounts
  ) -> PairedCounts {
    let block = PairedCounts(
      canaryRequests: canary.requests, canaryErrors: canary.errors,
      baselineRequests: baseline.requests, baselineErrors: baseline.errors)
    counts.add(block)
    errors.add(block, dispersion: settings.dispersion)
    promotion.add(block, dispersion: settings.dispersion)
    negligible.add(block, dispersion: settings.dispersion)
    interval.add(block, dispersion: settings.dispersion)
    latestRefusal = nil
    if settings.judgesLatency {
      latency.add(
        canary: canary.latency, baseline: baseline.latency, dispersion: settings.dispersion)
    }
    return block
  }

  private mutating func refuse(
    _ reason: RefusedReport, goingOnFrom sample: Sample? = nil
  ) -> Outcome {
    refusedBlocks = PairedCounts.sum(refusedBlocks, 1)
    latestRefusal = reason
    if let sample { last = sample }
    return .refused(reason)
  }

  private static func fault(_ counts: CumulativeCounts) -> RefusedReport? {
    let greatest = max(counts.requests, counts.latency.max() ?? 0)
    if greatest > greatestCount || counts.latency.count > LatencyHistogram.bucketCount {
      return .impossibleCount
    }
    return counts.errors > counts.requests ? .moreErrorsThanRequests : nil
  }
}

extension PairedCounts {
  fileprivate var fault: RefusedReport? {
    if max(canaryRequests, baselineRequests) > ReleaseJudge.greatestCount {
      return .impossibleCount
    }
    return isPlausible ? nil : .moreErrorsThanRequests
  }
}

extension ReleaseJudge {
  /// What the evidence says at `now`. Good is not said before the minimum hold is over, nor from a
  /// report that was refused.
  public func verdict(at now: Instant) -> CanaryVerdict {
    let evidence = evidence
    let answer = Guardrails.answer(guardrails, alpha: settings.alpha, beta: settings.beta)
    if case .bad(let names) = answer {
      return .bad(evidence, because: Set(names.map(guardrail)))
    }
    if let latestRefusal { return .notEnoughEvidence(evidence, yet: .data(latestRefusal)) }
    if counts.canaryRequests == 0 || counts.baselineRequests == 0 {
      return .notEnoughEvidence(evidence, yet: .requests)
    }
    if let silent = metrics.first(where: { $0.absence != nil || $0.blocks == 0 }) {
      return .notEnoughEvidence(
        evidence, yet: .metric(silent.metric.name, silent.absence ?? "no data yet"))
    }
    if case .undecided(let names) = answer {
      return .notEnoughEvidence(evidence, yet: lack(of: names))
    }
    guard let began, now >= began,
      Milliseconds(now.milliseconds.subtractingReportingOverflow(began.milliseconds).0)
        >= settings.hold.minimum
    else { return .notEnoughEvidence(evidence, yet: .hold) }
    return .good(evidence)
  }

  private func lack(of names: [String]) -> CanaryVerdict.Lack {
    switch names.first.map(guardrail) {
    case .errors, nil:
      let silent = counts.baselineErrors == 0 && counts.canaryErrors == 0
      return silent && negligible.rate == 0 ? .errors : .evidence
    case .latency: return .latency
    case .metric(let name): return .metric(name, "not enough evidence for it yet")
    }
  }

  private func guardrail(_ name: String) -> CanaryVerdict.Guardrail {
    switch name {
    case CanaryVerdict.Guardrail.errors.name: .errors
    case CanaryVerdict.Guardrail.latency.name: .latency
    default: .metric(name)
    }
  }

  /// Errors, latency and the watched metrics, in this order.
  public var guardrails: [GuardrailEvidence] {
    let byErrors = GuardrailEvidence(
      name: CanaryVerdict.Guardrail.errors.name, againstIt: errors.greatestLogEvidence,
      suspicion: errors.logEvidence, forIt: promotion.combined(with: negligible))
    let byLatency = GuardrailEvidence(
      name: CanaryVerdict.Guardrail.latency.name, againstIt: latency.greatestLogEvidence,
      suspicion: latency.logEvidence, forIt: nil)
    return [byErrors] + (settings.judgesLatency ? [byLatency] : []) + metrics.map(\.evidence)
  }

  /// The numbers so far.
  public var evidence: CanaryEvidence {
    let bounds = interval.bounds()
    return CanaryEvidence(
      counts: counts, ratioAtLeast: bounds.lower, ratioAtMost: bounds.upper,
      toleratedRatio: errors.toleratedRatio, promotionLimit: promotion.limit,
      negligibleErrorRate: negligible.rate, beta: settings.beta,
      dispersion: Dispersion.clamped(settings.dispersion),
      logEvidence: errors.greatestLogEvidence, chance: errors.chance,
      latencyLogEvidence: latency.greatestLogEvidence, latencyChance: latency.chance,
      slowBeyond: latency.mostTelling,
      promotionLogEvidence: promotion.combined(with: negligible),
      failuresNeeded: failuresNeeded, requestsStillNeeded: requestsStillNeeded,
      refusedBlocks: refusedBlocks, metrics: metrics.map(\.evidence))
  }

  private var failuresNeeded: Double? {
    guard let ratio = counts.ratio else { return nil }
    let alpha = settings.alpha * settings.partOfErrors
    return Planning.failuresUntilCaught(ratio: ratio / errors.toleratedRatio, alpha: alpha)
  }

  /// By the way that is shorter: the comparison with the baseline, or the negligible rate.
  private var requestsStillNeeded: Double? {
    let passing = guardrails.count { $0.forIt != nil }
    let threshold = log(Double(max(1, passing)) / settings.beta)
    let divisor = Dispersion.clamped(settings.dispersion)
    let missing = threshold - promotion.combined(with: negligible)
    guard missing > 0 else { return 0 }
    var ways: [Double] = []
    if let rate = counts.baselineRate, let share = counts.share,
      let growth = Planning.growth(limit: promotion.limit, baselineRate: rate, share: share)
    {
      ways.append((threshold - log(0.8) - promotion.logEvidence) * divisor / growth)
    }
    // Errors come on, so that this way is open only to what has failed less than that.
    let all = Double(counts.canaryRequests) + Double(counts.baselineRequests)
    let failed = Double(counts.canaryErrors) + Double(counts.baselineErrors)
    if failed < all * negligible.rate / 10,
      let requests = NegligibleTest.requests(
        missing: threshold - log(0.2) - negligible.logEvidence, rate: negligible.rate)
    {
      ways.append(requests * divisor)
    }
    return ways.min().map { max(0, $0) }
  }
}

extension CumulativeCounts {
  /// What was added since `earlier`; `nil` if any counter is less than it was.
  func minus(_ earlier: Self) -> Self? {
    guard requests >= earlier.requests, errors >= earlier.errors else { return nil }
    var difference = latency
    for (bucket, count) in earlier.latency.enumerated() where count > 0 {
      guard bucket < difference.count, difference[bucket] >= count else { return nil }
      difference[bucket] -= count
    }
    return Self(
      requests: requests - earlier.requests, errors: errors - earlier.errors, latency: difference)
  }
}
