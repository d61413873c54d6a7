import RolloutEngine
import SegueModel

/// What one seed's world is like. Each seed leaves some faults out and uses some strategies, because a
/// world in which everything goes wrong at once hides what one thing alone would do (swarm testing:
/// Groce et al., 2012).
struct Swarm {
  var faults: FaultSet
  /// How often a fault strikes where it can, in thousandths.
  var rate: Int
  var strategies: [StrategySpec]
  var instances: Int
  /// Each release has its own number.
  var variesInstances: Bool
  var deadlines: DeadlineSpec
  var isWorker: Bool
  /// Share of releases with something wrong, in thousandths.
  var badShare: Int
  var migrationShare: Int
  /// `nil`: each release has its own.
  var contractAfter: Milliseconds?
  var orders: Int
  /// The longest time from one step of the world to the next.
  var latency: Int64
  var boot: Int64
  var loops: Int

  init(from generator: inout Generator, options: SimulationOptions) {
    faults = Self.faults(of: options.faults, &generator)
    rate = generator.pick([2, 5, 15, 40])
    let all = StrategyKind.allCases
    let count = generator.pick([1, 1, 2, all.count])
    deadlines = DeadlineSpec(
      ready: .seconds(generator.time(5...60)), drain: .seconds(generator.time(1...30)),
      stop: .seconds(generator.time(1...10)), rollback: .seconds(generator.time(40...120)),
      acknowledge: .seconds(generator.time(1...5)), pause: .seconds(generator.time(5...120)))
    strategies = []
    for _ in 0..<count {
      strategies.append(generator.pick(all).strategy(&generator))
    }
    instances = generator.within(1...5)
    variesInstances = generator.chance(250)
    isWorker = generator.chance(60)
    badShare = generator.pick([0, 100, 300, 600])
    migrationShare = generator.pick([0, 0, 200, 700])
    orders = generator.within(6...14)
    latency = generator.pick([2, 20, 200])
    boot = generator.pick([20, 300, 2_000])
    loops = generator.within(1...3)
    if let scenario = options.scenario { apply(scenario) }
  }

  private static func faults(of allowed: FaultSet, _ generator: inout Generator) -> FaultSet {
    switch generator.below(10) {
    case 0: return .none
    case 1: return allowed
    default:
      let share = generator.pick([150, 400, 700])
      return FaultSet(allowed.faults.filter { _ in generator.chance(share) })
    }
  }

  private mutating func apply(_ scenario: Scenario) {
    faults = .none
    strategies = [scenario.strategy]
    instances = scenario.instances
    variesInstances = false
    deadlines = DeadlineSpec()
    isWorker = false
    badShare = 0
    migrationShare = scenario.hasMigrations ? 1_000 : 0
    contractAfter = .minutes(60)
    latency = 20
    boot = 300
    loops = 2
  }
}

/// The six strategies, to make one of each with knobs by chance.
enum StrategyKind: CaseIterable {
  case rolling, blueGreen, canary, ab, shadow, recreate

  func strategy(_ generator: inout Generator) -> StrategySpec {
    switch self {
    case .rolling:
      let surge = generator.within(0...2)
      let unavailable = generator.within((surge == 0 ? 1 : 0)...2)
      return .rolling(RollingSpec(maxSurge: surge, maxUnavailable: unavailable))
    case .blueGreen:
      let preview =
        generator.chance(300)
        ? PreviewSpec(host: "preview.test", hold: Self.hold(&generator)) : nil
      return .blueGreen(BlueGreenSpec(keepOld: Self.keep(&generator), preview: preview))
    case .canary:
      var weight = 0
      var steps: [CanarySpec.Step] = []
      for _ in 0..<generator.within(1...3) {
        weight += generator.within(1...320)
        steps.append(.init(weight: Permille(weight), hold: Self.hold(&generator)))
      }
      return .canary(CanarySpec(steps: steps, keepOld: Self.keep(&generator)))
    case .ab:
      let audience: ABSpec.Audience =
        generator.chance(500)
        ? .share(Permille(generator.within(1...999)))
        : .requests(.header(name: "x-variant", value: "b"))
      return .ab(
        ABSpec(
          audience: audience, hold: Self.hold(&generator), keepOld: Self.keep(&generator)))
    case .shadow:
      return .shadow(ShadowSpec(hold: Self.hold(&generator)))
    case .recreate:
      return .recreate(RecreateSpec(holdLimit: .seconds(generator.time(1...30))))
    }
  }

  private static func keep(_ generator: inout Generator) -> Milliseconds {
    generator.chance(500) ? .zero : .seconds(generator.time(1...120))
  }

  private static func hold(_ generator: inout Generator) -> HoldSpec {
    switch generator.below(4) {
    case 0, 1: return .time(.seconds(generator.time(1...10)))
    case 2: return .promotion(limit: .seconds(generator.time(10...60)))
    default:
      let policies: [VerdictHold.OnInsufficient] = [.hold, .rollBack, .promote]
      return .verdict(
        VerdictHold(
          minimum: .seconds(generator.time(0...5)), maximum: .seconds(generator.time(5...30)),
          onInsufficient: generator.pick(policies)))
    }
  }
}
