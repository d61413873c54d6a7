import RolloutEngine
import SegueModel

/// The shell around the engine, as `ControlPlane` has it: one transaction for events and effects, then
/// the effects, at least once; after a crash replay, observe, report, and issue again.
extension Simulation {
  /// What became of a command.
  enum Submission {
    case recorded
    case refused(Refusal)
    /// The journal cannot take it now.
    case unavailable
    /// The control plane is not there any more.
    case gone
  }

  func position(ofShell id: Int) -> Int? { shells.firstIndex { $0.id == id } }

  /// The control plane that owns the journal.
  var owner: Int? { shells.last?.id }

  @discardableResult
  mutating func submit(
    _ command: RolloutCommand, by shell: Int, completing row: Int? = nil
  ) throws(Violation) -> Submission {
    guard let index = position(ofShell: shell) else { return .gone }
    var events: [RolloutEvent]
    do throws(Refusal) {
      events = try shells[index].state.carryOut(command, at: wall)
    } catch {
      return .refused(error)
    }
    guard !events.isEmpty || row != nil else {
      planWake(index)
      return .recorded
    }
    commits += 1
    if crashesNow(.crashBefore(commit: commits)) || strikes(.crash, scale: 4) {
      try crash(shell, "before commit \(commits)")
      return .gone
    }
    if journalRefuses() {
      if options.mutation == .actsBeforeIntent { try actEarly(events, by: shell) }
      if let index = position(ofShell: shell) { shells[index].state = journal.replica }
      return .unavailable
    }
    guard shells[index].version == journal.version else {
      note("control plane \(shell) is stale and refused")
      shells.remove(at: index)
      planRestart()
      return .gone
    }
    if let mutation = options.mutation {
      events = mutation.corrupt(events, state: journal.replica)
    }
    let firstRow = journal.rows.count
    try record(events)
    if let row { journal.rows[row].isDone = true }
    shells[index].version = journal.version
    if options.mutation != nil { shells[index].state = journal.replica }
    if commits & 31 == 0 { try compare(index) }
    if crashesNow(.crashAfter(commit: commits)) || strikes(.crash, scale: 4) {
      try crash(shell, "after commit \(commits)")
      return .gone
    }
    planWake(index)
    for row in firstRow..<journal.rows.count { dispatch(row, to: shell) }
    return .recorded
  }

  private mutating func journalRefuses() -> Bool {
    if options.scenario?.injection == .refuse(commit: commits), injectionIsDue {
      injectionIsDue = false
      return true
    }
    return strikes(.journal)
  }

  /// Whether the story says that the control plane dies here.
  mutating func crashesNow(_ injection: Scenario.Injection) -> Bool {
    guard options.scenario?.injection == injection, injectionIsDue else { return false }
    injectionIsDue = false
    return true
  }

  private mutating func record(_ events: [RolloutEvent]) throws(Violation) {
    let wall = wall
    for event in events {
      try rules.check(event, on: journal.replica, at: wall)
      do throws(IllegalEvent) {
        try journal.append(event, at: wall)
      } catch {
        throw violation(.replayIsExact, "\(error)")
      }
      note("\(describe(event))")
      hash.add(event, at: wall)
      if let effect = journal.replica.effect(of: event, at: wall) {
        journal.rows.append(.init(effect: effect))
      }
      if case .rolloutEnded(_, let outcome, _) = event { ended(outcome) }
    }
    result.events += events.count
    try rules.checkServing(journal.replica)
  }

  private mutating func ended(_ outcome: RolloutOutcome) {
    result.rollouts += 1
    result.outcomes[SimulationResult.position(of: outcome)] += 1
    result.lastOutcome = outcome
    if waitsForIdle {
      waitsForIdle = false
      plan(.order, in: latency())
    }
  }

  /// Rule 5: what the control plane holds in memory is what the journal says.
  func compare(_ index: Int) throws(Violation) {
    guard shells[index].version == journal.version else { return }
    if shells[index].state != journal.replica {
      throw violation(.replayIsExact, "the state in memory differs from the journal's")
    }
  }

  func checkFullReplay() throws(Violation) {
    let replayed: ServiceState
    do throws(IllegalEvent) {
      replayed = try journal.replayed()
    } catch {
      throw violation(.replayIsExact, "\(error)")
    }
    if replayed != journal.replica {
      throw violation(.replayIsExact, "replaying everything gives another state")
    }
  }

  // MARK: Deadlines

  mutating func planWake(_ index: Int) {
    let due = shells[index].state.nextDeadline(after: wall)
    shells[index].nextWake = due
    guard let due else { return }
    let time = now + max(0, (due - wall).count) + 1 + Int64(generator.below(50))
    if let planned = shells[index].plannedWake, planned <= time { return }
    shells[index].plannedWake = time
    agenda.plan(.wake(shell: shells[index].id), at: time)
  }

  mutating func wake(_ shell: Int) throws(Violation) {
    guard let index = position(ofShell: shell), shells[index].plannedWake.map({ $0 <= now }) == true
    else { return }
    shells[index].plannedWake = nil
    guard let due = shells[index].nextWake else { return }
    guard wall >= due else { return planWake(index) }
    let before = journal.version
    let outcome = try submit(.tick, by: shell)
    guard let index = position(ofShell: shell) else { return }
    if case .unavailable = outcome {
      shells[index].plannedWake = now + 1_000
      return plan(.wake(shell: shell), in: 1_000)
    }
    shells[index].idleWakes = journal.version == before ? shells[index].idleWakes + 1 : 0
    if isHealed, shells[index].idleWakes > 1_000 {
      throw violation(.everythingSettles, "a deadline that is over has no consequence")
    }
  }

  // MARK: Crash and restart

  mutating func crash(_ shell: Int, _ moment: String) throws(Violation) {
    guard let index = position(ofShell: shell) else { return }
    note("control plane \(shell) dies \(moment)")
    result.crashes += 1
    shells.remove(at: index)
    planRestart()
  }

  /// When nobody is left, a service manager starts a control plane again.
  private mutating func planRestart() {
    guard shells.isEmpty, !isRestartPlanned else { return }
    isRestartPlanned = true
    plan(.restart, in: faults.contains(.late) ? generator.time(1...60_000) : latency() * 10)
  }

  /// A control plane comes up: replay, observe, report what is gone, issue again what is not done.
  mutating func boot() throws(Violation) {
    shellsMade += 1
    let id = shellsMade
    var state = journal.replica
    if options.mutation == .forgetsAnEvent, shellsMade > 1,
      let short = try? journal.replayed(dropping: 1)
    {
      state = short
    }
    shells.append(ShellModel(id: id, state: state, version: journal.version))
    note("control plane \(id) comes up")
    try compare(shells.count - 1)
    let outbox = journal.rows.indices.filter { !journal.rows[$0].isDone }
    for instance in journal.replica.orderedInstances {
      guard try recover(instance, by: id) else { return }
    }
    for row in outbox { dispatch(row, to: id) }
    stopStrangers(by: id)
    guard case .recorded = try submit(.tick, by: id) else {
      return try crash(id, "while it comes up")
    }
  }

  /// - Returns: whether the control plane lives on.
  private mutating func recover(_ instance: Instance, by shell: Int) throws(Violation) -> Bool {
    let process = platform.position(of: instance.id)
    let isAlive = process.map { platform.processes[$0].isAlive } ?? false
    let command: RolloutCommand
    if let process, isAlive {
      if instance.isKept { plan(.probe(process: process, shell: shell), in: latency()) }
      guard instance.endpoint == nil else { return true }
      command = .reportStarted(instance.id, platform.processes[process].endpoint)
    } else if instance.endpoint != nil || !instance.isKept {
      let wentWithMachine = process.map { platform.processes[$0].boot != platform.boot } ?? false
      command =
        wentWithMachine
        ? .reportVanished(instance.id)
        : .reportDied(instance.id, reason: "was gone after a restart")
    } else {
      return true
    }
    guard case .recorded = try submit(command, by: shell) else {
      try crash(shell, "while it comes up")
      return false
    }
    return true
  }

  /// Processes that no event accounts for.
  private mutating func stopStrangers(by shell: Int) {
    for index in platform.processes.indices where platform.processes[index].isAlive {
      if journal.replica.instances[platform.processes[index].instance] == nil {
        note("\(platform.processes[index].instance) is a stranger and stopped")
        terminate(index, deadline: .seconds(10))
      }
    }
  }

  /// What is not known to be kept any more must not be left running by a start that came late.
  mutating func stopStray(_ process: Int, by shell: Int) {
    guard let index = position(ofShell: shell) else { return }
    let instance = platform.processes[process].instance
    if shells[index].state.instances[instance] == nil {
      note("\(instance) was started too late and is stopped")
      terminate(process, deadline: .seconds(10))
    }
  }
}
