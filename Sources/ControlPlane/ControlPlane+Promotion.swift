public import ControlProtocol
import SegueModel

extension ControlPlane {
  public func promoteRelease(_ request: PromoteReleaseRequest) async throws -> DeployReply {
    throw ControlError(
      .refused, "there is no environment \(request.environment) that releases are promoted to",
      nextStep: "To end the hold of a rollout, use `segue promote` without --to")
  }
}
