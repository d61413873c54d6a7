/// What a load saw. Times within a run are microseconds since it began.
public struct LoadReport: Hashable, Codable, Sendable {
  public var url: String
  /// Seconds since 1970, when the run began.
  public var startedAt: Double
  public var elapsedMicroseconds: Int64
  /// Whether the run has ended: nothing more will change.
  public var finished: Bool

  /// Requests that came to an end, well or not: `succeeded + failed`.
  public var requests: Int
  /// Requests that ended as `LoadReport.FailureKind` describes.
  public var failed: Int
  public var gets: Int
  public var posts: Int
  /// POST requests whose answer was as expected: what a backend must have executed exactly once.
  public var acknowledgedPosts: Int
  /// Every POST of this run carried `<postIDPrefix><number>`, numbered from 1 and never reused.
  public var postIDPrefix: String
  /// Failures by kind, in the order of `FailureKind`; kinds that did not occur are absent.
  public var failureKinds: [FailureCount]
  /// The first 20 failures.
  public var failures: [Failure]
  /// What was sent of each kind; kinds that were not sent are absent.
  public var kinds: [LoadKind]
  /// The periods that ``LoadRun/endPeriod()`` ended, the first 1,000 of them.
  public var periods: [LoadPeriod]
  /// The longest time between two good answers on one connection.
  public var longestConnectionStall: LoadStall
  /// Final statuses in ascending order.
  public var statuses: [StatusCount]
  /// `X-Version` fields of the answers, in the order in which they were first seen.
  public var versions: [VersionCount]

  /// Connections opened, the first ones included.
  public var connects: Int
  /// Connections that a server closed between two requests, seen before the next request was sent.
  public var closedWhileIdle: Int
  /// Answers that announced the end of their connection, which was then not used again, and
  /// websockets that were closed with a close frame.
  public var announcedCloses: Int
  /// Connections on which bytes arrived that belong to no request. They were not used again.
  public var unsolicited: Int

  public var latency: Latency
  /// The longest time without a good answer, from the first request to the last answer.
  public var longestStallMicroseconds: Int64
  /// When the longest stall ended.
  public var longestStallEndedAt: Int64
  /// One entry for each second of the run, up to a day; later seconds add to the last entry.
  public var timeline: [Second]

  public var succeeded: Int { requests - failed }

  /// How a request can fail. All of them are for a request whose client checked for the end of the
  /// connection before it used it again, and had not been told `Connection: close`.
  public enum FailureKind: String, Hashable, Codable, Sendable, CaseIterable {
    /// The connection was refused.
    case refused
    /// The connection was reset.
    case reset
    /// The connection ended before the answer did.
    case eof
    /// No whole answer within the plan's timeout.
    case timeout
    /// A status that the plan does not expect.
    case status
    /// Not HTTP/1.1 as RFC 9112 has it.
    case malformed
    /// The answer to a POST does not contain the id that was posted.
    case echo
    /// The answer to a POST says `duplicate`: its id had been executed before.
    case duplicate
    /// A websocket was closed for another reason than a server that goes away (1001) or starts
    /// again (1012).
    case closed
    /// No socket was to be had on this side.
    case socket
  }

  public struct FailureCount: Hashable, Codable, Sendable {
    public var kind: FailureKind
    public var requests: Int
  }

  public struct Failure: Hashable, Codable, Sendable {
    public var at: Int64
    public var kind: FailureKind
    /// What was going on, in one sentence.
    public var what: String
  }

  public struct StatusCount: Hashable, Codable, Sendable {
    public var status: Int
    public var requests: Int
  }

  public struct VersionCount: Hashable, Codable, Sendable {
    public var version: String
    public var requests: Int
    public var firstSeenAt: Int64
    public var lastSeenAt: Int64
  }

  /// Of requests that succeeded, in microseconds.
  public struct Latency: Hashable, Codable, Sendable {
    public var smallest: UInt64
    public var mean: UInt64
    public var p50: UInt64
    public var p90: UInt64
    public var p99: UInt64
    public var p999: UInt64
    public var largest: UInt64
    /// Ascending; each counts what is above the one before it, up to and with its own bound.
    public var buckets: [Bucket]

    public struct Bucket: Hashable, Codable, Sendable {
      public var upTo: UInt64
      public var count: UInt64
    }
  }

  public struct Second: Hashable, Codable, Sendable {
    public var requests: Int
    public var failed: Int
    /// The slowest good answer, in microseconds.
    public var slowest: UInt64
  }
}

extension LoadReport {
  /// Requests a second over the whole run.
  public var requestsPerSecond: Double {
    elapsedMicroseconds > 0 ? Double(requests) * 1e6 / Double(elapsedMicroseconds) : 0
  }
}
