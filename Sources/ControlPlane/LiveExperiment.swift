import CanaryAnalysis
import ControlProtocol
import RolloutEngine
import SegueModel

/// An experiment of one rollout: what the router has counted in, what it has shown out.
struct LiveExperiment {
  let rollout: RolloutID
  private let control: ReleaseID
  private let variant: ReleaseID
  private let share: Permille
  private let goals: [GoalSpec]

  static let names = ["old", "new"]

  /// `nil` when nothing is counted of the users of two releases.
  init?(_ rollout: RolloutID, from: ServiceRelease?, to: ServiceRelease) {
    guard let from, case .ab(let spec) = to.spec.strategy, case .share(let share) = spec.audience,
      let goals = spec.goals, !goals.isEmpty
    else { return nil }
    self.rollout = rollout
    control = from.id
    variant = to.id
    self.share = share
    self.goals = goals
  }

  init?(_ rollout: Rollout) {
    guard rollout.kind == .deploy else { return nil }
    self.init(rollout.id, from: rollout.from, to: rollout.to)
  }

  func result(of report: ExperimentReport?, at now: Instant) -> ExperimentResult {
    let experiment = Experiment(
      arms: zip(Self.names, shares).map { Experiment.Arm(name: $0, share: Double($1.value)) },
      goals: goals.map {
        Experiment.Goal(name: $0.name, better: $0.better == .higher ? .higher : .lower)
      })
    return experiment.result(of: sums(of: report), at: now)
  }

  private var shares: [Permille] { [Permille(1_000 - share.value), share] }

  /// Counts of another experiment say nothing about this one.
  private func arms(of report: ExperimentReport?) -> [ExperimentReport.Arm] {
    guard let report, report.rollout == rollout else { return [] }
    return [control, variant].compactMap { id in report.arms.first { $0.release == id } }
  }

  private func sums(of report: ExperimentReport?) -> [Experiment.Sums] {
    arms(of: report).map {
      Experiment.Sums(units: $0.units, sums: $0.sums, squares: $0.squares)
    }
  }

  /// What the engine is told, if there is something to tell.
  func verdict(on report: ExperimentReport?, at now: Instant) -> Verdict? {
    let result = result(of: report, at: now)
    guard case .winner(let name) = result.state else { return nil }
    return name == Self.names[1] ? .good(result.explanation) : .bad(result.explanation)
  }

  func line(
    of report: ExperimentReport?, at now: Instant, end: ExperimentLine.End? = nil
  ) -> ExperimentLine {
    let result = result(of: report, at: now)
    let arms = arms(of: report)
    var line = ExperimentLine(
      state: Self.state(result.state), sentence: result.explanation, end: end,
      variants: zip(Self.names, zip([control, variant], shares)).enumerated().map { place, pair in
        ExperimentLine.Variant(
          name: pair.0, release: pair.1.0, share: pair.1.1,
          units: place < arms.count ? arms[place].units : 0)
      },
      rows: goals.flatMap { goal in
        result.rows.filter { $0.goal == goal.name }.map { Self.row($0) }
      },
      splitChance: result.splitChance.map(Self.millionths))
    if case .winner(let name) = result.state { line.winner = name }
    if !arms.isEmpty, let report {
      line.crossed = report.crossed
      line.uncounted = report.uncounted
      line.unreadable = report.unreadable
    }
    return line
  }

  private static func state(_ state: ExperimentResult.State) -> ExperimentLine.State {
    switch state {
    case .noData: .noData
    case .splitBroken: .splitBroken
    case .undecided: .undecided
    case .winner: .winner
    }
  }

  private static func row(_ row: ExperimentResult.Row) -> ExperimentLine.Row {
    ExperimentLine.Row(
      goal: row.goal, variant: row.arm, perUnit: millionths(row.mean),
      difference: row.lift.map { millionths($0.value) },
      atLeast: row.lift.map { millionths($0.lower) },
      atMost: row.lift.map { millionths($0.upper) })
  }

  private static func millionths(_ value: Double) -> Int64 {
    value.isNaN ? 0 : Int64(min(max((value * 1e6).rounded(), -9e18), 9e18))
  }
}
