/// What must hold in every simulated world, at every moment. The first ten are those of
/// `docs/guarantees.md`, by number.
public enum Rule: Int, CaseIterable, Hashable, Sendable, CustomStringConvertible {
  case onlyReadyInstancesServe = 1
  case capacityStays = 2
  case weightsAddUp = 3
  case generationsGrow = 4
  case replayIsExact = 5
  case intentComesFirst = 6
  case oneRolloutAtATime = 7
  case drainComesFirst = 8
  case blockedStaysOut = 9
  case nobodyGoesBack = 10
  case exclusiveStaysAlone = 11
  case contractComesLast = 12
  case migrationRunsOnce = 13
  case everythingSettles = 14
  case runsAreEqual = 15

  public var description: String { "rule \(rawValue) (\(sentence))" }

  public var sentence: String {
    switch self {
    case .onlyReadyInstancesServe: "no request goes to an instance that is not ready"
    case .capacityStays: "capacity never falls below what the strategy allows"
    case .weightsAddUp: "weights add to 1000"
    case .generationsGrow: "generations only grow, and a stale writer is refused"
    case .replayIsExact: "the replayed state is the live state"
    case .intentComesFirst:
      "no effect without a recorded intent, and a repeated one changes nothing"
    case .oneRolloutAtATime: "at most one rollout per service"
    case .drainComesFirst: "nothing is stopped with requests in flight before its drain deadline"
    case .blockedStaysOut: "a release that failed a gate is never brought into a table"
    case .nobodyGoesBack: "no user sees an older version after a newer one"
    case .exclusiveStaysAlone: "what cannot run twice never does"
    case .contractComesLast: "a contract never runs while an earlier release can come back"
    case .migrationRunsOnce: "each attempt at a migration runs at most once"
    case .everythingSettles: "once faults stop, everything settles within its deadlines"
    case .runsAreEqual: "the same seed gives the same run"
    }
  }
}

/// A rule that did not hold.
public struct Violation: Error, Hashable, Sendable, CustomStringConvertible {
  public var rule: Rule
  public var message: String
  /// Virtual milliseconds since the run began.
  public var at: Int64

  public var description: String { "\(rule) is broken: \(message)" }
}
