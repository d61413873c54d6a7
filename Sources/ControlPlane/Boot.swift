import ControlProtocol
import Ports

/// Whether the machine was started anew since the journal was last written.
struct Boot {
  private var stream: TypedStream<MachineEvent>
  private let before: String?
  private let now: String

  /// Instances that are gone ended with the machine, and did not fail. The first control plane of all
  /// knows of no start before, and blames nobody for it either.
  var isNew: Bool { before != nil && before != now }

  static func find(_ world: Dependencies) async throws(PortError) -> Boot {
    var stream = TypedStream<MachineEvent>(id: Streams.machine, journal: world.journal)
    let history = try await stream.load()
    let before = history.last.map { record in
      switch record.event {
      case .machineStarted(let id, _): id
      }
    }
    return Boot(stream: stream, before: before, now: world.platform.bootID)
  }

  /// To be called when everything that is gone has been reported.
  func record(_ world: Dependencies) async throws(PortError) -> FeedItem? {
    guard before != now else { return nil }
    var writer = stream
    let records = try await writer.append(
      [.machineStarted(bootID: now, before: before)], at: world.time.now())
    return records.first.flatMap { FeedText.item(for: $0) }
  }
}
