import CLinux
import Foundation
import Glibc
import Ports
import Synchronization

/// A process that is being watched until it ends. Signals sent through it reach this process or
/// none: a pidfd never stands for a later process of the same pid.
final class WatchedProcess: Sendable {
  let identity: ProcessIdentity
  fileprivate let pidfd: Int32

  private struct State {
    var exit: InstanceExit?
    var nextTicket = 0
    var waiting: [Int: CheckedContinuation<InstanceExit?, Never>] = [:]
    /// Tickets whose task was cancelled before it began to wait.
    var cancelled: Set<Int> = []
  }
  private let state = Mutex(State())

  fileprivate init(identity: ProcessIdentity, pidfd: Int32) {
    self.identity = identity
    self.pidfd = pidfd
  }

  deinit { close(pidfd) }

  /// How it ended; `nil` while it runs.
  var ended: InstanceExit? { state.withLock { $0.exit } }

  /// Returns when the process has ended; `nil` when the waiting task was cancelled first.
  func exit() async -> InstanceExit? {
    let ticket = state.withLock { state in
      state.nextTicket += 1
      return state.nextTicket
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let (now, exit) = state.withLock { state -> (Bool, InstanceExit?) in
          if let exit = state.exit { return (true, exit) }
          if state.cancelled.remove(ticket) != nil { return (true, nil) }
          state.waiting[ticket] = continuation
          return (false, nil)
        }
        if now { continuation.resume(returning: exit) }
      }
    } onCancel: {
      let waiting = state.withLock { state in
        let waiting = state.waiting.removeValue(forKey: ticket)
        if waiting == nil && state.exit == nil { state.cancelled.insert(ticket) }
        return waiting
      }
      waiting?.resume(returning: nil)
    }
  }

  /// Whether the process ended before `deadline`; `false` also when the task was cancelled.
  func hasEnded(by deadline: ContinuousClock.Instant) async -> Bool {
    await withTaskGroup(of: Bool.self) { group in
      group.addTask { await self.exit() != nil }
      group.addTask {
        try? await Task.sleep(until: deadline, clock: .continuous)
        return false
      }
      let first = await group.next() ?? false
      group.cancelAll()
      return first
    }
  }

  /// Returns whether the process still existed to get it.
  @discardableResult
  func signal(_ signal: Int32) -> Bool { segue_pidfd_send_signal(pidfd, signal) == 0 }

  fileprivate func finish(_ exit: InstanceExit) {
    let waiting = state.withLock { state in
      state.exit = exit
      state.cancelled = []
      defer { state.waiting = [:] }
      return state.waiting
    }
    for continuation in waiting.values { continuation.resume(returning: exit) }
  }
}

/// Waits for every watched process on one thread, by epoll on their pidfds, and reaps those that are
/// our children. There is one per program, because a child can be reaped only once.
final class ExitWatcher: Sendable {
  private static let only: Result<ExitWatcher, PortError> = Result { () throws(PortError) in
    try ExitWatcher()
  }

  static func shared() throws(PortError) -> ExitWatcher { try only.get() }

  private struct State {
    var nextToken: UInt64 = 0
    var processes: [UInt64: WatchedProcess] = [:]
    var tokens: [ProcessIdentity: UInt64] = [:]
  }
  private let epoll: Int32
  private let state = Mutex(State())

  private init() throws(PortError) {
    epoll = segue_epoll_create()
    guard epoll >= 0 else { throw BlockingFile.failure("cannot watch processes", errno) }
    let thread = Thread { [self] in run() }
    thread.name = "segue-exits"
    thread.start()
  }

  /// Watches the process of this identity; `nil` when it has ended (or never was).
  func watch(_ identity: ProcessIdentity) throws(PortError) -> WatchedProcess? {
    guard identity.bootID == ProcessTable.bootID, identity.pid > 0 else { return nil }
    if let known = known(identity) { return known }
    let pidfd = segue_pidfd_open(identity.pid)
    guard pidfd >= 0 else {
      if errno == ESRCH { return nil }
      throw BlockingFile.failure("cannot watch process \(identity.pid)", errno)
    }
    // Checked after the pidfd was opened: were the pid given away in between, the pidfd would stand
    // for the process that ended, and a signal through it would reach nobody.
    guard ProcessTable.isRunning(identity) else {
      close(pidfd)
      return known(identity)
    }
    return try watch(identity, pidfd: pidfd)
  }

  /// Watches a child that was just started; owns `pidfd` from here on.
  func watch(_ identity: ProcessIdentity, pidfd: Int32) throws(PortError) -> WatchedProcess {
    let process = WatchedProcess(identity: identity, pidfd: pidfd)
    let (result, problem) = state.withLock { state -> (WatchedProcess, Int32) in
      if let token = state.tokens[identity], let known = state.processes[token] {
        return (known, 0)
      }
      state.nextToken += 1
      // Under the lock: the thread looks the token up as soon as the process ends.
      guard segue_epoll_add(epoll, pidfd, SEGUE_EPOLL_IN, state.nextToken) == 0 else {
        return (process, errno)
      }
      state.processes[state.nextToken] = process
      state.tokens[identity] = state.nextToken
      return (process, 0)
    }
    guard problem == 0 else {
      throw BlockingFile.failure("cannot watch process \(identity.pid)", problem)
    }
    return result
  }

  private func known(_ identity: ProcessIdentity) -> WatchedProcess? {
    state.withLock { state in state.tokens[identity].flatMap { state.processes[$0] } }
  }

  private func run() {
    var events = [segue_epoll_event](repeating: segue_epoll_event(), count: 64)
    while true {
      let count = segue_epoll_wait(epoll, &events, Int32(events.count), -1)
      // The descriptor is ours and never closed: an error here is a defect of this class.
      precondition(count >= 0, "epoll_wait: errno \(errno)")
      for event in events[..<Int(count)] { settle(event.token) }
    }
  }

  private func settle(_ token: UInt64) {
    guard let process = state.withLock({ $0.processes[token] }) else { return }
    let result = segue_wait_pidfd(process.pidfd)
    let exit: InstanceExit? =
      switch result.outcome {
      case Int32(SEGUE_WAIT_EXITED.rawValue): .status(result.value)
      case Int32(SEGUE_WAIT_SIGNALLED.rawValue): .signal(result.value)
      case Int32(SEGUE_WAIT_NOT_OURS.rawValue): .unknown
      default: nil
      }
    guard let exit else { return }
    _ = segue_epoll_remove(epoll, process.pidfd)
    state.withLock { state in
      state.processes[token] = nil
      state.tokens[process.identity] = nil
    }
    process.finish(exit)
  }
}
