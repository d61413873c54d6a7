import Ports
import SegueModel

/// An event type with a name and a place in the journal.
protocol JournalEvent: Codable, Sendable {
  /// The case's name.
  var kind: String { get }
}

/// A journalled event, decoded.
struct Recorded<Event: JournalEvent>: Sendable {
  var sequence: Int64
  var version: Int64
  var at: Instant
  var event: Event
}

/// One stream of one type of event, with its version kept: what a writer owns.
struct TypedStream<Event: JournalEvent>: Sendable {
  let id: StreamID
  let journal: any Journal
  private(set) var version: Int64 = 0

  init(id: StreamID, journal: any Journal) {
    self.id = id
    self.journal = journal
  }

  /// Reads the stream from its beginning and positions the writer at its end.
  mutating func load() async throws(PortError) -> [Recorded<Event>] {
    var result: [Recorded<Event>] = []
    for record in try await journal.events(of: id, after: 0) {
      result.append(try Self.decode(record))
      version = record.version
    }
    return result
  }

  /// Appends events with whatever must be stored together with them.
  mutating func append(
    _ events: [Event], at now: Instant, outbox: [OutboxRow] = [], completed: [String] = [],
    timers: [JournalTimer] = [], clearedTimers: [String] = []
  ) async throws(PortError) -> [Recorded<Event>] {
    var new: [NewEvent] = []
    for event in events {
      new.append(NewEvent(kind: event.kind, payload: try Self.encode(event)))
    }
    let records = try await journal.append(
      JournalTransaction(
        stream: id, expectedVersion: version, at: now, events: new, outbox: outbox,
        completedOutbox: completed, setTimers: timers, clearedTimers: clearedTimers))
    version += Int64(events.count)
    return zip(records, events).map { record, event in
      Recorded(sequence: record.sequence, version: record.version, at: record.at, event: event)
    }
  }

  static func decode(_ record: RecordedEvent) throws(PortError) -> Recorded<Event> {
    do {
      let event = try CanonicalJSON.decode(Event.self, from: record.payload)
      return Recorded(
        sequence: record.sequence, version: record.version, at: record.at, event: event)
    } catch {
      throw PortError(
        "event \(record.sequence) (\(record.kind)) of the journal cannot be read",
        fault: .segue, retry: .never, causes: ["\(error)"],
        nextStep: "Run the version of Segue that wrote it, and report this as a defect")
    }
  }

  private static func encode(_ event: Event) throws(PortError) -> [UInt8] {
    do {
      return try CanonicalJSON.encode(event)
    } catch {
      throw PortError(
        "event \(event.kind) cannot be written", fault: .segue, retry: .never, causes: ["\(error)"])
    }
  }
}
