import NIOCore
import SegueModel
import TrafficRouting

/// One version of a service: its counters and its instances.
struct VersionLane {
  let tally: VersionTally
  let instances: [Instance]
}

/// The release beside the versions, and who gets there.
struct SideLane {
  enum Role {
    case requests(RequestTest)
    case host
    case mirror(MirrorLane)
  }

  let role: Role
  let lane: VersionLane
}

/// Which instances of a service a request may go to.
enum RequestWay {
  case versions
  /// To the release beside the versions, and only when none of its instances can be tried to them.
  case sideFirst
  /// Nowhere else: whoever asks for the preview must not be shown something else.
  case sideOnly
}

/// One service as one event loop sees it. Outlives the tables that describe it.
final class ServiceLane {
  /// Releases whose counters are kept after they left the table.
  static let keptReleases = 32

  let key: ServiceKey
  unowned let worker: Worker
  var held = HeldRequests()
  private(set) var generation = Generation.zero
  private(set) var versions: [VersionLane] = []
  private(set) var side: SideLane?
  private(set) var sticky = StickySource(nil)
  /// With no version: how long requests wait for one, in nanoseconds.
  private(set) var holdLimit: UInt64?
  /// One version, nothing beside it and nobody waiting: a request need not be looked at any closer.
  private(set) var isPlain = false
  /// Where it is noted who was answered in an experiment; `nil`: there is none.
  private(set) var tap: ExperimentTap?
  /// Kept when the mirror leaves, for whoever asks later.
  private var mirrored: MirrorTally?
  private var split: StickySplit
  /// In order of first appearance.
  private var tallies: [VersionTally] = []
  /// Out of the table, but with requests in flight.
  private var leaving: [Instance] = []
  var unavailable: UInt64 = 0
  private var ejections: UInt64 = 0

  init(key: ServiceKey, worker: Worker) {
    self.key = key
    self.worker = worker
    split = StickySplit([], service: key)
  }

  /// Each once, also if a table names it twice.
  private var instances: [Instance] {
    var seen: Set<ObjectIdentifier> = []
    let all = versions.flatMap(\.instances) + (side?.lane.instances ?? [])
    return all.filter { seen.insert(ObjectIdentifier($0)).inserted }
  }

  /// Goes over to `table`. Instances that stay keep their connections; those that leave close
  /// the unused ones now and the others when their requests end. Whoever is held goes on being held
  /// until ``settleHeld()``.
  func adopt(_ table: ServiceTable, addresses: [Endpoint: SocketAddress]) {
    let before = instances
    var known = before
    func lane(_ release: ReleaseID, _ endpoints: [Endpoint]) -> VersionLane {
      VersionLane(
        tally: tally(of: release),
        instances: endpoints.compactMap { endpoint in
          if let same = known.first(where: { $0.endpoint == endpoint }) { return same }
          guard
            let instance = returned(endpoint)
              ?? addresses[endpoint].map({
                Instance(endpoint: endpoint, address: $0, outliers: worker.outliers)
              })
          else { return nil }
          known.append(instance)
          if !before.isEmpty { instance.warmUp(from: worker.now, for: worker.spans.slowStart) }
          return instance
        })
    }
    generation = table.generation
    versions = table.versions.map { lane($0.release, $0.endpoints) }
    adoptSide(table.side, lane: table.side.map { lane($0.release, $0.endpoints) })
    split = StickySplit(table.versions.map { ($0.release, $0.weight) }, service: key)
    sticky = StickySource(table.route.sticky)
    holdLimit = table.holdLimit.map { ProxyLimits.nanoseconds($0) }
    adoptExperiment(table.experiment)
    let kept = instances
    for instance in before where !kept.contains(where: { $0 === instance }) {
      leave(instance)
      if let span = table.tunnelDrain, instance.lasting > 0 {
        worker.leaveTunnels(of: instance, within: span)
      }
    }
    forgetOldest()
    updatePlain()
  }

  /// An instance that is on its way out and comes back.
  private func returned(_ endpoint: Endpoint) -> Instance? {
    guard let index = leaving.firstIndex(where: { $0.endpoint == endpoint }) else { return nil }
    let instance = leaving.remove(at: index)
    instance.isRetired = false
    return instance
  }

  private func leave(_ instance: Instance) {
    instance.isRetired = true
    instance.closeIdle()
    leaving.append(instance)
  }

  private func adoptSide(_ target: SideTarget?, lane: VersionLane?) {
    let before = side
    side = nil
    guard let target, let lane else { return }
    switch target.role {
    case .requests(let match): side = SideLane(role: .requests(RequestTest(match)), lane: lane)
    case .host: side = SideLane(role: .host, lane: lane)
    case .mirror(let spec):
      var tally = MirrorTally(release: target.release)
      // A release that is still the mirror goes on being counted; one that is it again begins anew.
      if case .mirror(let current) = before?.role, current.tally.release == target.release {
        tally = current.tally
      }
      mirrored = tally
      side = SideLane(role: .mirror(MirrorLane(spec, lane: lane, tally: tally)), lane: lane)
    }
  }

  private func adoptExperiment(_ target: ExperimentTarget?) {
    if let tap, tap.book.target == target { return }
    tap?.flush()
    tap = target.map { target in
      ExperimentTap(
        worker.books.book(of: key, target), books: worker.books, control: tally(of: target.control),
        variant: tally(of: target.variant))
    }
  }

  /// The service is gone: everything leaves.
  func retire() {
    adoptExperiment(nil)
    for instance in instances { leave(instance) }
    versions = []
    side = nil
    holdLimit = nil
    updatePlain()
  }

  func updatePlain() { isPlain = versions.count == 1 && side == nil && held.isEmpty }

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
    var current = Set(versions.map { ObjectIdentifier($0.tally) })
    if let side { current.insert(ObjectIdentifier(side.lane.tally)) }
    var surplus = tallies.count - current.count - Self.keptReleases
    tallies.removeAll { tally in
      guard surplus > 0, tally.inFlight == 0, !current.contains(ObjectIdentifier(tally)) else {
        return false
      }
      surplus -= 1
      return true
    }
  }

  /// Closes connections to instances that have been unused for too long.
  func sweep(now: UInt64) {
    for lane in versions { Self.sweep(lane, now: now) }
    if let side { Self.sweep(side.lane, now: now) }
    tap?.flush()
    sweepHeld(now: now)
  }

  private static func sweep(_ lane: VersionLane, now: UInt64) {
    for instance in lane.instances where !instance.idle.isEmpty {
      let expired = instance.idle.filter { $0.idleDeadline <= now }
      guard !expired.isEmpty else { continue }
      instance.idle.removeAll { $0.idleDeadline <= now }
      for connection in expired { connection.discard() }
    }
  }

  var report: ServiceReport {
    var inFlight: [InstanceID: Int] = [:]
    var lasting: [InstanceID: Int] = [:]
    var answered: [InstanceID: AnswerCounters] = [:]
    for instance in instances { answered[instance.endpoint.instance] = instance.answered }
    for instance in instances + leaving.filter({ $0.inFlight > 0 }) {
      inFlight[instance.endpoint.instance, default: 0] += instance.inFlight
      if instance.lasting > 0 {
        lasting[instance.endpoint.instance, default: 0] += instance.lasting
      }
    }
    return ServiceReport(
      key: key, generation: generation, versions: tallies.map(\.counters), inFlight: inFlight,
      unavailable: unavailable, held: held.report, mirrored: mirrored?.report, ejections: ejections,
      lasting: lasting, answered: answered)
  }
}

/// Choosing an instance.
extension ServiceLane {
  /// Where a request goes that did not come to the preview's host.
  func way(of block: FieldBlock, _ head: ByteBuffer) -> RequestWay {
    guard case .requests(let test) = side?.role else { return .versions }
    return test.holds(for: block, head.readableBytesUInt8Span) ? .sideFirst : .versions
  }

  /// What a choice needs to know of a request.
  struct Wish {
    var way: RequestWay
    var unit: StickyUnit
    var tried: [Instance]
    /// Comes out of a hold: only to instances that have room for one more of those.
    var needsRoom: Bool
  }

  /// An instance for a request: of the unit's own version while it has one that was not tried, else of
  /// any other.
  func choose(
    _ wish: Wish, now: UInt64, random: inout FastRandom
  ) -> (tally: VersionTally, instance: Instance)? {
    let room = wish.needsRoom ? worker.releaseLimit : .max
    if wish.way != .versions, let side {
      if let instance = Self.choose(from: side.lane, wish, room, now: now, random: &random) {
        return (side.lane.tally, instance)
      }
    }
    guard wish.way != .sideOnly, let own = split.choose(wish.unit) else { return nil }
    for step in 0..<versions.count {
      let lane = versions[(own + step) % versions.count]
      if let instance = Self.choose(from: lane, wish, room, now: now, random: &random) {
        return (lane.tally, instance)
      }
    }
    return nil
  }

  private static func choose(
    from lane: VersionLane, _ wish: Wish, _ room: Int, now: UInt64,
    random: inout FastRandom
  ) -> Instance? {
    let instances = lane.instances
    let tried = wish.tried
    let index = InstanceChoice.choose(count: instances.count, random: &random) { index in
      let instance = instances[index]
      return InstanceStanding(
        inFlight: instance.inFlight, isPenalised: instance.penalisedUntil > now,
        isTried: (!tried.isEmpty && tried.contains { $0 === instance })
          || instance.released >= room,
        warmth: instance.warmth(now: now))
    }
    return index.map { instances[$0] }
  }

  /// Takes notice of how an instance answered; one that fails again and again is left alone.
  func noteAnswer(of instance: Instance, isFailure: Bool) {
    if instance.noteAnswer(isFailure: isFailure, now: worker.now) { ejections += 1 }
  }

  /// The instances that a request should go to, if nothing fails.
  func preferred(_ way: RequestWay, _ unit: StickyUnit) -> [Instance] {
    if way != .versions, let side { return side.lane.instances }
    guard way != .sideOnly, let own = split.choose(unit) else { return [] }
    return versions[own].instances
  }

  /// Whether there is an instance that a request of this way may still be sent to.
  func hasUntried(_ way: RequestWay, _ tried: [Instance]) -> Bool {
    func isUntried(_ instance: Instance) -> Bool { !tried.contains { $0 === instance } }
    if way != .versions, let side, side.lane.instances.contains(where: isUntried) { return true }
    return way != .sideOnly && versions.contains { $0.instances.contains(where: isUntried) }
  }
}
