public import ControlProtocol
import Ports
import RolloutEngine
import SegueModel

/// What people do to rollouts in progress.
extension ControlPlane {
  public func pause(_ request: PauseRequest) async throws -> RolloutReply {
    try await answering {
      let sequence = await self.feed.sequence
      let paused = try await self.steer(
        request.service, request.environment, toDo: "pause",
        .pause(by: request.who, reason: request.reason)
      ) { $0.pause == nil }
      return RolloutReply(
        rollouts: paused, sequence: sequence,
        message: Self.sentence(paused, "paused", "`segue resume` goes on"))
    }
  }

  public func resume(_ request: ResumeRequest) async throws -> RolloutReply {
    try await answering {
      let sequence = await self.feed.sequence
      let resumed = try await self.steer(
        request.service, request.environment, toDo: "resume",
        .resume(by: request.who, reason: request.reason)
      ) { $0.pause != nil }
      return RolloutReply(
        rollouts: resumed, sequence: sequence, message: Self.sentence(resumed, "resumed", nil))
    }
  }

  public func promote(_ request: PromoteRequest) async throws -> RolloutReply {
    try await answering {
      let sequence = await self.feed.sequence
      let (controller, rollout) = try await self.theOneInProgress(
        request.service, request.environment)
      try await controller.submit(
        .promote(toTheEnd: request.toTheEnd, by: request.who, reason: request.reason))
      let how = request.toTheEnd ? "promoted to the end: no hold is kept any more" : "promoted"
      return RolloutReply(
        rollouts: [rollout], sequence: sequence, message: "\(rollout) is \(how)")
    }
  }

  private static func sentence(_ rollouts: [RolloutID], _ what: String, _ next: String?)
    -> String
  {
    let names = rollouts.map(\.rawValue).joined(separator: ", ")
    return "\(names) \(rollouts.count == 1 ? "is" : "are") \(what)\(next.map { "; \($0)" } ?? "")"
  }

  /// Gives a command to every rollout in progress that is meant. One that is named is told in any
  /// case, so that the answer says why it cannot be; of all of them, those that `isMeant`.
  private func steer(
    _ service: ServiceName?, _ environment: EnvironmentName?, toDo verb: String,
    _ command: RolloutCommand, isMeant: @Sendable (Rollout) -> Bool
  ) async throws -> [RolloutID] {
    var told: [RolloutID] = []
    var refusal: Refusal?
    var others: [(controller: ServiceController, rollout: RolloutID)] = []
    for controller in try controllers(service, environment) {
      guard let rollout = await controller.state.rollout else { continue }
      guard isMeant(rollout) else {
        others.append((controller, rollout.id))
        continue
      }
      do {
        try await controller.submit(command)
        told.append(rollout.id)
      } catch let error as Refusal {
        refusal = refusal ?? error
      }
    }
    guard told.isEmpty else { return told }
    if let refusal { throw refusal }
    // None was meant: the engine says it best.
    if let other = others.first {
      try await other.controller.submit(command)
      return [other.rollout]
    }
    throw Self.nothingInProgress(to: verb, service)
  }

  private func theOneInProgress(_ service: ServiceName?, _ environment: EnvironmentName?)
    async throws -> (controller: ServiceController, rollout: RolloutID)
  {
    var found: [(controller: ServiceController, rollout: RolloutID)] = []
    for controller in try controllers(service, environment) {
      if let rollout = await controller.state.rollout { found.append((controller, rollout.id)) }
    }
    guard let only = found.first else { throw Self.nothingInProgress(to: "promote", service) }
    guard found.count == 1 else {
      let names = found.map { "\($0.controller.key)" }.joined(separator: ", ")
      let option =
        Set(found.map(\.controller.key.service)).count > 1 ? "--service" : "--environment"
      throw ControlError(
        .refused, "\(found.count) rollouts are in progress: \(names)",
        nextStep: "Say which with \(option)")
    }
    return only
  }

  private static func nothingInProgress(to verb: String, _ service: ServiceName?) -> ControlError {
    let whose = service.map { " of \($0)" } ?? ""
    return ControlError(
      .refused, "no rollout\(whose) is in progress, so there is nothing to \(verb)",
      nextStep: "`segue status` shows what runs")
  }

  // MARK: Which ones

  /// The services that a request means, in the order of their names.
  ///
  /// - Throws: ``ControlError`` of kind `notFound` when there is no service or environment of that
  ///   name, or nothing at all.
  func controllers(_ service: ServiceName?, _ environment: EnvironmentName?) throws
    -> [ServiceController]
  {
    let all = controllers.values.sorted { $0.key < $1.key }
    guard !all.isEmpty else {
      throw ControlError(
        .notFound, "nothing was deployed yet", nextStep: "Deploy with `segue deploy`")
    }
    let here = all.filter { environment == nil || $0.key.environment == environment }
    if let environment, here.isEmpty {
      let names = Set(all.map(\.key.environment)).sorted().map(\.rawValue)
      throw ControlError(
        .notFound, "nothing runs in an environment \(environment)",
        nextStep: "There are: \(names.joined(separator: ", "))")
    }
    let meant = here.filter { service == nil || $0.key.service == service }
    if let service, meant.isEmpty {
      let names = Set(here.map(\.key.service)).sorted().map(\.rawValue)
      throw ControlError(
        .notFound, "there is no service \(service)",
        nextStep: "There are: \(names.joined(separator: ", "))")
    }
    return meant
  }

  /// As ``controllers(_:_:)``, and all of one environment: what changes the live release is not done
  /// to several by mistake.
  func controllersOfOneEnvironment(_ service: ServiceName?, _ environment: EnvironmentName?)
    throws -> [ServiceController]
  {
    let meant = try controllers(service, environment)
    let environments = Set(meant.map(\.key.environment)).sorted()
    guard environments.count == 1 else {
      let names = environments.map(\.rawValue).joined(separator: ", ")
      throw ControlError(
        .refused, "there are several environments: \(names)",
        nextStep: "Say which with --environment")
    }
    return meant
  }
}
