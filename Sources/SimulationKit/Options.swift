public import RolloutEngine
public import SegueModel

/// How a seed is to be run.
public struct SimulationOptions: Sendable {
  /// What may go wrong; each seed leaves some of them out.
  public var faults: FaultSet
  /// A planted defect, to see it caught.
  public var mutation: Mutation?
  /// How many of the last lines of the trace are kept; 0 for speed.
  public var traceLimit: Int
  /// A fixed story instead of one by chance.
  public var scenario: Scenario?

  public init(
    faults: FaultSet = .all, mutation: Mutation? = nil, traceLimit: Int = 0,
    scenario: Scenario? = nil
  ) {
    self.faults = faults
    self.mutation = mutation
    self.traceLimit = traceLimit
    self.scenario = scenario
  }
}

/// A story with at most one thing going wrong, at a known place: for trying every place in turn.
public struct Scenario: Sendable {
  public enum Story: String, CaseIterable, Sendable {
    case firstDeploy, deploy, rollback
  }

  /// What goes wrong.
  public enum Injection: Hashable, Sendable {
    case none
    /// The control plane dies before the commit with this number.
    case crashBefore(commit: Int)
    /// It dies after the commit, before any of the effects is begun.
    case crashAfter(commit: Int)
    /// It dies when the effect with this number has been carried out and its result is not recorded.
    case crashWithResult(effect: Int)
    case fail(effect: Int)
    case lose(effect: Int)
    case repeatTwice(effect: Int)
    /// The journal refuses the commit with this number, once.
    case refuse(commit: Int)
  }

  public var story: Story
  public var strategy: StrategySpec
  public var instances: Int
  public var hasMigrations: Bool
  public var injection: Injection

  public init(
    _ story: Story, strategy: StrategySpec, instances: Int = 3, hasMigrations: Bool = false,
    injection: Injection = .none
  ) {
    self.story = story
    self.strategy = strategy
    self.instances = instances
    self.hasMigrations = hasMigrations
    self.injection = injection
  }
}

/// What came of one seed.
public struct SimulationResult: Sendable {
  public var seed: UInt64
  /// Rollouts that ended.
  public var rollouts = 0
  /// How they ended, by the order of ``outcomeNames``.
  public var outcomes = [Int](repeating: 0, count: 5)
  public var events = 0
  public var commits = 0
  public var effects = 0
  public var requests = 0
  public var crashes = 0
  /// Of everything that was recorded and served: two runs of one seed must agree.
  public var hash: UInt64 = 0
  public var violation: Violation?
  /// The latest lines of what happened, oldest first.
  public var trace: [String] = []
  /// What is live at the end.
  public var live: ReleaseID?
  public var lastOutcome: RolloutOutcome?

  public static let outcomeNames = ["live", "rolledBack", "aborted", "superseded", "incident"]

  static func position(of outcome: RolloutOutcome) -> Int {
    switch outcome {
    case .live: 0
    case .rolledBack: 1
    case .aborted: 2
    case .superseded: 3
    case .incident: 4
    }
  }
}
