internal import CLinux
internal import Foundation
internal import Glibc
internal import Ports

/// A command to run in a session of its own, with nothing inherited.
struct ChildRequest: Sendable {
  /// An absolute path.
  var executable: String
  /// Without the command's own name.
  var arguments: [String]
  /// All of the environment.
  var environment: [String: String]
  var directory: String?
  /// Standard error goes where standard output goes, so that their order is kept.
  var mergesError = false
  /// After this, the command is ended.
  var deadline: Duration
  /// SIGTERM to SIGKILL.
  var grace: Duration = .seconds(5)
  /// How long output may go on after everything has ended, when a stranger holds the pipe.
  var drain: Duration = .seconds(2)
  /// `NAME=value` that marks every process of this command; empty for none.
  var mark = ""
  /// By how much less of the processor it takes where others want it too.
  var niceness: Int32 = 0
  /// Ends what the command leaves running behind it.
  var endsLeftovers = false
}

/// How a command ended.
struct ChildEnding: Sendable, Hashable {
  enum Status: Sendable, Hashable {
    case exited(Int32)
    case signalled(Int32)
    /// Somebody else reaped it.
    case unknown
  }
  enum Stop: Sendable, Hashable { case timedOut, cancelled }

  var status: Status
  /// Why it was ended by us; `nil` when it ended by itself.
  var stop: Stop?
  /// How many processes it left behind that had to be ended.
  var leftovers = 0
  /// Its output was cut off because a process that could not be ended held the pipe.
  var undrained = false
}

/// Wakes a thread that supervises a child.
final class CancelSignal: Sendable {
  let descriptor: Int32

  init() throws(PortError) {
    descriptor = segue_eventfd_create()
    guard descriptor >= 0 else { throw PortError.system("cannot make an event descriptor", errno) }
  }

  func set() { _ = segue_eventfd_signal(descriptor) }

  deinit { close(descriptor) }
}

extension PortError {
  /// A failed system call.
  static func system(_ what: String, _ code: Int32, nextStep: String? = nil) -> PortError {
    let full = code == ENOSPC || code == EDQUOT
    return PortError(
      what, fault: .platform, retry: .safe, causes: [String(cString: strerror(code))],
      nextStep: nextStep ?? (full ? "Free some disk space." : nil))
  }
}

/// Runs one command from start to end on a thread of its own.
enum ChildProcess {
  /// Where output goes: the bytes, and whether they came from standard error. Called on one thread.
  typealias Sink = @Sendable (UnsafeRawBufferPointer, _ isError: Bool) -> Void

  /// Runs a command, and returns when it and, if so asked, everything it started have ended.
  ///
  /// Cancelling the task ends the command as its deadline does; this returns then, too.
  /// - Throws: only when the command could not be started.
  static func run(
    _ request: ChildRequest, output: @escaping Sink
  ) async throws(PortError) -> ChildEnding {
    let cancel = try CancelSignal()
    let result: Result<ChildEnding, PortError> = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        Thread.detachNewThread {
          let result: Result<ChildEnding, PortError>
          do throws(PortError) {
            result = .success(try supervise(request, cancel: cancel, output: output))
          } catch {
            result = .failure(error)
          }
          continuation.resume(returning: result)
        }
      }
    } onCancel: {
      cancel.set()
    }
    return try result.get()
  }

  private static func supervise(
    _ request: ChildRequest, cancel: CancelSignal, output: @escaping Sink
  ) throws(PortError) -> ChildEnding {
    let out = try Pipe()
    let error = request.mergesError ? nil : try Pipe()
    let result = spawn(request, output: out.writeEnd, error: error?.writeEnd ?? out.writeEnd)
    out.closeWriteEnd()
    error?.closeWriteEnd()
    guard result.error == 0 else { throw failure(request, result) }
    var supervisor = ChildSupervisor(
      request: request, pid: result.pid, pidfd: result.pidfd, cancel: cancel,
      streams: [(out, false)] + (error.map { [($0, true)] } ?? []), output: output)
    defer { if result.pidfd >= 0 { close(result.pidfd) } }
    return supervisor.run()
  }

  private static func spawn(
    _ request: ChildRequest, output: Int32, error: Int32
  ) -> segue_spawn_result {
    let name = request.executable.split(separator: "/").last.map(String.init) ?? ""
    let environment = request.environment.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }
    var arguments = ([name] + request.arguments).map { strdup($0) } + [nil]
    var variables = environment.map { strdup($0) } + [nil]
    defer {
      for text in arguments { free(text) }
      for text in variables { free(text) }
    }
    return request.executable.withCString { path in
      arguments.withUnsafeMutableBufferPointer { argv in
        variables.withUnsafeMutableBufferPointer { envp in
          guard let argv = argv.baseAddress, let envp = envp.baseAddress else {
            preconditionFailure("both end with a null pointer, so neither is empty")
          }
          var raw = segue_spawn_defaults(path, argv, envp)
          raw.output = output
          raw.error = error
          raw.new_session = true
          raw.niceness = request.niceness
          guard let directory = request.directory else { return segue_spawn(&raw) }
          return directory.withCString { directory in
            raw.directory = directory
            return segue_spawn(&raw)
          }
        }
      }
    }
  }

  private static func failure(
    _ request: ChildRequest, _ result: segue_spawn_result
  ) -> PortError {
    let what =
      switch result.stage {
      case Int32(SEGUE_STAGE_DIRECTORY.rawValue):
        "cannot enter the directory \(request.directory ?? "")"
      case Int32(SEGUE_STAGE_EXECUTE.rawValue): "cannot run \(request.executable)"
      default: "cannot start a process for \(request.executable)"
      }
    return .system(what, result.error)
  }
}

/// A pipe whose reading end does not block.
final class Pipe {
  private(set) var readEnd: Int32
  private(set) var writeEnd: Int32

  init() throws(PortError) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw PortError.system("cannot make a pipe", errno) }
    readEnd = ends[0]
    writeEnd = ends[1]
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    _ = fcntl(readEnd, F_SETFL, O_NONBLOCK)
  }

  func closeWriteEnd() {
    if writeEnd >= 0 { close(writeEnd) }
    writeEnd = -1
  }

  func closeReadEnd() {
    if readEnd >= 0 { close(readEnd) }
    readEnd = -1
  }

  deinit {
    closeWriteEnd()
    closeReadEnd()
  }
}

/// Watches one running command: its output, its end, its deadline, its cancellation.
private struct ChildSupervisor {
  let request: ChildRequest
  let pid: Int32
  let pidfd: Int32
  let cancel: CancelSignal
  let streams: [(pipe: Pipe, isError: Bool)]
  let output: ChildProcess.Sink

  private var tree: ProcessTree
  private var phase: Phase
  private var leaderEnded = false
  private var ending = ChildEnding(status: .unknown)
  private var buffer = [UInt8](repeating: 0, count: 65_536)

  private enum Phase {
    case running(deadline: ContinuousClock.Instant)
    /// SIGTERM was sent; SIGKILL follows at `killAt`, and at `giveUpAt` what cannot be killed (it
    /// hangs in the kernel) is left alone.
    case ending(killAt: ContinuousClock.Instant, giveUpAt: ContinuousClock.Instant)
    case draining(until: ContinuousClock.Instant)
  }

  init(
    request: ChildRequest, pid: Int32, pidfd: Int32, cancel: CancelSignal,
    streams: [(Pipe, Bool)], output: @escaping ChildProcess.Sink
  ) {
    self.request = request
    self.pid = pid
    self.pidfd = pidfd
    self.cancel = cancel
    self.streams = streams.map { (pipe: $0.0, isError: $0.1) }
    self.output = output
    tree = ProcessTree(session: pid, mark: request.mark)
    phase = .running(deadline: .now + request.deadline)
  }

  mutating func run() -> ChildEnding {
    var finished = false
    while !finished {
      let cancelled = wait()
      read()
      finished = advance(cancelled: cancelled)
    }
    reap()
    return ending
  }

  /// Waits until there is something to do; says whether the command was cancelled.
  private mutating func wait() -> Bool {
    var watched: [pollfd] = []
    for stream in streams where stream.pipe.readEnd >= 0 {
      watched.append(pollfd(fd: stream.pipe.readEnd, events: Int16(POLLIN), revents: 0))
    }
    let leader = watched.count
    watched.append(
      pollfd(fd: leaderEnded ? -1 : pidfd, events: Int16(POLLIN), revents: 0))
    let isStopping = ending.stop != nil
    watched.append(
      pollfd(fd: isStopping ? -1 : cancel.descriptor, events: Int16(POLLIN), revents: 0))
    _ = poll(&watched, nfds_t(watched.count), patience())
    if watched[leader].revents != 0 || (pidfd < 0 && hasEndedWithoutPidfd()) {
      leaderEnded = true
    }
    return watched[leader + 1].revents != 0
  }

  private var isDrained: Bool { streams.allSatisfy { $0.pipe.readEnd < 0 } }

  /// Kernels before 5.3 have no pidfd: ask `/proc`.
  private func hasEndedWithoutPidfd() -> Bool { ProcessEntry(pid: pid)?.hasEnded ?? true }

  /// Milliseconds until the next thing that no descriptor will announce.
  private func patience() -> Int32 {
    let until: ContinuousClock.Instant
    switch phase {
    case .running(let deadline): until = deadline
    case .ending: return 50
    case .draining(let end):
      if isDrained { return 0 }
      until = end
    }
    let left = (until - .now).components
    let milliseconds = left.seconds * 1_000 + left.attoseconds / 1_000_000_000_000_000 + 1
    let longest: Int64 = pidfd < 0 && !leaderEnded ? 50 : 60_000
    return Int32(min(max(milliseconds, 0), longest))
  }

  /// Takes at most one buffer of each stream, so that deadlines are looked at however much comes.
  private mutating func read() {
    for stream in streams where stream.pipe.readEnd >= 0 {
      let count = Glibc.read(stream.pipe.readEnd, &buffer, buffer.count)
      if count > 0 {
        buffer.withUnsafeBytes { output(.init(rebasing: $0[..<count]), stream.isError) }
      } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
        stream.pipe.closeReadEnd()
      }
    }
  }

  /// Says whether all is over.
  private mutating func advance(cancelled: Bool) -> Bool {
    let now = ContinuousClock.now
    switch phase {
    case .running(let deadline):
      if leaderEnded {
        let left = request.endsLeftovers ? tree.members() : []
        ending.leftovers = left.count
        if left.isEmpty { drain() } else { beginEnding(left) }
      } else if cancelled || now >= deadline {
        ending.stop = cancelled ? .cancelled : .timedOut
        beginEnding(tree.members())
      }
    case .ending(let killAt, let giveUpAt):
      let left = tree.members()
      if cancelled, ending.stop == nil, !leaderEnded { ending.stop = .cancelled }
      if leaderEnded, left.isEmpty {
        drain()
      } else if now >= giveUpAt {
        drain()
      } else if now >= killAt {
        for process in left { process.signal(SIGKILL) }
      }
    case .draining(let end):
      if isDrained { return true }
      if now >= end {
        ending.undrained = true
        return true
      }
    }
    return false
  }

  private mutating func beginEnding(_ processes: [ProcessEntry]) {
    for process in processes { process.signal(SIGTERM) }
    // A stopped process heeds no SIGTERM until it goes on.
    for process in processes { process.signal(SIGCONT) }
    let killAt = ContinuousClock.now + request.grace
    phase = .ending(killAt: killAt, giveUpAt: killAt + .seconds(10))
  }

  private mutating func drain() { phase = .draining(until: .now + request.drain) }

  /// Reaped only now: until here, its pid and so its session could not be given to anyone else.
  private mutating func reap() {
    let result = segue_wait(pid)
    switch result.outcome {
    case Int32(SEGUE_WAIT_EXITED.rawValue): ending.status = .exited(result.value)
    case Int32(SEGUE_WAIT_SIGNALLED.rawValue): ending.status = .signalled(result.value)
    default: ending.status = .unknown
    }
  }
}

/// Work that blocks, kept off the two threads that async code has.
enum BlockingWork {
  private static let queue = DispatchQueue(
    label: "segue.pipeline.blocking", attributes: .concurrent)

  static func run<Value: Sendable>(
    _ work: @escaping @Sendable () throws(PortError) -> Value
  ) async throws(PortError) -> Value {
    let result: Result<Value, PortError> = await withCheckedContinuation { continuation in
      queue.async {
        do throws(PortError) {
          continuation.resume(returning: .success(try work()))
        } catch {
          continuation.resume(returning: .failure(error))
        }
      }
    }
    return try result.get()
  }
}
