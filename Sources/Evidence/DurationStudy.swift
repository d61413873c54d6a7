public import SegueModel

/// How long something took, run by run, the earliest first.
public struct DurationSeries: Hashable, Sendable {
  public struct Point: Hashable, Sendable {
    public var commit: CommitID
    public var at: Instant
    public var duration: Milliseconds

    public init(commit: CommitID, at: Instant, duration: Milliseconds) {
      self.commit = commit
      self.at = at
      self.duration = duration
    }
  }

  /// A test, or the step whose tests are taken together.
  public var subject: String
  public var points: [Point]

  public init(subject: String, points: [Point] = []) {
    self.subject = subject
    self.points = points
  }
}

/// What became of the duration of a test, or of all tests of a step.
public struct DurationStudy: Hashable, Sendable {
  /// A change that is not gradual.
  public struct Jump: Hashable, Sendable {
    /// The first commit that was run with the new duration. What caused it is in there, or in a commit
    /// between the one before and it that was never run.
    public var commit: CommitID
    public var previous: CommitID
    public var at: Instant
    /// Medians up to the change before or after it.
    public var before: Milliseconds
    public var after: Milliseconds
  }

  public var subject: String
  /// How many were looked at: at most ``DurationTrend/limit``.
  public var runs: Int
  public var last: Milliseconds
  public var median: Milliseconds
  /// Milliseconds a run, and its 95 % interval.
  public var slope: DurationTrend.Slope
  public var pValue: Double
  public var jumps: [Jump]

  /// Fewer runs say nothing of a trend.
  public static let fewest = 8

  /// Whether it changes more than chance would have it: at the 1 % level, since many tests are asked
  /// at once, or by a jump.
  public var isChange: Bool { pValue < 0.01 && slope.slope != 0 || !jumps.isEmpty }

  /// By how much it is longer now than at the beginning; negative when it is shorter.
  public var growth: Milliseconds {
    guard let first = jumps.first, let last = jumps.last else {
      return Milliseconds(Int64((slope.slope * Double(max(0, runs - 1))).rounded()))
    }
    return last.after - first.before
  }

  /// - Returns: `nil` for fewer than ``fewest`` runs.
  public init?(of series: DurationSeries) {
    let points = Array(series.points.suffix(DurationTrend.limit))
    let values = points.map { Double($0.duration.count) }
    guard points.count >= Self.fewest, let slope = DurationTrend.slope(values),
      let last = points.last
    else { return nil }
    subject = series.subject
    runs = points.count
    self.last = last.duration
    median = Self.median(points[...])
    self.slope = slope
    pValue = DurationTrend.mannKendall(values)?.pValue ?? 1
    let changes = DurationTrend.changePoints(values)
    let bounds = [0] + changes + [points.count]
    jumps = changes.enumerated().map { number, index in
      Jump(
        commit: points[index].commit, previous: points[index - 1].commit, at: points[index].at,
        before: Self.median(points[bounds[number]..<index]),
        after: Self.median(points[index..<bounds[number + 2]]))
    }
  }

  private static func median(_ points: ArraySlice<DurationSeries.Point>) -> Milliseconds {
    let sorted = points.map(\.duration).sorted()
    return sorted.isEmpty ? .zero : sorted[sorted.count / 2]
  }

  /// The studies of those that changed, the greatest change first. Most series are looked at in
  /// passing only: the study of one takes longer than a glance at all.
  ///
  /// - Parameter limit: how many at most.
  public static func changes(in series: [DurationSeries], limit: Int) -> [DurationStudy] {
    let promising = series.filter { $0.points.count >= fewest }
      .map { (series: $0, difference: roughDifference($0)) }
      .filter { $0.difference >= smallest }
      .sorted { ($1.difference, $0.series.subject) < ($0.difference, $1.series.subject) }
      .prefix(max(0, limit) * 2)
    return Array(
      promising.compactMap { DurationStudy(of: $0.series) }.filter(\.isChange)
        .sorted { ($1.size, $0.subject) < ($0.size, $1.subject) }
        .prefix(max(0, limit)))
  }

  /// Milliseconds; a smaller change is of no use to anybody.
  private static let smallest: Int64 = 10

  private var size: Int64 { abs(growth.count) }

  /// Between the medians of quarters, the two that differ most: a change that is taken back shows, too.
  private static func roughDifference(_ series: DurationSeries) -> Int64 {
    let points = series.points.suffix(DurationTrend.limit)
    let quarter = points.count / 4
    let medians = (0..<4).map { part in
      let begin = points.startIndex + part * quarter
      return median(points[begin..<(part == 3 ? points.endIndex : begin + quarter)]).count
    }
    return (medians.max() ?? 0) - (medians.min() ?? 0)
  }
}

/// Durations as a history tells them.
public struct DurationHistory: Hashable, Sendable {
  /// All tests of a step together.
  public var steps: [DurationSeries]
  public var tests: [DurationSeries]

  public init(steps: [DurationSeries] = [], tests: [DurationSeries] = []) {
    self.steps = steps
    self.tests = tests
  }
}

/// What became of durations.
public struct DurationStudies: Hashable, Sendable {
  /// Of every step that ran often enough.
  public var steps: [DurationStudy]
  /// Of tests that became slower or faster, the greatest change first.
  public var tests: [DurationStudy]

  /// Takes some seconds for hundreds of tests that changed.
  public init(of history: DurationHistory, limit: Int) {
    steps = history.steps.compactMap { DurationStudy(of: $0) }
    tests = DurationStudy.changes(in: history.tests, limit: limit)
  }
}
