public import SegueModel

/// The log of everything that was decided. Appending is the only way to change it.
///
/// Every implementation passes the same contract suite (`JournalContract`).
public protocol Journal: Sendable {
  /// Appends in one transaction: all of it is on stable storage when this returns, or none of it.
  ///
  /// - Throws: `retry: never` when `expectedVersion` is not the stream's version (another writer was
  ///   faster); `retry: after` when the journal is busy; fault `platform` when the disk is full.
  func append(_ transaction: JournalTransaction) async throws(PortError) -> [RecordedEvent]

  /// Events of one stream with a version greater than `version`, oldest first.
  func events(of stream: StreamID, after version: Int64) async throws(PortError) -> [RecordedEvent]

  /// Events of all streams with a sequence greater than `sequence`, oldest first, at most `limit`.
  func events(after sequence: Int64, limit: Int) async throws(PortError) -> [RecordedEvent]

  /// Names of all streams that begin with `prefix`, sorted.
  func streams(prefix: String) async throws(PortError) -> [StreamID]

  /// Outbox rows not yet done, oldest first.
  func pendingOutbox() async throws(PortError) -> [OutboxRow]

  /// Timers not yet cleared, earliest first.
  func timers() async throws(PortError) -> [JournalTimer]

  /// A cached state of a stream, if there is one; may be thrown away at any time.
  func snapshot(of stream: StreamID) async throws(PortError) -> JournalSnapshot?
  func saveSnapshot(_ snapshot: JournalSnapshot) async throws(PortError)

  /// Recomputes the hash chain from the first event to the last.
  func verify() async throws(PortError) -> JournalVerification
}

/// A sequence of events that one writer owns, such as `service/production/web`.
public struct StreamID: Identifier {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
}

/// An event before it is recorded.
public struct NewEvent: Hashable, Sendable {
  /// In the past tense: `instanceBecameReady`.
  public var kind: String
  /// The version of the payload's shape; older ones are upcast when read.
  public var schema: Int
  /// Canonical JSON: sorted keys, no floating point.
  public var payload: [UInt8]
  public init(kind: String, schema: Int = 1, payload: [UInt8]) {
    self.kind = kind
    self.schema = schema
    self.payload = payload
  }
}

/// An event as it stands in the journal.
public struct RecordedEvent: Hashable, Sendable {
  /// Position in the whole journal, from 1.
  public var sequence: Int64
  public var stream: StreamID
  /// Position in the stream, from 1.
  public var version: Int64
  public var kind: String
  public var schema: Int
  public var at: Instant
  public var payload: [UInt8]

  public init(
    sequence: Int64, stream: StreamID, version: Int64, kind: String, schema: Int, at: Instant,
    payload: [UInt8]
  ) {
    self.sequence = sequence
    self.stream = stream
    self.version = version
    self.kind = kind
    self.schema = schema
    self.at = at
    self.payload = payload
  }
}

/// Work that must be done because of an event: written in the same transaction, done at least once.
public struct OutboxRow: Hashable, Sendable {
  /// Unique for ever: the idempotency key of the work.
  public var id: String
  public var stream: StreamID
  public var kind: String
  public var payload: [UInt8]
  public init(id: String, stream: StreamID, kind: String, payload: [UInt8]) {
    self.id = id
    self.stream = stream
    self.kind = kind
    self.payload = payload
  }
}

/// A wake-up that survives a restart.
public struct JournalTimer: Hashable, Sendable {
  /// Setting a timer of the same name moves it.
  public var name: String
  public var due: Instant
  public init(name: String, due: Instant) {
    self.name = name
    self.due = due
  }
}

/// Everything that changes together.
public struct JournalTransaction: Sendable {
  public var stream: StreamID
  /// The version that the writer believes the stream to be at: 0 for a new one.
  public var expectedVersion: Int64
  public var at: Instant
  public var events: [NewEvent]
  public var outbox: [OutboxRow]
  /// Ids of outbox rows that are done by this transaction.
  public var completedOutbox: [String]
  public var setTimers: [JournalTimer]
  public var clearedTimers: [String]

  public init(
    stream: StreamID, expectedVersion: Int64, at: Instant, events: [NewEvent],
    outbox: [OutboxRow] = [], completedOutbox: [String] = [], setTimers: [JournalTimer] = [],
    clearedTimers: [String] = []
  ) {
    self.stream = stream
    self.expectedVersion = expectedVersion
    self.at = at
    self.events = events
    self.outbox = outbox
    self.completedOutbox = completedOutbox
    self.setTimers = setTimers
    self.clearedTimers = clearedTimers
  }
}

public struct JournalSnapshot: Hashable, Sendable {
  public var stream: StreamID
  public var version: Int64
  public var schema: Int
  public var payload: [UInt8]
  public init(stream: StreamID, version: Int64, schema: Int, payload: [UInt8]) {
    self.stream = stream
    self.version = version
    self.schema = schema
    self.payload = payload
  }
}

public struct JournalVerification: Hashable, Sendable {
  public var events: Int64
  /// The first event whose hash does not fit, if any.
  public var firstBroken: Int64?
  /// Hexadecimal hash of the last event: the whole history in 64 digits.
  public var head: String
  public init(events: Int64, firstBroken: Int64?, head: String) {
    self.events = events
    self.firstBroken = firstBroken
    self.head = head
  }
}
