import RolloutEngine
import SegueModel

/// Holds every recorded event, and everything done in the world, against the rules.
///
/// It keeps its own books. What the engine believes is only looked at where a rule is about that.
struct SafetyRules {
  /// What is known of one instance, by its number.
  struct InstanceBook {
    var isOrdered = false
    var drainUntil: Instant?
    var isDrained = false
    /// It may be stopped even with requests in flight: its drain deadline has passed.
    var mayCut = false
    var stopsOrdered = 0
    var isAbandoned = false
  }

  var instances: [InstanceBook] = []
  /// Greatest generation that was ever recorded.
  private(set) var generation = Generation.zero
  private(set) var openRollout: RolloutStart?
  /// Counts the rollouts; a user's memory names one of them.
  private(set) var rollouts = 0
  private(set) var isGoingBack = false
  private var lastWeight = Permille.none
  private var expandsOrdered = 0
  /// Blocked releases. `true`: it was in a table already when it was blocked.
  private var blocked: [(release: ReleaseID, wasServed: Bool)] = []
  private(set) var floor: Int?
  var migrations: [(release: ReleaseID, step: MigrationStep, attempt: Int)] = []

  var now: Int64 = 0

  func broken(_ rule: Rule, _ message: @autoclosure () -> String) -> Violation {
    Violation(rule: rule, message: message(), at: now)
  }

  /// Before an event is replayed onto `state`.
  mutating func check(_ event: RolloutEvent, on state: ServiceState, at wall: Instant)
    throws(Violation)
  {
    switch event {
    case .rolloutStarted(let start): try begin(start, state)
    case .rolloutEnded: openRollout = nil
    case .wayBackBegan: isGoingBack = true
    case .shiftBegan(let split): try checkShare(split)
    case .releaseBlocked(let release, _):
      let isServed = state.table.proposed.map { Self.serves($0, release) } ?? false
      blocked.removeAll { $0.release == release }
      blocked.append((release, isServed))
    case .releaseUnblocked(let release): blocked.removeAll { $0.release == release }
    case .tableProposed(let table, _): try check(table, state)
    case .instanceOrdered(let id, let release, _): try order(id, release, state)
    case .drainBegan(let id, let until): try drain(id, until, state)
    case .instanceDrained(let id, let remaining):
      try drained(id, remaining: remaining, at: wall)
    case .stopOrdered(let id, _): try stop(id, state, at: wall)
    case .instanceAbandoned(let id): instances[PlatformModel.ordinal(of: id)].isAbandoned = true
    case .migrationOrdered(let release, let step, let attempt, _):
      try migrate(release, step, attempt, state)
    default: break
    }
  }

  // MARK: Rollouts

  /// Rules 7 and 9, and 12: no rollout begins while one is open, none to a release that a gate turned
  /// down, none to one that the database can no longer serve.
  private mutating func begin(_ start: RolloutStart, _ state: ServiceState) throws(Violation) {
    if let open = openRollout {
      throw broken(.oneRolloutAtATime, "\(start.id) begins while \(open.id) is open")
    }
    if blocked.contains(where: { $0.release == start.to.id }) {
      throw broken(.blockedStaysOut, "\(start.id) begins, but \(start.to.id) is blocked")
    }
    if let floor, start.to.height < floor {
      throw broken(
        .contractComesLast, "\(start.to.id) comes back after a contract that it cannot stand")
    }
    openRollout = start
    rollouts += 1
    isGoingBack = false
    lastWeight = .none
    expandsOrdered = 0
  }

  /// Rule 10, in the plan: going forward, the newer release's share never shrinks.
  private mutating func checkShare(_ split: Split) throws(Violation) {
    guard let rollout = openRollout, !isGoingBack else { return }
    let weight =
      split.sides.first { $0.release == rollout.to.id }?.weight ?? .none
    if weight < lastWeight {
      throw broken(
        .nobodyGoesBack, "the share of \(rollout.to.id) shrinks from \(lastWeight) to \(weight)")
    }
    lastWeight = weight
  }

  /// Rule 13: a rollout orders its expand at most once.
  mutating func expandOnce(_ release: ReleaseID) throws(Violation) {
    expandsOrdered += 1
    if expandsOrdered > 1 {
      throw broken(.migrationRunsOnce, "the expand of \(release) is ordered twice in one rollout")
    }
  }

  mutating func raiseFloor(to height: Int) { floor = max(floor ?? height, height) }

  // MARK: Tables

  private mutating func check(_ table: ServiceTable, _ state: ServiceState) throws(Violation) {
    try checkWeights(table)
    guard table.generation > generation else {
      throw broken(
        .generationsGrow, "generation \(table.generation) is proposed after \(generation)")
    }
    generation = table.generation
    try checkReadiness(table, state)
    try checkBlocked(table, state)
    try checkCapacity(table, state)
  }

  /// Rule 3: the weights of the versions, each above zero and with an instance, add to 1000.
  func checkWeights(_ table: ServiceTable) throws(Violation) {
    guard !table.versions.isEmpty else { return }
    var sum = 0
    for version in table.versions {
      sum += version.weight.value
      if version.weight == .none || version.endpoints.isEmpty {
        throw broken(.weightsAddUp, "\(version.release) is in the table without share or instance")
      }
    }
    if sum != 1_000 { throw broken(.weightsAddUp, "the weights add to \(sum)") }
  }

  /// Rule 1, at the proposal: every endpoint belongs to an instance that is ready, under its own
  /// release. The only exception is the documented last resort: nothing that the split names is
  /// ready, and then those that were ready once may stand in.
  private func checkReadiness(_ table: ServiceTable, _ state: ServiceState) throws(Violation) {
    for version in table.versions {
      for endpoint in version.endpoints {
        guard let instance = state.instances[endpoint.instance] else {
          throw broken(.onlyReadyInstancesServe, "\(endpoint.instance) is in a table and not there")
        }
        if instance.isReady, instance.endpoint == endpoint, instance.release == version.release {
          continue
        }
        if case .unready = instance.phase, !anythingReady(state) { continue }
        throw broken(
          .onlyReadyInstancesServe, "\(instance.id) is in a table and \(instance.phase)")
      }
    }
    for endpoint in table.side?.endpoints ?? [] {
      guard state.instances[endpoint.instance]?.isReady == true else {
        throw broken(.onlyReadyInstancesServe, "\(endpoint.instance) at the side is not ready")
      }
    }
  }

  private func anythingReady(_ state: ServiceState) -> Bool {
    state.instances.contains { instance in
      instance.isReady && state.split.sides.contains { $0.release == instance.release }
    }
  }

  /// Rule 9: no table names a blocked release, unless that is the live one, or was in the table when it
  /// was blocked and its rollout is on the way back, or was left there by an incident.
  private func checkBlocked(_ table: ServiceTable, _ state: ServiceState) throws(Violation) {
    guard !blocked.isEmpty else { return }
    for entry in blocked where Self.serves(table, entry.release) {
      if entry.release == state.live?.id { continue }
      if entry.wasServed, isGoingBack || openRollout == nil { continue }
      // An incident left it serving; the next rollout takes it out with its first shift.
      let servedOn = state.table.proposed.map { Self.serves($0, entry.release) } ?? false
      if entry.wasServed, servedOn, entry.release != openRollout?.to.id { continue }
      throw broken(.blockedStaysOut, "\(entry.release) is blocked and proposed")
    }
  }

  /// Rule 2, at the proposal: when ready instances are taken out of the table on purpose, no fewer are
  /// left than the strategy allows.
  private func checkCapacity(_ table: ServiceTable, _ state: ServiceState) throws(Violation) {
    guard let before = state.table.proposed, table.holdLimit == nil else { return }
    var wereReady = 0
    var dropped = 0
    for version in before.versions {
      // What an incident before has left serving is not part of the plan.
      if let open = openRollout, version.release != open.to.id, version.release != open.from?.id {
        continue
      }
      for endpoint in version.endpoints
      where state.instances[endpoint.instance]?.isReady == true {
        wereReady += 1
        if !table.versions.contains(where: { $0.endpoints.contains(endpoint) }) { dropped += 1 }
      }
    }
    guard dropped > 0 else { return }
    var areReady = 0
    for version in table.versions {
      for endpoint in version.endpoints
      where state.instances[endpoint.instance]?.isReady == true { areReady += 1 }
    }
    let least = min(capacityFloor(state), wereReady)
    if areReady < least {
      throw broken(
        .capacityStays,
        "a table takes \(dropped) ready instances away and leaves \(areReady), not "
          + "\(least)")
    }
  }

  /// How many ready instances have to be in the table at least.
  private func capacityFloor(_ state: ServiceState) -> Int {
    guard let rollout = openRollout else { return state.live?.spec.instances ?? 0 }
    guard let from = rollout.from else { return 0 }
    if isGoingBack { return from.spec.instances }
    let number = min(from.spec.instances, rollout.to.spec.instances)
    guard case .rolling(let knobs) = rollout.to.spec.strategy, rollout.kind == .deploy else {
      return number
    }
    return min(from.spec.instances, rollout.to.spec.instances - knobs.maxUnavailable)
  }

  func isBlocked(_ release: ReleaseID) -> Bool { blocked.contains { $0.release == release } }

  static func serves(_ table: ServiceTable, _ release: ReleaseID) -> Bool {
    table.versions.contains { $0.release == release } || table.side?.release == release
  }
}
