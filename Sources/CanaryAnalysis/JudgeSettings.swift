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
  /// An error rate that nobody minds: promotion may rule that out instead, so that a service whose
  /// baseline never fails is promoted too. 0 turns it off.
  public var negligibleErrorRate = 0.001
  /// From blocks before the rollout; see ``Dispersion`` and ``calibrate(by:instances:)``.
  public var dispersion = 1.0
  /// Whether latency is judged at all. If so it has the same part of ``alpha`` as the errors have.
  public var judgesLatency = true
  /// Further metrics; each has a part of ``alpha`` by its weight, errors and latency weighing 1.
  public var metrics: [WatchedMetric] = []
  /// The minimum hold, the maximum, and what happens when that runs out.
  public var hold = VerdictHold()
  /// A block that lasts longer is dropped: nobody knows what happened in it.
  public var longestBlock = Milliseconds.minutes(5)

  public init() {}

  /// Takes in what is known from before: the dispersion, and a tolerance that clean instances of this
  /// service seldom exceed. The limit of promotion keeps its distance from the tolerated ratio.
  public mutating func calibrate(
    by calibration: Calibration, instances: (canary: Int, baseline: Int)
  ) {
    dispersion = Dispersion.clamped(calibration.dispersion)
    let tolerated = calibration.toleratedRatio(atLeast: toleratedRatio, instances: instances)
    promotionLimit *= tolerated / toleratedRatio
    toleratedRatio = tolerated
  }

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

  /// The part of ``alpha`` that the errors have.
  var partOfErrors: Double {
    let weights = metrics.map(\.weight).filter { $0 > 0 && $0.isFinite }
    return 1 / ((judgesLatency ? 2 : 1) + weights.reduce(0, +))
  }
}
