import Logging
import Ports
import RolloutEngine
import SegueModel

extension TargetController {
  /// Starts what can be started, takes back what must be, and says so when nothing is left to do.
  func converge(_ controllers: [ServiceKey: ServiceController]) async {
    guard let order = state.order, !state.isSettled,
      let release = catalogue.record(of: order.release)?.release
    else { return }
    do throws(PortError) {
      guard try await isSound(release, order) else { return }
      var fates: [ServiceName: ServiceFate] = [:]
      for service in release.spec.services {
        fates[service.name] = await fate(of: service.name, release.id, controllers)
      }
      if let reason = unwindingReason(release, fates) {
        let event = TargetEvent.unwindingBegan(commit: order.commit, reason: reason)
        guard try await record(event, for: order) else { return }
        for service in release.spec.services {
          fates[service.name] = await fate(of: service.name, release.id, controllers)
        }
      }
      if let reason = state.unwinding {
        await unwind(release, because: reason, controllers, &fates)
      }
      if try await mayBegin(release, order, controllers, fates) {
        try await beginNext(release, order, controllers, &fates)
      }
      if let (live, summary) = state.verdict(of: release, in: environment, fates) {
        try await settle(
          order, of: release, live: live, summary: live ? summary + waiting(release) : summary)
      }
    } catch {
      // Asked again in a moment, it goes on where it stopped.
      world.logger.error(
        "a target could not be pursued",
        metadata: ["environment": "\(environment)", "error": "\(error)"])
    }
  }

  /// A release whose files are not those that were built is never rolled out.
  private func isSound(_ release: Release, _ order: TargetOrder) async throws(PortError) -> Bool {
    guard state.begun.isEmpty,
      let problem = try await world.objection(to: release, catalogue)
    else { return true }
    await world.attestIfPossible(release, objection: problem, catalogue)
    let place = release.spec.environments.count > 1 ? " in \(environment)" : ""
    let summary =
      "\(release.commit.short) is not live\(place): \(problem); `segue deploy` builds it again"
    try await settle(order, of: release, live: false, summary: summary)
    return false
  }

  private func fate(
    of service: ServiceName, _ release: ReleaseID,
    _ controllers: [ServiceKey: ServiceController]
  ) async -> ServiceFate {
    let key = ServiceKey(environment: environment, service: service)
    guard let controller = controllers[key] else { return .notStarted }
    return state.fate(of: service, in: await controller.toldState(), release: release)
  }

  /// What to add when a release has settled here and others wait for a person.
  private func waiting(_ release: Release) -> String {
    release.spec.environments.filter { $0.after == environment && $0.isPromotedByHand }
      .map { "; it waits for promotion to \($0.name): `segue promote --to \($0.name)`" }.joined()
  }

  // MARK: Forward

  private func beginNext(
    _ release: Release, _ order: TargetOrder, _ controllers: [ServiceKey: ServiceController],
    _ fates: inout [ServiceName: ServiceFate]
  ) async throws(PortError) {
    for service in release.spec.services {
      let key = ServiceKey(environment: environment, service: service.name)
      guard fates[service.name] == .notStarted,
        service.isIndependent || (state.unwinding == nil && !hasFailed(release, fates)),
        service.needs.allSatisfy({ fates[$0]?.isLive == true }),
        let controller = controllers[key],
        let spec = release.spec.service(service.name, in: environment)
      else { continue }
      if state.begun[service.name] == nil {
        if state.begun.isEmpty { try await world.attest(release, catalogue) }
        let before = await controller.state.live?.id
        guard try await record(.serviceBegan(service: service.name, from: before), for: order)
        else { return }
      }
      let deploy = DeployOrder(
        release: ServiceRelease(
          id: release.id, commit: release.commit, height: release.height, spec: spec),
        requestedBy: order.requestedBy, allowOlder: order.allowOlder, again: order.again,
        supersedes: release.spec.supersedes)
      fates[service.name] = await begin(deploy, controller)
    }
  }

  private func hasFailed(_ release: Release, _ fates: [ServiceName: ServiceFate]) -> Bool {
    release.spec.services.contains { !$0.isIndependent && fates[$0.name]?.isFailed == true }
  }

  private func begin(_ deploy: DeployOrder, _ controller: ServiceController) async -> ServiceFate {
    do {
      try await controller.submit(.deploy(deploy))
    } catch let refusal as Refusal {
      // Somebody else may have brought it there in this very moment.
      return refusal.kind == .nothingToDo ? .underWay : .failed(refusal.message)
    } catch {
      world.logger.error("a rollout could not be started", metadata: ["error": "\(error)"])
    }
    return .underWay
  }

  // MARK: Back

  /// The first failure that takes the others along, if there are others.
  private func unwindingReason(_ release: Release, _ fates: [ServiceName: ServiceFate]) -> String? {
    guard state.unwinding == nil else { return nil }
    let services = release.spec.services.filter { !$0.isIndependent }
    let failures = services.compactMap { service -> String? in
      if case .failed(let reason)? = fates[service.name] {
        "\(service.name): \(reason)"
      } else {
        nil
      }
    }
    let hasMoved = services.contains { service in
      switch fates[service.name] {
      case .underWay?, .goingBack?: true
      case .live?: state.begun[service.name] != nil
      case .failed?, .back?, .stays?, .notStarted?, nil: false
      }
    }
    return hasMoved ? failures.first : nil
  }

  /// Aborts what is in progress, and rolls back what is live: first what needs others, then those.
  private func unwind(
    _ release: Release, because reason: String,
    _ controllers: [ServiceKey: ServiceController], _ fates: inout [ServiceName: ServiceFate]
  ) async {
    let services = release.spec.services.filter { !$0.isIndependent }
    for service in services {
      let key = ServiceKey(environment: environment, service: service.name)
      guard let controller = controllers[key] else { continue }
      switch fates[service.name] {
      case .underWay?:
        guard let rollout = await controller.state.rollout, rollout.to.id == release.id,
          !rollout.isGoingBack
        else { continue }
        await submit(.abort(by: "segue", reason: reason), controller)
      case .live?:
        let isNeeded = services.contains { other in
          other.needs.contains(service.name) && fates[other.name]?.isResolved != true
        }
        guard !isNeeded else { continue }
        fates[service.name] = await rollBack(service.name, controller, because: reason)
      case .goingBack?, .failed?, .back?, .stays?, .notStarted?, nil: continue
      }
    }
  }

  private func rollBack(
    _ service: ServiceName, _ controller: ServiceController, because reason: String
  ) async -> ServiceFate {
    guard case .some(.some(let before)) = state.begun[service] else {
      return .stays("nothing was live before it")
    }
    var earlier = await controller.state.known(before)
    if earlier == nil, let build = catalogue.record(of: before)?.release,
      let spec = build.spec.service(service, in: environment)
    {
      earlier = ServiceRelease(
        id: build.id, commit: build.commit, height: build.height, spec: spec)
    }
    guard let earlier else { return .stays("\(before) is not known any more") }
    do {
      try await controller.submit(.rollBack(release: earlier, by: "segue", reason: reason))
    } catch let refusal as Refusal {
      switch await controller.state.migrations.running {
      case nil where refusal.kind != .nothingToDo: return .stays(refusal.message)
      default: return .goingBack
      }
    } catch {
      world.logger.error("a service could not be taken back", metadata: ["error": "\(error)"])
    }
    return .goingBack
  }

  private func submit(_ command: RolloutCommand, _ controller: ServiceController) async {
    do {
      try await controller.submit(command)
    } catch is Refusal {
      // It ended by itself in the meantime.
    } catch {
      world.logger.error("a command could not be recorded", metadata: ["error": "\(error)"])
    }
  }
}
