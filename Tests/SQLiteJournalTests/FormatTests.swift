import Foundation
import GRDB
import Ports
import SQLiteJournal
import SegueModel
import Testing

/// The format of the file is a promise to every later version. When one of these fails, the format
/// changed: give it a new number and a migration, and leave these files alone. With
/// `SEGUE_WRITE_GOLDENS=1` a missing file is written from what the code does now.
struct FormatTests {
  private static let fixtures = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/journal")

  /// The three events that the golden file shows, with everything else a journal holds.
  private func writeThreeEvents(_ journal: SQLiteJournal) async throws {
    _ = try await journal.append(
      JournalTransaction(
        stream: "service/production/web", expectedVersion: 0,
        at: Instant(milliseconds: 1_767_225_600_000),
        events: [
          NewEvent(kind: "rolloutStarted", payload: Array(#"{"to":"r-0123456789abcdef"}"#.utf8)),
          NewEvent(kind: "instanceBecameReady", schema: 2, payload: Array(#"{"n":1}"#.utf8)),
        ],
        outbox: [
          OutboxRow(
            id: "ro-1/1/1", stream: "service/production/web", kind: "startInstance",
            payload: Array(#"{"instance":"i-1"}"#.utf8)),
          OutboxRow(
            id: "ro-1/1/2", stream: "service/production/web", kind: "applyTable", payload: []),
        ],
        completedOutbox: ["ro-1/1/1"],
        setTimers: [
          JournalTimer(name: "ro-1/deadline", due: Instant(milliseconds: 1_767_225_660_000))
        ]))
    _ = try await journal.append(
      JournalTransaction(
        stream: "pipeline/é", expectedVersion: 0, at: Instant(milliseconds: -1),
        events: [NewEvent(kind: "stepPassed", payload: [0, 255])]))
    try await journal.saveSnapshot(
      JournalSnapshot(
        stream: "service/production/web", version: 2, schema: 1, payload: Array("{}".utf8)))
  }

  private func dump(_ path: String) throws -> String {
    let queue = try DatabaseQueue(path: path)
    defer { try? queue.close() }
    return try queue.read { database in
      var lines = try ["application_id", "user_version"].map {
        "\($0) \(try Int.fetchOne(database, sql: "PRAGMA \($0)") ?? 0)"
      }
      lines += try String.fetchAll(
        database, sql: "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
      lines.append("----------")
      for table in ["event", "outbox", "timer", "snapshot"] {
        let columns = try database.columns(in: table).map { "quote(\($0.name))" }
        lines += try String.fetchAll(
          database,
          sql: "SELECT '\(table) ' || \(columns.joined(separator: " || ' ' || ")) FROM \(table)")
      }
      return lines.joined(separator: "\n") + "\n"
    }
  }

  private func writeIfMissing(_ file: URL, _ bytes: @autoclosure () throws -> Data) throws {
    guard ProcessInfo.processInfo.environment["SEGUE_WRITE_GOLDENS"] == "1",
      !FileManager.default.fileExists(atPath: file.path)
    else { return }
    try bytes().write(to: file)
  }

  @Test func `the layout and the hashes of format 1 stay as they are`() async throws {
    let directory = try TemporaryDirectory()
    let journal = try await SQLiteJournal.open(directory: directory.path)
    try await writeThreeEvents(journal)
    try await journal.close()
    let golden = Self.fixtures.appendingPathComponent("format-1.txt")
    try writeIfMissing(golden, Data(dump(directory.journalFile).utf8))
    try writeIfMissing(
      Self.fixtures.appendingPathComponent("format-1.sqlite"),
      Data(contentsOf: URL(fileURLWithPath: directory.journalFile)))
    #expect(try dump(directory.journalFile) == (try String(contentsOf: golden, encoding: .utf8)))
  }

  /// The file was written once, by the first version, and is never written again.
  @Test func `a journal of the first version opens, verifies and goes on`() async throws {
    let directory = try TemporaryDirectory()
    try FileManager.default.copyItem(
      atPath: Self.fixtures.appendingPathComponent("format-1.sqlite").path,
      toPath: directory.journalFile)
    let journal = try await SQLiteJournal.open(directory: directory.path)
    #expect(
      try await journal.verify()
        == JournalVerification(
          events: 3, firstBroken: nil,
          head: "6c82f62408a68108a89188f39184f1b857f0a1a8d4d13623c027a8b3724e67d6"))
    #expect(
      try await journal.streams(prefix: "") == ["pipeline/é", "service/production/web"])
    #expect(
      try await journal.events(of: "service/production/web", after: 0).map(\.kind)
        == ["rolloutStarted", "instanceBecameReady"])
    #expect(try await journal.events(of: "pipeline/é", after: 0).map(\.payload) == [[0, 255]])
    #expect(try await journal.pendingOutbox().map(\.id) == ["ro-1/1/2"])
    #expect(try await journal.timers().map(\.name) == ["ro-1/deadline"])
    #expect(try await journal.snapshot(of: "service/production/web")?.version == 2)
    try await journal.append(2, to: "service/production/web")
    #expect(try await journal.verify().firstBroken == nil)
    try await journal.close()
  }
}
