import Glibc
import Synchronization

/// A load that is being sent, by one thread of its own: it takes none from the pool that runs
/// asynchronous code.
///
///     let run = try LoadRun(plan)
///     try run.start()
///     // deploy something
///     let report = await run.stop()
public final class LoadRun: Sendable {
  private let shared: SharedLoad
  private let worker: Mutex<LoadWorker?>

  /// Checks the plan; throws `LoadError` when it is out of bounds or leaves this machine.
  public init(_ plan: LoadPlan) throws(LoadError) {
    try plan.validate()
    let target = try LoadTarget(url: plan.url)
    var random = SystemRandomNumberGenerator()
    let run = String(UInt32.random(in: .min ... .max, using: &random), radix: 36)
    let writer = try RequestWriter(plan: plan, target: target, postIDPrefix: "\(run)-")
    let wake = try WakePipe()
    shared = SharedLoad(url: plan.url, postIDPrefix: writer.postIDPrefix, wake: wake)
    worker = Mutex(LoadWorker(plan: plan, target: target, writer: writer, shared: shared))
  }

  /// Begins to send. Once only: a later call does nothing.
  public func start() throws(LoadError) {
    guard let worker = worker.withLock({ $0.take() }) else { return }
    shared.begin()
    var thread = pthread_t()
    let box = Unmanaged.passRetained(worker)
    let status = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<LoadWorker>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, box.toOpaque())
    guard status == 0 else {
      box.release()
      shared.finish()
      throw .system(call: "pthread_create", errno: status)
    }
    pthread_detach(thread)
  }

  /// What has been counted until now; safe from any thread, and final once `finished` says so.
  public func snapshot() -> LoadReport { shared.report() }

  /// Sends nothing further, waits for the answers that are due (no longer than the plan's timeout),
  /// and returns the final report.
  public func stop() async -> LoadReport {
    requestStop()
    return await finish()
  }

  /// Asks the run to stop, once it has sent `atLeast` requests, and does not wait for it. A later
  /// call with a smaller number stops it sooner.
  public func requestStop(atLeast: Int = 0) {
    // What was never started has nothing to wait for.
    if worker.withLock({ $0.take() }) != nil {
      shared.begin()
      shared.finish()
    }
    shared.requestStop(atLeast: atLeast)
  }

  /// Ends a period of the run and begins the next one. A period tells of the requests that ended in
  /// it.
  @discardableResult
  public func endPeriod() -> LoadPeriod { shared.endPeriod() }

  /// Waits until the plan's bounds are reached, or until `stop`.
  public func finish() async -> LoadReport {
    await withCheckedContinuation { continuation in
      shared.whenFinished { continuation.resume() }
    }
    return shared.report()
  }
}

/// What the thread of a run shares with everybody else.
final class SharedLoad: Sendable {
  private struct State {
    var tally = Tally()
    /// Monotonic nanoseconds.
    var began: Int64 = 0
    var startedAt = 0.0
    var waiters: [@Sendable () -> Void] = []
  }

  private let state = Mutex(State())
  /// How many requests may be sent.
  private let limit = Atomic(Int.max)
  private let url: String
  private let postIDPrefix: String
  let wake: WakePipe

  init(url: String, postIDPrefix: String, wake: WakePipe) {
    self.url = url
    self.postIDPrefix = postIDPrefix
    self.wake = wake
  }

  func isStopped(after requests: Int) -> Bool { requests >= limit.load(ordering: .relaxed) }

  func begin() {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    let startedAt = Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    state.withLock {
      $0.began = monotonicNow()
      $0.startedAt = startedAt
    }
  }

  func requestStop(atLeast: Int) {
    limit.min(atLeast, ordering: .relaxed)
    wake.signal()
  }

  /// `body` gets the tally and the time of the run's beginning.
  func update(_ body: (inout Tally, Int64) -> Void) {
    state.withLock { body(&$0.tally, $0.began) }
  }

  func endPeriod() -> LoadPeriod {
    state.withLock { state in
      state.tally.endPeriod(at: state.began == 0 ? 0 : (monotonicNow() - state.began) / 1_000)
    }
  }

  func finish() {
    let waiters = state.withLock { state in
      state.tally.finish(at: (monotonicNow() - state.began) / 1_000)
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter() }
  }

  func whenFinished(_ waiter: @escaping @Sendable () -> Void) {
    let isOver = state.withLock { state in
      if state.tally.endedAt == nil { state.waiters.append(waiter) }
      return state.tally.endedAt != nil
    }
    if isOver { waiter() }
  }

  func report() -> LoadReport {
    let (tally, began, startedAt) = state.withLock { ($0.tally, $0.began, $0.startedAt) }
    let now = began == 0 ? 0 : (monotonicNow() - began) / 1_000
    return tally.report(url: url, startedAt: startedAt, prefix: postIDPrefix, now: now)
  }
}

/// Ends a wait in `poll` from another thread.
final class WakePipe: Sendable {
  let readEnd: Int32
  private let writeEnd: Int32

  init() throws(LoadError) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw .system(call: "pipe", errno: errno) }
    for end in ends {
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
    }
    (readEnd, writeEnd) = (ends[0], ends[1])
  }

  deinit {
    close(readEnd)
    close(writeEnd)
  }

  /// A full pipe wakes as well as one byte does.
  func signal() {
    var byte: UInt8 = 1
    _ = write(writeEnd, &byte, 1)
  }

  func drain() {
    var bytes: (UInt64, UInt64) = (0, 0)
    while read(readEnd, &bytes, 16) > 0 {}
  }
}
