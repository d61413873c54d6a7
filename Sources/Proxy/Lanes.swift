import NIOCore
import SegueModel
import TrafficRouting

/// One instance as one event loop sees it.
final class Instance {
  let endpoint: Endpoint
  let address: SocketAddress
  var inFlight = 0
  /// Uptime in nanoseconds until which the instance is the last choice.
  var penalisedUntil: UInt64 = 0
  /// Unused connections, the latest used last.
  var idle: [UpstreamConnection] = []
  /// No longer in any table: what is in flight ends, nothing new begins.
  var isRetired = false

  init(endpoint: Endpoint, address: SocketAddress) {
    self.endpoint = endpoint
    self.address = address
  }

  /// Closes what nobody uses.
  func closeIdle() {
    let connections = idle
    idle.removeAll()
    for connection in connections { connection.discard() }
  }
}

/// What one event loop counted for one release of one service.
final class VersionTally {
  let release: ReleaseID
  var responses: [UInt64] = [0, 0, 0, 0, 0]
  var failed: UInt64 = 0
  var retried: UInt64 = 0
  var inFlight = 0
  var latency = [UInt64](repeating: 0, count: LatencyHistogram.bucketCount)

  init(release: ReleaseID) { self.release = release }

  func noteResponse(status: Int, microseconds: UInt64) {
    responses[min(max(status / 100, 1), 5) - 1] += 1
    latency[LatencyHistogram.bucket(microseconds: microseconds)] += 1
  }

  var counters: VersionCounters {
    VersionCounters(
      release: release, responses: responses, failed: failed, retried: retried,
      inFlight: inFlight, latency: latency)
  }
}

/// One version of a service: its counters and its instances.
struct VersionLane {
  let tally: VersionTally
  let instances: [Instance]
}

/// One service as one event loop sees it. Outlives the tables that describe it.
final class ServiceLane {
  /// Releases whose counters are kept after they left the table.
  static let keptReleases = 32

  let key: ServiceKey
  private(set) var generation = Generation.zero
  private(set) var versions: [VersionLane] = []
  private var split: StickySplit
  /// In order of first appearance.
  private var tallies: [VersionTally] = []
  /// Out of the table, but with requests in flight.
  private var leaving: [Instance] = []
  var unavailable: UInt64 = 0

  init(key: ServiceKey) {
    self.key = key
    split = StickySplit([], service: key)
  }

  /// Goes over to `table`. Instances that stay keep their connections; those that leave close
  /// the unused ones now and the others when their requests end.
  func adopt(_ table: ServiceTable, addresses: [Endpoint: SocketAddress]) {
    let before = versions.flatMap(\.instances)
    generation = table.generation
    versions = table.versions.map { version in
      VersionLane(
        tally: tally(of: version.release),
        instances: version.endpoints.compactMap { endpoint in
          if let known = before.first(where: { $0.endpoint == endpoint }) { return known }
          if let back = leaving.firstIndex(where: { $0.endpoint == endpoint }) {
            let instance = leaving.remove(at: back)
            instance.isRetired = false
            return instance
          }
          return addresses[endpoint].map { Instance(endpoint: endpoint, address: $0) }
        })
    }
    split = StickySplit(table.versions.map { ($0.release, $0.weight) }, service: key)
    let kept = versions.flatMap(\.instances)
    for instance in before where !kept.contains(where: { $0 === instance }) {
      instance.isRetired = true
      instance.closeIdle()
      leaving.append(instance)
    }
    forgetOldest()
  }

  /// The service is gone: everything leaves.
  func retire() {
    for instance in versions.flatMap(\.instances) {
      instance.isRetired = true
      instance.closeIdle()
      leaving.append(instance)
    }
    versions = []
  }

  /// Nothing is in flight on anything that left.
  var isQuiet: Bool { leaving.allSatisfy { $0.inFlight == 0 } }

  private func tally(of release: ReleaseID) -> VersionTally {
    if let known = tallies.first(where: { $0.release == release }) { return known }
    let tally = VersionTally(release: release)
    tallies.append(tally)
    return tally
  }

  private func forgetOldest() {
    leaving.removeAll { $0.inFlight == 0 }
    let current = Set(versions.map { ObjectIdentifier($0.tally) })
    var surplus = tallies.count - current.count - Self.keptReleases
    tallies.removeAll { tally in
      guard surplus > 0, tally.inFlight == 0, !current.contains(ObjectIdentifier(tally)) else {
        return false
      }
      surplus -= 1
      return true
    }
  }

  /// An instance for a request: of the unit's own version while it has one that was not tried, else of
  /// any other.
  func choose(
    unit: StickyUnit, tried: [Instance], now: UInt64, random: inout FastRandom
  ) -> (tally: VersionTally, instance: Instance)? {
    guard let own = split.choose(unit) else { return nil }
    for step in 0..<versions.count {
      let lane = versions[(own + step) % versions.count]
      let instances = lane.instances
      let index = InstanceChoice.choose(count: instances.count, random: &random) { index in
        let instance = instances[index]
        return InstanceStanding(
          inFlight: instance.inFlight, isPenalised: instance.penalisedUntil > now,
          isTried: !tried.isEmpty && tried.contains { $0 === instance })
      }
      if let index { return (lane.tally, instances[index]) }
    }
    return nil
  }

  /// Closes connections to instances that have been unused for too long.
  func sweep(now: UInt64) {
    for lane in versions {
      for instance in lane.instances where !instance.idle.isEmpty {
        let expired = instance.idle.filter { $0.idleDeadline <= now }
        guard !expired.isEmpty else { continue }
        instance.idle.removeAll { $0.idleDeadline <= now }
        for connection in expired { connection.discard() }
      }
    }
  }

  var report: ServiceReport {
    var inFlight: [InstanceID: Int] = [:]
    for instance in versions.flatMap(\.instances) {
      inFlight[instance.endpoint.instance, default: 0] += instance.inFlight
    }
    for instance in leaving where instance.inFlight > 0 {
      inFlight[instance.endpoint.instance, default: 0] += instance.inFlight
    }
    return ServiceReport(
      key: key, generation: generation, versions: tallies.map(\.counters), inFlight: inFlight,
      unavailable: unavailable)
  }
}
