import ControlProtocol
import Logging
import Ports
import RolloutEngine
import SegueModel

/// Owns one service in one environment: takes commands one at a time, records what follows, and
/// sees to it that it is done.
actor ServiceController {
  nonisolated let key: ServiceKey
  let world: Dependencies
  let feed: FeedHub
  let catalogue: ReleaseCatalogue
  let receipts: ReceiptKeeper
  let logger: Logger
  private let gate = SerialGate()
  private var stream: TypedStream<RolloutEvent>
  private(set) var state: ServiceState
  /// Every event of each rollout whose receipt is not issued yet.
  private(set) var accounts: [RolloutID: [Recorded<RolloutEvent>]] = [:]
  /// Processes known to run, by instance.
  var running: [InstanceID: RunningInstance] = [:]
  private var nextWake: Instant?
  let jobs: AsyncStream<Job>
  let jobsContinuation: AsyncStream<Job>.Continuation
  /// Called whenever something has ended that others may wait for.
  let onRest: @Sendable () async -> Void

  /// Something to be done beside the commands.
  enum Job: Sendable {
    case effect(Effect, outbox: String)
    case supervise(RunningInstance)
  }

  init(
    key: ServiceKey, world: Dependencies, feed: FeedHub, catalogue: ReleaseCatalogue,
    receipts: ReceiptKeeper, onRest: @escaping @Sendable () async -> Void
  ) {
    self.key = key
    self.world = world
    self.feed = feed
    self.catalogue = catalogue
    self.receipts = receipts
    self.onRest = onRest
    var logger = world.logger
    logger[metadataKey: "service"] = "\(key)"
    self.logger = logger
    stream = TypedStream(id: Streams.service(key), journal: world.journal)
    state = ServiceState(key: key)
    (jobs, jobsContinuation) = AsyncStream.makeStream()
  }

  /// Replays the journal and sees what of it is true: what runs is adopted, what is gone is reported,
  /// what was not finished is issued again.
  ///
  /// - Parameter rebooted: The machine was started anew since the journal was last written: what is
  ///   gone did not fail.
  func recover(observed: [RunningInstance], outbox: [OutboxRow], rebooted: Bool)
    async throws(PortError)
  {
    var reader = stream
    let history = try await reader.load()
    stream = reader
    for record in history { try apply(record) }
    if let last = history.last { await feed.advance(to: last.sequence) }
    if !outbox.contains(where: { $0.stream == stream.id && $0.kind == "issueReceipt" }) {
      forgetAccounts()
    }
    for instance in observed
    where instance.key == key && state.instances[instance.instance] != nil {
      running[instance.instance] = instance
    }
    for row in outbox where row.stream == stream.id {
      let effect = try decodeEffect(row)
      if case .migrate = effect, isOverdue(state.migrations.running) {
        // Its deadline passed while nobody watched. It may have succeeded all the same, so it is
        // asked before the first command lets the deadline have its consequence.
        await carryOut(effect, outbox: row.id)
      } else {
        jobsContinuation.yield(.effect(effect, outbox: row.id))
      }
    }
    for instance in state.orderedInstances {
      if let found = running[instance.id] {
        if instance.isKept { jobsContinuation.yield(.supervise(found)) }
        if instance.endpoint == nil {
          try await submitReport(.reportStarted(instance.id, found.endpoint))
        }
      } else if instance.endpoint != nil || !instance.isKept {
        try await submitReport(
          rebooted
            ? .reportVanished(instance.id)
            : .reportDied(instance.id, reason: "was gone after a restart"))
      }
    }
    try await submitReport(.tick)
  }

  private func isOverdue(_ migration: MigrationState.Running?) -> Bool {
    migration.map { world.time.now() >= $0.by } ?? false
  }

  /// Carries out jobs and watches deadlines until the task is cancelled.
  func run() async {
    await withDiscardingTaskGroup { group in
      group.addTask { await self.watchDeadlines() }
      for await job in jobs {
        group.addTask { await self.perform(job) }
      }
      group.cancelAll()
    }
  }

  func finish() { jobsContinuation.finish() }

  private func watchDeadlines() async {
    while !Task.isCancelled {
      try? await world.time.sleep(for: Milliseconds(50))
      guard let nextWake, world.time.now() >= nextWake else { continue }
      do {
        try await submitReport(.tick)
      } catch {
        logger.error("a deadline could not be recorded", metadata: ["error": "\(error)"])
        try? await world.time.sleep(for: .seconds(1))
      }
    }
  }

  // MARK: Commands

  /// A command from a person or from the pipeline; may be refused.
  /// - Returns: The sequence of the last event it caused; `nil` when it changed nothing.
  @discardableResult
  func submit(_ command: RolloutCommand, completing outbox: String? = nil) async throws -> Int64? {
    try await gate.withTurn { try await carryOut(command, completing: outbox) }
  }

  /// The state once everything that led to it has been told: what follows from it must not be
  /// told before.
  func toldState() async -> ServiceState { await gate.withTurn { state } }

  /// A report of something that is so: the engine never refuses one.
  func submitReport(_ command: RolloutCommand, completing outbox: String? = nil)
    async throws(PortError)
  {
    do {
      try await submit(command, completing: outbox)
    } catch let error as PortError {
      throw error
    } catch {
      throw PortError(
        "a report was refused", fault: .segue, retry: .never, causes: ["\(error)"])
    }
  }

  private func carryOut(_ command: RolloutCommand, completing outbox: String?) async throws
    -> Int64?
  {
    let now = world.time.now()
    let events = try state.decide(command, at: now)
    guard !events.isEmpty || outbox != nil else {
      nextWake = state.nextDeadline(after: now)
      return nil
    }
    var after = state
    var rows: [OutboxRow] = []
    for (index, event) in events.enumerated() {
      try after.evolve(event, at: now)
      if let effect = after.effect(of: event, at: now) {
        let id = "\(stream.id)@\(stream.version + Int64(index) + 1)"
        rows.append(
          OutboxRow(
            id: id, stream: stream.id, kind: effect.kind,
            payload: try CanonicalJSON.encode(effect)))
      }
    }
    await measureBeforeRollout(events)
    let wake = after.nextDeadline(after: now)
    let timer = wake.map { [JournalTimer(name: stream.id.rawValue, due: $0)] } ?? []
    var writer = stream
    let records = try await writer.append(
      events, at: now, outbox: rows, completed: outbox.map { [$0] } ?? [], timers: timer,
      clearedTimers: wake == nil ? [stream.id.rawValue] : [])
    stream = writer
    let rolling = state.rollout?.to.id
    for record in records { try apply(record) }
    nextWake = wake
    for row in rows { jobsContinuation.yield(.effect(try decodeEffect(row), outbox: row.id)) }
    await tell(records, during: rolling)
    return records.last?.sequence
  }

  private func measureBeforeRollout(_ events: [RolloutEvent]) async {
    for case .rolloutStarted(let start) in events {
      await receipts.measure(start.id, key: key)
    }
  }

  private func apply(_ record: Recorded<RolloutEvent>) throws(PortError) {
    let before = state.rollout?.id
    do {
      try state.evolve(record.event, at: record.at)
    } catch {
      throw PortError(
        "event \(record.sequence) of the journal does not follow from the ones before it",
        fault: .segue, retry: .never, causes: ["\(error)"],
        nextStep: "Restore the state directory from a backup, and report this as a defect")
    }
    if let rollout = state.rollout?.id ?? before { accounts[rollout, default: []].append(record) }
  }

  private func tell(_ records: [Recorded<RolloutEvent>], during rolling: ReleaseID?) async {
    var ended = false
    for record in records {
      if let item = FeedText.item(
        for: record, key: key, during: rolling ?? state.rollout?.to.id, catalogue: catalogue)
      {
        await feed.publish(item)
      }
      await feed.advance(to: record.sequence)
      switch record.event {
      case .rolloutEnded, .deploySuperseded, .migrationFinished, .restored: ended = true
      default: break
      }
    }
    if ended { await onRest() }
  }

  private func decodeEffect(_ row: OutboxRow) throws(PortError) -> Effect {
    do {
      return try CanonicalJSON.decode(Effect.self, from: row.payload)
    } catch {
      throw PortError(
        "outbox row \(row.id) cannot be read", fault: .segue, retry: .never, causes: ["\(error)"])
    }
  }

  /// Drops the accounts of rollouts that have ended.
  func forgetAccounts() {
    accounts = accounts.filter { $0.key == state.rollout?.id }
  }

  func forgetAccount(of rollout: RolloutID) { accounts[rollout] = nil }

  /// The router lost or never got the table in force: it is told again.
  /// - Returns: Whether it took it.
  func reapplyTable() async -> Bool {
    guard let table = state.table.proposed, state.table.isSettled else { return false }
    do {
      try await world.director.apply(table)
      return true
    } catch {
      logger.warning("the table could not be applied again", metadata: ["error": "\(error)"])
      return false
    }
  }

  /// Instances known to run that are not among those observed.
  func missing(among observed: Set<InstanceID>) -> [InstanceID] {
    state.orderedInstances.filter {
      $0.isKept && running[$0.id] != nil && !observed.contains($0.id)
    }.map(\.id)
  }

  /// An instance that is not among those observed any more, though nobody reported its end.
  func noteMissing(_ id: InstanceID) async {
    guard let instance = state.instances[id], instance.isKept, running[id] != nil else { return }
    running[id] = nil
    await record(.reportDied(id, reason: "is gone, and nobody saw it end"), completing: nil)
  }
}
