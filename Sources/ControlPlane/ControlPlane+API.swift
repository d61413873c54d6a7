public import ControlProtocol
import Ports
import RolloutEngine
import SegueModel

extension ControlPlane: ControlAPI {
  // MARK: Commands

  public func deploy(_ request: DeployRequest) async throws -> DeployReply {
    try await answering {
      try await self.world.source.refresh()
      let commit: Commit
      if let revision = request.revision {
        commit = try await self.world.source.resolve(revision)
      } else if let head = try await self.world.source.head(of: self.settings.deployBranch) {
        commit = head
      } else {
        throw ControlError(
          .notFound, "there is no branch \(self.settings.deployBranch) in the source",
          nextStep: "Push it, or name another under deploy.branch in segue.yaml")
      }
      return request.asks == true
        ? try await self.ask(about: commit, request) : try await self.deploy(commit, request)
    }
  }

  private func ask(about commit: Commit, _ request: DeployRequest) async throws -> DeployReply {
    let short = commit.id.short
    if let record = catalogue.record(of: commit.id), record.status.state == .running {
      return DeployReply(
        commit: commit.id, sequence: await feed.sequence,
        message: "\(short) is in the pipeline already", accepted: true)
    }
    guard let sequence = try await pipeline.ask(about: commit, by: request.who) else {
      throw ControlError(
        .refused, "\(PipelineController.questionLimit) commits are asked about already",
        nextStep: "Try again when one of them has its answer; `segue status` shows what runs")
    }
    return DeployReply(
      commit: commit.id, sequence: max(sequence - 1, 0),
      message: "the steps of \(short) are run, to ask every gate; nothing is deployed",
      accepted: true)
  }

  private func deploy(_ commit: Commit, _ request: DeployRequest) async throws -> DeployReply {
    let sequence = await feed.sequence
    let record = catalogue.record(of: commit.id)
    let short = commit.id.short
    if let record, record.status.state == .running {
      if let reason = request.override {
        try await override(commit.id, by: request.who, because: reason)
      }
      return DeployReply(
        commit: commit.id, sequence: sequence, message: "\(short) is under way already",
        accepted: true)
    }
    if let live = try await liveHeight(), commit.height < live.height, !request.allowOlder {
      throw ControlError(
        .refused, "\(short) is older than \(live.commit.short), which is live",
        nextStep: "Use `segue rollback`, or deploy it with --allow-older")
    }
    if let reason = request.override {
      try await override(commit.id, by: request.who, because: reason)
    }
    // One whose files are gone or changed is built again.
    if let record, !record.isRemoved, let release = record.release,
      try await world.releases.verify(release)
    {
      return try await redeploy(release, record, request, sequence)
    }
    if let record, !request.again, record.status.state == .refused {
      throw ControlError(
        .refused, "\(short) was refused before: \(record.status.reason ?? "no reason is recorded")",
        nextStep: "Push a commit that mends it, or run the pipeline once more with --again")
    }
    try await accept(
      commit, by: request.who, allowOlder: request.allowOlder, again: request.again)
    return DeployReply(
      commit: commit.id, sequence: sequence, message: "\(short) goes through the pipeline",
      accepted: true)
  }

  /// The commit is built already: the same release is rolled out, never a second build.
  private func redeploy(
    _ release: Release, _ record: ReleaseCatalogue.Record, _ request: DeployRequest,
    _ sequence: Int64
  ) async throws -> DeployReply {
    let short = release.commit.short
    let states = await serviceStates(of: release, in: release.spec.automaticEnvironments)
    if states.allSatisfy({ $0.live?.id == release.id && $0.rollout == nil }) {
      return DeployReply(
        commit: release.commit, sequence: sequence, message: "\(short) is live already",
        accepted: false)
    }
    if states.contains(where: { $0.rollout?.to.id == release.id }) {
      return DeployReply(
        commit: release.commit, sequence: sequence, message: "\(short) is being rolled out already",
        accepted: true)
    }
    if !request.again, let reason = states.compactMap({ $0.takenBack[release.id] }).first {
      throw ControlError(
        .refused, "\(short) was taken back before: \(reason)",
        nextStep: "Push a commit that mends it, or try the same release with --again")
    }
    let order = TargetOrder(
      release: release.id, commit: release.commit, requestedBy: request.who,
      allowOlder: request.allowOlder, again: request.again)
    for environment in firstEnvironments(of: release) {
      try await aim(order, of: release, at: environment)
    }
    return DeployReply(
      commit: release.commit, sequence: sequence,
      message: "\(short) is built already; its release \(release.id) is rolled out",
      accepted: true)
  }

  /// Those that get a release from the pipeline and from no other environment.
  private func firstEnvironments(of release: Release?) -> [EnvironmentName] {
    let spec = release?.spec ?? catalogue.newestRelease?.spec
    return spec?.environments.filter { $0.after == nil }.map(\.name) ?? []
  }

  func serviceStates(of release: Release, in environments: [EnvironmentName]) async
    -> [ServiceState]
  {
    var states: [ServiceState] = []
    for environment in environments {
      for service in release.spec.services {
        let key = ServiceKey(environment: environment, service: service.name)
        states.append(await controllers[key]?.state ?? ServiceState(key: key))
      }
    }
    return states
  }

  private func liveHeight() async throws -> ServiceRelease? {
    var newest: ServiceRelease?
    let first = firstEnvironments(of: nil)
    for (key, controller) in controllers where first.contains(key.environment) {
      if let live = await controller.state.live, live.height > newest?.height ?? -1 {
        newest = live
      }
    }
    return newest
  }

  public func pushed(_ request: PushedRequest) async throws -> DeployReply {
    try await answering {
      let sequence = await self.feed.sequence
      guard request.branch == self.settings.deployBranch else {
        return DeployReply(
          commit: request.commit, sequence: sequence,
          message: "\(request.branch) is not the deploy branch \(self.settings.deployBranch)",
          accepted: false)
      }
      let commit = try await self.world.source.resolve(request.commit.rawValue)
      if let known = self.catalogue.record(of: commit.id), known.status.state == .running {
        return DeployReply(
          commit: commit.id, sequence: 0, message: "\(commit.id.short) is under way already",
          accepted: true)
      }
      try await self.accept(commit, by: request.who)
      return DeployReply(
        commit: commit.id, sequence: sequence,
        message: "\(commit.id.short) goes through the pipeline", accepted: true)
    }
  }

  public func rollback(_ request: RollbackRequest) async throws -> RolloutReply {
    try await answering {
      let sequence = await self.feed.sequence
      var rollouts: [RolloutID] = []
      var refusals: [Refusal] = []
      var environments: Set<EnvironmentName> = []
      for controller in try await self.controllersOfOneEnvironment(
        request.service, request.environment)
      {
        do {
          let release = try await self.rollbackTarget(request.to, controller)
          try await controller.submit(
            .rollBack(release: release, by: request.who, reason: request.reason))
          if let id = await controller.newestRollout { rollouts.append(id) }
          environments.insert(controller.key.environment)
        } catch let refusal as Refusal {
          refusals.append(refusal)
        }
      }
      if rollouts.isEmpty, let refusal = refusals.first { throw refusal }
      let why = request.reason.map { ": \($0)" } ?? ""
      try await self.clearTargets(environments, by: request.who, reason: "rollback\(why)")
      return RolloutReply(
        rollouts: rollouts, sequence: sequence,
        message:
          "rolling back \(rollouts.count == 1 ? "one service" : "\(rollouts.count) services")"
      )
    }
  }

  private func rollbackTarget(_ name: String?, _ controller: ServiceController) async throws
    -> ServiceRelease?
  {
    guard let name else { return nil }
    guard let record = catalogue.find(name), let release = record.release else {
      throw ControlError(
        .notFound, "there is no release or commit \(name)",
        nextStep: "`segue history` lists those that there are")
    }
    guard !record.isRemoved else {
      throw ControlError(
        .refused, "the files of \(release.id) were removed, to make room for newer releases",
        nextStep: "Build it again with `segue deploy \(release.commit.short) --allow-older`")
    }
    guard let spec = release.spec.service(controller.key.service, in: controller.key.environment)
    else {
      throw ControlError(
        .notFound, "\(release.id) has no service \(controller.key.service)")
    }
    if let objection = try await world.objection(to: release, catalogue) {
      throw ControlError(
        .refused, objection,
        nextStep: "Build it again with `segue deploy \(release.commit.short) --allow-older`"
      )
    }
    await world.attestIfPossible(release, catalogue)
    return ServiceRelease(
      id: release.id, commit: release.commit, height: release.height, spec: spec)
  }

  public func abort(_ request: AbortRequest) async throws -> RolloutReply {
    try await answering {
      let sequence = await self.feed.sequence
      let reason = request.reason ?? "no reason given"
      let cancelled =
        request.service == nil && request.environment == nil
        ? try await self.pipeline.cancel(reason: "aborted by \(request.who): \(reason)") : false
      var rollouts: [RolloutID] = []
      var environments: Set<EnvironmentName> = []
      for controller in try await self.abortable(request) {
        guard let id = await controller.state.rollout?.id else { continue }
        try await controller.submit(.abort(by: request.who, reason: reason))
        rollouts.append(id)
        environments.insert(controller.key.environment)
      }
      if request.service == nil {
        let held = await self.heldStarts.map(\.environment)
        environments.formUnion(held.filter { $0 == request.environment ?? $0 })
      }
      try await self.clearTargets(environments, by: request.who, reason: "abort: \(reason)")
      guard cancelled || !environments.isEmpty else {
        throw ControlError(
          .refused, "no pipeline and no rollout is in progress, so there is nothing to abort",
          nextStep: "To leave the live release, use `segue rollback`")
      }
      let what =
        cancelled
        ? "the pipeline is cancelled"
        : rollouts.isEmpty ? "what waited does not start" : "the rollout is taken back"
      return RolloutReply(rollouts: rollouts, sequence: sequence, message: what)
    }
  }

  private func abortable(_ request: AbortRequest) throws -> [ServiceController] {
    // With nothing deployed there may be a pipeline all the same.
    guard request.service != nil || request.environment != nil else {
      return controllers.values.sorted { $0.key < $1.key }
    }
    return try controllers(request.service, request.environment)
  }

  /// Turns what the inside throws into what clients understand.
  func answering<Answer: Sendable>(_ body: @Sendable () async throws -> Answer) async throws
    -> Answer
  {
    do {
      return try await body()
    } catch let error as ControlError {
      throw error
    } catch let refusal as Refusal {
      throw ControlError(refusal)
    } catch let error as PortError {
      throw ControlError(
        error.fault == .user ? .notFound : .failed, error.what, causes: error.causes,
        nextStep: error.nextStep)
    }
  }
}

extension ControlError {
  init(_ refusal: Refusal) {
    let kind: Kind =
      switch refusal.kind {
      case .notFound: .notFound
      case .conflict, .nothingToDo: .refused
      }
    self.init(kind, refusal.message, nextStep: refusal.nextStep)
  }
}

extension ServiceController {
  /// A rollout has ended, and its receipt is not issued yet.
  var awaitsReceipt: Bool { accounts.keys.contains { $0 != state.rollout?.id } }

  /// The rollout in progress, or one that has just ended and waits for its receipt.
  var newestRollout: RolloutID? {
    state.rollout?.id ?? accounts.keys.max { $0.rawValue < $1.rawValue }
  }
}
