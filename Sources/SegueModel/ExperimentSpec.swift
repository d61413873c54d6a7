/// What an experiment counts of each of its users.
public struct GoalSpec: Hashable, Codable, Sendable {
  /// How Segue learns that a user has reached it.
  public enum Source: Hashable, Codable, Sendable {
    /// An instance says so in a response's field of this name, in lower case: the goal's name, alone
    /// or with a value, `checkout=12.50`; several are divided by commas.
    case header(String)
    /// A request for exactly this path, whatever its query, is answered 2xx or 3xx.
    case path(String)
    /// Somebody says so by the sticky unit's own text, to the control API.
    case posted
  }

  /// What several times by one user come to.
  public enum Count: String, Hashable, Codable, Sendable, CaseIterable {
    /// One: a user has reached it, or has not.
    case once
    /// The sum of the values; a time without a value is worth 1.
    case sum
  }

  public var name: String
  public var source: Source
  public var count: Count
  public var better: MetricSpec.Direction

  public init(
    name: String, source: Source, count: Count = .once, better: MetricSpec.Direction = .higher
  ) {
    self.name = name
    self.source = source
    self.count = count
    self.better = better
  }

  /// Goals of one experiment.
  public static let limit = 8
  /// The greatest magnitude of a value.
  public static let valueLimit = 1e9

  /// What one time is worth; `nil`: `text` is no decimal number, or out of range.
  ///
  /// - Parameter text: the value as it was said; `nil`: none was.
  public func value(_ text: String?) -> Double? {
    guard let text else { return 1 }
    let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
    guard digits.utf8.count <= 20, digits.utf8.first != 0x2E,
      digits.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2E }),
      let value = Double(text), value.magnitude <= Self.valueLimit
    else { return nil }
    return count == .once ? 1 : value
  }
}

/// The experiment that a table asks the router to count.
public struct ExperimentTarget: Hashable, Codable, Sendable {
  /// Tells it from an earlier one of the same two releases.
  public var rollout: RolloutID
  public var control: ReleaseID
  public var variant: ReleaseID
  /// At least one, at most ``GoalSpec/limit``.
  public var goals: [GoalSpec]

  public init(
    rollout: RolloutID, control: ReleaseID, variant: ReleaseID, goals: [GoalSpec]
  ) {
    self.rollout = rollout
    self.control = control
    self.variant = variant
    self.goals = goals
  }
}

/// What the router has counted of an experiment since it began.
public struct ExperimentReport: Hashable, Codable, Sendable {
  /// One release's users.
  public struct Arm: Hashable, Codable, Sendable {
    public var release: ReleaseID
    /// Users that were answered by it first.
    public var units: UInt64
    /// For each goal the sum over the users of what each has come to, and of the squares of that.
    public var sums: [Double]
    public var squares: [Double]

    public init(release: ReleaseID, units: UInt64 = 0, sums: [Double], squares: [Double]) {
      self.release = release
      self.units = units
      self.sums = sums
      self.squares = squares
    }
  }

  public var rollout: RolloutID
  /// The control first.
  public var arms: [Arm]
  /// Users that were answered by both; they count where they were first.
  public var crossed: UInt64
  /// Answers that were not counted, to spare memory.
  public var uncounted: UInt64
  /// Values that were no numbers, or out of range.
  public var unreadable: UInt64

  public init(
    rollout: RolloutID, arms: [Arm], crossed: UInt64 = 0, uncounted: UInt64 = 0,
    unreadable: UInt64 = 0
  ) {
    self.rollout = rollout
    self.arms = arms
    self.crossed = crossed
    self.uncounted = uncounted
    self.unreadable = unreadable
  }
}

/// A goal that one user has reached, as somebody says it.
public struct ReachedGoal: Hashable, Codable, Sendable {
  public var key: ServiceKey
  public var goal: String
  /// The value of the cookie or header field, or the address, that the user is known by.
  public var unit: String
  /// A decimal number; `nil`: none.
  public var value: String?

  public init(key: ServiceKey, goal: String, unit: String, value: String? = nil) {
    self.key = key
    self.goal = goal
    self.unit = unit
    self.value = value
  }

  /// What became of it.
  public enum Fate: String, Hashable, Codable, Sendable {
    case counted
    /// Nobody of that name was answered in the experiment.
    case unknownUnit
    /// The experiment has no such goal that is posted.
    case unknownGoal
    case unreadableValue
    /// No experiment is under way.
    case noExperiment
  }
}
