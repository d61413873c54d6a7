public import ControlProtocol
import Ports
import RolloutEngine
import SegueModel

/// What users do, where it decides between two releases.
extension ControlPlane {
  public func experiment(_ request: ExperimentRequest) async throws -> ExperimentReply {
    try await answering {
      let meant = try await self.controllers(request.service, request.environment)
      if let running = try await self.running(among: meant) { return running }
      let keys = Set(meant.map(\.key))
      let last = await self.receipts.issued.last { receipt in
        receipt.experiment != nil && receipt.key.map { keys.contains($0) } ?? false
      }
      guard let last, let key = last.key, let rollout = last.rollout, let result = last.experiment
      else { throw Self.noExperiment }
      return ExperimentReply(
        key: key, rollout: rollout, isRunning: false, endsAt: nil, result: result)
    }
  }

  private func experiment(of controller: ServiceController) async -> ExperimentReply? {
    let state = await controller.state
    guard let rollout = state.rollout, let experiment = LiveExperiment(rollout) else { return nil }
    var endsAt: Instant?
    if case .holding(_, let until, _) = rollout.phase { endsAt = until }
    return ExperimentReply(
      key: state.key, rollout: rollout.id, isRunning: true, endsAt: endsAt,
      result: experiment.line(of: reports[state.key]?.experiment, at: world.time.now()))
  }

  /// The one that is under way; `nil`: there is none.
  private func running(
    among controllers: [ServiceController]
  ) async throws(ControlError) -> ExperimentReply? {
    var running: [ExperimentReply] = []
    for controller in controllers {
      if let reply = await experiment(of: controller) { running.append(reply) }
    }
    guard running.count > 1 else { return running.first }
    let names = running.map { "\($0.key)" }.joined(separator: ", ")
    throw ControlError(
      .refused, "\(running.count) experiments are under way: \(names)",
      nextStep: "Name the service, or the environment with --environment")
  }

  private static let noExperiment = ControlError(
    .notFound, "there is no experiment",
    nextStep: "Name `goals` in `strategy: { ab: ... }` of a service in segue.yaml, and deploy")

  public func reach(_ request: GoalRequest) async throws -> GoalReply {
    try await answering {
      let texts = [request.goal, request.unit, request.value ?? ""]
      guard !request.unit.isEmpty, texts.allSatisfy({ $0.utf8.count <= GoalRequest.textLimit })
      else {
        throw ControlError(
          .invalid,
          "the user has no name, or a text is longer than \(GoalRequest.textLimit) octets",
          nextStep: "Name the user by the value of the cookie or header field in `route.sticky`")
      }
      let meant = try await self.controllers(request.service, request.environment)
      guard let only = try await self.running(among: meant) else { throw Self.noExperiment }
      let fate = try await self.world.director.credit(
        ReachedGoal(
          key: only.key, goal: request.goal, unit: request.unit, value: request.value))
      if let refusal = Self.refusal(fate, request) { throw refusal }
      return GoalReply(
        rollout: only.rollout, message: "\(request.goal) was counted for \(request.unit)")
    }
  }

  private static func refusal(_ fate: ReachedGoal.Fate, _ request: GoalRequest) -> ControlError? {
    switch fate {
    case .counted: nil
    case .noExperiment: noExperiment
    case .unknownUnit:
      ControlError(
        .notFound, "no user \(request.unit) was answered in the experiment, so nothing was counted",
        nextStep: "Name the user by the value of the cookie or header field in `route.sticky`")
    case .unknownGoal:
      ControlError(
        .notFound, "the experiment has no goal \(request.goal) that is posted",
        nextStep: "Write `\(request.goal): { posted: true }` under `goals` in segue.yaml")
    case .unreadableValue:
      ControlError(
        .invalid, "\(request.value ?? "the value") is no number, or out of range",
        nextStep: "Write it like 12.50")
    }
  }
}
