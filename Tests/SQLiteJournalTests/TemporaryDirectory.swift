import Foundation
import Ports
import SQLiteJournal
import SegueModel

/// A directory that is gone when the test is.
final class TemporaryDirectory: Sendable {
  let path: String

  init() throws {
    path =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("segue-journal-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }
  var journalFile: String { file("journal.sqlite") }

  /// The names and bytes of all files but SQLite's index of the log, which readers write too.
  func contents() throws -> [String: Data] {
    var all: [String: Data] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: path)
    where !name.hasSuffix("-shm") {
      all[name] = try Data(contentsOf: URL(fileURLWithPath: file(name)))
    }
    return all
  }
}

func event(_ number: Int) -> NewEvent {
  NewEvent(kind: "happened", payload: Array(#"{"number":\#(number)}"#.utf8))
}

extension SQLiteJournal {
  /// Appends `count` events to `stream`, one transaction each.
  func append(_ count: Int, to stream: StreamID = "s") async throws(PortError) {
    let version = try await events(of: stream, after: 0).last?.version ?? 0
    for number in 0..<count {
      _ = try await append(
        JournalTransaction(
          stream: stream, expectedVersion: version + Int64(number),
          at: Instant(milliseconds: 1_700_000_000_000 + Int64(number)), events: [event(number)]))
    }
  }
}
