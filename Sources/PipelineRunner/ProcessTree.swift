internal import CLinux
internal import Foundation
internal import Glibc
internal import Ports

/// A process as `/proc/PID/stat` shows it (proc(5)).
struct ProcessEntry: Hashable, Sendable {
  var pid: Int32
  var parent: Int32
  var session: Int32
  /// Clock ticks since boot: with the pid, it names a process for good.
  var startTime: UInt64
  var hasEnded: Bool

  /// Every process that can be seen, by pid.
  static func all() -> [ProcessEntry] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { Int32($0) }.sorted().compactMap(ProcessEntry.init(pid:))
  }

  init?(pid: Int32) {
    guard let bytes = SmallFile.read("/proc/\(pid)/stat", limit: 4_096) else { return nil }
    // The command is in parentheses and may hold anything, parentheses included.
    guard let end = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
    let fields = String(decoding: bytes[(end + 1)...], as: UTF8.self).split(separator: " ")
    guard fields.count > 19, let parent = Int32(fields[1]), let session = Int32(fields[3]),
      let startTime = UInt64(fields[19])
    else { return nil }
    self.pid = pid
    self.parent = parent
    self.session = session
    self.startTime = startTime
    hasEnded = fields[0] == "Z" || fields[0] == "X"
  }

  /// Sends a signal to exactly this process: never to a later one of the same pid.
  func signal(_ signal: Int32) {
    let descriptor = segue_pidfd_open(pid)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    guard let now = ProcessEntry(pid: pid), now.startTime == startTime else { return }
    _ = segue_pidfd_send_signal(descriptor, signal)
  }

  /// Whether the environment it was started with holds an entry that begins with `entry`.
  func wasStarted(withEnvironmentEntry entry: [UInt8]) -> Bool {
    guard let bytes = SmallFile.read("/proc/\(pid)/environ", limit: 4 << 20) else { return false }
    return bytes.split(separator: 0).contains { $0.starts(with: entry) }
  }
}

/// The processes that belong to one step: its session, those that carry its mark in their environment
/// (which survives `setsid` and double forks), and the descendants of both.
///
/// A descendant that left the session *and* cleaned its environment *and* lost its parents between
/// two looks is not found: only a cgroup could hold it.
struct ProcessTree {
  /// The pid of the session's leader; 0 when only the mark counts.
  let session: Int32
  /// `NAME=value`, or the beginning of it; empty when only the session counts.
  let mark: [UInt8]
  private var known: Set<ProcessEntry> = []

  init(session: Int32 = 0, mark: String = "") {
    self.session = session
    self.mark = Array(mark.utf8)
  }

  /// The members that still run, the leader included.
  mutating func members() -> [ProcessEntry] {
    let all = ProcessEntry.all()
    let own = getpid()
    var inside: Set<Int32> = []
    for entry in all where entry.pid != own && isMember(entry) { inside.insert(entry.pid) }
    // Pids do not grow from parent to child for ever, so go on until nothing is added.
    var grew = true
    while grew {
      grew = false
      for entry in all where inside.contains(entry.parent) && entry.pid != own {
        grew = inside.insert(entry.pid).inserted || grew
      }
    }
    let living = all.filter { inside.contains($0.pid) && !$0.hasEnded }
    known.formUnion(living)
    return living
  }

  private func isMember(_ entry: ProcessEntry) -> Bool {
    if session != 0, entry.session == session || entry.pid == session { return true }
    if known.contains(where: { $0.pid == entry.pid && $0.startTime == entry.startTime }) {
      return true
    }
    return !mark.isEmpty && !entry.hasEnded && entry.wasStarted(withEnvironmentEntry: mark)
  }
}

/// Reads of small files, without the cost of going through `Data`.
enum SmallFile {
  /// The first `limit` bytes; `nil` when the file cannot be opened or read.
  static func read(_ path: String, limit: Int) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: min(limit, 16_384))
    while bytes.count < limit {
      let count = Glibc.read(descriptor, &chunk, min(chunk.count, limit - bytes.count))
      if count < 0, errno == EINTR { continue }
      if count < 0 { return nil }
      if count == 0 { break }
      bytes += chunk[..<count]
    }
    return bytes
  }
}
