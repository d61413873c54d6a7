import Glibc
import Ports
import SegueModel

/// Ends a group of processes: politely, then by force, and only ever those it was asked to end.
///
/// The leader gets SIGTERM first and alone, because a server that has workers (gunicorn, nginx, Puma)
/// shuts them down in order when its master is told, but drops requests when its workers are told
/// behind its back. What is left when the leader has gone gets a SIGTERM of its own. When the leader
/// is a shell that waits for its command, it would not pass the signal on, so then all are told.
struct Termination: Sendable {
  var leader: ProcessIdentity?
  var leaderFirst: Bool
  /// Finds the processes that still live; blocks.
  var members: @Sendable () -> [ProcessStatus]
  var queue: WorkQueue
  /// What is being ended, for error messages.
  var name: String

  /// How long after SIGKILL a process may take to vanish: only one that hangs in the kernel takes
  /// any time at all.
  private static let killLimit = Duration.seconds(15)

  /// - Throws: when something cannot be ended even by SIGKILL, or the task was cancelled.
  func run(deadline: Milliseconds) async throws(PortError) -> StopReport {
    let clock = ContinuousClock()
    let begun = clock.now
    let polite = begun + deadline.duration
    var living = try await find()
    var told: Set<ProcessIdentity> = []
    if leaderFirst, let leader, living.contains(where: { $0.identity == leader }) {
      told.insert(leader)
      try await signal(SIGTERM, [leader])
      try await wait(for: [leader], until: polite)
      living = try await find()
    }
    while !living.isEmpty && clock.now < polite {
      try await signal(SIGTERM, living.map(\.identity).filter { told.insert($0).inserted })
      try await wait(for: living.map(\.identity), until: polite)
      living = try await find()
    }
    let killed = !living.isEmpty
    let last = clock.now + Self.killLimit
    while !living.isEmpty {
      guard clock.now < last else { throw unkillable(living) }
      try await signal(SIGKILL, living.map(\.identity))
      try await wait(
        for: living.map(\.identity), until: min(clock.now + .seconds(1), last))
      living = try await find()
    }
    return StopReport(killed: killed, took: Milliseconds(clock.now - begun))
  }

  private func find() async throws(PortError) -> [ProcessStatus] {
    try await queue.run { members() }
  }

  private func signal(_ signal: Int32, _ targets: [ProcessIdentity]) async throws(PortError) {
    try await queue.run { () throws(PortError) in
      for target in targets { try ExitWatcher.shared().watch(target)?.signal(signal) }
    }
  }

  private func wait(
    for targets: [ProcessIdentity], until deadline: ContinuousClock.Instant
  ) async throws(PortError) {
    let watched = try await queue.run { () throws(PortError) in
      var watched: [WatchedProcess] = []
      for target in targets {
        if let process = try ExitWatcher.shared().watch(target) { watched.append(process) }
      }
      return watched
    }
    for process in watched {
      guard await process.hasEnded(by: deadline) else { break }
    }
    guard !Task.isCancelled else {
      throw PortError("stopping \(name) was cancelled", fault: .segue, retry: .safe)
    }
  }

  private func unkillable(_ living: [ProcessStatus]) -> PortError {
    let list = living.map { "process \($0.pid) (\($0.command))" }.joined(separator: ", ")
    return PortError(
      "\(name) does not end", fault: .platform, retry: .after(.seconds(10)),
      causes: ["\(list) ignored SIGKILL, so it hangs in the kernel, or Segue may not signal it"],
      nextStep: "Look for a hanging disk or network mount; `cat /proc/PID/stack` shows where.")
  }
}
