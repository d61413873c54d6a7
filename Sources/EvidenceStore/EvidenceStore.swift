internal import Foundation
internal import GRDB
public import Ports
internal import SegueModel

/// What reports have told about commits and releases: one SQLite file, `evidence.sqlite`, beside the
/// journal.
///
/// It may be thrown away at any time and filled again from reports, so a commit is not synced to the
/// disk each time (`synchronous=NORMAL`): a loss of power may cost the last ones, never the file. See
/// ``EvidenceFormat`` for what is in it.
public final class EvidenceStore: Sendable {
  /// The file.
  public let path: String
  /// Where a file went that could not be used, if there was one.
  public let setAside: String?
  let pool: DatabasePool

  private init(path: String, setAside: String?, pool: DatabasePool) {
    self.path = path
    self.setAside = setAside
    self.pool = pool
  }

  /// Opens the evidence in `directory`; makes both if they do not exist yet. A file that is damaged
  /// or of another format is renamed (see ``setAside``), and a new one begun.
  ///
  /// - Throws: fault `platform` when the disk is full or the directory cannot be written.
  public static func open(directory: String) async throws(PortError) -> EvidenceStore {
    let path = (directory as NSString).appendingPathComponent(EvidenceFormat.fileName)
    let result: Result<EvidenceStore, PortError> = await withCheckedContinuation { continuation in
      // Opening blocks, and the threads that run async code are few.
      DispatchQueue.global().async {
        continuation.resume(returning: Self.attempt("opening \(path)") { try opened(path) })
      }
    }
    return try result.get()
  }

  private static func opened(_ path: String) throws -> EvidenceStore {
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true,
      attributes: [.posixPermissions: 0o700])
    do {
      return EvidenceStore(path: path, setAside: nil, pool: try connect(path))
    } catch let error as DatabaseError
      where error.resultCode != .SQLITE_CORRUPT
      && error.resultCode != .SQLITE_NOTADB
    {
      throw error
    } catch is DatabaseError, is ForeignFile {
      let aside = path + ".set-aside"
      for suffix in ["", "-wal", "-shm"] {
        try? FileManager.default.removeItem(atPath: aside + suffix)
        guard FileManager.default.fileExists(atPath: path + suffix) else { continue }
        try FileManager.default.moveItem(atPath: path + suffix, toPath: aside + suffix)
      }
      return EvidenceStore(path: path, setAside: aside, pool: try connect(path))
    }
  }

  private struct ForeignFile: Error {}

  private static func connect(_ path: String) throws -> DatabasePool {
    var configuration = Configuration()
    configuration.busyMode = .timeout(5)
    configuration.maximumReaderCount = 2
    configuration.label = "segue.evidence"
    let pool = try DatabasePool(path: path, configuration: configuration)
    try pool.write { database in
      let version = try Int32.fetchOne(database, sql: "PRAGMA user_version") ?? 0
      let owner = try Int32.fetchOne(database, sql: "PRAGMA application_id") ?? 0
      let tables = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_schema") ?? 0
      if tables == 0 {
        try database.execute(sql: "PRAGMA application_id = \(EvidenceFormat.applicationID)")
        try database.execute(sql: "PRAGMA user_version = \(EvidenceFormat.version)")
        try database.execute(sql: EvidenceFormat.schema)
      } else if owner != EvidenceFormat.applicationID || version != EvidenceFormat.version {
        throw ForeignFile()
      }
    }
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
    return pool
  }

  /// Moves the write-ahead log into the file and lets go of it. Call it once, and nothing after it.
  public func close() async throws(PortError) {
    let pool = pool
    let result: Result<Void, PortError> = await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        let closed = Self.attempt("closing the evidence") {
          // Closing alone leaves the log beside the file whenever a reader closes last.
          try pool.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)")
          }
          try pool.close()
        }
        continuation.resume(returning: closed)
      }
    }
    try result.get()
  }

  // MARK: Access

  func write<Value: Sendable>(
    _ doing: String, _ body: @escaping @Sendable (Database) throws -> Value
  ) async throws(PortError) -> Value {
    do {
      return try await pool.write(body)
    } catch {
      throw Self.portError(error, doing)
    }
  }

  func read<Value: Sendable>(
    _ doing: String, _ body: @escaping @Sendable (Database) throws -> Value
  ) async throws(PortError) -> Value {
    do {
      return try await pool.read(body)
    } catch {
      throw Self.portError(error, doing)
    }
  }

  private static func attempt<Value>(
    _ doing: String, _ body: () throws -> Value
  ) -> Result<Value, PortError> {
    do {
      return .success(try body())
    } catch {
      return .failure(portError(error, doing))
    }
  }

  private static func portError(_ error: any Error, _ doing: String) -> PortError {
    switch error {
    case let error as PortError: return error
    case is CancellationError:
      return PortError("\(doing) was cancelled", fault: .user, retry: .safe)
    case let error as DatabaseError:
      let cause = "SQLite: \(error.message ?? "no message") (code \(error.extendedResultCode))"
      let isFull = error.resultCode == .SQLITE_FULL
      return PortError(
        isFull ? "the disk is full: \(doing) wrote nothing" : "\(doing) failed",
        fault: .platform, retry: isFull ? .after(.seconds(5)) : .safe, causes: [cause],
        nextStep: isFull
          ? "Free space on the file system of the state directory"
          : "If it goes on, stop Segue and remove \(EvidenceFormat.fileName): it is filled again "
            + "from the next reports")
    default:
      return PortError(
        "\(doing) failed", fault: .platform, retry: .never, causes: [error.localizedDescription],
        nextStep: "Check the permissions of the state directory")
    }
  }
}
