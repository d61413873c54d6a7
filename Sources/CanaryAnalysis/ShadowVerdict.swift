public import SegueModel

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Between which bounds a proportion lies, at any moment.
///
/// A mixture of all proportions, equally weighted, by the likelihood of the true one is a martingale
/// (Robbins, 1970), so that the interval misses the truth, ever, with a chance of at most `alpha`.
public enum ProportionInterval {
  /// From 0 to 1 while nothing was counted, or for counts that cannot be.
  public static func bounds(
    of hits: UInt64, in all: UInt64, alpha: Double = 0.05
  ) -> (lower: Double, upper: Double) {
    guard all > 0, hits <= all, alpha > 0, alpha < 1 else { return (0, 1) }
    let hits = Double(hits)
    let misses = Double(all) - hits
    let mixture =
      Numerics.logGamma(hits + 1) + Numerics.logGamma(misses + 1)
      - Numerics.logGamma(hits + misses + 2)
    func isOut(_ part: Double) -> Bool {
      let likelihood =
        (hits > 0 ? hits * log(part) : 0) + (misses > 0 ? misses * log1p(-part) : 0)
      return mixture - likelihood >= log(1 / alpha)
    }
    let seen = hits / (hits + misses)
    func edge(from inside: Double, to outside: Double) -> Double {
      var (inside, outside) = (inside, outside)
      for _ in 0..<60 {
        let middle = (inside + outside) / 2
        if isOut(middle) { outside = middle } else { inside = middle }
      }
      return outside
    }
    return (hits > 0 ? edge(from: seen, to: 0) : 0, misses > 0 ? edge(from: seen, to: 1) : 1)
  }
}

/// What copies of requests say of a release that nobody has seen yet.
public struct ShadowVerdict: Hashable, Sendable {
  public enum Answer: String, Hashable, Codable, Sendable {
    /// Fewer answers differ than is tolerated.
    case good
    /// More do.
    case bad
    case notEnoughEvidence = "not-enough-evidence"
  }

  public static let groupLimit = 10

  public var answer: Answer
  public var compared: UInt64
  public var differing: UInt64
  /// Bounds of the part of answers that differ, valid at any moment with a chance of 95 %.
  public var lower: Double
  public var upper: Double
  public var tolerated: Double
  /// The most frequent first; at most ``groupLimit``.
  public var groups: [MirrorGroup]

  /// A copy without an answer counts as one that differs.
  public init(_ report: MirrorReport, tolerated: Double = 0.001, alpha: Double = 0.05) {
    let failed = PairedCounts.sum(report.compared, report.failed)
    compared = failed
    differing = failed >= report.equal ? failed - report.equal : 0
    self.tolerated = tolerated
    groups = Array((report.groups ?? []).prefix(Self.groupLimit))
    let plausible = report.equal <= report.compared && failed < .max
    let bounds =
      plausible ? ProportionInterval.bounds(of: differing, in: failed, alpha: alpha) : (0, 1)
    (lower, upper) = bounds
    answer = lower > tolerated ? .bad : upper <= tolerated ? .good : .notEnoughEvidence
  }
}

extension ShadowVerdict: CustomStringConvertible {
  /// In a sentence.
  public var description: String {
    guard compared > 0 else { return "no answers were compared yet" }
    let rate = AnalysisText.percent(Double(differing) / Double(compared))
    let seen =
      "\(AnalysisText.count(differing)) of \(AnalysisText.count(compared)) answers differ (\(rate), "
      + "between \(AnalysisText.percent(lower)) and \(AnalysisText.percent(upper))); tolerated are "
      + AnalysisText.percent(tolerated)
    switch answer {
    case .good: return seen
    case .bad: return seen + ", so it is worse" + worst
    case .notEnoughEvidence: return seen + ", so there is not enough evidence yet"
    }
  }

  /// `: 1,203 times GET /orders/{n} (status: 200 there, 500 here)`
  private var worst: String {
    let named = groups.prefix(3).map { group in
      let times = group.count == 1 ? "once" : "\(AnalysisText.count(group.count)) times"
      return "\(times) \(group.request) (\(group.what))"
    }
    return named.isEmpty ? "" : ": " + named.joined(separator: ", ")
  }
}
