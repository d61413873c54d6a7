import CLinux
import Glibc
import Ports

/// One process to start, in a session of its own, with nothing of ours but what is named here.
struct Spawn {
  /// The first is an absolute path.
  var arguments: [String]
  var environment: [String: String]
  var directory: String
  /// Opened for appending; becomes standard output and standard error.
  var output: Int32
  /// Become descriptors 3, 4, ... and are announced as `LISTEN_FDS`.
  var passed: [Int32] = []
  var limits: [segue_limit] = []
  /// The cgroup to join; `nil` for ours.
  var cgroupProcs: Int32?

  /// Starts it. Blocks until the program runs or could not be started.
  func start() throws(PortError) -> WatchedProcess {
    let watcher = try ExitWatcher.shared()
    let result = spawn()
    guard result.pid > 0 else { throw failure(stage: result.stage, code: result.error) }
    guard result.pidfd >= 0, let status = ProcessTable.status(of: result.pid) else {
      // We cannot watch what we have started, so we must not leave it behind. It is our child and
      // not yet reaped: its pid is still its own.
      kill(result.pid, SIGKILL)
      if result.pidfd >= 0 { close(result.pidfd) }
      waitpid(result.pid, nil, 0)
      throw PortError(
        "cannot watch processes on this machine", fault: .platform, retry: .never,
        nextStep: "Run Segue on Linux 5.4 or later, with /proc mounted and pidfd_open allowed.")
    }
    return try watcher.watch(status.identity, pidfd: result.pidfd)
  }

  private func spawn() -> segue_spawn_result {
    let entries = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    return withCStrings(arguments) { argumentList in
      withCStrings(entries) { environmentList in
        arguments[0].withCString { path in
          complete(segue_spawn_defaults(path, argumentList, environmentList))
        }
      }
    }
  }

  /// Fills in what lives in arrays of ours, and spawns while they do.
  private func complete(_ defaults: segue_spawn_request) -> segue_spawn_result {
    directory.withCString { directory in
      passed.withUnsafeBufferPointer { passed in
        limits.withUnsafeBufferPointer { limits in
          var request = defaults
          request.directory = directory
          request.output = output
          request.error = output
          request.passed = passed.baseAddress
          request.passed_count = passed.count
          request.announce_passed = !passed.isEmpty
          request.new_session = true
          request.limits = limits.baseAddress
          request.limit_count = limits.count
          request.cgroup_procs = cgroupProcs ?? -1
          return segue_spawn(&request)
        }
      }
    }
  }

  private func failure(stage: Int32, code: Int32) -> PortError {
    let what = "cannot start \(arguments[0])"
    switch (UInt32(bitPattern: stage), code) {
    case (SEGUE_STAGE_DIRECTORY.rawValue, _):
      return PortError(
        what, fault: .platform, retry: .never,
        causes: ["cannot enter \(directory)", String(cString: strerror(code))],
        nextStep: "Build the release again: its files are gone or may not be read.")
    case (SEGUE_STAGE_EXECUTE.rawValue, E2BIG):
      return PortError(
        what, fault: .user, retry: .never,
        causes: ["its environment is too large", String(cString: strerror(code))],
        nextStep: "Put large values into files instead of `environment` or `secrets`.")
    case (SEGUE_STAGE_EXECUTE.rawValue, ENOENT), (SEGUE_STAGE_EXECUTE.rawValue, EACCES):
      return PortError(
        what, fault: .platform, retry: .never, causes: [String(cString: strerror(code))],
        nextStep: "See that \(arguments[0]) exists and may be executed.")
    default:
      let names = [
        "checking the request", "making a pipe", "making a process", "joining the cgroup",
        "arranging descriptors", "starting a session", "asking for a signal",
        "entering the directory", "setting limits", "executing",
      ]
      let failure = BlockingFile.failure(what, code)
      let stage = Int(stage)
      guard names.indices.contains(stage) else { return failure }
      return failure.wrapped(what).withCause("it failed at \(names[stage])")
    }
  }
}

extension PortError {
  fileprivate func withCause(_ cause: String) -> PortError {
    var copy = self
    copy.causes = [cause] + causes.filter { $0 != what }
    return copy
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
