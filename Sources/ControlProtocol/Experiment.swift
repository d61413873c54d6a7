public import SegueModel

/// What an experiment has shown, in whole numbers.
public struct ExperimentLine: Hashable, Codable, Sendable {
  public enum State: String, Hashable, Codable, Sendable {
    case noData = "no-data"
    /// The users were not divided as intended, so that nothing else here proves anything.
    case splitBroken = "split-broken"
    case undecided, winner
  }

  /// What ended it.
  public enum End: String, Hashable, Codable, Sendable {
    case verdict, date, person
  }

  public struct Variant: Hashable, Codable, Sendable {
    /// `old` or `new`
    public var name: String
    public var release: ReleaseID
    /// Of the users, as intended.
    public var share: Permille
    /// Users that it has answered.
    public var units: UInt64

    public init(name: String, release: ReleaseID, share: Permille, units: UInt64) {
      self.name = name
      self.release = release
      self.share = share
      self.units = units
    }
  }

  public struct Row: Hashable, Codable, Sendable {
    public var goal: String
    public var variant: String
    /// What a user has come to on average, in millionths.
    public var perUnit: Int64
    /// Against the old release, as a part of its value, in millionths; `nil` for the old release
    /// itself, and while nobody can say.
    public var difference: Int64?
    /// Its bounds, which hold at any moment.
    public var atLeast: Int64?
    public var atMost: Int64?

    public init(
      goal: String, variant: String, perUnit: Int64, difference: Int64? = nil,
      atLeast: Int64? = nil, atMost: Int64? = nil
    ) {
      self.goal = goal
      self.variant = variant
      self.perUnit = perUnit
      self.difference = difference
      self.atLeast = atLeast
      self.atMost = atMost
    }
  }

  public var state: State
  /// For people.
  public var sentence: String
  /// Of the variants; `nil`: there is none yet.
  public var winner: String?
  /// `nil`: it goes on, or ended for another reason.
  public var end: End?
  /// The old one first.
  public var variants: [Variant]
  public var rows: [Row]
  /// Of a division at least as uneven, in millionths; `nil`: there are no users yet.
  public var splitChance: Int64?
  /// Users that were answered by both, and count where they were first.
  public var crossed: UInt64
  /// Answers that were not counted, to spare memory.
  public var uncounted: UInt64
  /// Values of goals that were no numbers, or out of range.
  public var unreadable: UInt64

  public init(
    state: State, sentence: String, winner: String? = nil, end: End? = nil, variants: [Variant],
    rows: [Row], splitChance: Int64? = nil, crossed: UInt64 = 0, uncounted: UInt64 = 0,
    unreadable: UInt64 = 0
  ) {
    self.state = state
    self.sentence = sentence
    self.winner = winner
    self.end = end
    self.variants = variants
    self.rows = rows
    self.splitChance = splitChance
    self.crossed = crossed
    self.uncounted = uncounted
    self.unreadable = unreadable
  }
}

/// Which experiment is asked for.
public struct ExperimentRequest: Hashable, Codable, Sendable {
  /// `nil`, as the environment: the only one there is.
  public var service: ServiceName?
  public var environment: EnvironmentName?

  public init(service: ServiceName? = nil, environment: EnvironmentName? = nil) {
    self.service = service
    self.environment = environment
  }
}

/// An experiment under way, or the last that there was.
public struct ExperimentReply: Hashable, Codable, Sendable {
  public var key: ServiceKey
  public var rollout: RolloutID
  public var isRunning: Bool
  /// When it ends without a winner; `nil`: nobody has said so, or it is over.
  public var endsAt: Instant?
  public var result: ExperimentLine

  public init(
    key: ServiceKey, rollout: RolloutID, isRunning: Bool, endsAt: Instant?,
    result: ExperimentLine
  ) {
    self.key = key
    self.rollout = rollout
    self.isRunning = isRunning
    self.endsAt = endsAt
    self.result = result
  }
}

/// A user has reached a goal.
public struct GoalRequest: Hashable, Codable, Sendable {
  /// `nil`, as the environment: the one with an experiment.
  public var service: ServiceName?
  public var environment: EnvironmentName?
  public var goal: String
  /// What the user is known by: the value of the cookie or header field, or the address.
  public var unit: String
  /// A decimal number; `nil`: none.
  public var value: String?

  public init(
    service: ServiceName? = nil, environment: EnvironmentName? = nil, goal: String, unit: String,
    value: String? = nil
  ) {
    self.service = service
    self.environment = environment
    self.goal = goal
    self.unit = unit
    self.value = value
  }

  /// Octets of each of its texts.
  public static let textLimit = 4_096
}

/// It was counted.
public struct GoalReply: Hashable, Codable, Sendable {
  public var rollout: RolloutID
  public var message: String

  public init(rollout: RolloutID, message: String) {
    self.rollout = rollout
    self.message = message
  }
}
