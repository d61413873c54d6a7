import RolloutEngine
import SegueModel

/// Effects, as the workers of the control plane carry them out.
extension Simulation {
  /// A worker takes a recorded effect.
  mutating func dispatch(_ row: Int, to shell: Int) {
    if options.scenario?.injection == .lose(effect: row), injectionIsDue {
      injectionIsDue = false
      return note("effect \(row) is lost")
    }
    if strikes(.lost) { return note("effect \(row) is lost") }
    var delay = latency()
    if strikes(.late) { delay += generator.time(0...40_000) }
    plan(.perform(row: row, shell: shell), in: delay)
    let isRepeated = options.scenario?.injection == .repeatTwice(effect: row)
    if isRepeated || strikes(.duplicate) {
      plan(.perform(row: row, shell: shell), in: delay + latency() * 3)
      if isRepeated { plan(.perform(row: row, shell: shell), in: delay + latency() * 30) }
    }
  }

  mutating func perform(_ row: Int, by shell: Int) throws(Violation) {
    guard let index = position(ofShell: shell) else { return }
    if options.scenario?.injection == .fail(effect: row), injectionIsDue {
      injectionIsDue = false
      return try fail(row, by: shell)
    }
    switch journal.rows[row].effect {
    case .startInstance(let id, let release):
      guard shells[index].state.instances[id]?.isKept == true else {
        return try settle(.tick, row, by: shell)
      }
      try start(id, release, row, by: shell)
    case .applyTable(let table):
      guard shells[index].state.table.proposed?.generation == table.generation else {
        return try settle(.tick, row, by: shell)
      }
      try apply(table, row, by: shell)
    case .awaitDrain(let id, let until):
      guard case .draining? = shells[index].state.instances[id]?.phase else {
        return try settle(.tick, row, by: shell)
      }
      try awaitDrain(id, until, row, by: shell)
    case .stopInstance(let id, let deadline):
      try stop(id, deadline, row, by: shell)
    case .migrate(let release, let step, let attempt):
      try migrate(release, step, attempt, row, by: shell)
    case .issueReceipt:
      try settle(.tick, row, by: shell)
    }
  }

  /// The effect is done; its result travels to the control plane, which may die before it gets there.
  private mutating func planFinish(_ row: Int, by shell: Int, in delay: Int64? = nil)
    throws(Violation)
  {
    if crashesNow(.crashWithResult(effect: row)) || strikes(.crash, scale: 4) {
      return try crash(shell, "with the result of effect \(row)")
    }
    plan(.finish(row: row, shell: shell), in: delay ?? latency())
  }

  mutating func finish(_ row: Int, by shell: Int) throws(Violation) {
    guard let index = position(ofShell: shell) else { return }
    switch journal.rows[row].effect {
    case .startInstance(let id, _):
      guard let process = platform.position(of: id) else { return }
      try settle(.reportStarted(id, platform.processes[process].endpoint), row, by: shell)
      stopStray(process, by: shell)
      plan(.probe(process: process, shell: shell), in: latency())
      if !platform.processes[process].isAlive {
        plan(.exitSeen(process: process, shell: shell), in: latency())
      }
    case .applyTable(let table):
      guard router.isAnswering, router.hasSwitched(to: table.generation) else {
        return plan(.perform(row: row, shell: shell), in: 20 + latency())
      }
      try settle(.acknowledge(table.generation), row, by: shell)
    case .awaitDrain(let id, let until):
      guard case .draining? = shells[index].state.instances[id]?.phase else {
        return try settle(.tick, row, by: shell)
      }
      let remaining = inFlight(on: id)
      if remaining > 0, wall < until {
        // The clock was put back meanwhile: the deadline is to come again.
        return plan(.perform(row: row, shell: shell), in: 20)
      }
      try settle(.reportDrained(id, remaining: remaining), row, by: shell)
    case .stopInstance(let id, _):
      let killed = platform.position(of: id).map { platform.processes[$0].wasKilled } ?? false
      try settle(.reportStopped(id, killed: killed), row, by: shell)
    case .migrate(let release, let step, let attempt):
      guard let run = runner.position(of: release, step, attempt),
        let outcome = runner.runs[run].outcome
      else { return plan(.perform(row: row, shell: shell), in: 500) }
      try settle(
        .reportMigrated(release, step, outcome, output: [], attempt: attempt), row, by: shell)
    case .issueReceipt: break
    }
  }

  /// Records a result, and keeps trying while the journal cannot take it: the result stays true.
  private mutating func settle(_ command: RolloutCommand, _ row: Int, by shell: Int)
    throws(Violation)
  {
    switch try submit(command, by: shell, completing: row) {
    case .unavailable:
      if command == .tick {
        plan(.perform(row: row, shell: shell), in: 20 + latency() * 10)
      } else {
        plan(.finish(row: row, shell: shell), in: 20 + latency() * 10)
      }
    case .refused(let refusal):
      throw violation(.everythingSettles, "a report was refused: \(refusal.message)")
    case .recorded: try checkRepeat(command, by: shell)
    case .gone: break
    }
  }

  /// Rule 6: a result that is reported once more changes nothing.
  private mutating func checkRepeat(_ command: RolloutCommand, by shell: Int) throws(Violation) {
    guard faults.contains(.duplicate), command != .tick, let index = position(ofShell: shell)
    else { return }
    var state = shells[index].state
    guard let events = try? state.carryOut(command, at: wall), events.isEmpty else {
      throw violation(
        .intentComesFirst, "reported once more, a result changes something: \(command)")
    }
  }

  // MARK: Instances

  private mutating func start(_ id: InstanceID, _ release: ReleaseID, _ row: Int, by shell: Int)
    throws(Violation)
  {
    let number = PlatformModel.ordinal(of: InstanceID(release.rawValue))
    let model = releases[number - 1]
    if model.cannotStart {
      try settle(
        .reportDied(id, reason: "could not be started: no such file"), row, by: shell)
      return
    }
    if let process = platform.position(of: id) {
      // It runs, or has run: a platform starts nothing twice.
      try rules.checkStart(of: id, isNew: false, ranBefore: true)
      if platform.processes[process].isAlive { return try planFinish(row, by: shell) }
      return try settle(.reportDied(id, reason: "has ended before"), row, by: shell)
    }
    try rules.checkStart(of: id, isNew: true, ranBefore: false)
    let process = launch(id, number)
    try checkExclusive(process)
    try planFinish(row, by: shell)
  }

  mutating func launch(_ id: InstanceID, _ number: Int) -> Int {
    let process = platform.start(id, release: number, at: now)
    note("\(id) of r\(number) is started")
    let model = releases[number - 1]
    if !model.neverReady {
      let slowest = min(swarm.boot * 2, swarm.deadlines.ready.count / 2)
      plan(.booted(process: process), in: generator.time(1...max(slowest, 2)))
    }
    if strikes(.death) { plan(.dies(process: process), in: generator.time(0...60_000)) }
    if strikes(.flap) {
      let delay = generator.time(0...30_000)
      plan(.flap(process: process, isPassing: false), in: delay)
      plan(.flap(process: process, isPassing: true), in: delay + generator.time(1...90_000))
    }
    return process
  }

  /// Rule 11, in the world: a process of what cannot run twice never runs beside one of another
  /// release. What the engine gave up stopping, and what a stale control plane starts on its own,
  /// cannot be helped.
  private func checkExclusive(_ process: Int) throws(Violation) {
    let new = platform.processes[process]
    guard journal.replica.instances[new.instance] != nil else { return }
    for other in platform.processes where other.isAlive && other.release != new.release {
      guard !rules.book(other.instance).isAbandoned,
        journal.replica.instances[other.instance] != nil
      else { continue }
      let isExclusive = [new.release, other.release].contains {
        releases[$0 - 1].release.spec.strategy.isExclusive
      }
      if isExclusive {
        throw violation(.exclusiveStaysAlone, "\(new.instance) runs beside \(other.instance)")
      }
    }
  }

  func inFlight(on id: InstanceID) -> Int {
    guard let process = platform.position(of: id) else { return 0 }
    return platform.processes[process].inFlight.reduce(0) { $0 + ($1 > now ? 1 : 0) }
  }

  private mutating func awaitDrain(_ id: InstanceID, _ until: Instant, _ row: Int, by shell: Int)
    throws(Violation)
  {
    let remaining = inFlight(on: id)
    if router.isAnswering, remaining == 0 || wall >= until {
      return try planFinish(row, by: shell)
    }
    if wall >= until { return try planFinish(row, by: shell) }
    var delay = max(1, (until - wall).count)
    if router.isAnswering, let process = platform.position(of: id),
      let last = platform.processes[process].inFlight.max()
    {
      delay = min(delay, max(1, last - now))
    } else {
      delay = min(delay, 200)
    }
    plan(.perform(row: row, shell: shell), in: delay + Int64(generator.below(20)))
  }

  private mutating func stop(_ id: InstanceID, _ deadline: Milliseconds, _ row: Int, by shell: Int)
    throws(Violation)
  {
    guard let process = platform.position(of: id), platform.processes[process].isAlive else {
      return try planFinish(row, by: shell)
    }
    if platform.processes[process].exitsAt == nil {
      let inFlight = platform.processes[process].requests(at: now)
      try rules.checkStop(of: id, inFlight: inFlight)
    }
    terminate(process, deadline: deadline)
    if strikes(.leak) { return note("\(id) leaks: its stop is never confirmed") }
    let exit = platform.processes[process].exitsAt ?? now
    try planFinish(row, by: shell, in: max(1, exit - now) + 1)
  }

  /// SIGTERM, and SIGKILL after `deadline`.
  mutating func terminate(_ process: Int, deadline: Milliseconds) {
    guard platform.processes[process].isAlive else { return }
    platform.processes[process].wasToldToStop = true
    let patience = max(1, deadline.count)
    let ignores = releases[platform.processes[process].release - 1].ignoresTerm
    let exit = now + (ignores ? patience : min(patience, latency() * 5))
    if let known = platform.processes[process].exitsAt, known <= exit { return }
    platform.processes[process].exitsAt = exit
    agenda.plan(.exits(process: process, killed: ignores), at: exit)
  }

  // MARK: Tables and migrations

  private mutating func apply(_ table: ServiceTable, _ row: Int, by shell: Int) throws(Violation) {
    guard router.isAnswering else {
      return plan(.perform(row: row, shell: shell), in: 20 + latency() * 5)
    }
    guard let slowest = try accept(table) else {
      return try settle(
        .reportTableFailed(table.generation, reason: "a greater one is in force"), row, by: shell)
    }
    // The same message may get to the router once more, whoever sent it being long gone.
    if strikes(.duplicate) || strikes(.late) {
      plan(.deliver(row: row), in: generator.time(1...30_000))
    }
    try planFinish(row, by: shell, in: slowest + latency())
  }

  /// A message on its way gets to the router.
  mutating func deliver(_ row: Int) throws(Violation) {
    guard router.isAnswering, case .applyTable(let table) = journal.rows[row].effect else { return }
    _ = try accept(table)
  }

  /// The router gets a table.
  ///
  /// - Returns: how long its event loops take to switch; `nil` when it refuses.
  private mutating func accept(_ table: ServiceTable) throws(Violation) -> Int64? {
    try rules.checkApply(table)
    try rules.checkWeights(table)
    if router.refuses(table), options.mutation != .takesStaleTables {
      note("the router refuses generation \(table.generation)")
      return nil
    }
    router.accepted = table
    var slowest: Int64 = 0
    for loop in router.loops.indices {
      var delay = Int64(generator.below(5))
      if strikes(.lag) { delay += generator.time(0...20_000) }
      slowest = max(slowest, delay)
      plan(.loopSwitch(loop: loop), in: delay)
    }
    return slowest
  }

  private mutating func migrate(
    _ release: ReleaseID, _ step: MigrationStep, _ attempt: Int, _ row: Int, by shell: Int
  ) throws(Violation) {
    try rules.checkMigration(release, step, attempt)
    if let run = runner.position(of: release, step, attempt) {
      guard runner.runs[run].outcome != nil else {
        return plan(.perform(row: row, shell: shell), in: 500)
      }
      return try planFinish(row, by: shell)
    }
    let model = releases[PlatformModel.ordinal(of: InstanceID(release.rawValue)) - 1]
    note("\(step) of \(release) runs")
    runner.runs.append(
      .init(release: release, step: step, attempt: attempt, boot: platform.boot))
    let timeout = model.release.spec.migrate?.timeout ?? .zero
    let takes =
      model.migration(step) == .hangs
      ? timeout.count : generator.time(1...max(1, timeout.count / 2))
    plan(.migrationEnds(run: runner.runs.count - 1), in: takes)
    plan(.perform(row: row, shell: shell), in: takes + latency())
  }

  mutating func endMigration(_ run: Int) {
    guard runner.runs[run].outcome == nil else { return }
    let (release, step) = (runner.runs[run].release, runner.runs[run].step)
    let model = releases[PlatformModel.ordinal(of: InstanceID(release.rawValue)) - 1]
    runner.runs[run].outcome =
      switch model.migration(step) {
      case .succeeds: .succeeded
      case .fails: .failed("exited with status 1")
      case .hangs: .failed("took longer than its timeout")
      }
  }

  // MARK: Planted failures

  /// The story's failing effect.
  private mutating func fail(_ row: Int, by shell: Int) throws(Violation) {
    note("effect \(row) fails")
    switch journal.rows[row].effect {
    case .startInstance(let id, _):
      try settle(.reportDied(id, reason: "could not be started: no memory"), row, by: shell)
    case .applyTable(let table):
      try settle(.reportTableFailed(table.generation, reason: "refused"), row, by: shell)
    case .migrate(let release, let step, let attempt):
      let outcome = MigrationOutcome.failed("exited with status 1")
      try settle(
        .reportMigrated(release, step, outcome, output: [], attempt: attempt), row, by: shell)
    case .awaitDrain, .stopInstance, .issueReceipt:
      // These are tried again.
      plan(.perform(row: row, shell: shell), in: 1_000)
    }
  }

  /// The planted defect of rule 6: effects without a commit.
  mutating func actEarly(_ events: [RolloutEvent], by shell: Int) throws(Violation) {
    for event in events {
      switch event {
      case .instanceOrdered(let id, let release, _):
        try rules.checkStart(of: id, isNew: true, ranBefore: platform.position(of: id) != nil)
        _ = launch(id, PlatformModel.ordinal(of: InstanceID(release.rawValue)))
      case .tableProposed(let table, _): try rules.checkApply(table)
      case .stopOrdered(let id, _): try rules.checkStop(of: id, inFlight: 0)
      case .migrationOrdered(let release, let step, let attempt, _):
        try rules.checkMigration(release, step, attempt)
      default: break
      }
    }
  }
}
