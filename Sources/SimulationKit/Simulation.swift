import RolloutEngine
import SegueModel

/// One seed's world, from its first commit until everything is at rest.
///
/// Everything that may differ comes from the seed; time is virtual. See `docs/adr/0005`.
public struct Simulation {
  let seed: UInt64
  let options: SimulationOptions
  let swarm: Swarm
  var generator: Generator
  /// The faults that are on now.
  var faults: FaultSet

  /// Virtual time in milliseconds: only goes forward.
  var now: Int64 = 0
  /// What the wall clock is ahead of the virtual time.
  var wallOffset: Int64 = 1_000_000_000
  /// The most that it ever was ahead.
  var wallPeak: Int64 = 1_000_000_000
  var agenda = Agenda()

  var journal: JournalModel
  var shells: [ShellModel] = []
  var shellsMade = 0
  var isRestartPlanned = false
  var platform = PlatformModel()
  var router: RouterModel
  var runner = MigrationModel()
  var releases: [ReleaseModel] = []
  var users: [UserModel]

  var rules = SafetyRules()
  var hash = TraceHash()
  var result: SimulationResult
  private let trace: Trace?
  var ordersLeft: Int
  var waitsForIdle = false
  /// A command of a fixed story that got lost on its way.
  var unheard: RolloutCommand?
  var commits = 0
  var isHealed = false
  /// When everything has to be at rest, in virtual time.
  var patience: Int64 = .max
  var injectionIsDue = true

  static let key = ServiceKey(environment: "e", service: "s")
  /// More steps than this, and the world does not come to rest.
  static let stepLimit = 400_000

  public init(seed: UInt64, options: SimulationOptions = SimulationOptions()) {
    self.seed = seed
    self.options = options
    generator = Generator(seed: Generator.mix(seed &+ 0x5E60_0E00))
    swarm = Swarm(from: &generator, options: options)
    faults = swarm.faults
    journal = JournalModel(key: Self.key)
    router = RouterModel(loops: swarm.loops)
    users = UserModel.everybody
    result = SimulationResult(seed: seed)
    ordersLeft = swarm.orders
    trace = options.traceLimit > 0 ? Trace(limit: options.traceLimit) : nil
  }

  /// Runs the seed twice, and holds the two runs against each other.
  public static func run(seed: UInt64, options: SimulationOptions = SimulationOptions())
    -> SimulationResult
  {
    var first = Simulation(seed: seed, options: options)
    var result = first.run()
    guard result.violation == nil else { return result }
    var second = Simulation(seed: seed, options: options)
    let again = second.run()
    if again.hash != result.hash {
      result.violation = Violation(
        rule: .runsAreEqual, message: "two runs of seed \(seed) differ", at: 0)
    }
    return result
  }

  /// Runs the seed once.
  public mutating func run() -> SimulationResult {
    do throws(Violation) {
      try live()
      try checkFullReplay()
    } catch {
      result.violation = error
    }
    result.commits = commits
    result.trace = trace?.lines.suffix(options.traceLimit) ?? []
    result.effects = journal.rows.count
    result.hash = hash.value
    result.live = journal.replica.live?.id
    return result
  }

  private mutating func live() throws(Violation) {
    try boot()
    if let scenario = options.scenario { planScenario(scenario) } else { planOrders() }
    var steps = 0
    while let next = agenda.next() {
      if next.time > patience {
        now = patience
        break
      }
      now = max(now, next.time)
      rules.now = now
      steps += 1
      guard steps < Self.stepLimit else {
        throw violation(.everythingSettles, "the world does not come to rest")
      }
      try carryOut(next.action)
      if !faultsAreQuiet || steps & 1 == 0 { try serveRequest() }
    }
    if !isHealed {
      // A fixed story has no end of faults: it is at rest by itself.
      isHealed = true
    }
    try checkRest()
  }

  private var faultsAreQuiet: Bool { swarm.faults == .none }

  var wall: Instant { Instant(milliseconds: now + wallOffset) }

  func violation(_ rule: Rule, _ message: String) -> Violation {
    Violation(rule: rule, message: message, at: now)
  }

  mutating func plan(_ action: Action, in delay: Int64) {
    agenda.plan(action, at: now + delay)
  }

  /// How long the next small step of the world takes.
  mutating func latency() -> Int64 { generator.time(1...swarm.latency) }

  /// Whether a fault strikes here.
  mutating func strikes(_ fault: Fault, scale: Int = 1) -> Bool {
    faults.contains(fault) && generator.below(1_000 * scale) < swarm.rate
  }

  mutating func carryOut(_ action: Action) throws(Violation) {
    switch action {
    case .wake(let shell): try wake(shell)
    case .perform(let row, let shell): try perform(row, by: shell)
    case .deliver(let row): try deliver(row)
    case .finish(let row, let shell): try finish(row, by: shell)
    case .restart:
      isRestartPlanned = false
      if shells.isEmpty { try boot() }
    case .booted(let process): try booted(process)
    case .probe(let process, let shell): try probe(process, by: shell)
    case .dies(let process): kill(process)
    case .exitSeen(let process, let shell): try exitSeen(process, by: shell)
    case .exits(let process, let killed): exits(process, killed: killed)
    case .flap(let process, let isPassing): flap(process, isPassing: isPassing)
    case .loopSwitch(let loop): try switchLoop(loop)
    case .routerAnswers: router.isAnswering = true
    case .routerUp: routerComesUp()
    case .migrationEnds(let run): endMigration(run)
    case .order: try order()
    case .orderAnyway:
      guard waitsForIdle else { return }
      waitsForIdle = false
      try order()
    case .meddle: try meddle()
    case .strike: try strike()
    case .faultsEnd: try heal()
    }
  }

  /// One line of the trace, made only when somebody wants it.
  func note(_ line: @autoclosure () -> String) {
    trace?.add("\(now) \(line())")
  }
}

/// The latest lines of what happened.
final class Trace {
  private let limit: Int
  private(set) var lines: [String] = []

  init(limit: Int) { self.limit = limit }

  func add(_ line: String) {
    if lines.count >= limit * 2 { lines.removeFirst(limit) }
    lines.append(line)
  }
}
