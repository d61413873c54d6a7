public import SegueModel

/// How a release is judged. The defaults are meant for a service that nobody tuned.
public struct JudgeSettings: Hashable, Sendable {
  /// The ratio of error rates that is still accepted. More than 1, because two groups of instances
  /// with the same release never behave quite the same.
  public var toleratedRatio = 1.25
  /// The same for the requests beyond a latency.
  public var toleratedLatencyRatio = 1.1
  /// Chance that a release within the tolerated ratios is ever called bad, at most.
  public var alpha = 0.01
  /// Chance that a release beyond ``promotionLimit`` is ever called good, at most.
  public var beta = 0.05
  /// Promotion rules out this many times the baseline's errors.
  public var promotionLimit = 2.0
  /// From blocks before the rollout; see ``Dispersion``.
  public var dispersion = 1.0
  /// Whether latency is judged at all. If so it gets half of ``alpha``.
  public var judgesLatency = true
  /// The minimum hold, the maximum, and what happens when that runs out.
  public var hold = VerdictHold()
  /// A block that lasts longer is dropped: nobody knows what happened in it.
  public var longestBlock = Milliseconds.minutes(5)

  public init() {}

  /// What is to happen with a verdict, this long after the stage began.
  ///
  /// Bad counts at once, good after the minimum hold, and the user's choice decides when the maximum
  /// is over.
  public func consequence(of verdict: CanaryVerdict, after elapsed: Milliseconds) -> Consequence {
    switch verdict {
    case .bad: return .rollBack
    case .good where elapsed >= hold.minimum: return .promote
    case .good, .notEnoughEvidence:
      guard elapsed >= hold.maximum else { return .wait }
      switch hold.onInsufficient {
      case .hold: return .askSomebody
      case .rollBack: return .rollBack
      case .promote: return .promote
      }
    }
  }

  public enum Consequence: Hashable, Sendable {
    case wait
    case promote
    case rollBack
    case askSomebody
  }
}
