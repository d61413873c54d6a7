/// What the router has done for one release of one service since the router started.
public struct VersionCounters: Hashable, Codable, Sendable {
  public var release: ReleaseID
  /// Final responses by status class: index 0 is 1xx (never counted), 1 is 2xx, 2 is 3xx, 3 is 4xx,
  /// 4 is 5xx.
  public var responses: [UInt64]
  /// Requests that got no answer from an instance: answered 502/504 by the router, or cut.
  public var failed: UInt64
  /// Requests sent a second time, on a fresh connection or to another instance.
  public var retried: UInt64
  public var inFlight: Int
  /// Latency from request head to last byte of the response; counts per bucket of
  /// ``LatencyHistogram``.
  public var latency: [UInt64]

  public init(
    release: ReleaseID, responses: [UInt64] = Array(repeating: 0, count: 5), failed: UInt64 = 0,
    retried: UInt64 = 0, inFlight: Int = 0, latency: [UInt64] = []
  ) {
    self.release = release
    self.responses = responses
    self.failed = failed
    self.retried = retried
    self.inFlight = inFlight
    self.latency = latency
  }

  public var requests: UInt64 { responses.reduce(0, +) + failed }
}

/// What the router reports about one service.
public struct ServiceReport: Hashable, Codable, Sendable {
  public var key: ServiceKey
  /// The table every event loop of the router has switched to.
  public var generation: Generation
  public var versions: [VersionCounters]
  /// Requests in flight per instance, also for instances no longer in the table.
  public var inFlight: [InstanceID: Int]
  /// Those of them that last as long as somebody wants: tunnels and event streams. `nil`: the router
  /// does not tell them apart.
  public var lasting: [InstanceID: Int]?
  /// What each instance in the table has answered; `nil`: the router does not say.
  public var answered: [InstanceID: AnswerCounters]?
  /// Requests that found no ready instance.
  public var unavailable: UInt64
  /// Requests that were held until there was an instance; `nil`: none ever was.
  public var held: HoldCounters?
  /// What comparing the answers of copied requests gave; `nil`: none was ever copied.
  public var mirrored: MirrorReport?
  /// How often an instance was left alone for a while because it failed again and again; `nil`: the
  /// router does not say.
  public var ejections: UInt64?
  /// What was counted of the experiment that is under way, or was last; `nil`: none.
  public var experiment: ExperimentReport?

  public init(
    key: ServiceKey, generation: Generation, versions: [VersionCounters],
    inFlight: [InstanceID: Int], unavailable: UInt64, held: HoldCounters? = nil,
    mirrored: MirrorReport? = nil, ejections: UInt64? = nil, lasting: [InstanceID: Int]? = nil,
    answered: [InstanceID: AnswerCounters]? = nil, experiment: ExperimentReport? = nil
  ) {
    self.experiment = experiment
    self.answered = answered
    self.lasting = lasting
    self.key = key
    self.generation = generation
    self.versions = versions
    self.inFlight = inFlight
    self.unavailable = unavailable
    self.held = held
    self.mirrored = mirrored
    self.ejections = ejections
  }
}

/// Answers of one instance since the router got to know it.
public struct AnswerCounters: Hashable, Codable, Sendable {
  /// All, those that were expected and never came included.
  public var requests: UInt64
  /// Of status 5xx, or none.
  public var errors: UInt64

  public init(requests: UInt64 = 0, errors: UInt64 = 0) {
    self.requests = requests
    self.errors = errors
  }
}

/// What holding requests has come to since the router started.
public struct HoldCounters: Hashable, Codable, Sendable {
  /// Held and then passed on.
  public var released: UInt64
  /// Held until the limit, or too many at once: answered 503.
  public var expired: UInt64
  /// Held now.
  public var waiting: Int
  /// The longest that any was held, in microseconds.
  public var longest: UInt64

  public init(released: UInt64 = 0, expired: UInt64 = 0, waiting: Int = 0, longest: UInt64 = 0) {
    self.released = released
    self.expired = expired
    self.waiting = waiting
    self.longest = longest
  }
}

/// What the copies of requests have shown since the release became the mirror.
public struct MirrorReport: Hashable, Codable, Sendable {
  /// The release that got the copies.
  public var release: ReleaseID
  /// Pairs of answers that were compared.
  public var compared: UInt64
  public var equal: UInt64
  /// Pairs that differed in the status, in a named header field, or in the body. One pair counts in
  /// each way in which it differs.
  public var status: UInt64
  public var headers: UInt64
  public var body: UInt64
  /// Copies that got no answer, or none in time.
  public var failed: UInt64
  /// Requests that were not copied, or whose answers were too large to compare, to spare memory.
  public var skipped: UInt64
  /// The latest differences, oldest first; at most ``exampleLimit``.
  public var examples: [MirrorDifference]
  /// Differences of the same kind with how many there were, the most frequent first; `nil`: they were
  /// not grouped.
  public var groups: [MirrorGroup]?

  public static let exampleLimit = 20

  public init(
    release: ReleaseID, compared: UInt64 = 0, equal: UInt64 = 0, status: UInt64 = 0,
    headers: UInt64 = 0, body: UInt64 = 0, failed: UInt64 = 0, skipped: UInt64 = 0,
    examples: [MirrorDifference] = [], groups: [MirrorGroup]? = nil
  ) {
    self.groups = groups
    self.release = release
    self.compared = compared
    self.equal = equal
    self.status = status
    self.headers = headers
    self.body = body
    self.failed = failed
    self.skipped = skipped
    self.examples = examples
  }
}

/// One pair of answers that differed.
public struct MirrorDifference: Hashable, Codable, Sendable {
  public var method: String
  /// Without its query; at most 200 octets.
  public var path: String
  /// `status: 200 there, 500 here`; `body: $.total is 3 there, 4 here`
  public var what: String

  public init(method: String, path: String, what: String) {
    self.method = method
    self.path = path
    self.what = what
  }
}

/// Pairs of answers that differed in the same way.
public struct MirrorGroup: Hashable, Codable, Sendable {
  /// The method and the path, with numbers taken out: `GET /orders/{n}`.
  public var request: String
  /// `status: 200 there, 500 here`; `header content-type`; `body`; `no answer`
  public var what: String
  /// At least as many as there were.
  public var count: UInt64

  public init(request: String, what: String, count: UInt64) {
    self.request = request
    self.what = what
    self.count = count
  }
}

extension MirrorGroup: CustomStringConvertible {
  /// `1203 times GET /orders/{n} (status: 200 there, 500 here)`
  public var description: String {
    "\(count == 1 ? "once" : "\(count) times") \(request) (\(what))"
  }
}

/// A log-linear histogram of latencies: buckets of microseconds whose width is an eighth of their
/// power of two, so that a quantile is known to within 12.5 %.
public enum LatencyHistogram {
  /// Up to about 137 s; longer latencies count in the last bucket.
  public static let bucketCount = 200

  /// The bucket that a latency in microseconds falls into.
  public static func bucket(microseconds: UInt64) -> Int {
    guard microseconds >= 8 else { return Int(microseconds) }
    let exponent = 63 - microseconds.leadingZeroBitCount
    let eighth = Int(microseconds >> UInt64(exponent - 3)) & 7
    return min((exponent - 2) * 8 + eighth, bucketCount - 1)
  }

  /// The smallest latency, in microseconds, that does not fall into `bucket` or one below it.
  public static func upperBound(ofBucket bucket: Int) -> UInt64 {
    let next = bucket + 1
    guard next >= 8 else { return UInt64(next) }
    let exponent = next / 8 + 2
    return UInt64(8 + next % 8) << UInt64(exponent - 3)
  }

  /// The upper bound, in microseconds, of the bucket that holds the given quantile (0...1); `nil`
  /// when nothing was counted.
  public static func quantile(_ quantile: Double, of counts: [UInt64]) -> UInt64? {
    let total = counts.reduce(0, +)
    guard total > 0 else { return nil }
    let rank = UInt64((quantile * Double(total)).rounded(.up))
    var seen: UInt64 = 0
    for (bucket, count) in counts.enumerated() {
      seen += count
      if seen >= max(rank, 1) { return upperBound(ofBucket: bucket) }
    }
    return upperBound(ofBucket: counts.count - 1)
  }
}
