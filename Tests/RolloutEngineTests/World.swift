import RolloutEngine
import SegueModel

/// A service, a router and a platform in memory: carries out effects at once, or as the test says.
struct World {
  var state = ServiceState(key: ServiceKey(environment: "production", service: "web"))
  var now = Instant(milliseconds: 1_000_000)
  var log: [RolloutEvent] = []
  private(set) var pending: [Effect] = []
  var neverReady: Set<ReleaseID> = []
  var routerAnswers = true
  /// Whether a stop is ever confirmed.
  var stopsAnswer = true
  /// Whether the end of requests in flight is ever seen.
  var drainsEnd = true
  /// Migrations that do not end by themselves.
  var hanging: Set<MigrationStep> = []
  var failing: Set<MigrationStep> = []
  private var nextPort = 1

  mutating func submit(_ command: RolloutCommand) throws {
    let events = try state.decide(command, at: now)
    for event in events {
      try state.evolve(event, at: now)
      if let effect = state.effect(of: event, at: now) { pending.append(effect) }
      log.append(event)
      try checkSafety()
    }
  }

  /// Carries out the oldest effect; false when there is none that can be.
  mutating func step() throws -> Bool {
    guard let index = pending.firstIndex(where: canCarryOut) else { return false }
    switch pending.remove(at: index) {
    case .startInstance(let id, let release):
      nextPort += 1
      try submit(.reportStarted(id, Endpoint(instance: id, port: nextPort)))
      if !neverReady.contains(release) { try submit(.reportReady(id, booted: Milliseconds(5))) }
    case .applyTable(let table): try submit(.acknowledge(table.generation))
    case .awaitDrain(let id, _): try submit(.reportDrained(id, remaining: 0))
    case .stopInstance(let id, _): try submit(.reportStopped(id, killed: false))
    case .migrate(let release, let step, let attempt):
      let outcome: MigrationOutcome =
        failing.contains(step) ? .failed("exited with status 1") : .succeeded
      try submit(.reportMigrated(release, step, outcome, output: [], attempt: attempt))
    case .issueReceipt: break
    }
    return true
  }

  private func canCarryOut(_ effect: Effect) -> Bool {
    switch effect {
    case .applyTable: routerAnswers
    case .stopInstance: stopsAnswer
    case .awaitDrain: drainsEnd
    case .migrate(_, let step, _): !hanging.contains(step)
    case .startInstance, .issueReceipt: true
    }
  }

  mutating func settle() throws {
    var steps = 0
    while try step() {
      steps += 1
      precondition(steps < 10_000, "the world does not come to rest")
    }
  }

  mutating func pass(_ time: Milliseconds) throws {
    now = now + time
    try submit(.tick)
    try settle()
  }

  mutating func deploy(_ id: ReleaseID, height: Int, _ strategy: StrategySpec = rolling()) throws {
    try deploy(release(id, height: height, strategy))
  }

  mutating func deploy(_ release: ServiceRelease, again: Bool = false, supersedes: Bool = false)
    throws
  {
    try submit(
      .deploy(
        DeployOrder(release: release, requestedBy: "test", again: again, supersedes: supersedes)))
  }

  /// A world in which `release` is live and nothing is going on.
  static func live(_ release: ServiceRelease) throws -> World {
    var world = World()
    try world.deploy(release)
    try world.settle()
    guard world.state.live == release, world.state.rollout == nil else {
      throw Broken("\(release.id) did not go live")
    }
    world.log = []
    return world
  }

  static func live(_ strategy: StrategySpec = rolling(), instances: Int = 3) throws -> World {
    try live(release("r1", height: 1, strategy, instances: instances))
  }

  /// What the command is refused with.
  mutating func refusal(of command: RolloutCommand) -> String? {
    do {
      try submit(command)
      return nil
    } catch let refusal as Refusal {
      return refusal.message
    } catch {
      return "\(error)"
    }
  }

  var outcomes: [RolloutOutcome] {
    log.compactMap { if case .rolloutEnded(_, let outcome, _) = $0 { outcome } else { nil } }
  }

  /// The shares of the proposed table.
  var weights: [ReleaseID: Int] {
    Dictionary(
      uniqueKeysWithValues: (state.table.proposed?.versions ?? []).map {
        ($0.release, $0.weight.value)
      })
  }

  func position(of kind: String) -> Int? { log.firstIndex { $0.kind == kind } }

  /// The rules that hold after every single event.
  private func checkSafety() throws {
    for version in state.table.proposed?.versions ?? [] where !version.endpoints.isEmpty {
      for endpoint in version.endpoints {
        guard let instance = state.instances[endpoint.instance] else { continue }
        if case .draining = instance.phase, state.table.isSettled {
          throw Broken("an instance drains in an acknowledged table")
        }
      }
    }
    let weights = state.table.proposed?.versions.map(\.weight.value) ?? []
    guard weights.isEmpty || weights.reduce(0, +) == 1_000 else {
      throw Broken("weights add to \(weights.reduce(0, +))")
    }
  }

  var ready: [ReleaseID: Int] {
    Dictionary(grouping: state.instances.values.filter(\.isReady), by: \.release)
      .mapValues(\.count)
  }

  var served: [ReleaseID: Int] {
    Dictionary(
      uniqueKeysWithValues: (state.table.proposed?.versions ?? []).map {
        ($0.release, $0.endpoints.count)
      })
  }
}

struct Broken: Error {
  var what: String
  init(_ what: String) { self.what = what }
}

func rolling(surge: Int = 1, unavailable: Int = 0) -> StrategySpec {
  .rolling(RollingSpec(maxSurge: surge, maxUnavailable: unavailable))
}

func release(
  _ id: ReleaseID, height: Int, _ strategy: StrategySpec = rolling(), instances: Int = 3,
  migrate: MigrateSpec? = nil
) -> ServiceRelease {
  ServiceRelease(
    id: id, commit: CommitID("c\(height)"), height: height,
    spec: ServiceSpec(
      name: "web", run: "serve", instances: instances, strategy: strategy, migrate: migrate))
}
