public import SegueModel

public struct DurationsRequest: Hashable, Codable, Sendable {
  /// How many tests at most; steps are told of all.
  public var limit: Int
  public init(limit: Int = 20) { self.limit = limit }
}

/// What became of the durations of tests.
public struct DurationsReply: Hashable, Codable, Sendable {
  /// Of all tests of a step together.
  public var steps: [DurationStanding]
  /// Those that became slower or faster, the greatest change first.
  public var tests: [DurationStanding]

  public init(steps: [DurationStanding], tests: [DurationStanding]) {
    self.steps = steps
    self.tests = tests
  }
}

/// What became of the duration of one test, or of the tests of one step.
public struct DurationStanding: Hashable, Codable, Sendable {
  public struct Jump: Hashable, Codable, Sendable {
    /// The first commit that ran with the new duration, and the one that ran before it.
    public var commit: CommitID
    public var previous: CommitID
    public var at: Instant
    public var before: Milliseconds
    public var after: Milliseconds

    public init(
      commit: CommitID, previous: CommitID, at: Instant, before: Milliseconds, after: Milliseconds
    ) {
      self.commit = commit
      self.previous = previous
      self.at = at
      self.before = before
      self.after = after
    }
  }

  public var subject: String
  public var runs: Int
  public var last: Milliseconds
  public var median: Milliseconds
  /// Thousandths of a millisecond that it takes longer with each run (Theil-Sen), with the bounds of
  /// the 95 % interval; negative when it takes less.
  public var slope: Int64
  public var slopeLow: Int64
  public var slopeHigh: Int64
  /// How probable such a trend is by chance (Mann-Kendall).
  public var chance: Permille
  /// Whether it changed more than chance would have it.
  public var isChange: Bool
  public var growth: Milliseconds
  public var jumps: [Jump]

  public init(
    subject: String, runs: Int, last: Milliseconds, median: Milliseconds, slope: Int64,
    slopeLow: Int64, slopeHigh: Int64, chance: Permille, isChange: Bool, growth: Milliseconds,
    jumps: [Jump]
  ) {
    self.subject = subject
    self.runs = runs
    self.last = last
    self.median = median
    self.slope = slope
    self.slopeLow = slopeLow
    self.slopeHigh = slopeHigh
    self.chance = chance
    self.isChange = isChange
    self.growth = growth
    self.jumps = jumps
  }
}

/// How long each test takes on the average, by its name.
public struct TestTimesReply: Hashable, Codable, Sendable {
  public var times: [String: Milliseconds]
  public init(times: [String: Milliseconds]) { self.times = times }
}
