import Logging
import Ports
import RolloutEngine
import SegueModel

/// Knows which release an environment is meant to run, and starts each service's rollout when its
/// turn has come: after the services it needs. Convergent: asked again at any time, it does what is
/// still missing.
actor TargetController {
  nonisolated let environment: EnvironmentName
  let world: Dependencies
  let catalogue: ReleaseCatalogue
  private let feed: FeedHub
  private let board: TargetBoard
  let gate: StartGate
  /// What the gate said last, and to what.
  var heldStart: HeldStart?
  private var stream: TypedStream<TargetEvent>
  private(set) var state = TargetState() {
    didSet { board[environment] = state }
  }

  init(
    environment: EnvironmentName, world: Dependencies, feed: FeedHub, catalogue: ReleaseCatalogue,
    board: TargetBoard, gate: StartGate
  ) {
    self.environment = environment
    self.board = board
    self.gate = gate
    self.world = world
    self.feed = feed
    self.catalogue = catalogue
    stream = TypedStream(id: Streams.target(environment), journal: world.journal)
  }

  func recover() async throws(PortError) {
    var reader = stream
    let history = try await reader.load()
    stream = reader
    for record in history { state.evolve(record) }
    if let last = history.last { await feed.advance(to: last.sequence) }
  }

  // MARK: Orders

  @discardableResult
  func set(_ order: TargetOrder) async throws(PortError) -> Int64 {
    try await board.gate.withTurn { () async throws(PortError) in
      var events: [TargetEvent] = []
      if !state.isSettled, let open = state.order, open.commit != order.commit {
        events.append(ended(open, "superseded by \(order.commit.short)"))
      }
      return try await append(events + [.targetSet(order)])
    }
  }

  /// Nothing is rolled out any more until the next target.
  func clear(by: String, reason: String) async throws(PortError) {
    try await board.gate.withTurn { () async throws(PortError) in
      guard let order = state.order else { return }
      var events: [TargetEvent] = []
      if !state.isSettled { events.append(ended(order, "taken back by \(by): \(reason)")) }
      _ = try await append(events + [.targetCleared(by: by, reason: reason)])
    }
  }

  private func ended(_ order: TargetOrder, _ summary: String) -> TargetEvent {
    .commitSettled(
      commit: order.commit, live: false, summary: summary,
      isFinal: !board.isOpen(order.commit, except: environment))
  }

  /// Records that the order's fate is decided.
  func settle(_ order: TargetOrder, of release: Release, live: Bool, summary: String)
    async throws(PortError)
  {
    try await board.gate.withTurn { () async throws(PortError) in
      guard state.order == order, !state.isSettled else { return }
      let goesOn =
        live
        && release.spec.environments.contains { $0.after == environment && !$0.isPromotedByHand }
      let isFinal = !goesOn && !board.isOpen(order.commit, except: environment)
      _ = try await append([
        .commitSettled(commit: order.commit, live: live, summary: summary, isFinal: isFinal)
      ])
    }
  }

  /// Records what follows for one order, unless another has taken its place meanwhile.
  /// - Returns: Whether it still was the order, and so was recorded.
  func record(_ event: TargetEvent, for order: TargetOrder) async throws(PortError) -> Bool {
    try await board.gate.withTurn { () async throws(PortError) in
      guard state.order == order, !state.isSettled else { return false }
      _ = try await append([event])
      return true
    }
  }

  /// Only within a turn.
  private func append(_ events: [TargetEvent]) async throws(PortError) -> Int64 {
    var writer = stream
    let records = try await writer.append(events, at: world.time.now())
    stream = writer
    for record in records {
      state.evolve(record)
      if let item = FeedText.item(for: record, environment: environment) {
        await feed.publish(item)
      }
    }
    return records.last?.sequence ?? 0
  }
}
