internal import Foundation
internal import GRDB
internal import Ports
internal import SegueModel

/// Looks at a journal file before anything may write to it.
struct JournalExamination {
  private let path: String
  private let options: SQLiteJournal.Options
  private let failure: JournalFailure

  init(path: String, options: SQLiteJournal.Options) {
    self.path = path
    self.options = options
    failure = JournalFailure(path: path)
  }

  /// `false` when there is no file; `true` when there is a sound one of this format.
  func findsJournal() throws -> Bool {
    let walSize = try size(path + "-wal") ?? 0
    guard let size = try size(path) else {
      guard walSize == 0 else {
        throw failure.damaged("it is gone, but its write-ahead log is there", intact: 0)
      }
      return false
    }
    let pagesFit = try checkHeader(size: size, hasLog: walSize > 0)
    do {
      try checkContents(size: size + walSize)
    } catch let error as PortError {
      throw error
    } catch let error as DatabaseError where !error.isDamage {
      throw error
    } catch {
      throw damaged(pagesFit ?? "SQLite cannot read all of it", cause: String(describing: error))
    }
    if let pagesFit { throw damaged(pagesFit) }
    return true
  }

  /// `nil` when there is no such file.
  private func size(_ path: String) throws -> Int64? {
    do {
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      guard attributes[.type] as? FileAttributeType == .typeRegular else {
        throw failure.foreign("is not a regular file")
      }
      return (attributes[.size] as? NSNumber)?.int64Value ?? 0
    } catch CocoaError.fileReadNoSuchFile, CocoaError.fileNoSuchFile {
      return nil
    }
  }

  /// Reads the first 100 bytes (sqlite.org/fileformat2.html, section 1.3), because SQLite would take
  /// an empty file for a new database and delete its write-ahead log.
  ///
  /// - Returns: a sentence when the file is shorter than its header says.
  private func checkHeader(size: Int64, hasLog: Bool) throws -> String? {
    let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
    defer { try? file.close() }
    let header = Array(try file.read(upToCount: 100) ?? Data())
    guard header.count == 100 else {
      throw failure.damaged("it was cut off: \(size) bytes are left", intact: 0)
    }
    guard header.starts(with: "SQLite format 3\0".utf8) else {
      throw failure.foreign("is not a SQLite database")
    }
    func number(_ offset: Int) -> UInt32 {
      header[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }
    try check(application: number(68), version: number(60))
    // While there is a log, the pages that are missing may be in it.
    guard !hasLog else { return nil }
    // A page size of 65536 is written as 1.
    let pageSize = Int64(number(16) >> 16) == 1 ? 65_536 : Int64(number(16) >> 16)
    let expected = Int64(number(28)) * pageSize
    return size < expected ? "it was cut off: \(size) of \(expected) bytes are left" : nil
  }

  private func check(application: UInt32, version: UInt32) throws(PortError) {
    guard application == UInt32(bitPattern: JournalFormat.applicationID) else {
      throw failure.foreign(
        "is a database of another program (application id \(application))")
    }
    let version = Int32(bitPattern: version)
    guard version <= JournalFormat.version else { throw failure.newer(version) }
    guard version == JournalFormat.version else {
      throw failure.damaged("its format \(version) never existed", intact: nil)
    }
  }

  private func checkContents(size: Int64) throws {
    try withReader { database in
      // Again, because the header in the file may be older than the one in the log.
      let application = try Int32.fetchOne(database, sql: "PRAGMA application_id") ?? 0
      let version = try Int32.fetchOne(database, sql: "PRAGMA user_version") ?? 0
      try check(application: UInt32(bitPattern: application), version: UInt32(bitPattern: version))
      if size <= options.checkedSize {
        let faults = try String.fetchAll(database, sql: "PRAGMA quick_check(1)")
        guard faults == ["ok"] else {
          throw damaged("some of its pages are broken", cause: faults.joined(separator: "; "))
        }
      }
      try checkLastEvents(database)
    }
  }

  private func checkLastEvents(_ database: Database) throws {
    let last = try Int64.fetchOne(database, sql: "SELECT max(seq) FROM event") ?? 0
    let start = max(last - Int64(options.checkedEvents), 0)
    var chain = HashChain()
    if start > 0 {
      guard
        let hash = try Data.fetchOne(
          database, sql: "SELECT hash FROM event WHERE seq = ?", arguments: [start])
      else { throw damaged("event \(start) is missing") }
      chain = HashChain(sequence: start, head: Array(hash))
    }
    while true {
      let rows = try EventRow.fetch(database, after: chain.sequence, limit: 1_000)
      if rows.isEmpty { return }
      for row in rows where !chain.accept(row) {
        throw damaged("event \(row.event.sequence) does not fit the hash of the one before it")
      }
    }
  }

  private func damaged(_ how: String, cause: String? = nil) -> PortError {
    failure.damaged(how, intact: intactEvents(), cause: cause)
  }

  /// The last event up to which the chain holds, from the first on. Whatever goes wrong ends it.
  private func intactEvents() -> Int64 {
    var chain = HashChain()
    do {
      try withReader(salvaging: true) { database in
        while true {
          // One by one: what is before a broken page counts.
          let rows = try EventRow.fetch(database, after: chain.sequence, limit: 1)
          guard let row = rows.first, chain.accept(row) else { return }
        }
      }
    } catch {
      return chain.sequence
    }
    return chain.sequence
  }

  /// A connection that can change neither the file nor its log.
  ///
  /// - Parameter salvaging: reads a file that is too short for its header as far as it goes, which is
  ///   what SQLite's own recovery does by this setting.
  private func withReader(
    salvaging: Bool = false, _ body: (Database) throws -> Void
  ) throws {
    var configuration = Configuration()
    configuration.readonly = true
    configuration.busyMode = .timeout(Double(options.busyTimeout.count) / 1_000)
    if salvaging {
      configuration.prepareDatabase { try $0.execute(sql: "PRAGMA writable_schema = ON") }
    }
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    defer { try? queue.close() }
    try queue.read(body)
  }
}

extension DatabaseError {
  fileprivate var isDamage: Bool {
    [.SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_FORMAT].contains(resultCode)
      || extendedResultCode == .SQLITE_IOERR_SHORT_READ
      // A table that is not there: the schema was lost.
      || resultCode == .SQLITE_ERROR
  }
}
