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
    case .driftFound(let subject, let what): open[subject] = what
    case .driftEnded(let subject): open[subject] = nil
    }
  }

  /// Takes note of everything that one look found about subjects that begin with `kind`; what is not
  /// among it has been put right.
  func settle(_ kind: String, _ found: [String: String]) async throws(PortError) {
    try await gate.withTurn { () async throws(PortError) in
      let new = found.filter { open[$0.key] != $0.value }.sorted { $0.key < $1.key }
      let ended = open.keys.filter { $0.hasPrefix(kind) && found[$0] == nil }.sorted()
      let events =
        new.map { DriftEvent.driftFound(subject: $0.key, what: $0.value) }
        + ended.map { DriftEvent.driftEnded(subject: $0) }
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
}
