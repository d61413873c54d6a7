import SegueModel

/// Watches a release for a while after its rollout, against the hour before it.
///
/// The same sequential test as in a rollout, with the blocks of the hour before in the baseline's
/// place, each used once. There is no second version beside it any more, so that a base rate that
/// changes by itself looks like a regression: what comes of it is an offer, unless the user wants more.
public struct BakeWatch: Hashable, Sendable {
  public enum Finding: Hashable, Sendable {
    case watching
    /// The release fails more often than the hour before it.
    case regression(CanaryEvidence)
    /// It uses up what its objective allows: the factor of the rule that fired.
    case burning(factor: Double)
    case finished
  }

  private let before: [TrafficHistory.Count]
  private let secondsEach: Int
  private let objective: Double?
  private var judge: ReleaseJudge
  private var pending = TrafficHistory.Count(requests: 0, errors: 0)
  private var seconds = 0
  /// The latest six hours by the minute, the current one last. It begins with the hour before.
  private var minutes: [BurnRate.Window]
  private var found: Finding?
  private let total: Int

  /// - Parameters:
  ///   - before: the hour before, second by second.
  ///   - length: seconds to compare; longer than `before`, several seconds are compared with one.
  ///     0: nothing is compared.
  ///   - objective: the part of the requests that is to succeed, watched for six hours at least;
  ///     `nil`: no backstop.
  public init(
    before: [TrafficHistory.Count], length: Int, settings: JudgeSettings, objective: Double? = nil
  ) {
    self.before = before.isEmpty ? [] : Array(before.prefix(86_400))
    secondsEach = max(1, (max(1, length) - 1) / max(1, self.before.count) + 1)
    self.objective = objective
    var settings = settings
    settings.judgesLatency = false
    settings.metrics = []
    judge = ReleaseJudge(settings: settings)
    self.length = max(0, length)
    total = objective == nil ? self.length : max(self.length, BurnRate.Rule.slow.longSeconds)
    let hour = Array(self.before.suffix(3_600))
    minutes = stride(from: hour.count % 60, to: hour.count, by: 60).map { start in
      hour[start..<start + 60].reduce(BurnRate.Window(requests: 0, errors: 0)) {
        $0 + BurnRate.Window(requests: $1.requests, errors: $1.errors)
      }
    }
    minutes.append(BurnRate.Window(requests: 0, errors: 0))
  }

  /// For how many seconds the release is compared.
  public let length: Int

  /// Takes in what happened in one second. What is not plausible is left out, and still is a second.
  public mutating func add(requests: UInt64, errors: UInt64) -> Finding {
    if let found { return found }
    seconds += 1
    if errors <= requests, requests < ReleaseJudge.greatestCount {
      pending.requests = PairedCounts.sum(pending.requests, requests)
      pending.errors = PairedCounts.sum(pending.errors, errors)
      let last = minutes.count - 1
      minutes[last] = minutes[last] + BurnRate.Window(requests: requests, errors: errors)
    }
    let finding = compare() ?? burn() ?? (seconds >= total ? .finished : nil)
    if seconds % 60 == 0 {
      minutes.append(BurnRate.Window(requests: 0, errors: 0))
      if minutes.count > BurnRate.Rule.slow.longSeconds / 60 { minutes.removeFirst() }
    }
    found = finding
    return finding ?? .watching
  }

  private mutating func compare() -> Finding? {
    guard seconds <= length, seconds % secondsEach == 0, seconds / secondsEach <= before.count
    else { return nil }
    let old = before[seconds / secondsEach - 1]
    let block = PairedCounts(
      canaryRequests: pending.requests, canaryErrors: pending.errors,
      baselineRequests: old.requests, baselineErrors: old.errors)
    pending = TrafficHistory.Count(requests: 0, errors: 0)
    let now = Instant(milliseconds: Int64(seconds) * 1_000)
    judge.observe(block: block, at: now)
    guard case .bad(let evidence, because: _) = judge.verdict(at: now) else { return nil }
    return .regression(evidence)
  }

  /// Failed requests without which no rule fires: of a handful of requests, one that fails would burn
  /// a month's allowance.
  private static let leastErrors = 10

  private func burn() -> Finding? {
    guard let objective else { return nil }
    for rule in [BurnRate.Rule.fast, .slow] {
      // An outage need not last an hour before it counts; a slow burn is one only over six hours.
      let needed = rule == .fast ? rule.shortSeconds : rule.longSeconds
      guard minutes.count >= needed / 60 else { continue }
      let short = window(rule.shortSeconds)
      if short.errors >= Self.leastErrors,
        BurnRate.fires(rule, long: window(rule.longSeconds), short: short, objective: objective)
      {
        return .burning(factor: rule.factor)
      }
    }
    return nil
  }

  private func window(_ seconds: Int) -> BurnRate.Window {
    minutes.suffix(seconds / 60).reduce(BurnRate.Window(requests: 0, errors: 0), +)
  }
}

extension BurnRate.Window {
  /// Stays at the greatest number rather than overflow.
  fileprivate static func + (left: Self, right: Self) -> Self {
    Self(
      requests: PairedCounts.sum(left.requests, right.requests),
      errors: PairedCounts.sum(left.errors, right.errors))
  }
}
