internal import Foundation
internal import Glibc
public import Ports
public import SegueModel

/// Runs pipelines on this machine: a clean checkout, and each step as a shell command in a session of
/// its own.
///
/// A step gets nothing of Segue's environment or descriptors. `HOME` is the real one, because the
/// caches of build tools live there; `TMPDIR` is the step's own and is deleted after it. No process of
/// a step outlives it.
public struct LocalPipelineExecutor: PipelineExecutor {
  private let source: any Source
  private let settings: StepSettings
  private let parallelism: Int
  private let tool: GitTool

  /// What a step finds programs on when nothing else is said.
  public static let standardSearchPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

  /// - Parameters:
  ///   - source: where checkouts come from.
  ///   - secrets: the values of what steps name under `secrets`.
  ///   - stateDirectory: absolute; holds caches and temporary directories.
  ///   - environment: Segue's own, of which `HOME` reaches steps and git gets what it needs.
  ///   - searchPath: `PATH` of steps that do not set one.
  ///   - parallelism: how many steps run at a time; the number of cores when `nil`.
  ///   - grace: SIGTERM to SIGKILL when a step is ended.
  public init(
    source: any Source, secrets: any SecretSource, stateDirectory: String,
    environment: [String: String], searchPath: String = standardSearchPath,
    parallelism: Int? = nil, grace: Milliseconds = .seconds(5)
  ) {
    self.init(
      source: source, secrets: secrets, stateDirectory: stateDirectory, environment: environment,
      searchPath: searchPath, parallelism: parallelism, grace: grace, logBounds: LogFile.Bounds())
  }

  init(
    source: any Source, secrets: any SecretSource, stateDirectory: String,
    environment: [String: String], searchPath: String = standardSearchPath,
    parallelism: Int? = nil, grace: Milliseconds, logBounds: LogFile.Bounds
  ) {
    self.source = source
    settings = StepSettings(
      stateDirectory: stateDirectory, searchPath: searchPath, home: environment["HOME"] ?? "/",
      secrets: secrets, grace: grace.duration,
      program: Bundle.main.executablePath ?? CommandLine.arguments[0], logBounds: logBounds)
    self.parallelism = max(1, parallelism ?? ProcessInfo.processInfo.activeProcessorCount)
    tool = GitTool(environment: environment)
  }

  public func execute(
    _ run: PipelineRun, observe: @escaping @Sendable (StepProgress) async throws -> Void
  ) async throws(PortError) -> PipelineResult {
    try await prepareCheckout(run)
    var schedule = StepSchedule(run)
    let outcome: Result<Void, PortError> = await withTaskGroup(of: Ended.self) { group in
      var failure: PortError?
      while failure == nil {
        do throws(PortError) {
          let stop: StepResult.Outcome? = Task.isCancelled ? .cancelled : nil
          for (name, result) in schedule.settle(stop: stop) {
            try await Self.tell(.finished(name, result), observe)
          }
          for step in schedule.start(limit: parallelism) {
            try await Self.tell(.started(step.name), observe)
            group.addTask { await runStep(step, of: run, observe) }
          }
          guard let ended = await group.next() else { break }
          schedule.finish(ended.step, ended.result)
          try await Self.tell(.finished(ended.step, ended.result), observe)
        } catch {
          failure = error
          group.cancelAll()
          await group.waitForAll()
        }
      }
      return failure.map { .failure($0) } ?? .success(())
    }
    try outcome.get()
    if !schedule.isDone {
      throw PortError(
        "steps wait for one another: \(schedule.waitingNames)", fault: .user, retry: .never,
        nextStep: "Break the circle in their needs.")
    }
    return PipelineResult(steps: schedule.results)
  }

  private struct Ended: Sendable {
    var step: StepName
    var result: StepResult
  }

  private func runStep(
    _ step: StepSpec, of run: PipelineRun,
    _ observe: @escaping @Sendable (StepProgress) async throws -> Void
  ) async -> Ended {
    let runner = StepRunner(step: step, run: run, settings: settings)
    let result = await runner.execute { lines in try await observe(.output(step.name, lines)) }
    return Ended(step: step.name, result: result)
  }

  /// What cannot be recorded must not happen: a failing observer ends the pipeline.
  private static func tell(
    _ progress: StepProgress, _ observe: @Sendable (StepProgress) async throws -> Void
  ) async throws(PortError) {
    do {
      try await observe(progress)
    } catch let error as PortError {
      throw error
    } catch {
      if Task.isCancelled { return }
      throw PortError(
        "the progress of the pipeline cannot be recorded", fault: .segue, retry: .safe,
        causes: ["\(error)"])
    }
  }

  /// Makes the checkout, or makes sure that the one that is there is of this commit.
  private func prepareCheckout(_ run: PipelineRun) async throws(PortError) {
    guard access(run.directory, F_OK) == 0 else {
      return try await source.checkOut(run.commit.id, into: run.directory)
    }
    let found = try await tool.run(
      ["--git-dir=\(run.directory)/.git", "rev-parse", "--verify", "HEAD^{commit}"])
    guard found.status == 0, found.line == run.commit.id.rawValue else {
      let what = found.status == 0 ? "commit \(CommitID(found.line).short)" : "no checkout"
      throw PortError(
        "\(run.directory) holds \(what), not commit \(run.commit.id.short)", fault: .user,
        retry: .never, nextStep: "Delete the directory; Segue will check it out again.")
    }
  }

  /// What marks the processes of a pipeline.
  func mark(of pipeline: PipelineID) -> String { settings.mark(of: pipeline) }

  public func endLeftovers(of pipeline: PipelineID) async {
    var tree = ProcessTree(mark: settings.mark(of: pipeline))
    let killAt = ContinuousClock.now + settings.grace
    let giveUpAt = killAt + .seconds(10)
    var told: Set<ProcessEntry> = []
    while true {
      let (left, next) = await Self.members(tree)
      tree = next
      let now = ContinuousClock.now
      if left.isEmpty || now >= giveUpAt { break }
      for process in left {
        if now >= killAt {
          process.signal(SIGKILL)
        } else if told.insert(process).inserted {
          process.signal(SIGTERM)
          process.signal(SIGCONT)
        }
      }
      // Also when cancelled: what a crashed daemon left must not be left again.
      await withCheckedContinuation { continuation in
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(50)) {
          continuation.resume()
        }
      }
    }
    let temporary = settings.temporaryDirectory(of: pipeline)
    try? await BlockingWork.run { () throws(PortError) in try FileTree.remove(temporary) }
  }

  private static func members(_ tree: ProcessTree) async -> ([ProcessEntry], ProcessTree) {
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        var tree = tree
        let members = tree.members()
        continuation.resume(returning: (members, tree))
      }
    }
  }
}

/// Which steps may run when, as values.
struct StepSchedule: Sendable {
  private(set) var results: [StepName: StepResult] = [:]
  private var waiting: [StepSpec]
  private var running: Set<StepName> = []

  init(_ run: PipelineRun) {
    waiting = run.spec.pipeline.filter { !run.passed.contains($0.name) }
    for name in run.passed { results[name] = StepResult(outcome: .passed, took: .zero) }
  }

  var isDone: Bool { waiting.isEmpty && running.isEmpty }
  var waitingNames: String { waiting.map(\.name.rawValue).joined(separator: ", ") }

  /// Gives their result to steps that will never run: all of them when the pipeline is stopped, else
  /// those that need one that did not pass. In the order of the file, each after what it needs.
  mutating func settle(stop: StepResult.Outcome?) -> [(StepName, StepResult)] {
    var settled: [(StepName, StepResult)] = []
    var changed = true
    while changed {
      changed = false
      for step in waiting {
        let blocked = step.needs.contains { results[$0].map { !$0.letsOthersRun } ?? false }
        guard let outcome = stop ?? (blocked ? .skipped : nil) else { continue }
        let result = StepResult(outcome: outcome, took: .zero)
        results[step.name] = result
        settled.append((step.name, result))
        waiting.removeAll { $0.name == step.name }
        changed = true
      }
    }
    return settled
  }

  /// The steps to start now, in the order of the file.
  mutating func start(limit: Int) -> [StepSpec] {
    let room = max(0, limit - running.count)
    let ready = waiting.filter { $0.needs.allSatisfy { results[$0]?.letsOthersRun ?? false } }
    let chosen = Array(ready.prefix(room))
    waiting.removeAll { step in chosen.contains { $0.name == step.name } }
    running.formUnion(chosen.map(\.name))
    return chosen
  }

  mutating func finish(_ step: StepName, _ result: StepResult) {
    running.remove(step)
    results[step] = result
  }
}
