import RolloutEngine
import SegueModel

/// Rules about single instances, migrations and what is done in the world.
extension SafetyRules {
  private mutating func book(_ id: InstanceID, _ change: (inout InstanceBook) -> Void) {
    let ordinal = PlatformModel.ordinal(of: id)
    while instances.count <= ordinal { instances.append(InstanceBook()) }
    change(&instances[ordinal])
  }

  func book(_ id: InstanceID) -> InstanceBook {
    let ordinal = PlatformModel.ordinal(of: id)
    return ordinal < instances.count ? instances[ordinal] : InstanceBook()
  }

  /// Rule 11, in the plan: an instance of one release of what cannot run twice is ordered only when
  /// none of another is left.
  mutating func order(_ id: InstanceID, _ release: ReleaseID, _ state: ServiceState)
    throws(Violation)
  {
    if let plan = state.known(release) {
      for other in state.instances where other.release != release {
        let isExclusive =
          plan.spec.strategy.isExclusive
          || state.known(other.release)?.spec.strategy.isExclusive == true
        if isExclusive {
          throw broken(
            .exclusiveStaysAlone,
            "\(id) of \(release) is ordered while \(other.id) of "
              + "\(other.release) runs")
        }
      }
    }
    book(id) { $0.isOrdered = true }
  }

  /// Rule 8: draining begins only when the router has acknowledged a table without the instance.
  mutating func drain(_ id: InstanceID, _ until: Instant, _ state: ServiceState)
    throws(Violation)
  {
    let isServed =
      state.table.proposed?.endpoints.contains { $0.instance == id } ?? false
    if isServed || !state.table.isSettled {
      throw broken(.drainComesFirst, "\(id) is drained before the router let go of it")
    }
    book(id) { $0.drainUntil = until }
  }

  /// Rule 8: a drain ends with nothing in flight, or at its deadline.
  mutating func drained(_ id: InstanceID, remaining: Int, at wall: Instant) throws(Violation) {
    let until = book(id).drainUntil
    let isOver = until.map { wall >= $0 } ?? false
    if remaining > 0, !isOver {
      throw broken(.drainComesFirst, "the drain of \(id) ends with \(remaining) in flight")
    }
    book(id) {
      $0.isDrained = true
      $0.mayCut = $0.mayCut || isOver
    }
  }

  /// Rule 8: what had traffic is stopped only after its drain.
  mutating func stop(_ id: InstanceID, _ state: ServiceState, at wall: Instant)
    throws(Violation)
  {
    if let instance = state.instances[id], instance.hadTraffic, !book(id).isDrained {
      throw broken(.drainComesFirst, "\(id) had traffic and is stopped without being drained")
    }
    if state.table.proposed?.endpoints.contains(where: { $0.instance == id }) == true {
      throw broken(.drainComesFirst, "\(id) is stopped and in the proposed table")
    }
    book(id) { $0.stopsOrdered += 1 }
  }

  /// Rules 12 and 13, in the plan: a contract is ordered only when no rollout is open, its release or a
  /// later one is live, and nothing else runs; a rollout orders its expand once.
  mutating func migrate(
    _ release: ReleaseID, _ step: MigrationStep, _ attempt: Int, _ state: ServiceState
  ) throws(Violation) {
    if migrations.contains(where: { $0 == (release, step, attempt) }) {
      throw broken(
        .migrationRunsOnce, "attempt \(attempt) at \(step) of \(release) is ordered twice")
    }
    migrations.append((release, step, attempt))
    guard step == .contract else { return try expandOnce(release) }
    guard let contract = state.migrations.contracts.first(where: { $0.release.id == release })
    else { throw broken(.contractComesLast, "nobody scheduled the contract of \(release)") }
    let height = contract.release.height
    let canComeBack =
      openRollout != nil || (state.live?.height ?? .min) < height
      || state.warm.values.contains { $0.release.height < height }
      || state.instances.contains { $0.release != state.live?.id }
    if canComeBack {
      throw broken(.contractComesLast, "\(release) contracts while an earlier one can come back")
    }
    raiseFloor(to: height)
  }

  /// Rule 2, at rest after a commit: whenever an instance of a release that should serve is ready, a
  /// ready one is in the table.
  func checkServing(_ state: ServiceState) throws(Violation) {
    guard let table = state.table.proposed, state.split.holdLimit == nil,
      !state.split.sides.isEmpty
    else {
      if let live = state.live, live.spec.route != nil, state.split.sides.isEmpty,
        state.split.holdLimit == nil
      {
        throw broken(.capacityStays, "\(live.id) is live and nobody is to serve")
      }
      return
    }
    for version in table.versions {
      for endpoint in version.endpoints
      where state.instances[endpoint.instance]?.isReady == true { return }
    }
    for instance in state.instances where instance.isReady && !isBlocked(instance.release) {
      if state.split.sides.contains(where: { $0.release == instance.release }) {
        throw broken(.capacityStays, "\(instance.id) is ready, and nobody serves")
      }
    }
  }
}

/// What is done in the world must have been recorded.
extension SafetyRules {
  /// Rule 6: a process is started only for an instance whose order is in the journal, and once.
  func checkStart(of id: InstanceID, isNew: Bool, ranBefore: Bool) throws(Violation) {
    if !book(id).isOrdered {
      throw broken(.intentComesFirst, "\(id) is started, and no record orders it")
    }
    if isNew, ranBefore { throw broken(.intentComesFirst, "\(id) is started a second time") }
  }

  /// Rule 6: a table is sent only when it is in the journal.
  func checkApply(_ table: ServiceTable) throws(Violation) {
    if table.generation > generation {
      throw broken(
        .intentComesFirst, "generation \(table.generation) is sent, and no record proposes it")
    }
  }

  /// Rules 6 and 8: a process is told to stop only when the journal says so, with nothing in flight or
  /// after its drain deadline.
  func checkStop(of id: InstanceID, inFlight: Int) throws(Violation) {
    let book = book(id)
    if book.stopsOrdered == 0 {
      throw broken(.intentComesFirst, "\(id) is stopped, and no record orders it")
    }
    if inFlight > 0, !book.mayCut {
      throw broken(.drainComesFirst, "\(id) is stopped with \(inFlight) requests in flight")
    }
  }

  /// Rule 6: a database change is begun only when the journal says so.
  func checkMigration(_ release: ReleaseID, _ step: MigrationStep, _ attempt: Int)
    throws(Violation)
  {
    if !migrations.contains(where: { $0 == (release, step, attempt) }) {
      throw broken(.intentComesFirst, "\(step) of \(release) is run, and no record orders it")
    }
  }
}
