import ControlProtocol
import Ports
import RolloutEngine
import SegueModel

extension ControlPlane {
  func status(of controller: ServiceController) async -> ServiceStatus {
    let state = await controller.state
    let running = await controller.running
    let report = reports[state.key]
    let table = state.table.proposed
    var mirrored = report?.mirrored
    if mirrored?.release != state.rollout?.to.id { mirrored = nil }
    return ServiceStatus(
      key: state.key, live: state.live.map(summary),
      warm: state.warm.values.map { summary($0.release) }.sorted { $0.id < $1.id },
      rollout: state.rollout.map { status(of: $0, state) },
      instances: state.orderedInstances.map { instance in
        InstanceStatus(
          id: instance.id, release: instance.release, phase: instance.phase.name,
          port: instance.endpoint.flatMap { $0.socket == nil ? $0.port : nil },
          pid: running[instance.id]?.process.pid,
          since: instance.phase.since ?? startedAt, inFlight: report?.inFlight[instance.id] ?? 0)
      },
      versions: (report?.versions ?? []).map { version in
        let weight = table?.versions.first { $0.release == version.release }?.weight
        return VersionStatus(
          release: version.release, weight: weight ?? .none, requests: version.requests,
          failed: version.failed, inFlight: version.inFlight)
      },
      unavailable: report?.unavailable ?? 0,
      queued: state.queued.map { summary($0.release) },
      migration: state.migrations.running.map {
        MigrationStatus(release: $0.release, step: $0.step, until: $0.by)
      }, contracts: Self.contracts(of: state), held: report?.held, mirrored: mirrored)
  }

  private static func contracts(of state: ServiceState) -> [ContractStatus]? {
    guard !state.migrations.contracts.isEmpty else { return nil }
    return state.migrations.contracts.map {
      ContractStatus(release: $0.release.id, due: state.due($0))
    }
  }

  private func summary(_ release: ServiceRelease) -> ReleaseSummary {
    ReleaseSummary(
      id: release.id, commit: release.commit,
      subject: catalogue.record(of: release.id)?.acceptance.commit.subject ?? "")
  }

  func status(of rollout: Rollout, _ state: ServiceState) -> RolloutStatus {
    let wait = Self.waiting(rollout, state)
    let judge = watches[state.key]?.judge.flatMap { $0.rollout == rollout.id ? $0 : nil }
    var reason: String?
    if case .back(_, let why, _) = rollout.direction { reason = why }
    let share = state.split.sides.first { $0.release == rollout.to.id }?.weight
    return RolloutStatus(
      id: rollout.id, strategy: rollout.to.spec.strategy.name, from: rollout.from?.id,
      to: rollout.to.id, direction: rollout.isGoingBack ? "back" : "forward",
      phase: "\(rollout.current.name): \(Self.sentence(wait, rollout))", stage: rollout.stage + 1,
      stages: rollout.stages.count, startedAt: rollout.startedAt, kind: rollout.kind.rawValue,
      startedBy: rollout.requestedBy, stageName: rollout.current.name,
      weight: share ?? Permille.none,
      wait: wait, reason: reason,
      judgement: Trial(rollout)?.sentence(on: reports[state.key], at: world.time.now())
        ?? judge?.verdict.map { "\($0)" })
  }

  private static func waiting(_ rollout: Rollout, _ state: ServiceState) -> WaitStatus {
    if let pause = rollout.pause {
      return WaitStatus(.pause, until: pause.until, by: pause.by, reason: pause.reason)
    }
    switch rollout.phase {
    case .expanding: return WaitStatus(.database, until: state.migrations.running?.by)
    case .preparing:
      // On the way back it is the earlier release that has to be ready again.
      let wanted = rollout.isGoingBack ? rollout.current.outgoing : rollout.current.incoming
      let release = rollout.isGoingBack ? rollout.from?.id : rollout.to.id
      let ready = state.instances.count { $0.release == release && $0.isReady }
      return WaitStatus(
        .instances, until: readyDeadline(state), ready: min(ready, wanted), wanted: wanted)
    case .shifting: return WaitStatus(.router, until: state.table.acknowledgeBy)
    case .retiring: return WaitStatus(.drain)
    case .holding(_, let until, let isExtended):
      switch rollout.current.hold {
      case .promotion?: return WaitStatus(.promotion, until: until)
      case .verdict?: return WaitStatus(isExtended ? .decision : .verdict, until: until)
      case .time?, nil: return WaitStatus(.time, until: until)
      }
    }
  }

  /// When the first of those that are starting is given up.
  private static func readyDeadline(_ state: ServiceState) -> Instant? {
    state.instances.compactMap { instance in
      switch instance.phase {
      case .ordered(let by), .started(let by): by
      case .ready, .unready, .draining, .stopping: nil
      }
    }.min()
  }

  /// What ``WaitStatus`` says, for readers of JSON.
  private static func sentence(_ wait: WaitStatus, _ rollout: Rollout) -> String {
    switch wait.kind {
    case .database: return "making the database ready"
    case .instances:
      let whose = rollout.isGoingBack ? " of the earlier release" : ""
      return "\(wait.ready ?? 0) of \(wait.wanted ?? 0) instances\(whose) ready"
    case .router: return "waiting for the router"
    case .drain: return "retiring what left the table"
    case .time: return "holding"
    case .promotion: return "waiting for somebody to promote it"
    case .verdict: return "waiting for a verdict"
    case .decision: return "not enough evidence; waiting for somebody to promote it"
    case .pause:
      return "paused by \(wait.by ?? "somebody")\(wait.reason.map { ": \($0)" } ?? "")"
    }
  }
}
