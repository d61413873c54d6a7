import CLinux
import Dispatch
import Glibc
public import Ports
public import SegueModel

/// A command that prints JSON which holds a number. It runs by `/bin/sh -c` in a session of its own,
/// with `SEGUE_SERVICE`, `SEGUE_VERSION` and `SEGUE_SECONDS` in its environment, and all of that
/// session is killed at the deadline.
public struct CommandSource: MetricSource {
  static let outputLimit = 64 * 1_024

  private let command: String
  private let path: String
  private let deadline: Milliseconds
  private let environment: [String: String]

  /// - Parameter path: where the number is; empty: the output is the number.
  public init(
    command: String, path: String = "", deadline: Milliseconds = .seconds(10),
    environment: [String: String] = ["PATH": "/usr/local/bin:/usr/bin:/bin"]
  ) {
    self.command = command
    self.path = path
    self.deadline = deadline
    self.environment = environment
  }

  public func read(_ query: MetricQuery) async -> MetricReading {
    guard let path = JSONPath(path) else {
      return .noData("\(path) is not a path such as data.items[0].rate")
    }
    var entries = environment
    entries["SEGUE_SERVICE"] = query.service.description
    entries["SEGUE_VERSION"] = query.version.description
    let span = query.until.milliseconds.subtractingReportingOverflow(query.from.milliseconds)
    entries["SEGUE_SECONDS"] = String(span.overflow ? 1 : max(1, span.partialValue / 1_000))
    let run = CommandRun(
      command: command, environment: entries.map { "\($0.key)=\($0.value)" }.sorted(),
      deadline: deadline)
    let outcome = await withCheckedContinuation { continuation in
      // It waits for a process, which no thread of the concurrency pool may do.
      DispatchQueue.global().async { continuation.resume(returning: run.output()) }
    }
    switch outcome {
    case .success(let bytes): return path.number(in: bytes)
    case .failure(let fault): return .noData("the command \(fault.what)")
    }
  }
}

/// One run, on a thread that may block.
private struct CommandRun: Sendable {
  var command: String
  var environment: [String]
  var deadline: Milliseconds

  func output() -> Result<[UInt8], Placeholders.Fault> {
    var ends: [Int32] = [-1, -1]
    // A spawned process inherits nothing that it is not given, so that no flag is needed here.
    guard pipe(&ends) == 0 else { return failure("could not be given a pipe") }
    defer { close(ends[0]) }
    let child = spawn(output: ends[1])
    close(ends[1])
    guard child.pid > 0 else { return failure("could not be started") }
    if child.pidfd >= 0 { close(child.pidfd) }
    let until = Self.now() + max(1, deadline.count)
    let bytes = read(ends[0], until: until)
    // What has failed already is not waited for.
    let status = wait(for: child.pid, until: (try? bytes.get()) == nil ? 0 : until)
    switch (bytes, status) {
    case (.failure, _): return bytes
    case (.success, 0): return bytes
    case (.success, nil): return failure("took longer than \(deadline)")
    case (.success, let status?): return failure("ended with status \(status)")
    }
  }

  /// All that is printed until the other end closes.
  private func read(_ descriptor: Int32, until: Int64) -> Result<[UInt8], Placeholders.Fault> {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 8_192)
    while true {
      var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let left = until - Self.now()
      guard left > 0, poll(&poller, 1, Int32(clamping: left)) != 0 else {
        return failure("took longer than \(deadline)")
      }
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      if count == 0 { return .success(bytes) }
      if count < 0, errno != EINTR { return failure("could not be read from") }
      bytes.append(contentsOf: buffer.prefix(max(0, count)))
      guard bytes.count <= CommandSource.outputLimit else {
        return failure("printed more than 64 KiB")
      }
    }
  }

  /// The exit status, 128 and more for a signal; `nil` when it had to be killed. Whatever is left of
  /// its session's first process group goes with it: until it is reaped its pid is nobody else's.
  private func wait(for pid: pid_t, until: Int64) -> Int32? {
    var information = siginfo_t()
    let flags = WEXITED | WNOHANG | WNOWAIT
    var ended = false
    repeat {
      information.si_signo = 0
      ended = waitid(P_PID, id_t(pid), &information, flags) == 0 && information.si_signo != 0
      if !ended { usleep(5_000) }
    } while !ended && Self.now() < until
    kill(-pid, SIGKILL)
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    guard ended else { return nil }
    let signal = status & 0x7F
    return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
  }

  private func spawn(output: Int32) -> segue_spawn_result {
    withCStrings(["/bin/sh", "-c", command]) { arguments in
      withCStrings(environment) { environment in
        var request = segue_spawn_defaults("/bin/sh", arguments, environment)
        request.output = output
        request.new_session = true
        // The shell's path must live until the process has been made.
        return "/bin/sh".withCString { path in
          request.path = path
          return segue_spawn(&request)
        }
      }
    }
  }

  private static func now() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
  }

  private func failure(_ what: String) -> Result<[UInt8], Placeholders.Fault> {
    .failure(Placeholders.Fault(what: what))
  }
}

/// Calls `body` with the strings as a NULL-terminated array that lives for the call.
private func withCStrings<Result>(
  _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
  let copies = strings.map { strdup($0) } + [nil]
  defer { for copy in copies { free(copy) } }
  return copies.withUnsafeBufferPointer { buffer in
    guard let start = buffer.baseAddress else {
      preconditionFailure("an array that ends with NULL is not empty")
    }
    return body(start)
  }
}
