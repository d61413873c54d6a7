public import SegueModel

/// Judges one release against another by a score, as Kayenta does: for those who come from there. Its
/// known wrong verdicts are ``KayentaJudge``'s.
///
/// A value without a clock: the moment of each report is an argument.
public struct ScoreJudge: Hashable, Sendable {
  /// Values of each version without which nothing is classified: fewer prove nothing by any rank test.
  public static let leastValues = 5

  public enum Answer: Hashable, Sendable {
    case good
    case bad
    /// Not yet, or marginal.
    case open
  }

  private struct Series: Hashable, Sendable {
    var name: String
    var direction: KayentaJudge.Direction
    var canary: [Double] = []
    var baseline: [Double] = []

    /// The oldest values go, so that no rollout is too long.
    mutating func add(_ canary: Double?, _ baseline: Double?) {
      Self.add(canary, to: &self.canary)
      Self.add(baseline, to: &self.baseline)
    }

    private static func add(_ value: Double?, to values: inout [Double]) {
      guard let value, value.isFinite else { return }
      values.append(value)
      if values.count > MannWhitney.limit { values.removeFirst() }
    }
  }

  private struct Mark: Hashable, Sendable {
    var moment: Instant
    var canary: CumulativeCounts
    var baseline: CumulativeCounts
  }

  private let judge: KayentaJudge
  private let interval: Milliseconds
  private let minimum: Milliseconds
  private var series: [Series]
  private var mark: Mark?
  private var began: Instant?

  /// - Parameters:
  ///   - interval: between two values of what the counters give.
  ///   - minimum: nothing is good before.
  ///   - metrics: the names of further values, and which way is worse.
  public init(
    _ judge: KayentaJudge, interval: Milliseconds, minimum: Milliseconds, errors: Bool,
    latency: Bool, metrics: [(name: String, direction: KayentaJudge.Direction)]
  ) {
    self.judge = judge
    self.interval = interval
    self.minimum = minimum
    series =
      (errors ? [Series(name: CanaryVerdict.Guardrail.errors.name, direction: .increase)] : [])
      + (latency ? [Series(name: CanaryVerdict.Guardrail.latency.name, direction: .increase)] : [])
      + metrics.map { Series(name: $0.name, direction: $0.direction) }
  }

  /// Takes in cumulative counters, and makes a value of them once per interval. Counters that went
  /// back, and a clock that did, begin a new interval.
  public mutating func observe(
    canary: CumulativeCounts, baseline: CumulativeCounts, at now: Instant
  ) {
    if began == nil { began = now }
    let next = Mark(moment: now, canary: canary, baseline: baseline)
    guard let mark, now >= mark.moment, let own = canary.minus(mark.canary),
      let other = baseline.minus(mark.baseline)
    else {
      self.mark = next
      return
    }
    guard now - mark.moment >= interval else { return }
    self.mark = next
    add(CanaryVerdict.Guardrail.errors.name, own.errorRate, other.errorRate)
    add(CanaryVerdict.Guardrail.latency.name, own.slowest, other.slowest)
  }

  /// Takes in one value of each version.
  public mutating func observe(metric: String, canary: Double, baseline: Double) {
    add(metric, canary, baseline)
  }

  private mutating func add(_ name: String, _ canary: Double?, _ baseline: Double?) {
    guard let index = series.firstIndex(where: { $0.name == name }) else { return }
    series[index].add(canary, baseline)
  }

  /// How each of them comes out now, in their order.
  public var classifications: [(name: String, classification: KayentaJudge.Classification)] {
    series.map { series in
      let enough = min(series.canary.count, series.baseline.count) >= Self.leastValues
      return (
        series.name,
        enough
          ? judge.classify(
            experiment: series.canary, control: series.baseline, direction: series.direction)
          : .noData
      )
    }
  }

  /// 0 to 100; `nil` while something has too few values.
  public var score: Double? {
    let found = classifications
    guard found.allSatisfy({ $0.classification != .noData }) else { return nil }
    return judge.score(found.map { KayentaJudge.Metric($0.classification) })
  }

  public func answer(at now: Instant) -> Answer {
    guard let score else { return .open }
    switch judge.outcome(score: score) {
    case .fail: return .bad
    case .marginal: return .open
    case .pass:
      guard let began, now >= began, now - began >= minimum else { return .open }
      return .good
    }
  }

  /// `score 50 of 100, below 75: errors high, latency pass`
  public var description: String {
    let found = classifications
    let each = found.map { "\($0.name) \($0.classification.rawValue)" }.joined(separator: ", ")
    guard let score else {
      return "no score yet, it takes \(Self.leastValues) values of everything: \(each)"
    }
    let rank =
      switch judge.outcome(score: score) {
      case .pass: "at least \(AnalysisText.decimal(judge.passAt))"
      case .marginal: "below \(AnalysisText.decimal(judge.passAt))"
      case .fail: "below \(AnalysisText.decimal(judge.marginalAt))"
      }
    return "score \(AnalysisText.decimal(score)) of 100, \(rank): \(each)"
  }
}

extension CumulativeCounts {
  fileprivate var errorRate: Double? {
    requests > 0 && errors <= requests ? Double(errors) / Double(requests) : nil
  }

  /// Microseconds: the 99th percentile.
  fileprivate var slowest: Double? { LatencyHistogram.quantile(0.99, of: latency).map(Double.init) }
}
