import Foundation
import Glibc
public import Logging
public import Ports
public import SegueModel
import Synchronization

/// Runs instances as plain processes of this machine.
///
/// An instance is a session of its own: it has nothing of Segue's environment and descriptors, its
/// output goes straight to a file, and it lives on when the control plane dies. What is needed to find
/// it again is written down before it is started, and stands in its environment besides.
public final class ProcessPlatform: Platform {
  /// How much is kept.
  public struct Retention: Hashable, Sendable {
    /// Bytes of output in the file being written, and in each rotated one.
    public var outputBytes: Int64
    /// Rotated files per instance.
    public var rotatedFiles: Int
    /// Stopped instances whose directory stays.
    public var stoppedInstances: Int

    public init(
      outputBytes: Int64 = 8 << 20, rotatedFiles: Int = 4, stoppedInstances: Int = 20
    ) {
      self.outputBytes = outputBytes
      self.rotatedFiles = rotatedFiles
      self.stoppedInstances = stoppedInstances
    }
  }

  let store: InstanceStore
  let secrets: any SecretSource
  let baseEnvironment: [String: String]
  let retention: Retention
  let time: any TimeSource
  let logger: Logger
  let cgroups: ControlGroupRoot.Finding
  let vault: SocketVault
  let ports = PortBook.shared
  /// By instance, so that how it ended is known also to who asks later.
  let watched = Mutex<[InstanceID: WatchedProcess]>([:])

  /// Starts and observations, one at a time: an instance cannot be started twice at once.
  let changes = WorkQueue("segue.platform.changes")
  let inspection = WorkQueue("segue.platform.inspection")
  let logs = WorkQueue("segue.platform.logs")

  /// - Parameters:
  ///   - stateDirectory: absolute; `instances/` and `home-id` are kept there. One control plane at a
  ///     time may use it.
  ///   - baseEnvironment: what every instance gets unless its service says otherwise.
  ///   - keeper: the command that runs ``SocketKeeper/serve(_:)`` on its descriptor 3; without it, the
  ///     sockets that Segue opens for instances are Segue's and theirs alone.
  /// - Throws: when the state directory cannot be written.
  public init(
    stateDirectory: String, secrets: any SecretSource, time: any TimeSource,
    baseEnvironment: [String: String] = ProcessPlatform.standardEnvironment(),
    retention: Retention = Retention(), keeper: [String]? = nil, logger: Logger
  ) throws(PortError) {
    store = try InstanceStore(stateDirectory: stateDirectory)
    self.secrets = secrets
    self.time = time
    self.baseEnvironment = baseEnvironment
    self.retention = retention
    self.logger = logger
    cgroups = ControlGroupRoot.detect()
    vault = SocketVault(stateDirectory: stateDirectory, command: keeper, logger: logger)
  }

  /// `PATH`, `HOME`, `LANG` and `TMPDIR` as Segue itself was given them, or else their usual values:
  /// the only variables that pass from Segue to an instance.
  public static func standardEnvironment() -> [String: String] {
    let own = ProcessInfo.processInfo.environment
    return [
      "PATH": own["PATH"] ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "HOME": own["HOME"] ?? "/",
      "LANG": own["LANG"] ?? "C.UTF-8",
      "TMPDIR": own["TMPDIR"] ?? "/tmp",
    ]
  }

  // MARK: Platform

  public var bootID: String { ProcessTable.bootID }

  public func start(_ start: InstanceStart) async throws(PortError) -> RunningInstance {
    try await changes.run { () throws(PortError) in
      if let running = try self.findRunning(start.instance) { return running }
      return try self.launch(start)
    }
  }

  public func observe() async throws(PortError) -> [RunningInstance] {
    try await changes.run { () throws(PortError) in try self.observeNow() }
  }

  public func waitForExit(of instance: RunningInstance) async throws(PortError) -> InstanceExit {
    let process = try await changes.run { () throws(PortError) in try self.watch(instance) }
    guard let process else { return .unknown }
    guard let exit = await process.exit() else {
      throw PortError(
        "waiting for \(instance.instance) was cancelled", fault: .segue, retry: .safe)
    }
    try await forgetPlace(of: instance)
    return exit
  }

  public func stop(
    _ instance: RunningInstance, deadline: Milliseconds
  ) async throws(PortError) -> StopReport {
    let id = instance.instance
    let marks = try marks(of: id, leader: instance.process)
    let record = try await inspection.run { self.store.record(of: id) }
    let replacesShell = record.map { ShellCommand($0.start.run).replacesShell } ?? true
    let report = try await Termination(
      leader: instance.process, leaderFirst: replacesShell, members: { marks.members() },
      queue: inspection, name: "instance \(id)"
    ).run(deadline: deadline)
    try await inspection.run { marks.cgroup?.remove() }
    try await forgetPlace(of: instance)
    return report
  }

  public func ownsListener(
    _ instance: RunningInstance
  ) async throws(PortError) -> ListenerProof {
    let marks = try marks(of: instance.instance, leader: instance.process)
    return try await inspection.run {
      ListenerOwner.find(instance.endpoint, marks: marks)
    }
  }

  public func output(
    of instance: InstanceID, key: ServiceKey, limit: Int
  ) async throws(PortError) -> [String] {
    let log = try log(of: instance)
    return try await logs.run { log.tail(limit) }
  }

  // MARK: Beyond the port

  /// In whole sentences: how an instance ended, the likely cause where the status tells one, and the
  /// last lines it printed.
  public func explain(
    _ exit: InstanceExit, of instance: RunningInstance
  ) async throws(PortError) -> String {
    let lines = try await output(of: instance.instance, key: instance.key, limit: 5)
    var text = "\(instance.instance) \(exit)"
    switch exit {
    case .status(127): text += ": the shell did not find its command"
    case .status(126): text += ": its command may not be executed"
    case .signal(SIGKILL): text += " (the kernel does that when memory runs out)"
    case .status, .signal, .unknown: break
    }
    if case .stranger(let who) = try await ownsListener(instance) {
      text += "; its \(instance.endpoint.place) is taken by \(who)"
    }
    if !lines.isEmpty { text += "; it printed last: " + lines.joined(separator: " / ") }
    return text
  }

  /// Rotates the output of every instance, removes the directories of instances stopped long ago, and
  /// closes shared sockets that nobody uses any more. To be called every few seconds; never touches a running instance.
  public func maintain() async throws(PortError) {
    try await logs.run { () throws(PortError) in
      for instance in self.store.instances() { try self.log(of: instance).rotate() }
    }
    try await changes.run { () throws(PortError) in
      for instance in self.stoppedInstances().dropFirst(self.retention.stoppedInstances) {
        try self.forgetNow(instance)
      }
      self.vault.renew()
      self.closeUnusedListeners()
    }
  }

  /// Removes a stopped instance's record and output; does nothing while any process of it lives.
  public func forget(_ instance: InstanceID) async throws(PortError) {
    try await changes.run { () throws(PortError) in try self.forgetNow(instance) }
  }

  /// Ends the process that keeps sockets open for a state directory, if there is one. What instances
  /// share closes with the last of them.
  public static func stopKeeper(stateDirectory: String) async throws(PortError) {
    try await SocketVault.stopKeeper(of: stateDirectory)
  }

  // MARK: Parts

  /// Nobody listens there any more.
  private func forgetPlace(of instance: RunningInstance) async throws(PortError) {
    try await changes.run {
      self.release(instance.endpoint)
      if self.store.record(of: instance.instance)?.start.notifies == true {
        self.closeNotice(of: instance.instance)
      }
    }
  }

  func log(of instance: InstanceID) throws(PortError) -> OutputLog {
    OutputLog(
      path: try store.outputPath(of: instance), limit: retention.outputBytes,
      kept: retention.rotatedFiles)
  }

  func marks(of instance: InstanceID, leader: ProcessIdentity?) throws(PortError) -> InstanceMarks {
    InstanceMarks(
      leader: leader,
      environment: [
        InstanceMarks.instanceVariable: instance.rawValue,
        InstanceMarks.homeVariable: store.homeID,
      ],
      outputPath: try store.outputPath(of: instance), cgroup: cgroup(of: instance))
  }

  /// The instance's cgroup, whether or not it was made.
  func cgroup(of instance: InstanceID) -> ControlGroup? {
    guard case .usable(let root) = cgroups else { return nil }
    return ControlGroup(path: "\(root.path)/segue-\(store.homeID)-\(instance)")
  }

  /// Watches the instance's leader; `nil` when it ended before anybody watched.
  private func watch(_ instance: RunningInstance) throws(PortError) -> WatchedProcess? {
    let known = watched.withLock { $0[instance.instance] }
    if let known, known.identity == instance.process { return known }
    guard let process = try ExitWatcher.shared().watch(instance.process) else { return nil }
    watched.withLock { $0[instance.instance] = process }
    return process
  }

  /// The most recently started first.
  private func stoppedInstances() -> [InstanceID] {
    store.instances()
      .map { (id: $0, record: store.record(of: $0)) }
      .filter { !($0.record?.process.map(ProcessTable.isRunning) ?? false) }
      .sorted {
        ($0.record?.at.milliseconds ?? 0, $0.id) > ($1.record?.at.milliseconds ?? 0, $1.id)
      }
      .map(\.id)
  }

  private func forgetNow(_ instance: InstanceID) throws(PortError) {
    let record = store.record(of: instance)
    let marks = try marks(of: instance, leader: record?.process)
    guard marks.members().isEmpty else { return }
    watched.withLock { $0[instance] = nil }
    marks.cgroup?.remove()
    try store.remove(instance)
  }
}
