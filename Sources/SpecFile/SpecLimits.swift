public import SegueModel

/// What this version of Segue accepts. The reader, the JSON Schema and the reference read these.
public enum SpecLimits {
  /// Bytes of a `segue.yaml`.
  public static let fileBytes = 256 * 1_024
  /// Mappings and lists inside one another.
  public static let depth = 32
  /// Diagnostics in one report; the rest are counted.
  public static let diagnostics = 100
  public static let services = 100
  public static let steps = 200
  public static let environments = 20
  /// Ways to tell people what happens.
  public static let channels = 50
  /// Steps of one canary.
  public static let canarySteps = 20
  /// Thousandths of the traffic: a part of it, neither nothing nor everything.
  public static let part = 1...999
  /// Thousandths of the requests that are copied.
  public static let copies = 1...1_000
  /// Entries of one list or of one `env`.
  public static let entries = 500
  public static let instances = 1...100
  public static let threshold = 1...100
  public static let surge = 0...100
  public static let metrics = 16
  public static let failures = 0...1_000
  /// Of 100.
  public static let score = 0...100
  public static let metricInterval = Milliseconds.seconds(1)...Milliseconds.minutes(60)
  public static let bake = Milliseconds.seconds(1)...Milliseconds.minutes(24 * 60)
  /// Per cent.
  public static let tolerance = 0...1_000
  /// Thousandths.
  public static let falseAlarms = 1...200
  /// Of a step whose tests failed.
  public static let retries = 0...2
  /// Of one step's tests.
  public static let shards = 2...20
  /// Thousandths of the lines.
  public static let coverage = 1...1_000
  public static let warmUpRequests = 1...1_000
  public static let teams = 100
  /// Windows of one environment.
  public static let windows = 20
  public static let freezes = 50
  public static let milestones = 20
  /// How often a window or freeze may begin on one day: each beginning of 400 days may be looked at.
  public static let beginnings = 24
  public static let quorum = 1...100
  /// Characters of a reason.
  public static let sentence = 500
  /// A deadline, a timeout, a time to keep the old set.
  public static let duration = Milliseconds(1)...Milliseconds(24 * 3_600_000)
  /// A hold between two moves, a pause, a wait for a person.
  public static let wait = Milliseconds(1)...Milliseconds(90 * 24 * 3_600_000)
  /// The old set after the last move, or at once away with it.
  public static let keepOld = Milliseconds(0)...duration.upperBound
  /// As long, or not at all.
  public static let waitOrNone = Milliseconds(0)...wait.upperBound
  /// A request that is held is a connection that stays open.
  public static let hold = Milliseconds(1)...Milliseconds(600_000)
  public static let interval = Milliseconds(10)...Milliseconds(3_600_000)
  /// Bytes of memory: 1 MiB to 64 TiB.
  public static let memory = Int64(1 << 20)...Int64(64 << 40)
  /// Thousandths of a core.
  public static let cpu = 10...1_024_000
  public static let files = 16...1_048_576
  public static let processes = 1...1_000_000
}
