import CLinux
import Foundation
import Glibc
public import Ports
public import SegueModel

/// A command to run in a session of its own, that outlives who starts it.
public struct DetachedCommand: Sendable {
  /// The first is the absolute path of the program.
  public var arguments: [String]
  /// All of its environment; nothing is inherited.
  public var environment: [String: String]
  public var directory: String
  /// Absolute, ending in `.log`: gets standard output and standard error.
  public var logFile: String
  /// Absolute: remembers which process it is. Its directory must exist.
  public var identityFile: String
  /// Become descriptors 3, 4, ... with `LISTEN_FDS` and `LISTEN_PID` set (sd_listen_fds(3)). Owned by
  /// the caller.
  public var passedDescriptors: [Int32]

  public init(
    arguments: [String], environment: [String: String], directory: String, logFile: String,
    identityFile: String, passedDescriptors: [Int32] = []
  ) {
    self.arguments = arguments
    self.environment = environment
    self.directory = directory
    self.logFile = logFile
    self.identityFile = identityFile
    self.passedDescriptors = passedDescriptors
  }
}

/// A process of our own that survives us, such as the proxy: found again after a restart by a file
/// that holds its identity, or by the name of that file in its environment.
public final class DetachedProcess: Sendable {
  private let process: WatchedProcess
  private let log: OutputLog
  private let identityFile: String

  private static let queue = WorkQueue("segue.detached")
  /// Names the identity file in the process's own environment, for a crash before it was written.
  private static let variable = "SEGUE_IDENTITY_FILE"

  private init(_ process: WatchedProcess, log: OutputLog, identityFile: String) {
    self.process = process
    self.log = log
    self.identityFile = identityFile
  }

  public var identity: ProcessIdentity { process.identity }

  /// How it ended; `nil` while it runs.
  public var ended: InstanceExit? { process.ended }

  /// Starts the command and writes down which process it is. Returns when the program runs (long
  /// before it is ready).
  ///
  /// - Throws: when it cannot be started, or its identity not be written; then nothing is left behind.
  public static func start(_ command: DetachedCommand) async throws(PortError) -> DetachedProcess {
    try await queue.run { () throws(PortError) in try startNow(command) }
  }

  /// The same; blocks.
  static func startNow(_ command: DetachedCommand) throws(PortError) -> DetachedProcess {
    let log = OutputLog(path: command.logFile)
    let output = try log.openForAppending()
    defer { close(output) }
    var environment = command.environment
    environment[variable] = command.identityFile
    let process = try Spawn(
      arguments: command.arguments, environment: environment, directory: command.directory,
      output: output, passed: command.passedDescriptors
    ).start()
    do {
      let bytes = [UInt8](try JSONEncoder().encode(process.identity))
      try BlockingFile.replace(command.identityFile, with: bytes)
    } catch {
      process.signal(SIGKILL)
      throw error as? PortError
        ?? PortError(
          "cannot write down a process", fault: .segue, retry: .never, causes: ["\(error)"])
    }
    return DetachedProcess(process, log: log, identityFile: command.identityFile)
  }

  /// Finds a process that an earlier program started with this identity file; `nil` when it does not
  /// run any more.
  public static func adopt(identityFile: String, logFile: String) async throws(PortError)
    -> DetachedProcess?
  {
    try await queue.run { () throws(PortError) in
      let written = BlockingFile.read(identityFile, limit: 4_096)
        .flatMap { try? JSONDecoder().decode(ProcessIdentity.self, from: Data($0)) }
      let log = OutputLog(path: logFile)
      if let written, let process = try ExitWatcher.shared().watch(written) {
        return DetachedProcess(process, log: log, identityFile: identityFile)
      }
      let marks = InstanceMarks(environment: [variable: identityFile])
      let leader = ProcessTable.all().first { process in
        process.session == process.pid && !process.hasEnded && marks.isTagged(process.pid)
      }
      guard let leader, let process = try ExitWatcher.shared().watch(leader.identity) else {
        return nil
      }
      return DetachedProcess(process, log: log, identityFile: identityFile)
    }
  }

  /// Returns when it has ended; `nil` when the task was cancelled first.
  public func waitForExit() async -> InstanceExit? { await process.exit() }

  /// Signals this process alone, never a later one of the same pid. Returns whether it still existed.
  @discardableResult
  public func signal(_ signal: Int32) -> Bool { process.signal(signal) }

  /// SIGTERM, first to the process and then to what is left of its session and its children; after
  /// `deadline` SIGKILL. A successor that was started on its own (for a handover) is not touched, even
  /// when it shares the identity file.
  public func stop(deadline: Milliseconds) async throws(PortError) -> StopReport {
    let marks = InstanceMarks(leader: identity, environment: [:])
    return try await Termination(
      leader: identity, leaderFirst: true, members: { marks.members() }, queue: Self.queue,
      name: "process \(identity.pid)"
    ).run(deadline: deadline)
  }

  /// The last lines it printed, oldest first.
  public func output(limit: Int) async throws(PortError) -> [String] {
    let log = log
    return try await Self.queue.run { log.tail(limit) }
  }

  /// Keeps its log within bounds; to be called every few seconds.
  public func maintain() async throws(PortError) {
    let log = log
    try await Self.queue.run { () throws(PortError) in try log.rotate() }
  }
}
