internal import Crypto
internal import Foundation
internal import GRDB
internal import Ports
internal import SegueModel

/// The chain of hashes that ties each event to all before it, so that a change of any of them shows.
///
/// For the event at `seq`, with `prev` the hash of the event at `seq - 1` (32 zero bytes for the
/// first):
///
///     hash = SHA-256( prev
///                   | field(seq) | field(stream) | field(version) | field(kind)
///                   | field(schema) | field(at) | field(payload) )
///     field(x) = length of x in bytes, as 8 bytes big-endian, then the bytes of x
///
/// Text is UTF-8; an integer is 8 bytes, big-endian, two's complement; a payload is its bytes. That is
/// all another program needs to check the `event` table of `journal.sqlite`, in the order of `seq`,
/// which counts from 1 without a gap.
///
/// The chain shows what was changed, not what was cut off at the end: for that, compare the last hash
/// with one that was written down elsewhere.
struct HashChain: Sendable {
  static let genesis = [UInt8](repeating: 0, count: 32)

  /// The last event that fits.
  private(set) var sequence: Int64
  private(set) var head: [UInt8]

  init(sequence: Int64 = 0, head: [UInt8] = HashChain.genesis) {
    self.sequence = sequence
    self.head = head
  }

  /// The hash of `event` after an event with the hash `previous`.
  static func hash(_ event: RecordedEvent, after previous: [UInt8]) -> [UInt8] {
    var hasher = SHA256()
    hasher.update(data: previous)
    func add(_ bytes: some Collection<UInt8>) {
      withUnsafeBytes(of: UInt64(bytes.count).bigEndian) { hasher.update(bufferPointer: $0) }
      hasher.update(data: Array(bytes))
    }
    func add(_ number: Int64) {
      withUnsafeBytes(of: number.bigEndian) { add(Array($0)) }
    }
    add(event.sequence)
    add(event.stream.rawValue.utf8)
    add(event.version)
    add(event.kind.utf8)
    add(Int64(event.schema))
    add(event.at.milliseconds)
    add(event.payload)
    return Array(hasher.finalize())
  }

  /// Appends an event that is about to be written, and returns its row.
  mutating func link(_ event: RecordedEvent) -> EventRow {
    let row = EventRow(event: event, previous: head, hash: Self.hash(event, after: head))
    sequence = event.sequence
    head = row.hash
    return row
  }

  /// Takes a row as it was read, if it is the next one and its hashes fit.
  mutating func accept(_ row: EventRow) -> Bool {
    guard row.event.sequence == sequence + 1, row.previous == head,
      row.hash == Self.hash(row.event, after: head)
    else { return false }
    sequence = row.event.sequence
    head = row.hash
    return true
  }
}

/// An event with its place in the chain.
struct EventRow: Sendable {
  var event: RecordedEvent
  var previous: [UInt8]
  var hash: [UInt8]
}

extension EventRow {
  /// Reads the columns of ``JournalFormat/eventColumns``; throws where a damaged file holds something
  /// else, for which GRDB's subscripts would end the process.
  init(_ row: Row) throws {
    event = RecordedEvent(
      sequence: try row.decode(Int64.self, atIndex: 0),
      stream: StreamID(rawValue: try row.decode(String.self, atIndex: 1)),
      version: try row.decode(Int64.self, atIndex: 2),
      kind: try row.decode(String.self, atIndex: 3),
      schema: try row.decode(Int.self, atIndex: 4),
      at: Instant(milliseconds: try row.decode(Int64.self, atIndex: 5)),
      payload: Array(try row.decode(Data.self, atIndex: 6)))
    previous = Array(try row.decode(Data.self, atIndex: 7))
    hash = Array(try row.decode(Data.self, atIndex: 8))
  }

  /// At most `limit` rows after `sequence`, oldest first.
  static func fetch(
    _ database: Database, after sequence: Int64, limit: Int
  ) throws -> [EventRow] {
    let statement = try database.cachedStatement(
      sql: """
        SELECT \(JournalFormat.eventColumns) FROM event WHERE seq > ? ORDER BY seq LIMIT ?
        """)
    var rows: [EventRow] = []
    let cursor = try Row.fetchCursor(statement, arguments: [sequence, limit])
    while let row = try cursor.next() { rows.append(try EventRow(row)) }
    return rows
  }

  func insert(_ database: Database) throws {
    let statement = try database.cachedStatement(
      sql: """
        INSERT INTO event (\(JournalFormat.eventColumns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
    try statement.execute(arguments: [
      event.sequence, event.stream.rawValue, event.version, event.kind, event.schema,
      event.at.milliseconds, Data(event.payload), Data(previous), Data(hash),
    ])
  }
}
