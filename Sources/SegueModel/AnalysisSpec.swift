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

  /// Whether anything is.
  public var judges: Bool { !watch.isEmpty || !(metrics ?? []).isEmpty }

  /// How long a release is watched once it has all of the traffic, against the time before its
  /// rollout; `nil`: not at all.
  public var bake: Milliseconds?
  /// What a regression in that time leads to.
  public var onRegression: OnRegression?
  /// The part of the requests that is to succeed, in millionths; `nil`: nobody has said.
  public var objective: Int64?
  /// Set: a score decides in place of the sequential tests.
  public var score: ScoreSpec?

  /// Further numbers; `nil`: none.
  public var metrics: [MetricSpec]?

  public enum OnRegression: String, Hashable, Codable, Sendable, CaseIterable {
    /// People are told, and decide.
    case offer
    case rollBack = "roll-back"
  }

  public static let standardHold = VerdictHold(minimum: .seconds(10), maximum: .minutes(60))

  public init(
    watch: [Signal] = [.errors], tolerance: Int = 25, falseAlarms: Permille = Permille(10),
    hold: VerdictHold = standardHold, bake: Milliseconds? = nil,
    onRegression: OnRegression? = nil, metrics: [MetricSpec]? = nil, objective: Int64? = nil,
    score: ScoreSpec? = nil
  ) {
    self.metrics = metrics
    self.objective = objective
    self.score = score
    self.bake = bake
    self.onRegression = onRegression
    self.watch = watch
    self.tolerance = tolerance
    self.falseAlarms = falseAlarms
    self.hold = hold
  }
}

/// Judging by a score of classified metrics, as Kayenta does.
public struct ScoreSpec: Hashable, Codable, Sendable {
  /// Of 100: from here on the release is good, and below the other one it is bad.
  public var pass: Int
  public var marginal: Int
  /// Between two values of what is watched.
  public var interval: Milliseconds

  public static let standardInterval = Milliseconds.minutes(1)

  public init(pass: Int = 75, marginal: Int = 50, interval: Milliseconds = standardInterval) {
    self.pass = pass
    self.marginal = marginal
    self.interval = interval
  }
}

/// A number from elsewhere that is compared between the two releases.
public struct MetricSpec: Hashable, Codable, Sendable {
  /// Texts may hold `{{version}}`, `{{service}}` and `{{seconds}}`.
  public enum Source: Hashable, Codable, Sendable {
    /// A query of Prometheus that gives one number.
    case prometheus(address: String, query: String)
    /// Two queries that give increases: all events, and the bad ones of them.
    case prometheusCounts(address: String, events: String, bad: String)
    /// JSON over HTTP, and where in it the number is.
    case json(address: String, path: String)
    /// A command's output, and where in it the number is; empty: it is the number.
    case command(String, path: String)

    /// It counts events and bad ones among them.
    public var isRate: Bool {
      switch self {
      case .prometheusCounts: true
      case .prometheus, .json, .command: false
      }
    }
  }

  public enum Direction: String, Hashable, Codable, Sendable, CaseIterable {
    case higher, lower
  }

  public var name: String
  public var source: Source
  /// Which way is worse; of no account for a rate, where more is.
  public var worse: Direction
  /// How much worse is accepted, in per cent of the old release's.
  public var tolerance: Int
  /// Between two looks.
  public var interval: Milliseconds
  /// The value is held against this instead of against the old release's; `nil`: it is compared.
  public var bound: Bound?

  /// What the new release's own value must keep.
  public struct Bound: Hashable, Codable, Sendable {
    /// In millionths; `nil`: no such bound.
    public var atLeast: Int64?
    public var atMost: Int64?
    /// Looks that may find it broken; one more, and the release is bad.
    public var failuresAllowed: Int

    public init(atLeast: Int64? = nil, atMost: Int64? = nil, failuresAllowed: Int = 0) {
      self.atLeast = atLeast
      self.atMost = atMost
      self.failuresAllowed = failuresAllowed
    }
  }

  public static let standardInterval = Milliseconds.seconds(15)

  public init(
    name: String, source: Source, worse: Direction = .higher, tolerance: Int = 10,
    interval: Milliseconds = standardInterval, bound: Bound? = nil
  ) {
    self.bound = bound
    self.name = name
    self.source = source
    self.worse = worse
    self.tolerance = tolerance
    self.interval = interval
  }
}
