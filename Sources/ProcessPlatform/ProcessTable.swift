import Foundation
import Glibc
import Ports

/// One process as the kernel shows it (proc_pid_stat(5)).
struct ProcessStatus: Hashable, Sendable {
  var pid: Int32
  /// At most 15 bytes of the program's name; a process can change it.
  var command: String
  /// `R`, `S`, `Z`, ...
  var state: UInt8
  var parent: Int32
  var session: Int32
  var threads: Int
  /// Clock ticks since boot.
  var startTime: UInt64

  /// A zombie has ended; only its parent has not asked yet. A main thread that ended before the
  /// others looks like a zombie too, but its process goes on.
  var hasEnded: Bool {
    state == UInt8(ascii: "X") || (state == UInt8(ascii: "Z") && threads <= 1)
  }

  var identity: ProcessIdentity {
    ProcessIdentity(pid: pid, startTime: startTime, bootID: ProcessTable.bootID)
  }
}

/// Reads `/proc`. Everything here blocks for a moment and may be out of date when it returns: whoever
/// acts on a process opens it by ``ProcessIdentity`` first.
enum ProcessTable {
  static let bootID: String =
    BlockingFile.read("/proc/sys/kernel/random/boot_id", limit: 64)
    .map { String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines) }
    ?? ""

  static func status(of pid: Int32) -> ProcessStatus? {
    guard let bytes = BlockingFile.read("/proc/\(pid)/stat", limit: 4_096),
      // The name stands in parentheses and may itself hold any character.
      let open = bytes.firstIndex(of: UInt8(ascii: "(")),
      let close = bytes.lastIndex(of: UInt8(ascii: ")")), open < close
    else { return nil }
    let fields = bytes[(close + 1)...].split(separator: UInt8(ascii: " "))
      .map { String(decoding: $0, as: UTF8.self) }
    // Field 3 of the manual page comes first here.
    guard fields.count > 19, let state = fields[0].utf8.first, let parent = Int32(fields[1]),
      let session = Int32(fields[3]), let threads = Int(fields[17]),
      let startTime = UInt64(fields[19])
    else { return nil }
    return ProcessStatus(
      pid: pid, command: String(decoding: bytes[(open + 1)..<close], as: UTF8.self), state: state,
      parent: parent, session: session, threads: threads, startTime: startTime)
  }

  /// Every process, zombies included, by ascending pid.
  static func all() -> [ProcessStatus] {
    BlockingFile.names(in: "/proc").compactMap { Int32($0) }.sorted().compactMap(status(of:))
  }

  static func isRunning(_ identity: ProcessIdentity) -> Bool {
    guard identity.bootID == bootID, let status = status(of: identity.pid) else { return false }
    return status.startTime == identity.startTime && !status.hasEnded
  }

  /// The environment a process was started with; `nil` when we may not see it. A program can write
  /// over it, so a missing variable proves nothing.
  static func environment(of pid: Int32) -> [String: String]? {
    guard let bytes = BlockingFile.read("/proc/\(pid)/environ", limit: 1 << 20) else { return nil }
    var environment: [String: String] = [:]
    for entry in bytes.split(separator: 0) {
      guard let equals = entry.firstIndex(of: UInt8(ascii: "=")) else { continue }
      let name = String(decoding: entry[..<equals], as: UTF8.self)
      environment[name] = String(decoding: entry[entry.index(after: equals)...], as: UTF8.self)
    }
    return environment
  }

  /// What descriptor `fd` of a process is open on: a path, or `socket:[INODE]`.
  static func descriptor(_ fd: String, of pid: Int32) -> String? {
    BlockingFile.link("/proc/\(pid)/fd/\(fd)")
  }

  /// Inodes of every socket a process has open; empty also when we may not see them.
  static func socketInodes(of pid: Int32) -> Set<UInt64> {
    var inodes: Set<UInt64> = []
    for name in BlockingFile.names(in: "/proc/\(pid)/fd") {
      guard let target = descriptor(name, of: pid), target.hasPrefix("socket:["),
        let inode = UInt64(target.dropFirst(8).dropLast())
      else { continue }
      inodes.insert(inode)
    }
    return inodes
  }
}
