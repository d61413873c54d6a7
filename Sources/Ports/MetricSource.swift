public import SegueModel

/// What a metric source is asked: one version of one service over one span of time.
public struct MetricQuery: Hashable, Sendable {
  public var service: ServiceName
  public var version: ReleaseID
  public var from: Instant
  public var until: Instant

  public init(service: ServiceName, version: ReleaseID, from: Instant, until: Instant) {
    self.service = service
    self.version = version
    self.from = from
    self.until = until
  }
}

/// What a metric source answers. There is no error beside it: whoever judges only needs to know that
/// there is no data, and why.
public enum MetricReading: Hashable, Sendable {
  /// Bad events of all events in the span.
  case counts(events: UInt64, bad: UInt64)
  /// Counts per bucket of ``LatencyHistogram`` in the span.
  case histogram([UInt64])
  /// A finite number.
  case value(Double)
  /// One sentence: `the query found 3 series and must find one`.
  case noData(String)
}

/// Where a watched metric comes from.
public protocol MetricSource: Sendable {
  /// Answers within a deadline of the source's own; never throws, never waits longer.
  func read(_ query: MetricQuery) async -> MetricReading
}
