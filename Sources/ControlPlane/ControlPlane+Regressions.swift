import Logging
import Ports
import RolloutEngine
import SegueModel

/// Releases that turned out worse than the one before them, after their rollout had finished.
extension ControlPlane {
  /// Records it, so that everybody is told and the status shows it until something else is live there.
  func keepRegression(
    of release: ReleaseID, in place: ServiceKey, _ what: String
  ) async {
    do throws(PortError) {
      try await drift.add(.regressionFound(place: place, release: release, what: what))
      driftMemory.problems = await drift.open
    } catch {
      world.logger.error(
        "a regression could not be recorded",
        metadata: ["service": "\(place)", "what": "\(what)", "error": "\(error)"])
    }
  }

  /// A release that is not live any more is nobody's trouble.
  func endRegressions() async throws(PortError) {
    for (place, release) in await drift.regressions.sorted(by: { $0.key < $1.key }) {
      let state = await controllers[place]?.state
      guard state?.rollout == nil, state?.live?.id != release else { continue }
      try await drift.end(DriftEvent.regressions + "\(place)")
    }
    driftMemory.problems = await drift.open
  }
}
