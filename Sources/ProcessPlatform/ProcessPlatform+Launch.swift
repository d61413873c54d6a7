import CLinux
import Glibc
import Logging
import Ports
import SegueModel
import Synchronization

extension ProcessPlatform {
  /// Starts an instance that does not run: the intent is written down first, then the process is
  /// started, then its identity is written down. Blocks.
  func launch(_ start: InstanceStart) throws(PortError) -> RunningInstance {
    let log = try log(of: start.instance)
    guard BlockingFile.isDirectory(start.directory) else {
      throw PortError(
        "cannot start \(start.instance)", fault: .platform, retry: .never,
        causes: ["the release's directory \(start.directory) does not exist"],
        nextStep: "Build the release again.")
    }
    let endpoint = try place(for: start)
    do throws(PortError) {
      let environment = try environment(of: start, endpoint)
      var record = InstanceRecord(start: start, endpoint: endpoint, at: time.now())
      try store.save(record)
      let process = try spawn(start, environment: environment, log: log)
      record.process = process.identity
      do throws(PortError) {
        try store.save(record)
      } catch {
        // Not written down, it would be found only by search: better not to have it at all.
        process.signal(SIGKILL)
        throw error
      }
      watched.withLock { $0[start.instance] = process }
      logger.info(
        "instance started",
        metadata: [
          "instance": "\(start.instance)", "pid": "\(process.identity.pid)",
          "place": "\(endpoint.place)",
        ])
      return RunningInstance(
        instance: start.instance, key: start.key, release: start.release,
        endpoint: endpoint, process: process.identity)
    } catch {
      release(endpoint)
      if start.notifies == true { closeNotice(of: start.instance) }
      throw error.wrapped("cannot start \(start.instance)")
    }
  }

  /// Where it is to listen.
  private func place(for start: InstanceStart) throws(PortError) -> Endpoint {
    switch start.listen {
    case .unix:
      let path = try store.socketPath(of: start.instance)
      // A program that finds the file of an earlier attempt there could not bind to it.
      unlink(path)
      return Endpoint(instance: start.instance, socket: path)
    case .inherit, nil:
      return Endpoint(instance: start.instance, port: try ports.reserve())
    }
  }

  /// Nothing listens there any more.
  func release(_ endpoint: Endpoint) {
    if let socket = endpoint.socket { unlink(socket) } else { ports.release(endpoint.port) }
  }

  private func spawn(
    _ start: InstanceStart, environment: [String: String], log: OutputLog
  ) throws(PortError) -> WatchedProcess {
    let output = try log.openForAppending()
    defer { close(output) }
    let procs = try joinedGroup(start)
    defer { if let procs { close(procs) } }
    var passed: [Int32] = []
    if case .inherit(let address) = start.listen {
      passed.append(try sharedListener(start.key, at: address))
    }
    return try Spawn(
      arguments: ["/bin/sh", "-c", ShellCommand(start.run).script], environment: environment,
      directory: start.directory, output: output, passed: passed,
      limits: resourceLimits(start.limits),
      cgroupProcs: procs
    ).start()
  }

  private func environment(
    of start: InstanceStart, _ endpoint: Endpoint
  ) throws(PortError) -> [String: String] {
    // A default only: to some programs `HOST` means something else.
    var environment = try ChildEnvironment(
      base: baseEnvironment.merging(["HOST": "127.0.0.1"]) { $1 }, secrets: secrets
    ).values(start.environment, secrets: start.secrets, key: start.key, release: start.release)
    if let socket = endpoint.socket {
      environment["SOCKET"] = socket
    } else {
      environment["PORT"] = "\(endpoint.port)"
    }
    // With `LISTEN_FDS` and `LISTEN_PID`, which come with the descriptor (sd_listen_fds(3)).
    if case .inherit = start.listen { environment["LISTEN_FDNAMES"] = start.key.service.rawValue }
    if start.notifies == true {
      environment["NOTIFY_SOCKET"] = try openNotice(of: start.instance)
    }
    environment[InstanceMarks.instanceVariable] = start.instance.rawValue
    environment[InstanceMarks.homeVariable] = store.homeID
    return environment
  }

  // MARK: Limits

  private func joinedGroup(_ start: InstanceStart) throws(PortError) -> Int32? {
    guard case .usable(let root) = cgroups, let group = cgroup(of: start.instance) else {
      return nil
    }
    return try ControlGroup.make(
      at: group.path, limits: start.limits, controllers: root.controllers
    ).openProcs()
  }

  /// What no cgroup limits is limited per process.
  private func resourceLimits(_ limits: LimitSpec) -> [segue_limit] {
    let means = capabilities()
    var result: [segue_limit] = []
    func add(_ resource: Int32, _ value: Int64?, _ means: PlatformCapabilities.Means) {
      guard let value, means == .resourceLimit else { return }
      result.append(
        segue_limit(resource: resource, soft: UInt64(max(value, 0)), hard: UInt64(max(value, 0))))
    }
    add(SEGUE_LIMIT_FILES, limits.files.map(Int64.init), means.files)
    add(SEGUE_LIMIT_PROCESSES, limits.processes.map(Int64.init), means.processes)
    add(SEGUE_LIMIT_DATA, limits.memory, means.memory)
    if limits.cpu != nil && means.cpu == .none {
      logger.warning(
        "cpu limit not enforced",
        metadata: ["reason": "\(means.cgroupProblem ?? "no cpu controller")"])
    }
    return result
  }

  /// How each limit of an instance is enforced here; what `segue doctor` reports.
  public func capabilities() -> PlatformCapabilities {
    switch cgroups {
    case .usable(let root):
      PlatformCapabilities(
        memory: root.controllers.contains("memory") ? .cgroup : .resourceLimit,
        cpu: root.controllers.contains("cpu") ? .cgroup : .none,
        processes: root.controllers.contains("pids") ? .cgroup : .resourceLimit,
        files: .resourceLimit, cgroupProblem: nil)
    case .none(let problem):
      PlatformCapabilities(
        memory: .resourceLimit, cpu: .none, processes: .resourceLimit, files: .resourceLimit,
        cgroupProblem: problem)
    }
  }
}

/// How limits are enforced on this machine.
public struct PlatformCapabilities: Hashable, Sendable {
  public enum Means: String, Hashable, Sendable {
    /// For the instance as a whole.
    case cgroup
    /// By setrlimit(2). Memory: for each process of the instance alone, counting private writable
    /// memory (`RLIMIT_DATA`). Processes: all those of the user that runs Segue count, and root is
    /// exempt (`RLIMIT_NPROC`).
    case resourceLimit
    /// Not at all.
    case none
  }
  public var memory: Means
  public var cpu: Means
  public var processes: Means
  public var files: Means
  /// Why no cgroup is used, in one sentence; `nil` when one is.
  public var cgroupProblem: String?

  public init(
    memory: Means, cpu: Means, processes: Means, files: Means, cgroupProblem: String?
  ) {
    self.memory = memory
    self.cpu = cpu
    self.processes = processes
    self.files = files
    self.cgroupProblem = cgroupProblem
  }
}
