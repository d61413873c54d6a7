import RolloutEngine
import SegueModel
import TrafficRouting

/// Processes, the router and its users.
extension Simulation {
  // MARK: Processes

  mutating func booted(_ process: Int) throws(Violation) {
    guard platform.processes[process].isAlive else { return }
    platform.processes[process].isPassing = true
    platform.processes[process].wasReady = true
    planProbes(process)
  }

  private mutating func planProbes(_ process: Int) {
    for shell in shells.map(\.id) {
      plan(.probe(process: process, shell: shell), in: latency())
    }
  }

  /// The control plane looks whether an instance is ready, and reports what is new.
  mutating func probe(_ process: Int, by shell: Int) throws(Violation) {
    let model = platform.processes[process]
    guard model.isAlive, let index = position(ofShell: shell),
      let known = shells[index].state.instances[model.instance], known.isKept
    else { return }
    let command: RolloutCommand
    if model.isPassing, !known.isReady {
      guard known.endpoint != nil else {
        // Its start is not recorded yet.
        return plan(.probe(process: process, shell: shell), in: 20 + latency())
      }
      command = .reportReady(model.instance, booted: Milliseconds(now - model.startedAt))
    } else if !model.isPassing, known.isReady {
      command = .reportUnready(model.instance, reason: "answered 503")
    } else {
      return
    }
    switch try submit(command, by: shell) {
    case .unavailable: plan(.probe(process: process, shell: shell), in: 250 + latency())
    case .refused(let refusal):
      throw violation(.everythingSettles, "a report was refused: \(refusal.message)")
    case .recorded, .gone: break
    }
  }

  mutating func flap(_ process: Int, isPassing: Bool) {
    let model = platform.processes[process]
    guard model.isAlive, model.wasReady, !releases[model.release - 1].neverReady else { return }
    platform.processes[process].isPassing = isPassing
    planProbes(process)
  }

  /// An instance ends without being told to.
  mutating func kill(_ process: Int) {
    guard platform.processes[process].isAlive else { return }
    note("\(platform.processes[process].instance) dies")
    platform.processes[process].isAlive = false
    platform.processes[process].inFlight = []
    for shell in shells.map(\.id) {
      plan(.exitSeen(process: process, shell: shell), in: latency())
    }
  }

  mutating func exitSeen(_ process: Int, by shell: Int) throws(Violation) {
    guard let index = position(ofShell: shell) else { return }
    let id = platform.processes[process].instance
    guard let known = shells[index].state.instances[id], known.isKept else { return }
    guard known.endpoint != nil else {
      // Its start is not recorded yet.
      return plan(.exitSeen(process: process, shell: shell), in: 20 + latency())
    }
    if case .unavailable = try submit(.reportDied(id, reason: "exited with status 1"), by: shell) {
      plan(.exitSeen(process: process, shell: shell), in: 20 + latency() * 10)
    }
  }

  mutating func exits(_ process: Int, killed: Bool) {
    guard platform.processes[process].isAlive else { return }
    note("\(platform.processes[process].instance) ends")
    platform.processes[process].isAlive = false
    platform.processes[process].wasKilled = killed
    platform.processes[process].inFlight = []
  }

  // MARK: The router

  mutating func switchLoop(_ loop: Int) throws(Violation) {
    guard let table = router.accepted else { return }
    let before = router.loops[loop].generation
    if table.generation == before { return }
    guard table.generation > before else {
      throw violation(
        .generationsGrow, "an event loop goes from generation \(before) to \(table.generation)")
    }
    router.loops[loop].switchTo(table)
  }

  mutating func restartRouter() {
    note("the router is restarted")
    router.isServing = false
    router.isAnswering = false
    for index in platform.processes.indices { platform.processes[index].inFlight = [] }
    plan(.routerUp, in: latency() * 20)
  }

  mutating func routerComesUp() {
    guard !router.isServing else { return }
    router.isServing = true
    router.isAnswering = true
    guard let table = router.accepted else { return }
    for loop in router.loops.indices where router.loops[loop].generation != table.generation {
      router.loops[loop].switchTo(table)
    }
  }

  // MARK: Requests

  mutating func serveRequest() throws(Violation) {
    let user = generator.below(users.count)
    let loop = user % router.loops.count
    guard router.isServing, let table = router.loops[loop].table, !table.versions.isEmpty else {
      return
    }
    var version = 0
    if let split = router.loops[loop].split {
      version = split.choose(users[user].unit) ?? 0
    }
    let target = table.versions[version]
    if case .requests? = table.side?.role, user == 0, let side = table.side {
      try send(to: generator.pick(side.endpoints))
    } else {
      try noteVersion(target.release, of: user, table)
      try send(to: generator.pick(target.endpoints))
    }
    if case .mirror? = table.side?.role, let side = table.side {
      try send(to: generator.pick(side.endpoints))
    }
  }

  /// Rule 1, in the world: who gets a request has passed its checks at some time and was not told
  /// to stop.
  private mutating func send(to endpoint: Endpoint) throws(Violation) {
    guard let process = platform.position(of: endpoint) else {
      throw violation(.onlyReadyInstancesServe, "a request goes to \(endpoint), where nobody is")
    }
    let model = platform.processes[process]
    guard model.wasReady else {
      throw violation(
        .onlyReadyInstancesServe, "a request goes to \(model.instance), which was never ready")
    }
    if model.wasToldToStop {
      throw violation(
        .onlyReadyInstancesServe, "a request goes to \(model.instance), which was told to stop")
    }
    result.requests += 1
    guard model.isAlive else { return }
    var takes = Int64(generator.below(100)) + 1
    if strikes(.drain) { takes = swarm.deadlines.drain.count * generator.time(1...3) }
    platform.processes[process].inFlight.append(now + takes)
    if model.inFlight.count > 30 { _ = platform.processes[process].requests(at: now) }
    if releases[model.release - 1].diesOnTraffic {
      plan(.dies(process: process), in: Int64(generator.below(500)))
    }
  }

  /// Rule 10, in the world: who was served by the newer release by its share is not served by the older
  /// one again in the same rollout, unless that goes back or nothing of the user's own share is ready.
  private mutating func noteVersion(_ release: ReleaseID, of user: Int, _ table: ServiceTable)
    throws(Violation)
  {
    guard let rollout = rules.openRollout, !rules.isGoingBack, rollout.kind == .deploy,
      followsSplit(table)
    else { return }
    if release == rollout.to.id {
      users[user].sawNewerIn = rules.rollouts
    } else if release == rollout.from?.id, users[user].sawNewerIn == rules.rollouts {
      throw violation(
        .nobodyGoesBack, "user \(user) is served by \(release) after \(rollout.to.id)")
    }
  }

  /// Whether a table has the very releases that should share the traffic now.
  private func followsSplit(_ table: ServiceTable) -> Bool {
    let sides = journal.replica.split.sides
    guard table.versions.count == sides.count else { return false }
    for index in sides.indices where sides[index].release != table.versions[index].release {
      return false
    }
    return true
  }
}

extension UserModel {
  /// The same ones in every world.
  static let everybody = (0..<8).map { UserModel(unit: StickyUnit("user \($0)")) }
}
