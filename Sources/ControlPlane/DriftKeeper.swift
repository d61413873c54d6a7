import ControlProtocol
import Ports
import SegueModel

/// Keeps account of where the world differs from the journal: each difference is told once, and once
/// more when it is gone.
actor DriftKeeper {
  private let world: Dependencies
  private let feed: FeedHub
  private let gate = SerialGate()
  private var stream: TypedStream<DriftEvent>
  /// By subject.
  private(set) var open: [String: String] = [:]
  /// Which release is worse than the one before it, and where.
  private(set) var regressions: [ServiceKey: ReleaseID] = [:]

  init(world: Dependencies, feed: FeedHub) {
    self.world = world
    self.feed = feed
    stream = TypedStream(id: Streams.drift, journal: world.journal)
  }

  func recover() async throws(PortError) {
    var reader = stream
    for record in try await reader.load() { apply(record.event) }
    stream = reader
  }

  private func apply(_ event: DriftEvent) {
    switch event {
    case .driftFound(_, let what), .advisoryMatched(_, _, let what):
      open[event.subject] = what
    case .regressionFound(let place, let release, let what):
      open[event.subject] = what
      regressions[place] = release
    case .driftEnded(let subject):
      open[subject] = nil
      regressions = regressions.filter { DriftEvent.regressions + "\($0.key)" != subject }
    }
  }

  /// Takes note of everything that one look found about subjects that begin with `kind`; what is not
  /// among it has been put right.
  func settle(_ kind: String, _ found: [String: String]) async throws(PortError) {
    try await settle(
      kind, found.sorted { $0.key < $1.key }.map { .driftFound(subject: $0.key, what: $0.value) })
  }

  func settle(_ kind: String, _ found: [DriftEvent]) async throws(PortError) {
    let subjects = Set(found.map(\.subject))
    try await gate.withTurn { () async throws(PortError) in
      let ended = open.keys.filter { $0.hasPrefix(kind) && !subjects.contains($0) }.sorted()
      try await append(new(found) + ended.map { DriftEvent.driftEnded(subject: $0) })
    }
  }

  /// Takes note of one thing more.
  func add(_ event: DriftEvent) async throws(PortError) {
    try await gate.withTurn { () async throws(PortError) in try await append(new([event])) }
  }

  /// It has been put right.
  func end(_ subject: String) async throws(PortError) {
    try await gate.withTurn { () async throws(PortError) in
      guard open[subject] != nil else { return }
      try await append([.driftEnded(subject: subject)])
    }
  }

  /// What differs from what is open under the same subject.
  private func new(_ events: [DriftEvent]) -> [DriftEvent] {
    events.filter { event in
      switch event {
      case .driftFound(_, let what), .advisoryMatched(_, _, let what): open[event.subject] != what
      case .regressionFound(let place, let release, let what):
        open[event.subject] != what || regressions[place] != release
      case .driftEnded: true
      }
    }
  }

  /// Only within a turn.
  private func append(_ events: [DriftEvent]) async throws(PortError) {
    guard !events.isEmpty else { return }
    var writer = stream
    let records = try await writer.append(events, at: world.time.now())
    stream = writer
    for record in records {
      apply(record.event)
      await feed.publish(FeedText.item(for: record))
    }
  }
}
