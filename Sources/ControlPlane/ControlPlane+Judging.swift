import CanaryAnalysis
import Logging
import Ports
import RolloutEngine
import SegueModel

/// Judging releases by live traffic, while there are two to compare.
extension ControlPlane {
  /// Lets the judges look at what the router has counted, and acts on what they say.
  func judge(_ reports: [ServiceReport]) async {
    for (key, controller) in controllers.sorted(by: { $0.key < $1.key }) {
      let state = await controller.state
      guard let rollout = state.rollout, var judge = await self.judge(of: rollout, key) else {
        judges[key] = nil
        continue
      }
      let report = reports.first { $0.key == key }
      let verdict = judge.sample(report, at: world.time.now())
      judges[key] = judge
      if let verdict { await act(on: verdict, rollout, controller) }
    }
  }

  private func judge(of rollout: Rollout, _ key: ServiceKey) async -> LiveJudge? {
    if let known = judges[key], known.rollout == rollout.id, !rollout.isGoingBack { return known }
    return LiveJudge(rollout)
  }

  /// Bad takes the rollout back at once; good ends a hold that waits for it.
  private func act(
    on verdict: CanaryVerdict, _ rollout: Rollout, _ controller: ServiceController
  ) async {
    let word: Verdict
    switch verdict {
    case .bad: word = .bad(verdict.description)
    case .good: word = .good(verdict.description)
    case .notEnoughEvidence: return
    }
    do {
      try await controller.submit(.judge(rollout.id, stage: rollout.stage, word))
    } catch {
      world.logger.error(
        "a verdict could not be recorded",
        metadata: ["service": "\(controller.key)", "error": "\(error)"])
    }
  }
}
