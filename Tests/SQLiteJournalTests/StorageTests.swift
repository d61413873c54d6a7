import Foundation
import GRDB
import Ports
import SQLiteJournal
import SegueModel
import Testing

struct StorageTests {
  @Test func `syncs at every commit, with a log`() async throws {
    let directory = try TemporaryDirectory()
    let journal = try await SQLiteJournal.open(directory: directory.path)
    #expect(try await journal.setting("synchronous") == "2")
    #expect(try await journal.setting("journal_mode") == "wal")
    #expect(try await journal.setting("foreign_keys") == "1")
    #expect(try await journal.setting("application_id") == "1399154549")
    #expect(try await journal.setting("user_version") == "1")
    try await journal.close()
  }

  @Test func `only its owner can read it`() async throws {
    let directory = try TemporaryDirectory()
    let journal = try await SQLiteJournal.open(directory: directory.file("a/b"))
    try await journal.append(1)
    for (name, mode) in [
      ("a/b", 0o700), ("a/b/journal.sqlite", 0o600), ("a/b/journal.sqlite-wal", 0o600),
    ] {
      let attributes = try FileManager.default.attributesOfItem(atPath: directory.file(name))
      #expect(attributes[.posixPermissions] as? Int == mode, "\(name)")
    }
    try await journal.close()
  }

  /// What a `kill -9` leaves: the files as they are while the journal is open, nothing moved from the
  /// log into the file.
  @Test func `what was acknowledged survives a crash`() async throws {
    let directory = try TemporaryDirectory()
    let journal = try await SQLiteJournal.open(directory: directory.path)
    for count in [1, 9, 40] {
      try await journal.append(count)
      let head = try await journal.verify()
      let copy = try TemporaryDirectory()
      for (name, bytes) in try directory.contents() {
        try bytes.write(to: URL(fileURLWithPath: copy.file(name)))
      }
      let recovered = try await SQLiteJournal.open(directory: copy.path)
      #expect(try await recovered.verify() == head)
      try await recovered.append(1)
      try await recovered.close()
    }
    try await journal.close()
  }

  /// A log that ends in the middle of a transaction: what was committed before it counts.
  @Test func `a log that ends in the middle is taken up to its last commit`() async throws {
    let directory = try TemporaryDirectory()
    let journal = try await SQLiteJournal.open(directory: directory.path)
    try await journal.append(10)
    let files = try directory.contents()
    try await journal.close()
    let copy = try TemporaryDirectory()
    for (name, bytes) in files {
      let bytes = name.hasSuffix("-wal") ? bytes.dropLast(100) : bytes
      try Data(bytes).write(to: URL(fileURLWithPath: copy.file(name)))
    }
    let recovered = try await SQLiteJournal.open(directory: copy.path)
    let verification = try await recovered.verify()
    #expect(verification.firstBroken == nil)
    #expect(verification.events == 9)
    try await recovered.close()
  }

  @Test func `a creation that was interrupted is begun again`() async throws {
    let directory = try TemporaryDirectory()
    for name in ["journal.sqlite.new", "journal.sqlite.new-journal"] {
      try Data("half".utf8).write(to: URL(fileURLWithPath: directory.file(name)))
    }
    let journal = try await SQLiteJournal.open(directory: directory.path)
    try await journal.append(1)
    try await journal.close()
    let left = try directory.contents().filter { !$0.value.isEmpty }
    #expect(left.keys.sorted() == ["journal.sqlite"])
  }

  @Test func `a full disk refuses the whole transaction, and passes`() async throws {
    let directory = try TemporaryDirectory()
    var options = SQLiteJournal.Options()
    options.maximumPages = 40
    let journal = try await SQLiteJournal.open(directory: directory.path, options: options)
    let full = JournalTransaction(
      stream: "s", expectedVersion: 0, at: Instant(milliseconds: 1),
      events: [event(1), NewEvent(kind: "large", payload: [UInt8](repeating: 1, count: 400_000))],
      outbox: [OutboxRow(id: "o", stream: "s", kind: "k", payload: [])],
      setTimers: [JournalTimer(name: "t", due: Instant(milliseconds: 2))])
    let error = try #require(
      await #expect(throws: PortError.self) { try await journal.append(full) })
    #expect(error.what == "the disk is full: appending to s wrote nothing")
    #expect(error.fault == .platform)
    #expect(error.retry == .after(.seconds(5)))
    #expect(try await journal.events(after: 0, limit: 10).isEmpty)
    #expect(try await journal.pendingOutbox().isEmpty)
    #expect(try await journal.timers().isEmpty)

    try await journal.append(3, to: "small")
    try await journal.setMaximumPages(4_000)
    #expect(try await journal.append(full).map(\.sequence) == [4, 5])
    #expect(try await journal.verify().firstBroken == nil)
    try await journal.close()
  }

  @Test func `a file that another program has locked is given up after the timeout`() async throws {
    let directory = try TemporaryDirectory()
    var options = SQLiteJournal.Options()
    options.busyTimeout = Milliseconds(50)
    let journal = try await SQLiteJournal.open(directory: directory.path, options: options)
    try await journal.append(1)
    let other = try DatabaseQueue(path: directory.journalFile, configuration: unsafe)
    try await other.writeWithoutTransaction { try $0.execute(sql: "BEGIN IMMEDIATE") }
    let error = try #require(
      await #expect(throws: PortError.self) { try await journal.append(1) })
    #expect(error.retry == .after(.seconds(1)))
    #expect(error.what.contains("busy"))
    // Readers are not held up.
    #expect(try await journal.events(after: 0, limit: 10).count == 1)
    try await other.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
    try other.close()
    try await journal.append(1)
    try await journal.close()
  }

  private var unsafe: Configuration {
    var configuration = Configuration()
    configuration.allowsUnsafeTransactions = true
    return configuration
  }

  @Test func `a closed journal refuses every call`() async throws {
    let directory = try TemporaryDirectory()
    let journal = try await SQLiteJournal.open(directory: directory.path)
    try await journal.close()
    try await journal.close()
    for call in [
      { _ = try await journal.verify() }, { try await journal.append(1) },
      { _ = try await journal.pendingOutbox() },
      {
        _ = try await journal.append(
          JournalTransaction(
            stream: "s", expectedVersion: 0, at: Instant(milliseconds: 0), events: [event(1)]))
      },
    ] as [@Sendable () async throws -> Void] {
      let error = await #expect(throws: PortError.self) { try await call() }
      #expect(error?.what == "the journal is closed")
    }
  }

  @Test func `an append that is under way when the journal closes is either done or refused`()
    async throws
  {
    let directory = try TemporaryDirectory()
    let journal = try await SQLiteJournal.open(directory: directory.path)
    let acknowledged = try await withThrowingTaskGroup(of: Int.self) { group in
      for stream in 0..<16 {
        group.addTask {
          do {
            try await journal.append(1, to: StreamID("s\(stream)"))
            return 1
          } catch let error as PortError where error.what == "the journal is closed" {
            return 0
          }
        }
      }
      try await journal.close()
      return try await group.reduce(0, +)
    }
    let again = try await SQLiteJournal.open(directory: directory.path)
    #expect(try await again.verify().events == Int64(acknowledged))
    try await again.close()
  }

  @Test func `a payload beyond the limit is refused`() async throws {
    let directory = try TemporaryDirectory()
    let journal = try await SQLiteJournal.open(directory: directory.path)
    let large = NewEvent(
      kind: "large", payload: [UInt8](repeating: 0, count: SQLiteJournal.maximumPayload + 1))
    let error = await #expect(throws: PortError.self) {
      try await journal.append(
        JournalTransaction(
          stream: "s", expectedVersion: 0, at: Instant(milliseconds: 1), events: [large]))
    }
    #expect(error?.what.contains("the journal takes 16777216") == true)
    try await journal.close()
  }
}
