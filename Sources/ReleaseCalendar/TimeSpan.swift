public import SegueModel

/// A stretch of time: from its start on, and up to but not including its end.
public struct TimeSpan: Hashable, Sendable {
  public var start: Instant
  public var end: Instant

  public init(start: Instant, end: Instant) {
    self.start = start
    self.end = end
  }

  public var isEmpty: Bool { end <= start }
  public func contains(_ moment: Instant) -> Bool { start <= moment && moment < end }
  func overlaps(_ other: Self) -> Bool { start < other.end && other.start < end }

  func clamped(to other: Self) -> Self {
    Self(start: max(start, other.start), end: min(end, other.end))
  }
}

/// Stretches of time in order, with a gap between any two.
struct TimeSpans: Hashable, Sendable {
  private(set) var spans: [TimeSpan]

  /// What touches or overlaps becomes one.
  init(_ spans: some Sequence<TimeSpan>) {
    self.spans = []
    for span in spans.filter({ !$0.isEmpty }).sorted(by: { $0.start < $1.start }) {
      if let last = self.spans.last, span.start <= last.end {
        self.spans[self.spans.count - 1].end = max(last.end, span.end)
      } else {
        self.spans.append(span)
      }
    }
  }

  func clamped(to range: TimeSpan) -> Self { Self(spans.map { $0.clamped(to: range) }) }

  func subtracting(_ others: Self) -> Self {
    var result: [TimeSpan] = []
    var next = 0
    for span in spans {
      var rest = span
      while next < others.spans.count, others.spans[next].end <= rest.start { next += 1 }
      var index = next
      while index < others.spans.count, others.spans[index].start < rest.end {
        result.append(TimeSpan(start: rest.start, end: others.spans[index].start))
        rest.start = others.spans[index].end
        index += 1
      }
      result.append(rest)
    }
    return Self(result)
  }
}

/// Looks ahead, week by week and only so far: what is asked for is computed for one stretch after
/// the other, so that an answer near by costs little and a search in vain comes to an end.
struct Outlook {
  /// How far anything is looked for: 400 days, so that what comes once a year is found.
  static let horizon = Milliseconds(400 * 86_400_000)
  private static let stride = Milliseconds(8 * 86_400_000)

  let start: Instant
  let spans: (TimeSpan) -> TimeSpans

  /// - Parameter spans: Those that overlap a stretch; parts outside are ignored.
  init(from start: Instant, _ spans: @escaping (TimeSpan) -> TimeSpans) {
    self.start = start.bounded
    self.spans = spans
  }

  private var end: Instant { start + Self.horizon }

  private func strides() -> some Sequence<TimeSpan> {
    sequence(first: start) { $0 + Self.stride }.lazy.prefix { $0 < end }.map {
      TimeSpan(start: $0, end: min($0 + Self.stride, end))
    }
  }

  /// The first moment inside, which may be the start itself; `nil`: none before the horizon.
  func firstInside() -> Instant? {
    for stride in strides() {
      if let first = spans(stride).clamped(to: stride).spans.first { return first.start }
    }
    return nil
  }

  /// The first moment outside; `nil`: none before the horizon.
  func firstOutside() -> Instant? {
    for stride in strides() {
      guard let first = spans(stride).clamped(to: stride).spans.first, first.start == stride.start
      else { return stride.start }
      if first.end < stride.end { return first.end }
    }
    return nil
  }
}
