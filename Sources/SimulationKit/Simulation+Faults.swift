import RolloutEngine
import SegueModel

/// What befalls the world at any moment, and the end of it.
extension Simulation {
  mutating func strike() throws(Violation) {
    guard !isHealed else { return }
    plan(.strike, in: generator.time(1...60_000) * Int64(50 / (swarm.rate + 5) + 1))
    let choices = Fault.struck.filter(faults.contains)
    guard !choices.isEmpty else { return }
    switch generator.pick(choices) {
    case .crash:
      if let owner { try crash(owner, "for no reason") }
    case .proxy: restartRouter()
    case .lag:
      router.isAnswering = false
      plan(.routerAnswers, in: generator.time(1...30_000))
    case .clock: jump()
    case .writers: try bootSecond()
    case .reboot: reboot()
    case .death:
      let alive = platform.processes.indices.filter { platform.processes[$0].isAlive }
      if !alive.isEmpty { kill(generator.pick(alive)) }
    default: break
    }
  }

  /// The wall clock jumps: a little, or by up to an hour.
  private mutating func jump() {
    let span: Int64 = generator.pick([100, 5_000, 60_000, 3_600_000])
    wallOffset += generator.time(-span...span)
    wallPeak = max(wallPeak, wallOffset)
    note("the clock jumps to \(wall.milliseconds)")
    for index in shells.indices where shells[index].nextWake != nil {
      shells[index].plannedWake = now + 1
      plan(.wake(shell: shells[index].id), in: 1)
    }
  }

  /// A second control plane takes over, and the first does not know.
  private mutating func bootSecond() throws(Violation) {
    guard shells.count == 1 else { return }
    try boot()
  }

  private mutating func reboot() {
    note("the machine restarts")
    platform.boot += 1
    for index in platform.processes.indices {
      platform.processes[index].isAlive = false
      platform.processes[index].inFlight = []
    }
    for run in runner.runs.indices where runner.runs[run].outcome == nil {
      runner.runs[run].outcome = .interrupted("the machine was restarted")
    }
    shells = []
    result.crashes += 1
    restartRouter()
    guard !isRestartPlanned else { return }
    isRestartPlanned = true
    plan(.restart, in: latency() * 30)
  }

  // MARK: The end of all faults

  /// From here on nothing goes wrong any more but what is wrong with a release itself.
  mutating func heal() throws(Violation) {
    guard !isHealed else { return }
    note("faults end")
    isHealed = true
    faults = .none
    waitsForIdle = false
    router.isAnswering = true
    routerComesUp()
    for index in platform.processes.indices where platform.processes[index].isAlive {
      let model = platform.processes[index]
      if model.wasReady, !model.isPassing { flap(index, isPassing: true) }
    }
    // What was lost with nobody to miss it is found by the next control plane.
    let mustRestart =
      shells.count != 1 || shells[0].version != journal.version || swarm.faults.contains(.writers)
    if mustRestart || generator.chance(500) {
      shells = []
      try boot()
    }
    // A clock that was put back puts the deadlines off by as much.
    patience = now + longestWait + max(0, wallPeak - wallOffset)
  }

  /// An upper bound of everything that may still be waited for.
  private var longestWait: Int64 {
    let deadlines = swarm.deadlines
    let stop = deadlines.stop.count * 4 + 20_000
    let stage =
      deadlines.ready.count * 2 + deadlines.acknowledge.count + deadlines.drain.count + stop
    let rollout =
      stage * 12 + deadlines.rollback.count + deadlines.pause.count + Self.longestHolds
    // The one in progress, the queued one, and what either goes back to; restarts wait up to a minute.
    return rollout * 3 + 4 * 60_000
  }

  /// Three canary steps, each extended, and a warm set's and a contract's time.
  private static let longestHolds: Int64 = 3 * 2 * 60_000 + 120_000 + 3 * 75_000

  // MARK: Rest

  /// Rule 14, and the last look at 2, 4 and 5: everything is at rest, as it should be.
  func checkRest() throws(Violation) {
    let state = journal.replica
    if let rollout = state.rollout {
      throw violation(.everythingSettles, "\(rollout.id) is not over: \(rollout.phase)")
    }
    if let queued = state.queued {
      throw violation(.everythingSettles, "\(queued.release.id) still waits for its turn")
    }
    if state.migrations.running != nil {
      throw violation(.everythingSettles, "a migration never ended")
    }
    guard let index = shells.indices.last else {
      throw violation(.everythingSettles, "no control plane came up again")
    }
    try compare(index)
    guard let live = state.live else { return try checkNothingRuns(state) }
    let model = releases[PlatformModel.ordinal(of: InstanceID(live.id.rawValue)) - 1]
    guard !model.isHopeless else { return }
    for instance in state.orderedInstances {
      guard instance.release == live.id, instance.isReady else {
        throw violation(.everythingSettles, "\(instance.id) is left over: \(instance.phase)")
      }
    }
    guard state.instances.count == live.spec.instances else {
      throw violation(
        .everythingSettles, "\(state.instances.count) instances instead of \(live.spec.instances)")
    }
    if let due = state.nextDeadline(after: wall) {
      throw violation(.everythingSettles, "at rest, a deadline is waited for: \(due)")
    }
    try checkRouter(state, live)
    try checkProcesses(state)
  }

  private func checkNothingRuns(_ state: ServiceState) throws(Violation) {
    if let instance = state.orderedInstances.first {
      throw violation(.everythingSettles, "nothing is live, and \(instance.id) is left over")
    }
    try checkProcesses(state)
  }

  /// Every loop of the router goes by a table with exactly the live instances.
  private func checkRouter(_ state: ServiceState, _ live: ServiceRelease) throws(Violation) {
    guard live.spec.route != nil else { return }
    guard let table = state.table.proposed, state.table.isSettled else {
      throw violation(.everythingSettles, "the last table is not acknowledged")
    }
    guard router.loops.allSatisfy({ $0.table == table }) else {
      throw violation(.everythingSettles, "the router goes by another table than the last")
    }
    let serving = table.versions.flatMap(\.endpoints).map(\.instance)
    guard table.versions.map(\.release) == [live.id], table.side == nil,
      serving == state.orderedInstances.map(\.id)
    else { throw violation(.everythingSettles, "the table is not that of \(live.id)") }
  }

  /// What runs is what the state says, and what nobody could stop.
  private func checkProcesses(_ state: ServiceState) throws(Violation) {
    for process in platform.processes where process.isAlive {
      if state.instances[process.instance] == nil, !rules.book(process.instance).isAbandoned,
        !process.wasToldToStop
      {
        throw violation(.everythingSettles, "\(process.instance) runs, and nobody knows it")
      }
    }
  }
}
