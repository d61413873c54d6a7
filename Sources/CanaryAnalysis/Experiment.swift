public import SegueModel

/// An experiment: some variants, some goals, and when it ends.
public struct Experiment: Hashable, Codable, Sendable {
  public struct Arm: Hashable, Codable, Sendable {
    public var name: String
    /// Of the units, in any measure.
    public var share: Double

    public init(name: String, share: Double) {
      self.name = name
      self.share = share
    }
  }

  public struct Goal: Hashable, Codable, Sendable {
    public var name: String
    public var better: WatchedMetric.Direction

    public init(name: String, better: WatchedMetric.Direction = .higher) {
      self.name = name
      self.better = better
    }
  }

  /// What one arm has come to: units that were given it, and per goal the sum of the units' values and
  /// of their squares. A unit without the goal has the value 0.
  public struct Sums: Hashable, Codable, Sendable {
    public var units: UInt64
    public var sums: [Double]
    public var squares: [Double]

    public init(units: UInt64, sums: [Double], squares: [Double]) {
      self.units = units
      self.sums = sums
      self.squares = squares
    }
  }

  /// The first is what the others are compared with.
  public var arms: [Arm]
  /// The first decides; the others can only object.
  public var goals: [Goal]
  /// Chance of any wrong statement about any goal of any arm, ever, at most.
  public var alpha: Double
  public var endsAt: Instant?
  /// Units of all arms together at which the intervals are narrowest.
  public var tunedFor: Double

  /// Intervals are asymptotic, so that nobody wins before each arm has so many units.
  public static let leastUnits: UInt64 = 100

  public init(
    arms: [Arm], goals: [Goal], alpha: Double = 0.05, endsAt: Instant? = nil,
    tunedFor: Double = 10_000
  ) {
    self.arms = arms
    self.goals = goals
    self.alpha = alpha
    self.endsAt = endsAt
    self.tunedFor = tunedFor
  }

  /// What is known now. May be asked at any moment and as often as one likes.
  ///
  /// - Parameters:
  ///   - sums: one for each arm, in their order.
  ///   - stopped: a person has ended it.
  public func result(of sums: [Sums], at now: Instant, stopped: Bool = false) -> ExperimentResult {
    let chance = SampleRatio.chance(
      observed: sums.map(\.units), shares: arms.map(\.share))
    let rows = table(of: sums)
    let state = state(of: sums, chance: chance, rows: rows)
    var end: ExperimentResult.End?
    if stopped {
      end = .person
    } else if case .winner = state {
      end = .verdict
    } else if let endsAt, now >= endsAt {
      end = .date
    }
    return ExperimentResult(splitChance: chance, rows: rows, state: state, end: end)
  }

  private func table(of sums: [Sums]) -> [ExperimentResult.Row] {
    let statements = Double(max(1, (arms.count - 1) * goals.count))
    return zip(arms, sums).enumerated().flatMap { place, pair in
      goals.enumerated().compactMap { index, goal in
        guard let own = moments(pair.1, goal: index) else { return nil }
        let control = sums.first.flatMap { moments($0, goal: index) }
        let lift =
          place == 0
          ? nil
          : control.flatMap {
            ConfidenceSequence.lift(
              control: $0, treatment: own, alpha: alpha / statements, tunedFor: tunedFor)
          }
        return ExperimentResult.Row(
          arm: pair.0.name, goal: goal.name, units: own.count, mean: own.mean, lift: lift)
      }
    }
  }

  private func moments(_ sums: Sums, goal: Int) -> Moments? {
    guard goal < sums.sums.count, goal < sums.squares.count else { return nil }
    return Moments(count: sums.units, sum: sums.sums[goal], sumOfSquares: sums.squares[goal])
  }

  private func state(
    of sums: [Sums], chance: Double?, rows: [ExperimentResult.Row]
  ) -> ExperimentResult.State {
    guard arms.count > 1, !goals.isEmpty, sums.count == arms.count, let chance else {
      return .noData
    }
    guard chance >= SampleRatio.threshold else { return .splitBroken }
    guard sums.allSatisfy({ $0.units >= Self.leastUnits }) else { return .undecided }
    let ahead = arms.dropFirst().compactMap { arm -> (name: String, lift: Double)? in
      let own = rows.filter { $0.arm == arm.name }
      let advantages = goals.map { goal in
        own.first { $0.goal == goal.name }.flatMap { Self.advantage($0.lift, goal.better) }
      }
      guard let first = advantages.first, let lift = first, lift > 0,
        advantages.allSatisfy({ ($0 ?? 0) >= 0 })
      else { return nil }
      return (arm.name, lift)
    }
    if let best = ahead.max(by: { $0.lift < $1.lift }) { return .winner(best.name) }
    // The control wins when every other arm is known to be worse.
    let worse = arms.dropFirst().allSatisfy { arm in
      let row = rows.first { $0.arm == arm.name && $0.goal == goals[0].name }
      return (row.flatMap { Self.advantage($0.lift, goals[0].better) } ?? 0) < 0
    }
    return worse ? .winner(arms[0].name) : .undecided
  }

  /// How far ahead, if the interval says so; 0 while it does not.
  private static func advantage(_ lift: Lift?, _ better: WatchedMetric.Direction) -> Double? {
    guard let lift else { return nil }
    guard lift.isDecided else { return 0 }
    return better == .higher ? lift.value : -lift.value
  }
}

/// What an experiment has shown.
public struct ExperimentResult: Hashable, Codable, Sendable {
  public struct Row: Hashable, Codable, Sendable {
    public var arm: String
    public var goal: String
    public var units: UInt64
    /// Per unit.
    public var mean: Double
    /// Against the control; `nil` for the control itself, and where it cannot be told.
    public var lift: Lift?
  }

  public enum State: Hashable, Codable, Sendable {
    case noData
    /// The units were not split as intended: nothing else here proves anything.
    case splitBroken
    case undecided
    case winner(String)
  }

  public enum End: String, Hashable, Codable, Sendable {
    case verdict
    case date
    case person
  }

  /// Of a split at least as uneven.
  public var splitChance: Double?
  public var rows: [Row]
  public var state: State
  /// Why it is over; `nil` while it is not.
  public var end: End?
}

extension ExperimentResult: CustomStringConvertible {
  /// In a sentence.
  public var description: String {
    switch state {
    case .noData: "no data yet"
    case .splitBroken:
      "the units were not split as intended (chance "
        + "\(AnalysisText.chance(splitChance ?? 0))), so the result proves nothing"
    case .undecided where end == nil: "no winner yet"
    case .undecided: "ended without a winner: the intervals still hold no difference"
    case .winner(let name): "\(name) wins"
    }
  }

  /// In a sentence, with what decided it.
  public var explanation: String {
    guard case .winner(let name) = state, let first = rows.first else { return description }
    let other = rows.first {
      $0.goal == first.goal && $0.lift != nil && (name == first.arm || $0.arm == name)
    }
    guard let other, let lift = other.lift else { return description }
    return
      "\(description): \(other.goal) of \(other.arm) is \(AnalysisText.figure(other.mean)) per "
      + "unit and of \(first.arm) \(AnalysisText.figure(first.mean)), \(Self.signed(lift.value)) "
      + "(\(Self.signed(lift.lower)) to \(Self.signed(lift.upper)))"
  }

  /// One line for each arm and goal: `new  signups  0.13 per unit  +12.5 % (+3.1 % to +21.9 %)`.
  public var lines: [String] {
    rows.map { row in
      let lift = row.lift.map {
        "  \(Self.signed($0.value)) (\(Self.signed($0.lower)) to \(Self.signed($0.upper)))"
      }
      return "\(row.arm)  \(row.goal)  \(AnalysisText.figure(row.mean)) per unit"
        + "  \(AnalysisText.count(row.units)) units" + (lift ?? "")
    }
  }

  private static func signed(_ part: Double) -> String {
    (part > 0 ? "+" : "") + AnalysisText.decimal(part * 100) + " %"
  }
}
