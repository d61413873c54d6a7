public import SegueModel

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What an advice on a service's strategy is computed from.
public struct AdviceFacts: Hashable, Codable, Sendable {
  /// The service as it is; its own strategy counts with its own knobs, the others with the defaults.
  public var spec: ServiceSpec
  /// Requests a second.
  public var requestRate: Double
  /// The share of requests that fail while all is well.
  public var errorRate: Double
  /// How many times as often requests fail with the bad release that is planned for.
  public var badRatio: Double
  /// Start to ready.
  public var boot: Milliseconds
  /// Out of the table to the last request's end.
  public var drain: Milliseconds
  /// How long it takes somebody to notice once the whole service fails twice as often as it did.
  public var notice: Milliseconds
  public var cost: CostSpec?

  public init(
    spec: ServiceSpec, requestRate: Double, errorRate: Double = 0.001, badRatio: Double = 10,
    boot: Milliseconds, drain: Milliseconds, notice: Milliseconds = .minutes(5),
    cost: CostSpec? = nil
  ) {
    self.spec = spec
    self.requestRate = requestRate
    self.errorRate = errorRate
    self.badRatio = badRatio
    self.boot = boot
    self.drain = drain
    self.notice = notice
    self.cost = cost
  }
}

/// One strategy, held against a service's facts.
public struct StrategyAdvice: Hashable, Codable, Sendable {
  /// As in `segue.yaml`.
  public var strategy: String
  /// Its holds end by the judge's verdict.
  public var isJudged: Bool
  /// Why it cannot be had here; `nil`: it can.
  public var impossible: String?
  /// From the first start to the last stop, with a good release.
  public var takes: Milliseconds
  /// A person ends a hold, so it may take longer.
  public var endsByPerson: Bool
  /// Instances above the steady number at the worst moment.
  public var peakExtra: Int
  /// Running time of instances above the steady number, added up, what is kept warm included.
  public var extraTime: Milliseconds
  /// Its price in millionths of the currency's unit; `nil`: no price is known.
  public var price: Int64?
  /// Requests that fail until a bad release is taken back.
  public var failing: Double
  /// Requests that wait although the release is good, and those of them that wait in vain.
  public var held: Double
  public var lost: Double
  public var cannotCatch: String

  /// `canary, judged`
  public var name: String { isJudged ? "\(strategy), judged" : strategy }
}

/// Every strategy for one service, and the one to take.
public struct Advice: Hashable, Codable, Sendable {
  public var rows: [StrategyAdvice]
  /// A row's ``StrategyAdvice/name``.
  public var recommended: String
  /// One sentence.
  public var why: String

  /// Pure: the same facts give the same advice.
  public init(_ facts: AdviceFacts) {
    rows = Self.candidates(facts.spec.strategy).map { strategy in
      StrategyPlan(facts, strategy).advice
    }
    (recommended, why) = Recommendation(facts, rows).choice
  }

  /// The service's own strategy takes the place of the one of its kind.
  private static func candidates(_ own: StrategySpec) -> [StrategySpec] {
    let judged = CanarySpec(
      steps: CanarySpec.standardWeights.map { .init(weight: $0, hold: .verdict(VerdictHold())) })
    let standard: [StrategySpec] = [
      .rolling(RollingSpec()), .blueGreen(BlueGreenSpec()), .canary(CanarySpec()), .canary(judged),
      .ab(ABSpec()), .shadow(ShadowSpec()), .recreate(RecreateSpec()),
    ]
    return standard.map { candidate in
      guard candidate.name == own.name else { return candidate }
      // Of the two canaries only one is its own.
      if case .canary = own, Evidence.isJudged(candidate) != Evidence.isJudged(own) {
        return candidate
      }
      return own
    }
  }
}

/// How much evidence a verdict needs.
public enum Evidence {
  /// The chance of a false alarm, and of letting a bad release pass.
  static let alpha = 0.01
  static let beta = 0.05
  /// The judge holds nine ratios for possible, each as likely.
  static let weight = 1.0 / 9

  /// Failing requests of the new release until it is caught, when it fails `ratio` times as often:
  /// `ln(1/(alpha*w)) * r / (r ln r - r + 1)`. Infinite for one that is no worse.
  public static func failingUntilCaught(ratio: Double) -> Double {
    guard ratio > 1 else { return .infinity }
    return log(1 / (alpha * weight)) * ratio / (ratio * log(ratio) - ratio + 1)
  }

  /// Requests of the new release until it is cleared of failing `ratio` times as often, when it has
  /// this share of the traffic and fails as seldom as the old one:
  /// `ln(1/beta) / (p * (ln(1 + (r - 1) s) / s - ln r))`.
  public static func requestsUntilCleared(ratio: Double, share: Double, errorRate: Double)
    -> Double
  {
    let drift = log(1 + (ratio - 1) * share) / share - log(ratio)
    guard ratio > 1, share > 0, errorRate > 0, drift > 0 else { return .infinity }
    return log(1 / beta) / (errorRate * drift)
  }

  /// Copies whose answers are all the same until fewer than the tolerated part can differ: the least n
  /// with `(n + 1) (1 - tolerated)^n <= beta`.
  public static func copiesUntilGood(tolerated: Double) -> Double {
    guard tolerated > 0, tolerated < 1 else { return .infinity }
    var copies = 1.0
    // The logarithm of n hardly moves: a few steps are exact to less than a copy.
    for _ in 0..<20 { copies = (log(copies + 1) - log(beta)) / -log(1 - tolerated) }
    return copies
  }

  static func isJudged(_ strategy: StrategySpec) -> Bool {
    strategy.holds.contains { if case .verdict = $0 { true } else { false } }
  }
}

/// Chooses among the strategies whose purpose is to bring a release out.
private struct Recommendation {
  /// So few failing requests are not worth waiting, or paying, for.
  static let negligible = 10.0

  let facts: AdviceFacts
  let rows: [StrategyAdvice]

  init(_ facts: AdviceFacts, _ rows: [StrategyAdvice]) {
    self.facts = facts
    self.rows = rows
  }

  var choice: (String, String) {
    if facts.spec.strategy.isExclusive {
      return ("recreate", "two releases of it must never run at the same time.")
    }
    if facts.spec.sharedAddress != nil {
      return (
        "rolling", "its instances accept from one socket, so there is nothing to split or judge."
      )
    }
    guard facts.spec.route != nil else {
      return ("rolling", "it takes no requests, so there is nothing to split, copy or judge.")
    }
    let usable = rows.filter { row in
      ["rolling", "blue-green", "canary"].contains(row.strategy) && row.impossible == nil
    }
    guard let rolling = usable.first(where: { $0.strategy == "rolling" }),
      let best = usable.min(by: { ($0.failing, $0.extraTime) < ($1.failing, $1.extraTime) })
    else { return ("rolling", "nothing speaks against it.") }
    guard rolling.failing >= Self.negligible, best.strategy != "rolling" else {
      let number = "about \(Self.rounded(rolling.failing))"
      return (
        rolling.name,
        "with so few requests \(number) would fail before somebody notices, and it needs the least "
          + "extra capacity."
      )
    }
    return (
      best.name,
      "about \(Self.rounded(best.failing)) requests would fail before a bad release is taken back, "
        + "against \(Self.rounded(rolling.failing)) with rolling; a good one takes \(best.takes)."
    )
  }

  private static func rounded(_ number: Double) -> String {
    number < 1e15 ? "\(Int64(number.rounded()))" : "countless"
  }
}
