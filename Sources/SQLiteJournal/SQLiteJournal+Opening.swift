internal import Foundation
internal import GRDB
internal import Glibc
public import Ports
internal import SegueModel

extension SQLiteJournal {
  /// Opens the journal in `directory`; makes both if they do not exist yet.
  ///
  /// The file is examined read-only first: its header, the pages, and the hashes of the last events
  /// (see ``Options``). A file that fails is refused and left exactly as it is.
  ///
  /// - Throws: fault `user` when the file is another program's or a newer version's; fault `platform`
  ///   when it is damaged (the causes say which events are intact), when the disk is full or the
  ///   directory cannot be written. `nextStep` says what to do.
  public static func open(
    directory: String, options: Options = Options()
  ) async throws(PortError) -> SQLiteJournal {
    let path = (directory as NSString).appendingPathComponent(JournalFormat.fileName)
    return try await offThePool(JournalFailure(path: path), "opening the journal \(path)") {
      try FileManager.default.createDirectory(
        atPath: directory, withIntermediateDirectories: true,
        attributes: [.posixPermissions: 0o700])
      if try JournalExamination(path: path, options: options).findsJournal() == false {
        try create(path, in: directory)
      }
      return SQLiteJournal(path: path, pool: try connect(path, options))
    }
  }

  private static func connect(_ path: String, _ options: Options) throws -> DatabasePool {
    var configuration = Configuration()
    configuration.busyMode = .timeout(Double(options.busyTimeout.count) / 1_000)
    configuration.maximumReaderCount = 2
    configuration.label = "segue.journal"
    let pool = try DatabasePool(path: path, configuration: configuration)
    try pool.writeWithoutTransaction { database in
      // GRDB chooses NORMAL when it turns WAL on, which does not sync at commit. It does so after
      // every hook it offers, so this comes last.
      try database.execute(sql: "PRAGMA synchronous = FULL")
      try database.execute(sql: "PRAGMA journal_size_limit = \(64 << 20)")
      if let pages = options.maximumPages {
        try database.execute(sql: "PRAGMA max_page_count = \(pages)")
      }
      guard try Int.fetchOne(database, sql: "PRAGMA synchronous") == 2 else {
        throw PortError(
          "SQLite refuses to sync at commit", fault: .platform, retry: .never,
          nextStep: "Check how the SQLite library of this machine was built")
      }
    }
    return pool
  }

  /// Makes a complete journal under another name and only then gives it its own, so that a file of
  /// that name is never half made: an empty or short one has lost something.
  private static func create(_ path: String, in directory: String) throws {
    let new = path + ".new"
    for leftover in [new, new + "-journal"] where unlink(leftover) != 0 && errno != ENOENT {
      throw systemError("removing \(leftover)")
    }
    // SQLite gives its side files the permissions of this one.
    let descriptor = Glibc.open(new, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw systemError("making \(new)") }
    Glibc.close(descriptor)

    let queue = try DatabaseQueue(path: new)
    try queue.writeWithoutTransaction { database in
      try database.execute(sql: "PRAGMA synchronous = EXTRA")
      try database.inTransaction(.immediate) {
        try database.execute(sql: "PRAGMA application_id = \(JournalFormat.applicationID)")
        try database.execute(sql: "PRAGMA user_version = \(JournalFormat.version)")
        try database.execute(sql: JournalFormat.schema)
        return .commit
      }
    }
    try queue.close()
    // Unlike rename, link never replaces a journal that somebody made in the meantime.
    guard link(new, path) == 0 else { throw systemError("naming \(path)") }
    guard unlink(new) == 0 else { throw systemError("removing \(new)") }
    try synchronize(directory)
  }

  private static func synchronize(_ directory: String) throws(PortError) {
    let descriptor = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw systemError("opening \(directory)") }
    defer { Glibc.close(descriptor) }
    guard fsync(descriptor) == 0 else { throw systemError("syncing \(directory)") }
  }

  private static func systemError(_ doing: String) -> PortError {
    let code = errno
    return PortError(
      "\(doing) failed", fault: .platform,
      retry: code == ENOSPC ? .after(.seconds(5)) : .never,
      causes: [String(cString: strerror(code))],
      nextStep: "Check the permissions and the free space of the state directory")
  }
}
