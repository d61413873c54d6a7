import SegueModel

/// How long verdicts take at today's traffic, for before a rollout starts.
public struct VerdictForecast: Hashable, Codable, Sendable {
  /// Of the whole service.
  public var requestsPerSecond: Double
  /// Seconds until a release that fails twice, or ten times, as often is caught; `nil`: never.
  public var secondsUntilDoublingCaught: Double?
  public var secondsUntilTenfoldCaught: Double?
  /// Seconds until a release that fails no more often is promoted; `nil`: never.
  public var secondsUntilPromoted: Double?

  /// - Parameters:
  ///   - baselineRate: the part of the requests that fails today.
  ///   - share: the canary's part of the requests.
  public init(
    requestsPerSecond: Double, baselineRate: Double, share: Double, settings: JudgeSettings
  ) {
    self.requestsPerSecond = requestsPerSecond
    let dispersion = Dispersion.clamped(settings.dispersion)
    let alpha = settings.alpha * settings.partOfErrors
    func caught(_ ratio: Double) -> Double? {
      Planning.secondsUntilCaught(
        ratio: ratio / settings.toleratedRatio, toleratedRatio: settings.toleratedRatio,
        alpha: alpha, baselineRate: baselineRate, share: share,
        requestsPerSecond: requestsPerSecond
      ).map { $0 * dispersion }
    }
    secondsUntilDoublingCaught = caught(2)
    secondsUntilTenfoldCaught = caught(10)
    let compared = Planning.secondsUntilPromoted(
      limit: settings.promotionLimit, beta: settings.beta * 0.8, baselineRate: baselineRate,
      share: share, requestsPerSecond: requestsPerSecond)
    let canaryRate = share * requestsPerSecond
    var negligible: Double?
    if baselineRate < settings.negligibleErrorRate / 10, canaryRate > 0, canaryRate.isFinite {
      negligible = NegligibleTest.requests(
        missing: Planning.threshold(settings.beta * 0.2), rate: settings.negligibleErrorRate
      ).map { $0 / canaryRate }
    }
    secondsUntilPromoted = [compared, negligible].compactMap(\.self).min().map { $0 * dispersion }
    let hold = Double(settings.hold.minimum.count) / 1_000
    secondsUntilPromoted = secondsUntilPromoted.map { max($0, hold) }
  }
}

extension VerdictForecast: CustomStringConvertible {
  /// `at today's 40 requests/s a doubling of errors is caught in about 3 minutes; ...`
  public var description: String {
    guard requestsPerSecond > 0, requestsPerSecond.isFinite else {
      return "without requests there will be no verdict"
    }
    let rate = AnalysisText.decimal(requestsPerSecond)
    let doubling = secondsUntilDoublingCaught.map { "is caught in about \(Self.span($0))" }
    let tenfold = secondsUntilTenfoldCaught.map { ", ten times as many in \(Self.span($0))" }
    let promoted = secondsUntilPromoted.map { "is promoted after about \(Self.span($0))" }
    return "at today's \(rate) requests/s a doubling of errors "
      + (doubling ?? "is not caught, because it is within what is tolerated or nothing fails today")
      + (tenfold ?? "") + "; a clean release "
      + (promoted ?? "is not promoted by the evidence, because nothing can be ruled out")
  }

  private static func span(_ seconds: Double) -> String {
    let steps: [(limit: Double, unit: Double, name: String)] = [
      (90, 1, "second"), (5_400, 60, "minute"), (172_800, 3_600, "hour"),
    ]
    let found = steps.first { seconds < $0.limit } ?? (0, 86_400, "day")
    let count = max(1, (seconds / found.unit).rounded())
    return "\(AnalysisText.rounded(count)) \(found.name)\(count == 1 ? "" : "s")"
  }
}
