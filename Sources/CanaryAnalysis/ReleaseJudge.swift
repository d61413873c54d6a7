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
  private var began: Instant?
  private var counts = PairedCounts()
  private var refusedBlocks: UInt64 = 0
  private var errors: RatioTest
  private var latency: LatencyTest
  private var promotion: PromotionTest

  public init(settings: JudgeSettings = JudgeSettings()) {
    self.settings = settings
    errors = RatioTest(toleratedRatio: settings.toleratedRatio)
    latency = LatencyTest(toleratedRatio: settings.toleratedLatencyRatio)
    promotion = PromotionTest(limit: settings.promotionLimit)
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

extension ReleaseJudge {
  /// What the evidence says at `now`. Good is not said before the minimum hold is over.
  public func verdict(at now: Instant) -> CanaryVerdict {
    let evidence = evidence
    let parts = settings.judgesLatency ? 2.0 : 1
    let threshold = log(parts / settings.alpha)
    var objections: Set<CanaryVerdict.Guardrail> = []
    if errors.greatestLogEvidence >= threshold { objections.insert(.errors) }
    if settings.judgesLatency, latency.greatestLogEvidence >= threshold {
      objections.insert(.latency)
    }
    guard objections.isEmpty else { return .bad(evidence, because: objections) }
    if counts.canaryRequests == 0 || counts.baselineRequests == 0 {
      return .notEnoughEvidence(evidence, yet: .requests)
    }
    guard promotion.isPassed(beta: settings.beta) else {
      let silent = counts.baselineErrors == 0 && counts.canaryErrors == 0
      return .notEnoughEvidence(evidence, yet: silent ? .errors : .evidence)
    }
    if settings.judgesLatency, latency.logEvidence >= log(1 / settings.beta) {
      return .notEnoughEvidence(evidence, yet: .latency)
    }
    guard let began, now >= began,
      Milliseconds(now.milliseconds.subtractingReportingOverflow(began.milliseconds).0)
        >= settings.hold.minimum
    else { return .notEnoughEvidence(evidence, yet: .hold) }
    return .good(evidence)
  }

  /// The numbers so far.
  public var evidence: CanaryEvidence {
    CanaryEvidence(
      counts: counts, toleratedRatio: errors.toleratedRatio, promotionLimit: promotion.limit,
      beta: settings.beta, dispersion: Dispersion.clamped(settings.dispersion),
      logEvidence: errors.greatestLogEvidence, chance: errors.chance,
      latencyLogEvidence: latency.greatestLogEvidence, latencyChance: latency.chance,
      slowBeyond: latency.mostTelling, promotionLogEvidence: promotion.logEvidence,
      failuresNeeded: failuresNeeded, requestsStillNeeded: requestsStillNeeded,
      refusedBlocks: refusedBlocks)
  }

  private var failuresNeeded: Double? {
    guard let ratio = counts.ratio else { return nil }
    let alpha = settings.judgesLatency ? settings.alpha / 2 : settings.alpha
    return Planning.failuresUntilCaught(ratio: ratio / errors.toleratedRatio, alpha: alpha)
  }

  private var requestsStillNeeded: Double? {
    guard let rate = counts.baselineRate, let share = counts.share,
      let growth = Planning.growth(limit: promotion.limit, baselineRate: rate, share: share)
    else { return nil }
    let missing = log(1 / settings.beta) - promotion.logEvidence
    return max(0, missing * Dispersion.clamped(settings.dispersion) / growth)
  }
}

extension CumulativeCounts {
  /// What was added since `earlier`; `nil` if any counter is less than it was.
  fileprivate func minus(_ earlier: Self) -> Self? {
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
