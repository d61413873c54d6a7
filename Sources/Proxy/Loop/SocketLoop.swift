import CLinux
import Foundation
import Glibc
import NIOCore
import Synchronization

/// What epoll wakes a loop for.
protocol LoopSource: AnyObject {
  /// - Parameter events: a set of `SEGUE_EPOLL_…`.
  func ready(_ events: UInt32)
}

/// An epoll loop on a thread of its own: sockets, timers, and work that others hand in.
///
/// Sockets are registered once, edge-triggered, for both directions, so that a request costs two
/// reads, two writes and its part of one wait, and nothing else of the kernel's (ADR 6).
///
/// Unchecked, because every member but ``execute(_:)`` and ``stop()`` is touched on the loop's thread
/// alone.
final class SocketLoop: @unchecked Sendable {
  private struct Slot {
    var source: (any LoopSource)?
    /// Tells an event for what was here before from one for what is here now.
    var generation: UInt32 = 0
  }

  private struct Inbox {
    var tasks: [@Sendable () -> Void] = []
    var isStopped = false
  }

  /// Octets that one read may bring.
  static let readSize = 65_536
  private static let eventsPerTurn = 256

  /// What was read last; lent to a handler for as long as it reads.
  var scratch = ByteBufferAllocator().buffer(capacity: readSize)
  private let epoll: CInt
  private let wakeUp: CInt
  private let inbox = Mutex(Inbox())
  private var slots: [Slot] = []
  private var freeSlots: [Int] = []
  private var again: [StreamSocket] = []
  private var deferred: [() -> Void] = []
  private var timers: [LoopTimer] = []
  /// The latest that a timer came lately, in nanoseconds. Timers come often, so that a turn which
  /// takes long is likely to be seen; measuring each turn would cost each request a look at the clock.
  private var lags = (earlier: UInt64(0), now: UInt64(0), since: UInt64(0))
  private let ended = Gate()
  private var thread: pthread_t?

  init() {
    epoll = segue_epoll_create()
    wakeUp = segue_eventfd_create()
    precondition(epoll >= 0 && wakeUp >= 0, "out of descriptors")
    let added = segue_epoll_add(epoll, wakeUp, SEGUE_EPOLL_IN, Self.wakeUpToken)
    precondition(added == 0, "an eventfd can always be watched")
  }

  deinit {
    close(epoll)
    close(wakeUp)
  }

  private static let wakeUpToken = UInt64.max

  /// Uptime in nanoseconds.
  static func uptime() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }

  // MARK: Beginning and end

  /// Starts the thread, once.
  func start(name: String) {
    let thread = Thread { [self] in run() }
    thread.name = name
    thread.start()
  }

  /// Ends the thread after the turn it is in; work that was handed in before is still done.
  func stop() {
    inbox.withLock { $0.isStopped = true }
    segue_eventfd_signal(wakeUp)
  }

  /// Returns when the thread has ended.
  func waitUntilEnded() async { await ended.wait() }

  /// The loop goes by what it was told on its own thread only.
  func preconditionOnLoop() {
    precondition(thread.map { pthread_equal($0, pthread_self()) != 0 } ?? true, "not on the loop")
  }

  // MARK: Work

  /// Hands in work from any thread; done in the order in which it came.
  ///
  /// - Returns: whether the loop will do it; it does not once it has been stopped.
  @discardableResult
  func execute(_ body: @escaping @Sendable () -> Void) -> Bool {
    let accepted = inbox.withLock { inbox in
      guard !inbox.isStopped else { return false }
      inbox.tasks.append(body)
      return true
    }
    if accepted { segue_eventfd_signal(wakeUp) }
    return accepted
  }

  /// Does `body` at the end of this turn: what must not happen in the middle of what happens now.
  func later(_ body: @escaping () -> Void) { deferred.append(body) }

  /// Has `socket` read once more at the end of this turn.
  func readAgain(_ socket: StreamSocket) { again.append(socket) }

  /// Calls `body` after `span`, once or again and again. Nanoseconds.
  @discardableResult
  func schedule(after span: UInt64, repeats: Bool = false, _ body: @escaping () -> Void)
    -> LoopTimer
  {
    let timer = LoopTimer(due: Self.uptime() &+ span, period: repeats ? span : nil, body)
    timers.append(timer)
    return timer
  }

  // MARK: Descriptors

  /// - Returns: the source's place, for ``remove(_:descriptor:)``; `nil` when the kernel refuses.
  func add(_ source: any LoopSource, descriptor: CInt, events: UInt32) -> Int? {
    let index = freeSlots.popLast() ?? slots.count
    if index == slots.count { slots.append(Slot()) }
    slots[index].source = source
    slots[index].generation &+= 1
    let token = UInt64(slots[index].generation) << 32 | UInt64(index)
    guard segue_epoll_add(epoll, descriptor, events, token) == 0 else {
      free(index)
      return nil
    }
    return index
  }

  func remove(_ index: Int, descriptor: CInt) {
    segue_epoll_remove(epoll, descriptor)
    free(index)
  }

  private func free(_ index: Int) {
    slots[index].source = nil
    slots[index].generation &+= 1
    freeSlots.append(index)
  }

  // MARK: Turns

  private func run() {
    thread = pthread_self()
    var events = [segue_epoll_event](repeating: segue_epoll_event(), count: Self.eventsPerTurn)
    while true {
      let count = segue_epoll_wait(epoll, &events, CInt(Self.eventsPerTurn), timeout)
      var isWoken = false
      for event in events[..<max(Int(count), 0)] {
        if event.token == Self.wakeUpToken { isWoken = true } else { dispatch(event) }
      }
      finishTurn()
      let goesOn = isWoken ? runInbox() : true
      runTimers()
      finishTurn()
      guard goesOn else { break }
    }
    slots.removeAll()
    timers.removeAll()
    ended.open()
  }

  private func dispatch(_ event: segue_epoll_event) {
    let index = Int(truncatingIfNeeded: event.token & 0xFFFF_FFFF)
    guard slots[index].generation == UInt32(truncatingIfNeeded: event.token >> 32),
      let source = slots[index].source
    else { return }
    source.ready(event.events)
  }

  /// What was put off to the end of the turn. Each socket reads at most once more, so that one that
  /// never runs dry does not keep the others waiting.
  private func finishTurn() {
    if !again.isEmpty {
      let sockets = again
      again.removeAll(keepingCapacity: true)
      for socket in sockets { socket.readAgain() }
    }
    while !deferred.isEmpty {
      let bodies = deferred
      deferred.removeAll(keepingCapacity: true)
      for body in bodies { body() }
    }
  }

  /// - Returns: whether the loop goes on.
  private func runInbox() -> Bool {
    segue_eventfd_drain(wakeUp)
    let (tasks, isStopped) = inbox.withLock { inbox in
      defer { inbox.tasks = [] }
      return (inbox.tasks, inbox.isStopped)
    }
    for task in tasks { task() }
    return !isStopped
  }

  private func runTimers() {
    guard !timers.isEmpty else { return }
    let now = Self.uptime()
    for timer in timers where timer.due <= now && !timer.isCancelled {
      noteLag(now &- timer.due, at: now)
      if let period = timer.period { timer.due = now &+ period } else { timer.isCancelled = true }
      timer.body()
    }
    timers.removeAll(where: \.isCancelled)
  }

  /// For how long a lag is remembered, at least. Nanoseconds.
  private static let lagSpan: UInt64 = 30_000_000_000

  private func noteLag(_ lag: UInt64, at now: UInt64) {
    if now > lags.since &+ Self.lagSpan { lags = (lags.now, 0, now) }
    lags.now = max(lags.now, lag)
  }

  /// The longest that this loop was late in the last 30 to 60 seconds, in nanoseconds.
  var longestLag: UInt64 { max(lags.earlier, lags.now) }

  /// Milliseconds that the kernel may make us wait; -1: until something happens.
  private var timeout: CInt {
    guard again.isEmpty, deferred.isEmpty else { return 0 }
    guard let due = timers.lazy.map(\.due).min() else { return -1 }
    let now = Self.uptime()
    return due <= now ? 0 : CInt(clamping: (due - now + 999_999) / 1_000_000)
  }
}

/// Something a loop does later.
final class LoopTimer {
  fileprivate var due: UInt64
  fileprivate let period: UInt64?
  fileprivate let body: () -> Void
  fileprivate var isCancelled = false

  fileprivate init(due: UInt64, period: UInt64?, _ body: @escaping () -> Void) {
    self.due = due
    self.period = period
    self.body = body
  }

  /// It will not happen, or not again.
  func cancel() { isCancelled = true }
}
