/// What has been counted so far.
struct Tally: Sendable {
  /// How one request ended.
  struct Ending {
    var kind: TrafficKind
    /// The number of the connection.
    var connection: Int
    /// `nil` when there was no answer.
    var status: Int?
    var failure: LoadReport.FailureKind?
    /// Since the request was due, or sent where nothing was due.
    var microseconds: UInt64
    /// Since the run began.
    var at: Int64
  }

  static let keptFailures = 20
  static let keptVersions = 64
  static let keptSeconds = 86_400
  static let keptPeriods = 1_000

  private(set) var requests = 0
  private(set) var failed = 0
  private var posts = 0
  private var acknowledgedPosts = 0
  private var kinds = [Int](repeating: 0, count: LoadReport.FailureKind.allCases.count)
  private var failures: [LoadReport.Failure] = []
  private var statuses = [Int](repeating: 0, count: 1000)
  private var versions: [Version] = []
  private var whole = PeriodTally(beganAt: 0)
  private var period = PeriodTally(beganAt: 0)
  private var periods: [LoadPeriod] = []
  /// When each connection had its last good answer.
  private var goodAt: [Int: Int64] = [:]
  private var timeline: [LoadReport.Second] = []
  private var lastGoodAt: Int64 = 0
  private var longestStall: Int64 = 0
  private var longestStallEndedAt: Int64 = 0
  var connects = 0
  var closedWhileIdle = 0
  var announcedCloses = 0
  var unsolicited = 0
  /// Set once, when the run is over.
  var endedAt: Int64?

  private struct Version {
    var bytes: [UInt8]
    var requests: Int
    var first: Int64
    var last: Int64
  }

  /// Counts an ended request. `what` is asked for only while failures are still kept.
  mutating func add(_ ending: Ending, version: [UInt8], what: () -> String) {
    requests += 1
    if ending.kind.isPost { posts += 1 }
    whole.add(ending)
    period.add(ending)
    if let status = ending.status { statuses[min(max(status, 0), 999)] += 1 }
    let second = secondIndex(at: ending.at)
    timeline[second].requests += 1
    if !version.isEmpty { count(version: version, at: ending.at) }

    if let kind = ending.failure {
      failed += 1
      timeline[second].failed += 1
      kinds[kind.position] += 1
      if failures.count < Self.keptFailures {
        failures.append(.init(at: ending.at, kind: kind, what: what()))
      }
      return
    }
    if ending.kind.isPost { acknowledgedPosts += 1 }
    timeline[second].slowest = max(timeline[second].slowest, ending.microseconds)
    noteStall(at: ending.at)
    lastGoodAt = ending.at
    noteConnectionStall(ending)
  }

  private mutating func noteConnectionStall(_ ending: Ending) {
    if let before = goodAt[ending.connection] {
      let stall = LoadStall(
        microseconds: ending.at - before, endedAt: ending.at, connection: ending.connection)
      whole.note(stall)
      period.note(stall)
    }
    goodAt[ending.connection] = ending.at
  }

  /// Ends the period that goes on, and begins the next one.
  mutating func endPeriod(at now: Int64) -> LoadPeriod {
    let ended = period.period(endedAt: now)
    period = PeriodTally(beganAt: now)
    if periods.count < Self.keptPeriods { periods.append(ended) }
    return ended
  }

  /// Ends the run: a stall that no answer ended counts as well.
  mutating func finish(at now: Int64) {
    endedAt = now
    if failed > 0 { noteStall(at: now) }
  }

  private mutating func noteStall(at now: Int64) {
    let gap = now - lastGoodAt
    guard gap > longestStall else { return }
    longestStall = gap
    longestStallEndedAt = now
  }

  private mutating func secondIndex(at now: Int64) -> Int {
    let index = min(Int(max(0, now) / 1_000_000), Self.keptSeconds - 1)
    while timeline.count <= index {
      timeline.append(.init(requests: 0, failed: 0, slowest: 0))
    }
    return index
  }

  private mutating func count(version bytes: [UInt8], at now: Int64) {
    // Two versions at most are usual: a search is cheaper than a hash.
    if let index = versions.firstIndex(where: { $0.bytes == bytes }) {
      versions[index].requests += 1
      versions[index].last = now
    } else if versions.count < Self.keptVersions {
      versions.append(Version(bytes: bytes, requests: 1, first: now, last: now))
    }
  }

  func report(url: String, startedAt: Double, prefix: String, now: Int64) -> LoadReport {
    LoadReport(
      url: url, startedAt: startedAt, elapsedMicroseconds: endedAt ?? now,
      finished: endedAt != nil, requests: requests, failed: failed, gets: gets,
      posts: posts, acknowledgedPosts: acknowledgedPosts, postIDPrefix: prefix,
      failureKinds: LoadReport.FailureKind.allCases.compactMap { kind in
        let count = kinds[kind.position]
        return count == 0 ? nil : .init(kind: kind, requests: count)
      },
      failures: failures, kinds: whole.kinds, periods: periods,
      longestConnectionStall: whole.longestStall,
      statuses: statuses.enumerated().compactMap { status, count in
        count == 0 ? nil : .init(status: status, requests: count)
      },
      versions: versions.map {
        .init(
          version: String(decoding: $0.bytes, as: UTF8.self), requests: $0.requests,
          firstSeenAt: $0.first, lastSeenAt: $0.last)
      },
      connects: connects, closedWhileIdle: closedWhileIdle, announcedCloses: announcedCloses,
      unsolicited: unsolicited, latency: latencyReport, longestStallMicroseconds: longestStall,
      longestStallEndedAt: longestStallEndedAt, timeline: timeline)
  }

  private var gets: Int { whole.kinds.first { $0.kind == .get }?.requests ?? 0 }

  private var latencyReport: LoadReport.Latency {
    let latency = whole.latency
    return LoadReport.Latency(
      smallest: latency.count == 0 ? 0 : latency.smallest,
      mean: latency.count == 0 ? 0 : latency.sum / latency.count,
      p50: latency.percentile(permyriad: 5_000), p90: latency.percentile(permyriad: 9_000),
      p99: latency.percentile(permyriad: 9_900), p999: latency.percentile(permyriad: 9_990),
      largest: latency.largest, buckets: latency.buckets)
  }
}

extension LoadReport.FailureKind {
  /// Position in `allCases`.
  fileprivate var position: Int {
    switch self {
    case .refused: 0
    case .reset: 1
    case .eof: 2
    case .timeout: 3
    case .status: 4
    case .malformed: 5
    case .echo: 6
    case .duplicate: 7
    case .closed: 8
    case .socket: 9
    }
  }
}
