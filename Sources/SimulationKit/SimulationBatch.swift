import Synchronization

/// Many seeds, on several cores.
public final class SimulationBatch: Sendable {
  private struct State {
    var next: UInt64?
    var summary: SimulationSummary
  }

  public let seeds: ClosedRange<UInt64>
  private let options: SimulationOptions
  private let state: Mutex<State>
  /// Seeds that one worker takes at a time.
  private static let portion: UInt64 = 16

  public init(seeds: ClosedRange<UInt64>, options: SimulationOptions = SimulationOptions()) {
    self.seeds = seeds
    self.options = options
    state = Mutex(State(next: seeds.lowerBound, summary: SimulationSummary()))
  }

  /// What is known so far.
  public var summary: SimulationSummary { state.withLock { $0.summary } }

  /// Runs every seed, twice each, and returns when all are done or the task is cancelled.
  public func run(jobs: Int) async {
    await withDiscardingTaskGroup { group in
      for _ in 0..<max(jobs, 1) {
        group.addTask { await self.work() }
      }
    }
  }

  private func work() async {
    while !Task.isCancelled, let portion = take() {
      var part = SimulationSummary()
      for seed in portion { part.add(Simulation.run(seed: seed, options: options)) }
      state.withLock { $0.summary.add(part) }
      // Whoever shows the progress needs a thread, too.
      await Task.yield()
    }
  }

  private func take() -> ClosedRange<UInt64>? {
    state.withLock { state in
      guard let first = state.next else { return nil }
      let last = min(seeds.upperBound - first, Self.portion - 1) + first
      state.next = last < seeds.upperBound ? last + 1 : nil
      return first...last
    }
  }
}

/// What came of many seeds.
public struct SimulationSummary: Sendable {
  public private(set) var seeds = 0
  /// Rollouts that ended; each was run twice, and is counted once.
  public private(set) var rollouts = 0
  /// How they ended, by the order of ``SimulationResult/outcomeNames``.
  public private(set) var outcomes = [Int](
    repeating: 0, count: SimulationResult.outcomeNames.count)
  public private(set) var events = 0
  public private(set) var requests = 0
  public private(set) var crashes = 0
  /// Of everything that happened, whatever the order in which the seeds were run.
  public private(set) var digest: UInt64 = 0
  public private(set) var violations = 0
  /// The violations with the lowest seeds.
  public private(set) var first: [SimulationResult] = []

  static let listLimit = 10

  mutating func add(_ result: SimulationResult) {
    seeds += 1
    rollouts += result.rollouts
    for index in outcomes.indices { outcomes[index] += result.outcomes[index] }
    events += result.events
    requests += result.requests
    crashes += result.crashes
    digest &+= Generator.mix(result.hash ^ result.seed)
    guard result.violation != nil else { return }
    violations += 1
    keep([result])
  }

  mutating func add(_ part: SimulationSummary) {
    seeds += part.seeds
    rollouts += part.rollouts
    for index in outcomes.indices { outcomes[index] += part.outcomes[index] }
    events += part.events
    requests += part.requests
    crashes += part.crashes
    digest &+= part.digest
    violations += part.violations
    keep(part.first)
  }

  private mutating func keep(_ results: [SimulationResult]) {
    guard !results.isEmpty else { return }
    first = Array((first + results).sorted { $0.seed < $1.seed }.prefix(Self.listLimit))
  }
}

/// What has to be typed to see a seed's run again.
extension SimulationResult {
  public func reproduction(faults: FaultSet) -> String {
    "segue simulate --seeds \(seed) --faults \(faults) --verbose"
  }
}

/// `A..B`, or one number alone.
public struct SeedRange: Hashable, Sendable, CustomStringConvertible {
  public var seeds: ClosedRange<UInt64>

  public init(_ seeds: ClosedRange<UInt64>) { self.seeds = seeds }

  public init?(parsing text: String) {
    if let dots = text.firstIndex(of: ".") {
      guard text[dots...].hasPrefix(".."), let first = UInt64(text[..<dots]),
        let last = UInt64(text[text.index(dots, offsetBy: 2)...]), first <= last
      else { return nil }
      seeds = first...last
    } else {
      guard let only = UInt64(text) else { return nil }
      seeds = only...only
    }
  }

  public var description: String { "\(seeds.lowerBound)..\(seeds.upperBound)" }
}
