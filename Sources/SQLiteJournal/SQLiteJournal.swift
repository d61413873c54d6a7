internal import Dispatch
internal import Foundation
internal import GRDB
public import Ports
public import SegueModel
internal import Synchronization

/// The journal of one machine: one SQLite file, `journal.sqlite`, in the state directory.
///
/// Each append is one transaction and one `fsync` of the write-ahead log (`synchronous=FULL`), so what
/// was acknowledged survives a loss of power. Cancelling a task does not interrupt a call: a commit
/// that is cut short could not tell its caller whether it happened.
///
/// Hold a ``StateLock`` on the directory while it is open.
public final class SQLiteJournal: Journal {
  public struct Options: Sendable {
    /// How long to wait for another program that has the file locked.
    public var busyTimeout: Milliseconds = .seconds(5)
    /// How many of the last events have their hashes checked when the journal is opened.
    public var checkedEvents = 1_000
    /// Up to this size in bytes, all pages are checked when the journal is opened.
    public var checkedSize: Int64 = 256 << 20
    /// SQLite's `max_page_count`, so that a test can meet a full disk.
    package var maximumPages: Int?

    public init() {}
  }

  /// The largest payload of an event, an outbox row or a snapshot, in bytes.
  public static let maximumPayload = 16 << 20

  /// The journal file.
  public let path: String
  private let pool: DatabasePool
  let failure: JournalFailure
  /// GRDB ends the process when a closed connection is used, so nothing is handed to it after
  /// ``close()``.
  private let isClosed = Mutex(false)

  init(path: String, pool: DatabasePool) {
    self.path = path
    self.pool = pool
    failure = JournalFailure(path: path)
  }

  /// Moves the write-ahead log into the file and lets go of it. Calls that are under way end first;
  /// later ones are refused.
  public func close() async throws(PortError) {
    let first = isClosed.withLock { closed in
      defer { closed = true }
      return !closed
    }
    guard first else { return }
    let pool = pool
    try await Self.offThePool(failure, "closing the journal") {
      // Closing alone would leave the log as it is whenever a reader closes last. That it is busy is
      // no failure: what is in the log is safe there.
      try pool.writeWithoutTransaction { database in
        try database.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)")
      }
      try pool.close()
    }
  }

  // MARK: Appending

  public func append(
    _ transaction: JournalTransaction
  ) async throws(PortError) -> [RecordedEvent] {
    try transaction.check()
    return try await write("appending to \(transaction.stream)") { database in
      try Appending(transaction).run(database)
    }
  }

  public func saveSnapshot(_ snapshot: JournalSnapshot) async throws(PortError) {
    try snapshot.check()
    try await write("saving a snapshot of \(snapshot.stream)") { database in
      let version = try Self.version(of: snapshot.stream, database)
      guard (1...max(version, 1)).contains(snapshot.version), version > 0 else {
        throw PortError(
          "a snapshot of \(snapshot.stream) at version \(snapshot.version) was offered, but the "
            + "stream is at \(version)", fault: .segue, retry: .never)
      }
      // A slower writer must not put an older snapshot over a newer one.
      try database.cachedStatement(
        sql: """
          INSERT INTO snapshot (stream, version, schema, payload) VALUES (?, ?, ?, ?)
          ON CONFLICT (stream) DO UPDATE
          SET version = excluded.version, schema = excluded.schema, payload = excluded.payload
          WHERE excluded.version >= version
          """
      ).execute(arguments: [
        snapshot.stream.rawValue, snapshot.version, snapshot.schema, Data(snapshot.payload),
      ])
    }
  }

  // MARK: Reading

  public func events(
    of stream: StreamID, after version: Int64
  ) async throws(PortError) -> [RecordedEvent] {
    try await read("reading \(stream)") { database in
      let statement = try database.cachedStatement(
        sql: """
          SELECT \(JournalFormat.eventColumns) FROM event
          WHERE stream = ? AND version > ? ORDER BY version
          """)
      var events: [RecordedEvent] = []
      let cursor = try Row.fetchCursor(statement, arguments: [stream.rawValue, version])
      while let row = try cursor.next() { events.append(try EventRow(row).event) }
      return events
    }
  }

  public func events(
    after sequence: Int64, limit: Int
  ) async throws(PortError) -> [RecordedEvent] {
    // SQLite takes a negative limit for none at all.
    guard limit > 0 else { return [] }
    return try await read("reading events") { database in
      try EventRow.fetch(database, after: sequence, limit: limit).map(\.event)
    }
  }

  public func streams(prefix: String) async throws(PortError) -> [StreamID] {
    try await read("listing streams") { database in
      // Jumps from stream to stream through the index, instead of reading every event.
      let statement = try database.cachedStatement(
        sql: """
          WITH RECURSIVE found (name) AS (
            SELECT min(stream) FROM event WHERE stream >= :prefix
            UNION ALL
            SELECT (SELECT min(stream) FROM event WHERE stream > name) FROM found
            WHERE substr(name, 1, length(:prefix)) = :prefix
          )
          SELECT name FROM found WHERE substr(name, 1, length(:prefix)) = :prefix
          """)
      return try String.fetchAll(statement, arguments: ["prefix": prefix])
        .map(StreamID.init(rawValue:))
    }
  }

  public func pendingOutbox() async throws(PortError) -> [OutboxRow] {
    try await read("reading the outbox") { database in
      let statement = try database.cachedStatement(
        sql: "SELECT id, stream, kind, payload FROM outbox WHERE done = 0 ORDER BY position")
      return try Row.fetchAll(statement).map { row in
        OutboxRow(
          id: try row.decode(String.self, atIndex: 0),
          stream: StreamID(rawValue: try row.decode(String.self, atIndex: 1)),
          kind: try row.decode(String.self, atIndex: 2),
          payload: Array(try row.decode(Data.self, atIndex: 3)))
      }
    }
  }

  public func timers() async throws(PortError) -> [JournalTimer] {
    try await read("reading timers") { database in
      let statement = try database.cachedStatement(
        sql: "SELECT name, due FROM timer ORDER BY due, name")
      return try Row.fetchAll(statement).map { row in
        JournalTimer(
          name: try row.decode(String.self, atIndex: 0),
          due: Instant(milliseconds: try row.decode(Int64.self, atIndex: 1)))
      }
    }
  }

  public func snapshot(of stream: StreamID) async throws(PortError) -> JournalSnapshot? {
    try await read("reading the snapshot of \(stream)") { database in
      let statement = try database.cachedStatement(
        sql: "SELECT version, schema, payload FROM snapshot WHERE stream = ?")
      return try Row.fetchOne(statement, arguments: [stream.rawValue]).map { row in
        JournalSnapshot(
          stream: stream, version: try row.decode(Int64.self, atIndex: 0),
          schema: try row.decode(Int.self, atIndex: 1),
          payload: Array(try row.decode(Data.self, atIndex: 2)))
      }
    }
  }

  // MARK: Verifying

  /// Recomputes the hash chain (see ``HashChain``), a thousand events at a time, so that it holds up
  /// nobody. Cancelling the task ends it with an error.
  ///
  /// - Throws: fault `platform` when a part of the file cannot be read; says which events are intact.
  public func verify() async throws(PortError) -> JournalVerification {
    var chain = HashChain()
    while true {
      let last = chain
      let rows: [EventRow]
      do {
        rows = try await read("verifying the journal") { database in
          try EventRow.fetch(database, after: last.sequence, limit: 1_000)
        }
      } catch {
        var error = error
        if last.sequence > 0 {
          error.causes.append("events 1 to \(last.sequence) are intact by their hash chain")
        }
        throw error
      }
      if rows.isEmpty {
        return JournalVerification(
          events: chain.sequence, firstBroken: nil, head: hexadecimal(chain.head))
      }
      for row in rows where !chain.accept(row) {
        return try await broken(at: row.event.sequence)
      }
      guard !Task.isCancelled else {
        throw PortError("verifying was cancelled", fault: .user, retry: .safe)
      }
    }
  }

  private func broken(at sequence: Int64) async throws(PortError) -> JournalVerification {
    try await read("counting events") { database in
      let count = try Int64.fetchOne(database, sql: "SELECT count(*) FROM event")
      let head = try Data.fetchOne(
        database, sql: "SELECT hash FROM event ORDER BY seq DESC LIMIT 1")
      return JournalVerification(
        events: count ?? 0, firstBroken: sequence, head: hexadecimal(Array(head ?? Data())))
    }
  }

  // MARK: Access

  /// The version of a stream: 0 for one that has no event.
  static func version(of stream: StreamID, _ database: Database) throws -> Int64 {
    let statement = try database.cachedStatement(
      sql: "SELECT max(version) FROM event WHERE stream = ?")
    return try Int64.fetchOne(statement, arguments: [stream.rawValue]) ?? 0
  }

  /// Runs `body` in a transaction that holds the write lock from its start, so that what it reads
  /// stays true until it has written.
  private func write<Value: Sendable>(
    _ doing: String, _ body: @escaping @Sendable (Database) throws -> Value
  ) async throws(PortError) -> Value {
    try await withWriter(doing) { database in
      var value: Value?
      try database.inTransaction(.immediate) {
        value = try body(database)
        return .commit
      }
      guard let value else { preconditionFailure("a committed transaction has a value") }
      return value
    }
  }

  /// The write connection. Not by GRDB's own `async` method, which a cancelled task would interrupt in
  /// the middle of a commit.
  private func withWriter<Value: Sendable>(
    _ doing: String, _ body: @escaping @Sendable (Database) throws -> Value
  ) async throws(PortError) -> Value {
    let failure = failure
    let result: Result<Value, PortError> = await withCheckedContinuation { continuation in
      unlessClosed {
        pool.asyncWriteWithoutTransaction { database in
          continuation.resume(returning: failure.result(of: doing) { try body(database) })
        }
      } otherwise: {
        continuation.resume(returning: .failure(Self.closed))
      }
    }
    return try result.get()
  }

  private func read<Value: Sendable>(
    _ doing: String, _ body: @escaping @Sendable (Database) throws -> Value
  ) async throws(PortError) -> Value {
    let failure = failure
    let result: Result<Value, PortError> = await withCheckedContinuation { continuation in
      unlessClosed {
        pool.asyncRead { database in
          continuation.resume(returning: failure.result(of: doing) { try body(database.get()) })
        }
      } otherwise: {
        continuation.resume(returning: .failure(Self.closed))
      }
    }
    return try result.get()
  }

  /// The value of a SQLite setting on the connection that writes.
  package func setting(_ name: String) async throws(PortError) -> String? {
    try await withWriter("reading a setting") { database in
      try String.fetchOne(database, sql: "PRAGMA \(name)")
    }
  }

  /// Moves the end of the disk that ``Options/maximumPages`` stands for.
  package func setMaximumPages(_ pages: Int) async throws(PortError) {
    try await withWriter("changing a setting") { database in
      try database.execute(sql: "PRAGMA max_page_count = \(pages)")
    }
  }

  /// `enqueue` must not block: it runs under the lock, so that ``close()`` cannot come between.
  private func unlessClosed(_ enqueue: () -> Void, otherwise refuse: () -> Void) {
    let closed = isClosed.withLock { closed in
      if !closed { enqueue() }
      return closed
    }
    if closed { refuse() }
  }

  private static let closed = PortError(
    "the journal is closed", fault: .segue, retry: .never)

  /// Blocking work, on a thread that is not one of the few that run async code.
  static func offThePool<Value: Sendable>(
    _ failure: JournalFailure, _ doing: String, _ body: @escaping @Sendable () throws -> Value
  ) async throws(PortError) -> Value {
    let result: Result<Value, PortError> = await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        continuation.resume(returning: failure.result(of: doing, body))
      }
    }
    return try result.get()
  }
}

extension JournalFailure {
  func result<Value>(
    of doing: String, _ body: () throws -> Value
  ) -> Result<Value, PortError> {
    do {
      return .success(try body())
    } catch {
      return .failure(portError(error, doing: doing))
    }
  }
}

/// Lower-case hexadecimal digits.
func hexadecimal(_ bytes: [UInt8]) -> String {
  bytes.map { byte in
    let digits = String(byte, radix: 16)
    return digits.count == 1 ? "0" + digits : digits
  }.joined()
}
