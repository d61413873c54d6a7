/// How live traffic judges a release while both it and the one before serve.
public struct AnalysisSpec: Hashable, Codable, Sendable {
  /// What is compared between the two.
  public enum Signal: String, Hashable, Codable, Sendable, CaseIterable, Comparable {
    /// Answers of status 5xx, and requests without a whole answer.
    case errors
    /// From the head of a request to the last octet of its answer.
    case latency

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
  }

  /// Sorted, each once. Empty: nothing is judged.
  public var watch: [Signal]
  /// By how much the error rate may be higher and nobody minds, in per cent of the old release's.
  public var tolerance: Int
  /// The chance that a release within that is ever called bad, at most.
  public var falseAlarms: Permille
  /// What a hold that waits for a verdict does.
  public var hold: VerdictHold

  /// How long a release is watched once it has all of the traffic, against the time before its
  /// rollout; `nil`: not at all.
  public var bake: Milliseconds?
  /// What a regression in that time leads to.
  public var onRegression: OnRegression?

  public enum OnRegression: String, Hashable, Codable, Sendable, CaseIterable {
    /// People are told, and decide.
    case offer
    case rollBack = "roll-back"
  }

  public static let standardHold = VerdictHold(minimum: .seconds(10), maximum: .minutes(60))

  public init(
    watch: [Signal] = [.errors], tolerance: Int = 25, falseAlarms: Permille = Permille(10),
    hold: VerdictHold = standardHold, bake: Milliseconds? = nil,
    onRegression: OnRegression? = nil
  ) {
    self.bake = bake
    self.onRegression = onRegression
    self.watch = watch
    self.tolerance = tolerance
    self.falseAlarms = falseAlarms
    self.hold = hold
  }
}
