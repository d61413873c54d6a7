import Foundation
import GRDB
import Ports
import SQLiteJournal
import SegueModel
import Testing

/// A file that is not a sound journal is refused, explained, and left exactly as it is.
struct DamageTests {
  private func journal(
    in directory: TemporaryDirectory, events: Int
  ) async throws {
    let journal = try await SQLiteJournal.open(directory: directory.path)
    try await journal.append(events)
    try await journal.close()
  }

  /// Opens what must be refused; checks that no byte changed.
  private func refusal(
    _ directory: TemporaryDirectory, options: SQLiteJournal.Options = .init()
  ) async throws -> PortError {
    let before = try directory.contents()
    let error = try #require(
      await #expect(throws: PortError.self) {
        try await SQLiteJournal.open(directory: directory.path, options: options)
      })
    #expect(error.retry == .never)
    #expect(error.what.contains(directory.journalFile))
    #expect(error.nextStep != nil)
    let after = try directory.contents()
    // SQLite may leave an empty log beside a file that has none.
    #expect(after.filter { !$0.value.isEmpty } == before.filter { !$0.value.isEmpty })
    return error
  }

  private func overwrite(_ path: String, at offset: UInt64, with bytes: [UInt8]) throws {
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    try file.seek(toOffset: offset)
    try file.write(contentsOf: Data(bytes))
    try file.close()
  }

  private func truncate(_ path: String, to size: UInt64) throws {
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    try file.truncate(atOffset: size)
    try file.close()
  }

  /// Changes the database behind the journal's back.
  private func tamper(_ directory: TemporaryDirectory, _ sql: String) throws {
    let queue = try DatabaseQueue(path: directory.journalFile)
    try queue.writeWithoutTransaction { try $0.execute(sql: sql) }
    try queue.close()
  }

  @Test(arguments: [
    ("just some text that somebody saved here", "is damaged", "cut off: 39 bytes are left"),
    ("", "is damaged", "cut off: 0 bytes are left"),
    (String(repeating: "not a database ", count: 20), "is not a SQLite database", nil),
  ])
  func `what is not a database is refused`(
    _ text: String, _ what: String, _ cause: String?
  ) async throws {
    let directory = try TemporaryDirectory()
    try Data(text.utf8).write(to: URL(fileURLWithPath: directory.journalFile))
    let error = try await refusal(directory)
    #expect(error.what.contains(what))
    if let cause { #expect(error.causes.contains { $0.contains(cause) }) }
  }

  @Test func `another program's database is refused`() async throws {
    let directory = try TemporaryDirectory()
    try tamper(directory, "CREATE TABLE mine (x); INSERT INTO mine VALUES (1)")
    let error = try await refusal(directory)
    #expect(error.fault == .user)
    #expect(error.what.contains("another program"))
  }

  @Test func `a directory in its place is refused`() async throws {
    let directory = try TemporaryDirectory()
    try FileManager.default.createDirectory(
      atPath: directory.journalFile, withIntermediateDirectories: false)
    let error = try #require(
      await #expect(throws: PortError.self) {
        try await SQLiteJournal.open(directory: directory.path)
      })
    #expect(error.what.contains("is not a regular file"))
  }

  @Test func `a newer version's journal is refused and says what to do`() async throws {
    let directory = try TemporaryDirectory()
    try await journal(in: directory, events: 3)
    try tamper(directory, "PRAGMA user_version = 2; ALTER TABLE event RENAME TO something_new")
    let error = try await refusal(directory)
    #expect(error.fault == .user)
    #expect(error.what.contains("newer version of Segue: its format is 2"))
    #expect(error.nextStep?.contains("Run the newer version") == true)
  }

  @Test func `a file that was cut off is refused and says what is left`() async throws {
    let directory = try TemporaryDirectory()
    try await journal(in: directory, events: 400)
    let size = try #require(try directory.contents()["journal.sqlite"]).count
    try truncate(directory.journalFile, to: UInt64(size * 2 / 3) & ~4_095)
    let error = try await refusal(directory)
    #expect(error.fault == .platform)
    #expect(error.what.contains("is damaged"))
    #expect(error.causes.contains { $0.contains("of \(size) bytes are left") })
    let intact = try #require(error.causes.first { $0.contains("are intact") })
    #expect(intact.contains("events 1 to "))
    #expect(error.nextStep?.contains("put back") == true)
  }

  @Test func `the log of a file that is gone, or emptied, is not thrown away`() async throws {
    let directory = try TemporaryDirectory()
    let open = try await SQLiteJournal.open(directory: directory.path)
    try await open.append(3)
    let log = try #require(try directory.contents()["journal.sqlite-wal"])
    try await open.close()

    try log.write(to: URL(fileURLWithPath: directory.journalFile + "-wal"))
    try truncate(directory.journalFile, to: 0)
    _ = try await refusal(directory)
    try FileManager.default.removeItem(atPath: directory.journalFile)
    let error = try await refusal(directory)
    #expect(error.causes.contains { $0.contains("it is gone") })
  }

  @Test func `a broken page is refused`() async throws {
    let directory = try TemporaryDirectory()
    try await journal(in: directory, events: 400)
    let size = try #require(try directory.contents()["journal.sqlite"]).count
    for page in stride(from: 4_096, to: size, by: 4_096) where page > size / 2 {
      try overwrite(
        directory.journalFile, at: UInt64(page), with: [UInt8](repeating: 0xEE, count: 4_096))
    }
    let error = try await refusal(directory)
    #expect(error.what.contains("is damaged"))
    #expect(error.causes.contains { $0.contains("SQLite") || $0.contains("pages") })
  }

  @Test func `an old page that broke is found at the start, or by verifying`() async throws {
    let directory = try TemporaryDirectory()
    try await journal(in: directory, events: 400)
    let bytes = try #require(try directory.contents()["journal.sqlite"])
    let page = try #require(
      stride(from: 0, to: bytes.count, by: 4_096).first { start in
        bytes[start..<start + 4_096].firstRange(of: Data(#"{"number":200}"#.utf8)) != nil
      })
    try overwrite(
      directory.journalFile, at: UInt64(page), with: [UInt8](repeating: 0xEE, count: 4_096))
    var options = SQLiteJournal.Options()
    options.checkedEvents = 5
    let error = try await refusal(directory, options: options)
    #expect(error.causes.contains("some of its pages are broken"))
    #expect(error.causes.contains { $0.hasPrefix("events 1 to 1") })

    options.checkedSize = 0
    let journal = try await SQLiteJournal.open(directory: directory.path, options: options)
    let verifying = await #expect(throws: PortError.self) { try await journal.verify() }
    #expect(verifying?.what.contains("is damaged") == true)
    #expect(verifying?.fault == .platform)
    try await journal.close()
  }

  @Test func `a lost table is refused`() async throws {
    let directory = try TemporaryDirectory()
    try await journal(in: directory, events: 3)
    try tamper(directory, "PRAGMA foreign_keys = OFF; DROP TABLE event")
    let error = try await refusal(directory)
    #expect(error.what.contains("is damaged"))
    #expect(error.causes.contains { $0.contains("no such table: event") })
  }

  private static let changes = [
    "payload = x'7b7d'", "at = at + 1", "kind = 'Happened'", "schema = 2", "stream = 't'",
    "version = 999", "hash = zeroblob(32)", "prev_hash = zeroblob(32)",
  ]

  @Test(arguments: changes)
  func `any change to an event is detected`(_ change: String) async throws {
    let directory = try TemporaryDirectory()
    try await journal(in: directory, events: 20)
    try tamper(
      directory, "DROP TRIGGER event_is_never_updated; UPDATE event SET \(change) WHERE seq = 12")
    let error = try await refusal(directory)
    // A changed hash breaks the event itself; nothing before it.
    #expect(error.causes.contains("events 1 to 11 are intact by their hash chain"))

    // Older than what is checked at the start: only `verify` sees it.
    var options = SQLiteJournal.Options()
    options.checkedEvents = 5
    let journal = try await SQLiteJournal.open(directory: directory.path, options: options)
    let verification = try await journal.verify()
    #expect(verification.events == 20)
    #expect(verification.firstBroken == 12)
    try await journal.close()
  }

  @Test func `a removed event is detected`() async throws {
    let directory = try TemporaryDirectory()
    try await journal(in: directory, events: 20)
    try tamper(directory, "DROP TRIGGER event_is_never_deleted; DELETE FROM event WHERE seq = 7")
    let error = try await refusal(directory)
    #expect(error.causes.contains("events 1 to 6 are intact by their hash chain"))
  }

  @Test func `an event is never changed by plain SQL`() async throws {
    let directory = try TemporaryDirectory()
    try await journal(in: directory, events: 2)
    for sql in ["UPDATE event SET at = 1", "DELETE FROM event"] {
      #expect(throws: DatabaseError.self) { try tamper(directory, sql) }
    }
  }
}
