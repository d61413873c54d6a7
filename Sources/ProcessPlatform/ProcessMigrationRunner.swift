import Glibc
public import Logging
public import Ports
import SecretMasking
import SegueModel

/// Runs changes of the database as processes of this machine, each exactly once.
///
/// Like an instance, a migration is a session of its own that lives on when the control plane dies; and
/// a process of its own (see ``MigrationFiles/script``) writes down how it ended, because nobody else
/// may be there to see it. What a later control plane finds decides what it does:
///
/// | found | meaning | so |
/// |---|---|---|
/// | `status` | it has ended | that is reported |
/// | its process | it runs | it is waited for |
/// | `started`, no process | the machine went down, or somebody killed it | interrupted |
/// | `begun.json`, no `started`, no process | its command never began | it is started |
///
/// The last is safe even if such a process should still be on its way: `started` can be made once.
public final class ProcessMigrationRunner: MigrationRunner {
  private let store: MigrationStore
  private let children: ChildEnvironment
  private let time: any TimeSource
  private let logger: Logger
  private let queue = WorkQueue("segue.migrations")

  /// Runs whose record stays.
  public static let kept = 200
  /// Lines of output in a report.
  static let reportedLines = 20
  /// SIGTERM to SIGKILL for one that took too long.
  static let patience = Milliseconds.seconds(2)
  /// How often a run's log is brought back within its bounds.
  private static let slice = Duration.seconds(2)

  /// - Parameter stateDirectory: absolute; `migrations/` and `home-id` are kept there.
  public init(
    stateDirectory: String, secrets: any SecretSource, time: any TimeSource,
    baseEnvironment: [String: String] = ProcessPlatform.standardEnvironment(), logger: Logger
  ) throws(PortError) {
    store = try MigrationStore(stateDirectory: stateDirectory)
    children = ChildEnvironment(base: baseEnvironment, secrets: secrets)
    self.time = time
    self.logger = logger
  }

  public func run(_ run: MigrationRun) async throws(PortError) -> MigrationReport {
    let files = try store.files(of: run.id)
    var starts = 0
    while true {
      let found = try await queue.run { () throws(PortError) in
        try files.withLock { () throws(PortError) in try self.look(at: run, files) }
      }
      switch found {
      case .ended(let outcome, let took):
        return try await report(outcome, took: took, of: run, files)
      case .running(let process, let since, let isNew):
        starts += isNew ? 1 : 0
        guard starts < 2 else { throw neverBegins(run, files) }
        try await wait(for: process, until: since + run.timeout, run, files)
      case .leftOver(let since):
        // Without its leader nobody will ever know how it ended, so the rest must not go on unseen.
        _ = try await termination(of: run, files, leader: nil).run(deadline: Self.patience)
        return try await report(
          .interrupted("its process is gone, and nobody can say how far it came"),
          took: time.now() - since, of: run, files)
      }
    }
  }

  // MARK: Looking

  private enum Finding: Sendable {
    case ended(MigrationOutcome, took: Milliseconds)
    case running(WatchedProcess, since: Instant, isNew: Bool)
    case leftOver(since: Instant)
  }

  /// What has become of the run; starts it when it has not begun. Blocks; only under the run's lock.
  private func look(at run: MigrationRun, _ files: MigrationFiles) throws(PortError) -> Finding {
    guard let record = files.record() else { return try begin(run, files) }
    guard record.run.key == run.key, record.run.release == run.release else {
      throw PortError(
        "\(run.id) is the migration of another service", fault: .segue, retry: .never)
    }
    // The process first: once it is seen to be gone, it writes nothing any more.
    if let process = try process(of: run, files) {
      return .running(process, since: record.begunAt, isNew: false)
    }
    if let ending = files.ending() {
      let took = max(.zero, ending.at - record.begunAt)
      return .ended(outcome(of: ending.status, run, files), took: took)
    }
    if files.isOverdue {
      return .ended(tooLong(run), took: run.timeout)
    }
    guard files.isStarted else { return try begin(run, files) }
    guard record.bootID == ProcessTable.bootID else {
      return .ended(
        .interrupted("the machine went down while it ran"), took: time.now() - record.begunAt)
    }
    return .leftOver(since: record.begunAt)
  }

  private func outcome(of status: Int32, _ run: MigrationRun, _ files: MigrationFiles)
    -> MigrationOutcome
  {
    guard status != 0 else { return .succeeded }
    if files.isOverdue { return tooLong(run) }
    let signal = status > 128 && status < 192 ? " (signal \(status - 128))" : ""
    return .failed("exited with status \(status)\(signal)")
  }

  private func tooLong(_ run: MigrationRun) -> MigrationOutcome {
    .failed("took longer than \(run.timeout)")
  }

  /// The run's process, also when Segue died before it could write down which one it is.
  private func process(of run: MigrationRun, _ files: MigrationFiles) throws(PortError)
    -> WatchedProcess?
  {
    if let identity = files.identity() {
      if let process = try ExitWatcher.shared().watch(identity) { return process }
      if files.isStarted { return nil }
    }
    let marks = marks(of: run, files, leader: nil)
    let leader = ProcessTable.all().first { process in
      process.session == process.pid && !process.hasEnded && marks.isTagged(process.pid)
    }
    guard let leader, let process = try ExitWatcher.shared().watch(leader.identity) else {
      return nil
    }
    try files.save(leader.identity)
    return process
  }

  // MARK: Starting

  private func begin(_ run: MigrationRun, _ files: MigrationFiles) throws(PortError) -> Finding {
    guard BlockingFile.isDirectory(run.directory) else {
      throw PortError(
        "the release's directory \(run.directory) does not exist", fault: .platform, retry: .never,
        nextStep: "Build the release again.")
    }
    var environment = try children.values(
      run.environment, secrets: run.secrets, key: run.key, release: run.release)
    for (name, value) in tags(of: run) { environment[name] = value }
    let begunAt = time.now()
    try files.save(MigrationRecord(run: run, begunAt: begunAt, bootID: ProcessTable.bootID))
    let output = try files.log.openForAppending()
    defer { close(output) }
    let process = try Spawn(
      arguments: [
        "/bin/sh", "-c", MigrationFiles.script, "segue-migration", files.directory, run.command,
      ], environment: environment, directory: run.directory, output: output
    ).start()
    logger.info(
      "migration started", metadata: ["id": "\(run.id)", "pid": "\(process.identity.pid)"])
    do throws(PortError) {
      try files.save(process.identity)
    } catch {
      // It runs, and is found again by its environment.
      logger.warning("a migration's process is not written down", metadata: ["error": "\(error)"])
    }
    return .running(process, since: begunAt, isNew: true)
  }

  /// Its process ended before the command began: the disk is full, or the system's tools are missing.
  private func neverBegins(_ run: MigrationRun, _ files: MigrationFiles) -> PortError {
    PortError(
      "the \(run.step.rawValue) step of \(run.release) cannot begin", fault: .platform,
      retry: .after(.seconds(1)),
      causes: ["its process could not note in \(files.directory) that it begins"],
      nextStep: "Free some disk space, and see that mkdir, mv and sync are installed.")
  }

  private static let variable = "SEGUE_MIGRATION"

  private func tags(of run: MigrationRun) -> [String: String] {
    [Self.variable: run.id, InstanceMarks.homeVariable: store.homeID]
  }

  private func marks(of run: MigrationRun, _ files: MigrationFiles, leader: ProcessIdentity?)
    -> InstanceMarks
  {
    InstanceMarks(leader: leader, environment: tags(of: run), outputPath: files.log.path)
  }

  private func termination(
    of run: MigrationRun, _ files: MigrationFiles, leader: ProcessIdentity?
  ) -> Termination {
    let marks = marks(of: run, files, leader: leader)
    return Termination(
      leader: leader, leaderFirst: false, members: { marks.members() }, queue: queue,
      name: "migration \(run.id)")
  }

  // MARK: Waiting

  /// Returns when the process has ended, by itself or because its time was over.
  private func wait(
    for process: WatchedProcess, until deadline: Instant, _ run: MigrationRun,
    _ files: MigrationFiles
  ) async throws(PortError) {
    let clock = ContinuousClock()
    let end = clock.now + max(.zero, deadline - time.now()).duration
    while process.ended == nil {
      guard clock.now < end else { return try await endOverdue(process, run, files) }
      _ = await process.hasEnded(by: min(end, clock.now + Self.slice))
      guard !Task.isCancelled else {
        throw PortError("waiting for \(run.id) was cancelled", fault: .segue, retry: .safe)
      }
      try await queue.run { () throws(PortError) in try files.log.rotate() }
    }
  }

  private func endOverdue(
    _ process: WatchedProcess, _ run: MigrationRun, _ files: MigrationFiles
  ) async throws(PortError) {
    logger.warning("ending a migration that takes too long", metadata: ["id": "\(run.id)"])
    try await queue.run { () throws(PortError) in try files.noteOverdue() }
    _ = try await termination(of: run, files, leader: process.identity)
      .run(deadline: Self.patience)
  }

  // MARK: Reporting

  private func report(
    _ outcome: MigrationOutcome, took: Milliseconds, of run: MigrationRun, _ files: MigrationFiles
  ) async throws(PortError) -> MigrationReport {
    let lines = try await queue.run { files.log.tail(Self.reportedLines) }
    return MigrationReport(outcome: outcome, output: masked(lines, run), took: took)
  }

  /// Without the values of its secrets; without any line when a value cannot be had.
  private func masked(_ lines: [String], _ run: MigrationRun) -> [String] {
    guard !lines.isEmpty, !run.secrets.isEmpty else { return lines }
    do throws(PortError) {
      let masker = SecretMasker(try children.reveal(run.secrets))
      return masker.masked(lines.joined(separator: "\n")).split(
        separator: "\n", omittingEmptySubsequences: false
      ).map(String.init)
    } catch {
      return ["its output is not shown, because its secrets cannot be masked: \(error.what)"]
    }
  }

  // MARK: Beyond the port

  /// Removes the records of runs that ended long ago; to be called every now and then.
  public func maintain() async throws(PortError) {
    try await queue.run { () throws(PortError) in
      let old = self.store.records().dropFirst(Self.kept)
      for (files, record) in old where try self.process(of: record.run, files) == nil {
        try self.store.remove(files)
      }
    }
  }
}
