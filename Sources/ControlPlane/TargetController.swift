import ControlProtocol
import Logging
import Ports
import RolloutEngine
import SegueModel

/// Knows which release an environment is meant to run, and starts each service's rollout when its
/// turn has come: after the services it needs. Convergent: asked again at any time, it does what is
/// still missing.
actor TargetController {
  nonisolated let environment: EnvironmentName
  private let world: Dependencies
  private let feed: FeedHub
  private let catalogue: ReleaseCatalogue
  private let gate = SerialGate()
  private var stream: TypedStream<TargetEvent>
  private(set) var target: TargetOrder?
  private var isSettled = true
  /// Releases that were a target once: after a crash, the newest is not set a second time.
  private var known: Set<ReleaseID> = []

  init(
    environment: EnvironmentName, world: Dependencies, feed: FeedHub, catalogue: ReleaseCatalogue
  ) {
    self.environment = environment
    self.world = world
    self.feed = feed
    self.catalogue = catalogue
    stream = TypedStream(id: Streams.target(environment), journal: world.journal)
  }

  func recover() async throws(PortError) {
    var reader = stream
    let history = try await reader.load()
    stream = reader
    for record in history { apply(record.event) }
    if let last = history.last { await feed.advance(to: last.sequence) }
  }

  private func apply(_ event: TargetEvent) {
    switch event {
    case .targetSet(let order):
      target = order
      isSettled = false
      known.insert(order.release)
    case .targetCleared:
      target = nil
      isSettled = true
    case .commitSettled(let commit, _, _):
      if target?.commit == commit { isSettled = true }
    }
  }

  func hasKnown(_ release: ReleaseID) -> Bool { known.contains(release) }

  @discardableResult
  func set(_ order: TargetOrder) async throws(PortError) -> Int64 {
    let unsettled = isSettled ? nil : target
    var events: [TargetEvent] = []
    if let unsettled, unsettled.commit != order.commit {
      events.append(
        .commitSettled(
          commit: unsettled.commit, live: false, summary: "superseded by \(order.commit.short)"))
    }
    return try await append(events + [.targetSet(order)])
  }

  /// Nothing is rolled out any more until the next target.
  func clear(by: String, reason: String) async throws(PortError) {
    guard let target else { return }
    var events: [TargetEvent] = []
    if !isSettled {
      events.append(
        .commitSettled(
          commit: target.commit, live: false, summary: "taken back by \(by): \(reason)")
      )
    }
    try await append(events + [.targetCleared(by: by, reason: reason)])
  }

  @discardableResult
  private func append(_ events: [TargetEvent]) async throws(PortError) -> Int64 {
    await gate.enter()
    do throws(PortError) {
      var writer = stream
      let records = try await writer.append(events, at: world.time.now())
      stream = writer
      for record in records {
        apply(record.event)
        if let item = FeedText.item(for: record, environment: environment) {
          await feed.publish(item)
        }
      }
      await gate.leave()
      return records.last?.sequence ?? 0
    } catch {
      await gate.leave()
      throw error
    }
  }

  // MARK: Converging

  private enum Fate {
    case live
    case underWay
    case takenBack(String)
    case notStarted
  }

  /// Starts what can be started, and says so when nothing is left to start.
  func converge(_ controllers: [ServiceKey: ServiceController]) async {
    guard let target, !isSettled, let release = catalogue.record(of: target.release)?.release
    else { return }
    var fates: [ServiceName: Fate] = [:]
    for service in release.spec.services {
      let key = ServiceKey(environment: environment, service: service.name)
      guard let controller = controllers[key] else { continue }
      fates[service.name] = await fate(of: controller, release.id)
    }
    for service in release.spec.services {
      guard case .notStarted? = fates[service.name],
        service.needs.allSatisfy({ if case .live? = fates[$0] { true } else { false } }),
        let controller = controllers[ServiceKey(environment: environment, service: service.name)]
      else { continue }
      fates[service.name] = await begin(controller, service, release, target)
    }
    await settleIfDecided(target, release, fates)
  }

  private func fate(of controller: ServiceController, _ release: ReleaseID) async -> Fate {
    let state = await controller.state
    if state.rollout != nil || state.queued?.release.id == release { return .underWay }
    if state.live?.id == release { return .live }
    if let reason = state.takenBack[release] { return .takenBack(reason) }
    return .notStarted
  }

  private func begin(
    _ controller: ServiceController, _ service: ServiceSpec, _ release: Release,
    _ target: TargetOrder
  ) async -> Fate {
    let order = DeployOrder(
      release: ServiceRelease(
        id: release.id, commit: release.commit, height: release.height, spec: service),
      requestedBy: target.requestedBy, allowOlder: target.allowOlder, again: target.again)
    do {
      try await controller.submit(.deploy(order))
      return .underWay
    } catch let refusal as Refusal {
      return refusal.kind == .nothingToDo ? .live : .takenBack(refusal.message)
    } catch {
      world.logger.error("a rollout could not be started", metadata: ["error": "\(error)"])
      return .notStarted
    }
  }

  private func settleIfDecided(
    _ target: TargetOrder, _ release: Release, _ fates: [ServiceName: Fate]
  ) async {
    var back: [String] = []
    var blocked: [String] = []
    var live = 0
    for service in release.spec.services {
      switch fates[service.name] {
      case .live?: live += 1
      case .takenBack(let reason)?: back.append("\(service.name): \(reason)")
      case .underWay?: return
      case .notStarted?, nil: blocked.append(service.name.rawValue)
      }
    }
    // Without a failure whatever is not started is about to be.
    guard blocked.isEmpty || !back.isEmpty else { return }
    let short = target.commit.short
    let summary: String
    if back.isEmpty {
      summary =
        live == 0
        ? "\(short) is built; it has no services to roll out" : "\(short) is live as \(release.id)"
    } else {
      let waiting = blocked.isEmpty ? "" : "; not started: \(blocked.joined(separator: ", "))"
      summary = "\(short) is not live: \(back.joined(separator: "; "))\(waiting)"
    }
    do {
      try await append([
        .commitSettled(commit: target.commit, live: back.isEmpty, summary: summary)
      ])
    } catch {
      world.logger.error("a commit's fate could not be recorded", metadata: ["error": "\(error)"])
    }
  }
}
