import CanaryAnalysis
import ControlProtocol
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
    } else if let tolerated = Self.tolerated(by: rollout.to.spec.strategy) {
      self = .copies(of: rollout.to.id, tolerated: tolerated)
    } else {
      return nil
    }
  }

  /// `nil`: no requests are copied.
  private static func tolerated(by strategy: StrategySpec) -> Permille? {
    guard case .shadow(let spec) = strategy else { return nil }
    return spec.tolerated ?? ShadowSpec.standardTolerance
  }

  /// For the receipt; `nil`: no requests were copied.
  static func line(of mirrored: MirrorReport?, for strategy: StrategySpec) -> CopiesLine? {
    guard let mirrored, let tolerated = tolerated(by: strategy) else { return nil }
    let verdict = ShadowVerdict(mirrored, tolerated: Double(tolerated.value) / 1_000)
    func millionths(_ part: Double) -> Int64 { Int64((part * 1e6).rounded()) }
    return CopiesLine(
      answer: CopiesLine.Answer(rawValue: verdict.answer.rawValue) ?? .notEnoughEvidence,
      sentence: verdict.description, compared: verdict.compared, differing: verdict.differing,
      atLeast: millionths(verdict.lower), atMost: millionths(verdict.upper),
      tolerated: millionths(verdict.tolerated))
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
