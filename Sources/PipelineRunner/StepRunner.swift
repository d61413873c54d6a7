internal import Evidence
internal import Foundation
internal import Glibc
internal import Ports
internal import SecretMasking
internal import SegueModel

/// What all steps of an executor share.
struct StepSettings: Sendable {
  var stateDirectory: String
  /// `PATH` of a step that does not set its own.
  var searchPath: String
  var home: String
  var secrets: any SecretSource
  var grace: Duration
  /// This program, for steps that ask it something.
  var program: String
  var logBounds: LogFile.Bounds

  /// Marks every process of every step of a pipeline, in its environment. The state directory is part
  /// of it, so that two daemons of one user never end each other's steps.
  func mark(of pipeline: PipelineID) -> String {
    "SEGUE_STEP_RUN=\(stateDirectory)#\(pipeline)/"
  }

  func temporaryDirectory(of pipeline: PipelineID) -> String {
    "\(stateDirectory)/tmp/\(pipeline)"
  }
}

/// Runs one step from its secrets to its evidence.
struct StepRunner: Sendable {
  let step: StepSpec
  let run: PipelineRun
  let settings: StepSettings

  private var temporary: String {
    "\(settings.temporaryDirectory(of: run.id))/\(step.name)"
  }

  /// - Parameter deliver: gets the lines of output; when it throws, no more are offered to it.
  func execute(
    deliver: @escaping @Sendable ([String]) async throws -> Void
  ) async -> StepResult {
    let start = ContinuousClock.now
    if let absence = missingScanner {
      return StepResult(outcome: .refused(absence), took: .zero)
    }
    do throws(PortError) {
      var result = try await attempt(deliver)
      result.took = Milliseconds(.now - start)
      return result
    } catch {
      return StepResult(
        outcome: .refused(error.description), took: Milliseconds(.now - start))
    }
  }

  /// A sentence when the step is a ready-made one whose program is not there.
  private var missingScanner: String? {
    guard let name = step.scanner, let scanner = SecurityScanner(rawValue: name) else { return nil }
    let places = (step.environment["PATH"] ?? settings.searchPath).split(separator: ":")
    let isThere = places.contains { access("\($0)/\(scanner.program)", X_OK) == 0 }
    return isThere ? nil : scanner.absence
  }

  private func attempt(
    _ deliver: @escaping @Sendable ([String]) async throws -> Void
  ) async throws(PortError) -> StepResult {
    let secrets = try readSecrets()
    let masker = SecretMasker(secrets.map(\.value))
    let live = LiveLines()
    let log = try await BlockingWork.run { () throws(PortError) in
      try FileTree.makeDirectory(run.logDirectory)
      return try StepLog(
        path: "\(run.logDirectory)/\(step.name).log", masker: masker, bounds: settings.logBounds,
        live: live)
    }
    for secret in secrets where secret.value.reveal().utf8.count < SecretMasker.shortest {
      log.note("the secret \(secret.name) is too short to be masked")
    }
    // The watcher is a task beside the step: however slow it is, the step goes on.
    async let delivered: Void = Self.pump(live, log, deliver)
    let result = await runCommand(secrets, log: log, masker: masker)
    log.finish()
    await delivered
    var answer = result
    if answer.outcome != .passed { answer.tail = log.tail() }
    return answer
  }

  private static func pump(
    _ live: LiveLines, _ log: StepLog, _ deliver: @Sendable ([String]) async throws -> Void
  ) async {
    do {
      try await live.deliver(deliver)
    } catch {
      log.note("nobody watches any more")
    }
  }

  private func readSecrets() throws(PortError) -> [(name: String, value: Secret)] {
    var found: [(name: String, value: Secret)] = []
    for name in step.secrets {
      guard let value = try settings.secrets.value(of: name) else {
        throw PortError(
          "there is no secret \(name)", fault: .user, retry: .never,
          nextStep: "Set the secret \(name), or take it out of the step \(step.name).")
      }
      found.append((name, value))
    }
    return found
  }

  private func runCommand(
    _ secrets: [(name: String, value: Secret)], log: StepLog, masker: SecretMasker
  ) async -> StepResult {
    let cache = StepCache(
      store: "\(settings.stateDirectory)/cache/\(step.name)", project: run.spec.project,
      checkout: run.directory, paths: step.cache)
    for note in await cache.restore() { log.note(note) }
    do throws(PortError) {
      var result = try await runAttempts(secrets, log: log, masker: masker)
      if result.outcome == .passed { for note in await cache.save() { log.note(note) } }
      await removeTemporary(log)
      result.took = .zero
      return result
    } catch {
      log.note(error.description)
      await removeTemporary(log)
      return StepResult(outcome: .refused(error.description), took: .zero)
    }
  }

  /// Runs the command, and again when nothing but a few tests failed and the spec allows it. Every
  /// attempt's reports are kept: a retry that hides its first failure would be a lie.
  private func runAttempts(
    _ secrets: [(name: String, value: Secret)], log: StepLog, masker: SecretMasker
  ) async throws(PortError) -> StepResult {
    let gate = TestsGate(retries: run.spec.gates?.tests?.retries ?? 0)
    let kept = KeptReports.directory(of: step.name, in: run)
    // A run that was cut off may have left attempts that this one does not make.
    try await BlockingWork.run { () throws(PortError) in try FileTree.remove(kept) }
    var attempts: [TestsGate.Attempt] = []
    var again: [String] = []
    while true {
      let number = attempts.count + 1
      // A retry of some tests tells of nothing but these.
      let promised =
        number > 1 && step.rerun != nil ? ReportSpec(junit: step.reports.junit) : step.reports
      let failed = again
      let earlier = attempts
      let (reports, rerun) = try await BlockingWork.run { () throws(PortError) in
        try FileTree.remove(temporary)
        try FileTree.makeDirectory(temporary, mode: 0o700)
        return (
          try ReportCollector(checkout: run.directory, reports: promised),
          try prepare(failed, of: earlier)
        )
      }
      let ending = try await ChildProcess.run(try request(secrets, attempt: number, rerun)) {
        bytes, _ in
        log.take(bytes)
      }
      note(ending, log)
      let findings = await collect(reports, attempt: number, masker: masker)
      attempts.append(TestsGate.Attempt(cases: findings.cases, problems: findings.problems))
      let outcome = judge(ending, findings, attempts)
      again = outcome.mayBeRetried ? gate.retry(after: attempts) : []
      guard !again.isEmpty else {
        let tests = findings.tests == nil ? nil : Self.summary(of: attempts, last: findings)
        return StepResult(
          outcome: outcome, took: .zero, tests: tests, excused: excused(outcome, attempts))
      }
      let tests = again.count == 1 ? "1 test" : "\(again.count) tests"
      let which = step.rerun == nil ? "" : " with \(again.count == 1 ? "it" : "them") alone"
      log.note("\(tests) failed; attempt \(number + 1) of \(gate.retries + 1) begins\(which)")
    }
  }

  /// One attempt is told as its reports tell it; several, each test once.
  private static func summary(
    of attempts: [TestsGate.Attempt], last: ReportCollector.Findings
  ) -> TestSummary? {
    attempts.count == 1 ? last.tests : TestsGate.summary(of: attempts)
  }

  /// The tests that failed, where all may fail for now and nothing else is wrong.
  private func excused(
    _ outcome: StepResult.Outcome, _ attempts: [TestsGate.Attempt]
  ) -> [String]? {
    guard outcome.mayBeRetried, attempts.allSatisfy(\.problems.isEmpty) else { return nil }
    let failures = TestsGate.failures(in: attempts)
    let areKnown = failures.allSatisfy { test, message in
      run.excused[test] == FailureSignature.of(message)
    }
    return failures.isEmpty || !areKnown ? nil : failures.keys.sorted()
  }

  // MARK: Which tests

  /// What a command that runs only some tests is told.
  private struct Rerun: Sendable {
    var command: String
    var variables: [String: String] = [:]
  }

  /// Writes down which tests failed, in the words of the program that runs them. `nil` for a first
  /// attempt, and where a retry is the whole step again.
  private func prepare(
    _ failed: [String], of attempts: [TestsGate.Attempt]
  ) throws(PortError) -> Rerun? {
    guard let rerun = step.rerun, !failed.isEmpty else { return nil }
    let names = Set(failed)
    let tests = attempts.flatMap(\.cases).filter {
      $0.status == .failed && names.contains($0.historyName)
    }
    let list = RerunList(of: tests, as: rerun.naming) { path in
      access("\(run.directory)/\(path)", R_OK) == 0
    }
    let path = "\(temporary)/failed-tests"
    try FileTree.replace(path, with: Array((list.lines.joined(separator: "\n") + "\n").utf8))
    return Rerun(
      command: rerun.run,
      variables: ["SEGUE_FAILED_TESTS": path, "SEGUE_FAILED_PATTERN": list.pattern])
  }

  /// Where `segue tests split` finds how long tests took.
  private func shardVariables(_ shard: StepShard) throws(PortError) -> [String: String] {
    let path = "\(temporary)/test-times"
    let lines = run.testTimes.sorted { $0.key < $1.key }.map { "\($0.value.count)\t\($0.key)\n" }
    try FileTree.replace(path, with: Array(lines.joined().utf8))
    return [
      "SEGUE_SHARD": "\(shard.number)", "SEGUE_SHARDS": "\(shard.count)", "SEGUE_TEST_TIMES": path,
      "SEGUE_PROGRAM": settings.program,
    ]
  }

  private func removeTemporary(_ log: StepLog) async {
    do throws(PortError) {
      try await BlockingWork.run { () throws(PortError) in try FileTree.remove(temporary) }
    } catch {
      log.note("its temporary directory stays: \(error)")
    }
  }

  private func request(
    _ secrets: [(name: String, value: Secret)], attempt: Int, _ rerun: Rerun?
  ) throws(PortError) -> ChildRequest {
    let mark = "\(settings.mark(of: run.id))\(step.name)#\(UUID().uuidString)"
    var environment = [
      "PATH": settings.searchPath, "HOME": settings.home, "LANG": "C.UTF-8", "CI": "true",
      "SHELL": "/bin/sh",
    ]
    environment.merge(step.environment) { $1 }
    for secret in secrets { environment[secret.name] = secret.value.reveal() }
    environment["TMPDIR"] = temporary
    environment["SEGUE_COMMIT"] = run.commit.id.rawValue
    environment["SEGUE_BRANCH"] = run.spec.deployBranch
    environment["SEGUE_PROJECT"] = run.spec.project.rawValue
    environment["SEGUE_STEP"] = step.name.rawValue
    environment["SEGUE_PIPELINE"] = run.id.rawValue
    environment["SEGUE_ATTEMPT"] = "\(attempt)"
    environment.merge(rerun?.variables ?? [:]) { $1 }
    if let shard = step.shard { environment.merge(try shardVariables(shard)) { $1 } }
    let entry = mark.split(separator: "=", maxSplits: 1)
    environment[String(entry[0])] = String(entry[1])
    return ChildRequest(
      executable: "/bin/sh", arguments: ["-ec", rerun?.command ?? step.run],
      environment: environment,
      directory: run.directory, mergesError: true, deadline: step.timeout.duration,
      grace: settings.grace, mark: mark, niceness: Self.niceness, endsLeftovers: true)
  }

  /// What serves requests on this machine goes before what builds the next release.
  private static let niceness: Int32 = 10

  private func note(_ ending: ChildEnding, _ log: StepLog) {
    switch ending.stop {
    case .timedOut: log.note("ended after \(step.timeout), the timeout of this step")
    case .cancelled: log.note("cancelled")
    case nil: break
    }
    if ending.leftovers > 0 {
      let processes = ending.leftovers == 1 ? "1 process" : "\(ending.leftovers) processes"
      log.note("\(processes) still ran when the step had ended, and had to be ended")
    }
    if ending.undrained { log.note("its output was still held open, and was cut off here") }
    if let failure = log.failure {
      log.note("the log could not be written: \(String(cString: strerror(failure)))")
    }
  }

  /// Reports are read whether or not the command succeeded: they name the tests that failed.
  private func collect(
    _ reports: ReportCollector, attempt: Int, masker: SecretMasker
  ) async -> ReportCollector.Findings {
    guard !step.reports.isEmpty else { return ReportCollector.Findings() }
    let directory = KeptReports.directory(of: step.name, attempt: attempt, in: run)
    return await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        continuation.resume(returning: reports.collect(into: directory, masker: masker))
      }
    }
  }

  private func judge(
    _ ending: ChildEnding, _ findings: ReportCollector.Findings, _ attempts: [TestsGate.Attempt]
  ) -> StepResult.Outcome {
    switch ending.stop {
    case .timedOut: return .timedOut
    case .cancelled: return .cancelled
    case nil: break
    }
    switch ending.status {
    case .exited(0): break
    case .exited(let status): return .failed(status: status)
    case .signalled(let signal): return .killed(signal: signal)
    case .unknown: return .refused("the command ended, but nobody knows how")
    }
    // A retry that passes because it left a failed test out has mended nothing.
    let tests = findings.tests == nil ? nil : Self.summary(of: attempts, last: findings)
    let sentences = [tests?.refusal()].compactMap(\.self) + findings.problems
    return sentences.isEmpty ? .passed : .refused(sentences.joined(separator: "; "))
  }
}

extension StepResult.Outcome {
  /// Whether it may be the tests alone that failed.
  fileprivate var mayBeRetried: Bool {
    switch self {
    case .failed, .refused: true
    case .passed, .killed, .timedOut, .cancelled, .skipped: false
    }
  }
}
