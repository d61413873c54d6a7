import CanaryAnalysis
import RolloutEngine
import SegueModel

/// What a rollout is judged by beside the errors of the new release: what users do, or how answers to
/// copies differ.
enum Trial {
  case goals(LiveExperiment)
  case copies(of: ReleaseID, tolerated: Permille)

  /// `nil`: errors alone judge it.
  init?(_ rollout: Rollout) {
    guard rollout.kind == .deploy, !rollout.isGoingBack, rollout.from != nil else { return nil }
    if let experiment = LiveExperiment(rollout) {
      self = .goals(experiment)
    } else if case .shadow(let spec) = rollout.to.spec.strategy, case .verdict = spec.hold {
      self = .copies(
        of: rollout.to.id, tolerated: spec.tolerated ?? ShadowSpec.standardTolerance)
    } else {
      return nil
    }
  }

  /// What the engine is told, if there is something to tell and it waits for that.
  func verdict(
    on report: ServiceReport?, of rollout: Rollout, _ state: ServiceState, at now: Instant
  ) -> Verdict? {
    // What was counted under an earlier table may be of an earlier rollout.
    guard rollout.isHolding, case .verdict? = rollout.current.hold, let report,
      report.generation >= state.table.acknowledged
    else { return nil }
    switch self {
    case .goals(let experiment): return experiment.verdict(on: report.experiment, at: now)
    case .copies:
      guard let verdict = copies(in: report) else { return nil }
      switch verdict.answer {
      case .good: return .good(verdict.description)
      case .bad: return .bad(verdict.description)
      case .notEnoughEvidence: return nil
      }
    }
  }

  private func copies(in report: ServiceReport?) -> ShadowVerdict? {
    guard case .copies(let release, let tolerated) = self, let mirrored = report?.mirrored,
      mirrored.release == release
    else { return nil }
    return ShadowVerdict(mirrored, tolerated: Double(tolerated.value) / 1_000)
  }

  /// How it stands, in a sentence.
  func sentence(on report: ServiceReport?, at now: Instant) -> String? {
    switch self {
    case .goals(let experiment):
      experiment.result(of: report?.experiment, at: now).explanation
    case .copies: copies(in: report)?.description
    }
  }

  /// What it stands on, line by line.
  func evidence(on report: ServiceReport?, at now: Instant) -> [String] {
    switch self {
    case .goals(let experiment): experiment.result(of: report?.experiment, at: now).lines
    case .copies: copies(in: report)?.groups.map(\.description) ?? []
    }
  }
}
