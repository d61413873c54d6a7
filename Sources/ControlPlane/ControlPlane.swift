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
  nonisolated let board = TargetBoard()
  nonisolated let drift: DriftKeeper
  nonisolated let people: PeopleKeeper
  nonisolated let gate: StartGate
  nonisolated let notices: NoticeKeeper
  var controllers: [ServiceKey: ServiceController] = [:]
  var targets: [EnvironmentName: TargetController] = [:]
  var reports: [ServiceKey: ServiceReport] = [:]
  /// What people should know: why the source cannot be read, why the router does not answer.
  var troubles: [String: String] = [:]
  /// The head that the watch saw last: a commit is taken up once, however often it is seen.
  var watchedHead: CommitID?
  let looking = SerialGate()
  private var pipelineStorage: PipelineController?
  /// One controller of a kind is made at a time, so that none is made twice.
  private let making = SerialGate()
  /// How live traffic judges each service.
  var watches: [ServiceKey: LiveWatch] = [:]
  var judgedAt: Instant?
  nonisolated let judgements = JudgementBoard()
  /// What the rounds of ``watchDrift()`` need to remember.
  var driftMemory = DriftMemory()
  private let newControllers: AsyncStream<ServiceController>
  private let newController: AsyncStream<ServiceController>.Continuation
  private let convergence: AsyncStream<Void>
  let converge: AsyncStream<Void>.Continuation
  let proxyStatus: @Sendable () async -> ProxyStatus

  public init(
    world: Dependencies, settings: ControlPlaneSettings,
    proxyStatus: @escaping @Sendable () async -> ProxyStatus
  ) {
    self.world = world
    self.settings = settings
    self.proxyStatus = proxyStatus
    drift = DriftKeeper(world: world, feed: feed)
    people = PeopleKeeper(world: world, feed: feed, catalogue: catalogue)
    receipts = ReceiptKeeper(
      world: world, catalogue: catalogue, judgements: judgements, people: people, board: board)
    gate = StartGate(
      zones: world.zones, time: world.time, people: people, catalogue: catalogue,
      source: world.source, logger: world.logger)
    notices = NoticeKeeper(world: world, catalogue: catalogue)
    startedAt = world.time.now()
    (newControllers, newController) = AsyncStream.makeStream()
    (convergence, converge) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Available once ``start()`` has returned.
  var pipeline: PipelineController {
    get throws {
      guard let pipelineStorage else {
        throw ControlError(
          .refused, "Segue is still starting", nextStep: "Try again in a moment")
      }
      return pipelineStorage
    }
  }

  // MARK: Start

  /// Replays the journal, observes what runs, and adopts it. After this nothing is forgotten and
  /// every command can be taken.
  public func start() async throws(PortError) {
    let pipeline = PipelineController(
      world: world, settings: settings, feed: feed, catalogue: catalogue, receipts: receipts
    ) { [weak self] release, acceptance in
      await self?.released(release, acceptance)
    }
    try await receipts.recover()
    try await pipeline.recover()
    try await drift.recover()
    try await people.recover()
    try await notices.recover()
    for name in try await recordedNames(Streams.targetPrefix) where name.count == 1 {
      _ = try await target(EnvironmentName(name[0]))
    }
    let boot = try await Boot.find(world)
    let outbox = try await world.journal.pendingOutbox()
    let observed = try await world.platform.observe()
    for name in try await recordedNames(Streams.servicePrefix) where name.count == 2 {
      _ = try await controller(
        ServiceKey(environment: .init(name[0]), service: .init(name[1])), observed, outbox,
        rebooted: boot.isNew)
    }
    pipelineStorage = pipeline
    for (environment, target) in targets.sorted(by: { $0.key < $1.key }) {
      guard let order = await target.state.order else { continue }
      try await prepareControllers(
        of: catalogue.record(of: order.release)?.release, in: environment)
    }
    if let last = catalogue.all.last(where: { $0.release != nil }), let release = last.release {
      await released(release, last.acceptance, onlyUnknown: true)
    }
    // Last of all: until then the next start finds the same things gone, and as little to blame.
    if let item = try await boot.record(world) { await feed.publish(item) }
    converge.yield()
  }

  /// What follows the prefix in the names of streams, in its parts.
  private func recordedNames(_ prefix: String) async throws(PortError) -> [[String]] {
    try await world.journal.streams(prefix: prefix).map { stream in
      stream.rawValue.dropFirst(prefix.count).split(separator: "/").map(String.init)
    }
  }

  private func controller(
    _ key: ServiceKey, _ observed: [RunningInstance] = [], _ outbox: [OutboxRow] = [],
    rebooted: Bool = false
  ) async throws(PortError) -> ServiceController {
    try await making.withTurn { () async throws(PortError) in
      if let known = controllers[key] { return known }
      let converge = self.converge
      let made = ServiceController(
        key: key, world: world, feed: feed, catalogue: catalogue, receipts: receipts
      ) { converge.yield() }
      try await made.recover(observed: observed, outbox: outbox, rebooted: rebooted)
      controllers[key] = made
      newController.yield(made)
      return made
    }
  }

  private func target(_ environment: EnvironmentName) async throws(PortError) -> TargetController {
    try await making.withTurn { () async throws(PortError) in
      if let known = targets[environment] { return known }
      let made = TargetController(
        environment: environment, world: world, feed: feed, catalogue: catalogue, board: board,
        gate: gate)
      try await made.recover()
      targets[environment] = made
      return made
    }
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
      group.addTask { await self.watchDrift() }
      group.addTask { await self.keepCertificates() }
      group.addTask { await self.watchMetrics() }
      group.addTask { await self.keepOutreach() }
      group.addTask { await self.watchAdvisories() }
      group.addTask { await self.askAgain() }
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
      await promoteArrivals()
      for environment in targets.keys.sorted() {
        await targets[environment]?.converge(controllers)
        // At once, before anything newer can take its place.
        await promoteArrivals()
      }
    }
  }

  /// What could not be done, because the journal or the disk was full, is tried again.
  private func askAgain() async {
    while !Task.isCancelled {
      converge.yield()
      try? await world.time.sleep(for: .seconds(1))
    }
  }

  /// Polls the source for a new head of the deploy branch.
  private func watchSource() async {
    while !Task.isCancelled {
      await lookAtSource()
      try? await world.time.sleep(for: settings.pollInterval)
    }
  }

  /// Keeps the newest counts, and sees to it that a router that was started anew gets its tables.
  private func watchRouter() async {
    while !Task.isCancelled {
      do throws(PortError) {
        let expected = await settledGenerations()
        let fresh = try await world.director.report()
        reports = Dictionary(fresh.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        await receipts.sample(fresh)
        await judge(fresh)
        troubles["proxy"] = nil
        await mendTables(expected, fresh)
      } catch {
        note("proxy", "\(error)")
      }
      try? await world.time.sleep(for: Milliseconds(250))
    }
  }

  func note(_ subject: String, _ trouble: String) {
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

  /// A commit earned its release: every environment that waits for no other is to run it.
  private func released(
    _ release: Release, _ acceptance: CommitAcceptance, onlyUnknown: Bool = false
  ) async {
    for environment in release.spec.environments where environment.after == nil {
      if onlyUnknown, board[environment.name].known.contains(release.id) { continue }
      let order = TargetOrder(
        release: release.id, commit: release.commit, requestedBy: acceptance.requestedBy,
        allowOlder: acceptance.allowOlder, again: acceptance.again)
      do {
        _ = try await world.persist("a release's target") { () async throws(PortError) in
          try await aim(order, of: release, at: environment.name)
        }
        troubles["journal"] = nil
      } catch {
        note("journal", "\(error)")
      }
    }
  }

  /// From now on the environment is to run the release.
  func aim(_ order: TargetOrder, of release: Release, at environment: EnvironmentName)
    async throws(PortError)
  {
    let target = try await target(environment)
    try await prepareControllers(of: release, in: environment)
    try await target.set(order)
    converge.yield()
  }

  /// Nothing more is rolled out in these environments until their next target.
  func clearTargets(_ environments: Set<EnvironmentName>, by who: String, reason: String)
    async throws(PortError)
  {
    for environment in environments.sorted() {
      try await targets[environment]?.clear(by: who, reason: reason)
    }
  }

  /// A service that was never rolled out has no stream yet, and so no controller after a restart.
  private func prepareControllers(of release: Release?, in environment: EnvironmentName)
    async throws(PortError)
  {
    for service in release?.spec.services ?? [] {
      _ = try await controller(ServiceKey(environment: environment, service: service.name))
    }
  }
}
