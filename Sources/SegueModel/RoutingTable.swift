/// Where one service's requests go. Immutable; replaced as a whole under a greater generation.
public struct ServiceTable: Hashable, Codable, Sendable {
  public var key: ServiceKey
  public var generation: Generation
  public var route: RouteSpec
  /// Versions with a weight above zero; the weights add to 1000. Empty: nothing is ready, and requests
  /// are answered 503.
  public var versions: [VersionTarget]

  public init(
    key: ServiceKey, generation: Generation, route: RouteSpec, versions: [VersionTarget]
  ) {
    self.key = key
    self.generation = generation
    self.route = route
    self.versions = versions
  }

  /// Every instance that gets requests under this table.
  public var endpoints: [Endpoint] { versions.flatMap(\.endpoints) }
}

/// One release's share of a service, and the instances that serve it.
public struct VersionTarget: Hashable, Codable, Sendable {
  public var release: ReleaseID
  public var weight: Permille
  /// At least one.
  public var endpoints: [Endpoint]

  public init(release: ReleaseID, weight: Permille, endpoints: [Endpoint]) {
    self.release = release
    self.weight = weight
    self.endpoints = endpoints
  }
}

/// One instance's address.
public struct Endpoint: Hashable, Codable, Sendable {
  public var instance: InstanceID
  /// A literal address, `127.0.0.1`: a route names instances, never a host that a client chose.
  public var host: String
  public var port: Int

  public init(instance: InstanceID, host: String = "127.0.0.1", port: Int) {
    self.instance = instance
    self.host = host
    self.port = port
  }
}

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
  /// Requests that found no ready instance.
  public var unavailable: UInt64

  public init(
    key: ServiceKey, generation: Generation, versions: [VersionCounters],
    inFlight: [InstanceID: Int], unavailable: UInt64
  ) {
    self.key = key
    self.generation = generation
    self.versions = versions
    self.inFlight = inFlight
    self.unavailable = unavailable
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
