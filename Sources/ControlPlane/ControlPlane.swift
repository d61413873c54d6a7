public import ControlProtocol
import Logging
public import Ports
import RolloutEngine
import SegueModel
public import ServiceLifecycle

/// The control plane of one project: watches its source, builds its commits, rolls them out, and
/// answers for all of it.
///
/// ``start()`` replays the journal and adopts what runs; ``run()`` then works until it is cancelled.
/// Instances and router go on without it.
public actor ControlPlane: Service {
  nonisolated let world: Dependencies
  nonisolated let settings: ControlPlaneSettings
  nonisolated let feed = FeedHub()
  nonisolated let catalogue = ReleaseCatalogue()
  nonisolated let receipts: ReceiptKeeper
  nonisolated let startedAt: Instant
  var controllers: [ServiceKey: ServiceController] = [:]
  var reports: [ServiceKey: ServiceReport] = [:]
  /// What people should know: why the source cannot be read, why the router does not answer.
  var troubles: [String: String] = [:]
  /// The head that the watch saw last: a commit is taken up once, however often it is seen.
  private var watchedHead: CommitID?
  private var pipelineStorage: PipelineController?
  private var targetStorage: TargetController?
  private let newControllers: AsyncStream<ServiceController>
  private let newController: AsyncStream<ServiceController>.Continuation
  private let convergence: AsyncStream<Void>
  private let converge: AsyncStream<Void>.Continuation
  let proxyStatus: @Sendable () async -> ProxyStatus

  public init(
    world: Dependencies, settings: ControlPlaneSettings,
    proxyStatus: @escaping @Sendable () async -> ProxyStatus
  ) {
    self.world = world
    self.settings = settings
    self.proxyStatus = proxyStatus
    receipts = ReceiptKeeper(world: world, catalogue: catalogue)
    startedAt = world.time.now()
    (newControllers, newController) = AsyncStream.makeStream()
    (convergence, converge) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Available once ``start()`` has returned.
  var pipeline: PipelineController {
    get throws { try started(pipelineStorage) }
  }

  var target: TargetController {
    get throws { try started(targetStorage) }
  }

  private func started<Part>(_ part: Part?) throws -> Part {
    guard let part else {
      throw ControlError(
        .refused, "Segue is still starting", nextStep: "Try again in a moment")
    }
    return part
  }

  // MARK: Start

  /// Replays the journal, observes what runs, and adopts it. After this nothing is forgotten and
  /// every command can be taken.
  public func start() async throws(PortError) {
    let target = TargetController(
      environment: Self.environment, world: world, feed: feed, catalogue: catalogue)
    let pipeline = PipelineController(
      world: world, settings: settings, feed: feed, catalogue: catalogue, receipts: receipts
    ) { [weak self] release, acceptance in
      await self?.released(release, acceptance)
    }
    try await receipts.recover()
    try await target.recover()
    try await pipeline.recover()
    let outbox = try await world.journal.pendingOutbox()
    let observed = try await world.platform.observe()
    for stream in try await world.journal.streams(prefix: "service/") {
      let parts = stream.rawValue.split(separator: "/").dropFirst().map(String.init)
      guard parts.count == 2 else { continue }
      _ = try await controller(
        ServiceKey(environment: .init(parts[0]), service: .init(parts[1])), observed, outbox)
    }
    pipelineStorage = pipeline
    targetStorage = target
    if let last = catalogue.all.last(where: { $0.release != nil }), let release = last.release,
      await !target.hasKnown(release.id)
    {
      await released(release, last.acceptance)
    }
    if let order = await target.target {
      try await prepareControllers(of: catalogue.record(of: order.release)?.release)
    }
    converge.yield()
  }

  /// The one environment of this version; the file may give it another name later.
  static let environment: EnvironmentName = "production"

  private func controller(
    _ key: ServiceKey, _ observed: [RunningInstance] = [], _ outbox: [OutboxRow] = []
  ) async throws(PortError) -> ServiceController {
    if let known = controllers[key] { return known }
    let converge = self.converge
    let made = ServiceController(
      key: key, world: world, feed: feed, catalogue: catalogue, receipts: receipts
    ) { converge.yield() }
    controllers[key] = made
    try await made.recover(observed: observed, outbox: outbox)
    newController.yield(made)
    return made
  }

  // MARK: Run

  public func run() async throws {
    let pipeline = try self.pipeline
    await withDiscardingTaskGroup { group in
      group.addTask { await pipeline.run() }
      group.addTask { await self.runControllers() }
      group.addTask { await self.keepConverging() }
      group.addTask { await self.watchSource() }
      group.addTask { await self.watchRouter() }
      await gracefulShutdownOrCancellation()
      group.cancelAll()
    }
    await feed.close()
  }

  private func gracefulShutdownOrCancellation() async {
    try? await gracefulShutdown()
  }

  private func runControllers() async {
    await withDiscardingTaskGroup { group in
      for await controller in newControllers {
        group.addTask { await controller.run() }
      }
      group.cancelAll()
    }
  }

  private func keepConverging() async {
    for await _ in convergence {
      guard let target = targetStorage else { continue }
      await target.converge(controllers)
    }
  }

  /// Polls the source for a new head of the deploy branch.
  private func watchSource() async {
    while !Task.isCancelled {
      do throws(PortError) {
        try await world.source.refresh()
        if let head = try await world.source.head(of: settings.deployBranch),
          head.id != watchedHead
        {
          if catalogue.record(of: head.id) == nil {
            try await accept(head, by: "watch of \(settings.deployBranch)")
          }
          watchedHead = head.id
        }
        troubles["source"] = nil
      } catch {
        note("source", "\(error)")
      }
      try? await world.time.sleep(for: settings.pollInterval)
    }
  }

  /// Keeps the newest counts, and sees to it that a router that was started anew gets its tables.
  private func watchRouter() async {
    while !Task.isCancelled {
      do throws(PortError) {
        let fresh = try await world.director.report()
        reports = Dictionary(fresh.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        await receipts.sample(fresh)
        troubles["proxy"] = nil
        for (key, controller) in controllers {
          let table = await controller.state.table
          guard let proposed = table.proposed, table.isSettled,
            reports[key]?.generation ?? .zero < proposed.generation
          else { continue }
          await controller.reapplyTable()
        }
      } catch {
        note("proxy", "\(error)")
      }
      try? await world.time.sleep(for: Milliseconds(250))
    }
  }

  private func note(_ subject: String, _ trouble: String) {
    if troubles[subject] != trouble {
      world.logger.warning("trouble", metadata: ["subject": "\(subject)", "error": "\(trouble)"])
    }
    troubles[subject] = trouble
  }

  // MARK: Commits

  @discardableResult
  func accept(
    _ commit: Commit, by who: String, allowOlder: Bool = true, again: Bool = false
  ) async throws(PortError) -> Int64 {
    guard let pipeline = pipelineStorage else {
      throw PortError("Segue is still starting", fault: .segue, retry: .safe)
    }
    return try await pipeline.accept(commit, by: who, allowOlder: allowOlder, again: again)
  }

  /// A commit earned its release: the environment is to run it.
  private func released(_ release: Release, _ acceptance: CommitAcceptance) async {
    do throws(PortError) {
      guard let target = targetStorage else { return }
      try await prepareControllers(of: release)
      try await target.set(
        TargetOrder(
          release: release.id, commit: release.commit, requestedBy: acceptance.requestedBy,
          allowOlder: acceptance.allowOlder, again: acceptance.again))
      converge.yield()
    } catch {
      note("journal", "\(error)")
    }
  }

  /// A service that was never rolled out has no stream yet, and so no controller after a restart.
  private func prepareControllers(of release: Release?) async throws(PortError) {
    for service in release?.spec.services ?? [] {
      _ = try await controller(ServiceKey(environment: Self.environment, service: service.name))
    }
  }

  func convergeSoon() { converge.yield() }
}
