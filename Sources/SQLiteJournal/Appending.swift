internal import Foundation
internal import GRDB
internal import Ports
internal import SegueModel

/// What one append does inside its database transaction.
struct Appending: Sendable {
  private let transaction: JournalTransaction

  init(_ transaction: JournalTransaction) { self.transaction = transaction }

  func run(_ database: Database) throws -> [RecordedEvent] {
    let recorded = try appendEvents(database)
    for row in transaction.outbox { try insert(row, database) }
    for id in transaction.completedOutbox { try complete(id, database) }
    // Cleared first: a timer that is named in both lists is set.
    for name in transaction.clearedTimers {
      try database.cachedStatement(sql: "DELETE FROM timer WHERE name = ?")
        .execute(arguments: [name])
    }
    for timer in transaction.setTimers {
      try database.cachedStatement(
        sql: """
          INSERT INTO timer (name, due) VALUES (?, ?)
          ON CONFLICT (name) DO UPDATE SET due = excluded.due
          """
      ).execute(arguments: [timer.name, timer.due.milliseconds])
    }
    return recorded
  }

  private func appendEvents(_ database: Database) throws -> [RecordedEvent] {
    let version = try SQLiteJournal.version(of: transaction.stream, database)
    guard version == transaction.expectedVersion else {
      throw PortError(
        "stream \(transaction.stream) is at version \(version), not \(transaction.expectedVersion): "
          + "another writer was faster",
        fault: .segue, retry: .never)
    }
    var chain = try head(database)
    return try transaction.events.enumerated().map { index, event in
      let recorded = RecordedEvent(
        sequence: chain.sequence + 1, stream: transaction.stream,
        version: version + Int64(index) + 1, kind: event.kind, schema: event.schema,
        at: transaction.at, payload: event.payload)
      try chain.link(recorded).insert(database)
      return recorded
    }
  }

  private func head(_ database: Database) throws -> HashChain {
    let statement = try database.cachedStatement(
      sql: "SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1")
    guard let row = try Row.fetchOne(statement) else { return HashChain() }
    return HashChain(
      sequence: try row.decode(Int64.self, atIndex: 0),
      head: Array(try row.decode(Data.self, atIndex: 1)))
  }

  private func insert(_ row: OutboxRow, _ database: Database) throws {
    let statement = try database.cachedStatement(
      sql: """
        INSERT INTO outbox (id, stream, kind, payload) VALUES (?, ?, ?, ?)
        ON CONFLICT (id) DO NOTHING
        """)
    try statement.execute(arguments: [
      row.id, row.stream.rawValue, row.kind, Data(row.payload),
    ])
    guard database.changesCount == 1 else {
      throw PortError(
        "the outbox has a row \(row.id) already: an id is used once", fault: .segue, retry: .never)
    }
  }

  /// Completing a row again is harmless; a row that never was is a defect, because the one that was
  /// meant stays pending.
  private func complete(_ id: String, _ database: Database) throws {
    try database.cachedStatement(sql: "UPDATE outbox SET done = 1 WHERE id = ?")
      .execute(arguments: [id])
    guard database.changesCount == 1 else {
      throw PortError(
        "the outbox has no row \(id) that could be done", fault: .segue, retry: .never)
    }
  }
}

extension JournalTransaction {
  /// Refuses what the file could not give back unchanged.
  func check() throws(PortError) {
    try checkText(stream.rawValue, "a stream's name")
    for event in events {
      try checkText(event.kind, "an event's kind")
      try checkPayload(event.payload, of: event.kind)
    }
    for row in outbox {
      try checkText(row.id, "an outbox row's id")
      try checkText(row.stream.rawValue, "a stream's name")
      try checkText(row.kind, "an outbox row's kind")
      try checkPayload(row.payload, of: row.kind)
    }
    for timer in setTimers { try checkText(timer.name, "a timer's name") }
  }
}

extension JournalSnapshot {
  func check() throws(PortError) { try checkPayload(payload, of: "a snapshot") }
}

/// SQLite's text functions end at a zero byte.
private func checkText(_ text: String, _ what: String) throws(PortError) {
  guard !text.isEmpty, !text.utf8.contains(0) else {
    throw PortError(
      "\(what) must not be empty or hold a zero byte", fault: .segue, retry: .never)
  }
}

private func checkPayload(_ payload: [UInt8], of what: String) throws(PortError) {
  guard payload.count <= SQLiteJournal.maximumPayload else {
    throw PortError(
      "the payload of \(what) has \(payload.count) bytes; the journal takes "
        + "\(SQLiteJournal.maximumPayload)",
      fault: .segue, retry: .never)
  }
}
