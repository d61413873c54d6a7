import Foundation
import Glibc
import Ports
import SegueModel

/// What is written down of one run before anything is done about it: all but the values of secrets.
struct MigrationRecord: Codable, Hashable, Sendable {
  var run: MigrationRun
  var begunAt: Instant
  /// The start of the machine that it was begun in.
  var bootID: String
}

/// `STATE/migrations/ID/`: the record of one run of a migration, in the order in which it is made.
///
/// | file | says |
/// |---|---|
/// | `begun.json` | it was to be run; on stable storage before its process is started |
/// | `process.json` | which process it is |
/// | `started/` | its command was begun; made by that process, which alone can make it |
/// | `status` | its command's exit status; written by that process |
/// | `overdue` | it took too long, and is being ended |
struct MigrationFiles: Sendable {
  /// Absolute.
  var directory: String

  var begun: String { directory + "/begun.json" }
  var process: String { directory + "/process.json" }
  var started: String { directory + "/started" }
  var status: String { directory + "/status" }
  var overdue: String { directory + "/overdue" }
  var log: OutputLog { OutputLog(path: directory + "/output.log") }

  /// Run by `/bin/sh` as `sh -c SCRIPT segue-migration DIRECTORY COMMAND`.
  ///
  /// Making the directory `started` succeeds once in all time, so of two such processes (one of them
  /// left by a control plane that died in between) only one runs the command. `command -p` finds the
  /// system's own tools whatever the service's `PATH` is.
  static let script = """
    command -p mkdir "$1/started" 2>/dev/null || exit 0
    command -p sync "$1" || { command -p rmdir "$1/started"; exit 1; }
    /bin/sh -ec "$2"
    status=$?
    echo "$status" >"$1/status.new" && command -p sync "$1/status.new" &&
      command -p mv "$1/status.new" "$1/status" && command -p sync "$1"
    """

  func record() -> MigrationRecord? { decode(begun) }

  func identity() -> ProcessIdentity? { decode(process) }

  var isStarted: Bool { BlockingFile.isDirectory(started) }

  var isOverdue: Bool { access(overdue, F_OK) == 0 }

  /// The command's exit status, and when it ended.
  func ending() -> (status: Int32, at: Instant)? {
    var facts = stat()
    guard stat(status, &facts) == 0, let bytes = BlockingFile.read(status, limit: 16),
      let value = Int32(String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace })
    else { return nil }
    let time = facts.st_mtim
    return (
      value, Instant(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
    )
  }

  func save(_ record: MigrationRecord) throws(PortError) {
    try BlockingFile.makeDirectory(directory)
    try write(record, to: begun)
  }

  func save(_ identity: ProcessIdentity) throws(PortError) { try write(identity, to: process) }

  func noteOverdue() throws(PortError) { try BlockingFile.replace(overdue, with: []) }

  private func decode<Value: Decodable>(_ path: String) -> Value? {
    BlockingFile.read(path, limit: 1 << 20)
      .flatMap { try? JSONDecoder().decode(Value.self, from: Data($0)) }
  }

  private func write(_ value: some Encodable, to path: String) throws(PortError) {
    do {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      try BlockingFile.replace(path, with: [UInt8](try encoder.encode(value)))
    } catch let error as PortError {
      throw error
    } catch {
      throw PortError("cannot write \(path)", fault: .segue, retry: .never, causes: ["\(error)"])
    }
  }

  /// Whoever holds it is the only one who looks at the files and starts a process by what they say.
  func withLock<Value>(_ body: () throws(PortError) -> Value) throws(PortError) -> Value {
    try BlockingFile.makeDirectory(directory)
    let path = directory + "/lock"
    let fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard fd >= 0 else { throw BlockingFile.failure("cannot lock \(path)", errno) }
    defer { close(fd) }
    while flock(fd, LOCK_EX) != 0 {
      guard errno == EINTR else { throw BlockingFile.failure("cannot lock \(path)", errno) }
    }
    return try body()
  }
}

/// All runs of migrations.
struct MigrationStore: Sendable {
  let root: String
  /// Tells this state directory's processes from those of another Segue on the machine.
  let homeID: String

  init(stateDirectory: String) throws(PortError) {
    root = stateDirectory + "/migrations"
    try BlockingFile.makeDirectory(root)
    homeID = try InstanceStore(stateDirectory: stateDirectory).homeID
  }

  /// The files of a run, whose id is checked because it becomes a file name.
  func files(of id: String) throws(PortError) -> MigrationFiles {
    try StoredID.check(id, of: "a migration")
    return MigrationFiles(directory: root + "/" + id)
  }

  /// Every run that was begun, the newest first.
  func records() -> [(files: MigrationFiles, record: MigrationRecord)] {
    BlockingFile.names(in: root).compactMap { name in
      guard let files = try? files(of: name), let record = files.record() else { return nil }
      return (files, record)
    }
    .sorted { ($0.record.begunAt, $0.record.run.id) > ($1.record.begunAt, $1.record.run.id) }
  }

  func remove(_ files: MigrationFiles) throws(PortError) {
    do {
      try FileManager.default.removeItem(atPath: files.directory)
    } catch {
      throw PortError(
        "cannot remove \(files.directory)", fault: .platform, retry: .safe,
        causes: [error.localizedDescription])
    }
  }
}
