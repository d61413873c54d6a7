/// A part of a run, from one call of ``LoadRun/endPeriod()`` to the next. Times are microseconds.
public struct LoadPeriod: Hashable, Codable, Sendable {
  /// Since the run began.
  public var beganAt: Int64
  public var endedAt: Int64
  public var requests: Int
  public var failed: Int
  /// Of requests that succeeded.
  public var p50: UInt64
  public var p99: UInt64
  public var largest: UInt64
  /// The longest time between two good answers on one connection that ended in this period. Tells
  /// something where the plan has a pace, so that every connection sends steadily.
  public var longestStall: LoadStall
  /// What was sent of each kind; kinds that were not sent are absent.
  public var kinds: [LoadKind]
}

/// A time without a good answer on one connection.
public struct LoadStall: Hashable, Codable, Sendable {
  public var microseconds: Int64
  /// Since the run began.
  public var endedAt: Int64
  /// From 1; 0 where there was no stall.
  public var connection: Int
}

/// What was sent of one kind. Latencies are microseconds, of requests that succeeded.
public struct LoadKind: Hashable, Codable, Sendable {
  public var kind: TrafficKind
  public var requests: Int
  public var failed: Int
  public var p50: UInt64
  public var p99: UInt64
  public var largest: UInt64
}
