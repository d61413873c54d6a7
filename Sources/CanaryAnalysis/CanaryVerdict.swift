#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What the evidence says of a release. Silence is the third answer, never the first.
public enum CanaryVerdict: Hashable, Sendable {
  case good(CanaryEvidence)
  case bad(CanaryEvidence, because: Set<Guardrail>)
  case notEnoughEvidence(CanaryEvidence, yet: Lack)

  public enum Guardrail: Hashable, Sendable, Comparable {
    case errors
    case latency
    /// One that a user watches, by its name.
    case metric(String)

    public var name: String {
      switch self {
      case .errors: "errors"
      case .latency: "latency"
      case .metric(let name): name
      }
    }

    public static func < (left: Self, right: Self) -> Bool { left.name < right.name }
  }

  /// Why there is no verdict.
  public enum Lack: Hashable, Sendable {
    /// One of the two versions has had no requests at all.
    case requests
    /// The baseline has had no errors, so that no ratio can be ruled out.
    case errors
    /// More requests are needed.
    case evidence
    /// The errors would do, the latency is under suspicion.
    case latency
    /// A watched metric is missing or not convinced, and why.
    case metric(String, String)
    /// The latest report could not be believed.
    case data(RefusedReport)
    /// Everything would do, but the minimum hold is not over.
    case hold
  }

  public var evidence: CanaryEvidence {
    switch self {
    case .good(let evidence): evidence
    case .bad(let evidence, because: _): evidence
    case .notEnoughEvidence(let evidence, yet: _): evidence
    }
  }
}

/// The numbers behind a verdict.
public struct CanaryEvidence: Hashable, Codable, Sendable {
  /// Of all blocks that counted.
  public var counts: PairedCounts
  /// Bounds of the ratio of error rates that hold at all times together with a chance of 95 %; `nil`
  /// where the evidence gives none.
  public var ratioAtLeast: Double?
  public var ratioAtMost: Double?
  public var toleratedRatio: Double
  /// The ratio that promotion rules out.
  public var promotionLimit: Double
  /// The error rate that it may rule out instead; 0: it may not.
  public var negligibleErrorRate: Double
  /// The chance to be wrong about that, at most.
  public var beta: Double
  /// How much more than independent requests the errors were taken to vary.
  public var dispersion: Double
  /// Logarithm of the greatest e-value against the release by its errors, and its chance.
  public var logEvidence: Double
  public var chance: Double
  /// The same by latency.
  public var latencyLogEvidence: Double
  public var latencyChance: Double
  /// Microseconds: the boundary beyond which the canary has too many requests.
  public var slowBeyond: UInt64?
  /// Logarithm of the e-value for promotion now.
  public var promotionLogEvidence: Double
  /// Failing canary requests that were needed, about, to see a ratio such as this; `nil` when the
  /// ratio is not above the tolerated one.
  public var failuresNeeded: Double?
  /// Canary requests until promotion, about, if all stays as it is; `nil` while nobody can say.
  public var requestsStillNeeded: Double?
  /// Blocks that were dropped because their numbers could not be believed.
  public var refusedBlocks: UInt64
  /// Of the watched metrics, in their order.
  public var metrics: [GuardrailEvidence]
}

extension CanaryVerdict: CustomStringConvertible {
  /// The verdict in a sentence.
  public var description: String {
    switch self {
    case .good(let evidence):
      let odds = AnalysisText.chance(evidence.beta)
      let negligible =
        evidence.negligibleErrorRate > 0
        ? " and \(AnalysisText.percent(evidence.negligibleErrorRate)) errors" : ""
      return "\(evidence.rates); \(AnalysisText.decimal(evidence.promotionLimit)) times the errors "
        + "of the baseline\(negligible), or more, is ruled out: chance to be wrong at most \(odds)"
    case .bad(let evidence, let guardrails):
      return ([evidence.rates] + guardrails.sorted().map(evidence.reason)).joined(separator: "; ")
    case .notEnoughEvidence(let evidence, let lack):
      return "\(evidence.rates); not enough evidence yet: \(evidence.explanation(of: lack))"
    }
  }
}

extension CanaryEvidence {
  var rates: String {
    let canary = counts.canaryRate.map { AnalysisText.percent($0) + " errors" }
    let baseline = counts.baselineRate.map(AnalysisText.percent)
    return "canary \(canary ?? "idle"), baseline \(baseline ?? "idle"), "
      + "\(AnalysisText.count(counts.canaryErrors)) of \(AnalysisText.count(counts.canaryRequests)) "
      + "against \(AnalysisText.count(counts.baselineErrors)) of "
      + AnalysisText.count(counts.baselineRequests)
  }

  fileprivate func reason(_ guardrail: CanaryVerdict.Guardrail) -> String {
    switch guardrail {
    case .errors:
      let ratio = AnalysisText.decimal(toleratedRatio)
      let odds = "chance of this under the tolerated ratio \(ratio) at most "
      let needed = failuresNeeded.map {
        "; about \(AnalysisText.rounded(max(1, $0))) failing requests were needed"
      }
      return odds + AnalysisText.chance(chance) + (needed ?? "")
    case .latency:
      let place = slowBeyond.map { " beyond \(Self.milliseconds($0))" } ?? ""
      return "too many slow requests\(place), chance of this if it were no slower at most "
        + AnalysisText.chance(latencyChance)
    case .metric(let name):
      let found = metrics.first { $0.name == name }
      return "\(name) is worse, chance of this if it were within its tolerance at most "
        + AnalysisText.chance(exp(-(found?.againstIt ?? 0)))
    }
  }

  fileprivate func explanation(of lack: CanaryVerdict.Lack) -> String {
    switch lack {
    case .requests:
      return counts.canaryRequests == 0
        ? "the canary has had no requests" : "the baseline has had no requests"
    case .errors:
      return "the baseline has had no errors, so no ratio can be ruled out"
    case .evidence:
      guard let requestsStillNeeded else { return "it does not point to a clean release" }
      let needed = AnalysisText.rounded(max(1, requestsStillNeeded))
      return "about \(needed) more canary requests are needed"
    case .latency:
      let place = slowBeyond.map { " beyond \(Self.milliseconds($0))" } ?? ""
      return "the errors would do, the latency\(place) is under suspicion"
    case .metric(let name, let why):
      return "\(name): \(why)"
    case .data(let reason):
      return "no data: \(reason)"
    case .hold:
      return "the minimum hold is not over"
    }
  }

  private static func milliseconds(_ microseconds: UInt64) -> String {
    AnalysisText.decimal(Double(microseconds) / 1_000) + " ms"
  }
}
