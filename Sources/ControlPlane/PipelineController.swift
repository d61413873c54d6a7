import ControlProtocol
import Logging
import Ports
import SegueModel

/// Takes commits one at a time through the pipeline to a release. A newer commit supersedes those
/// that wait; the one that runs is finished.
actor PipelineController {
  private let world: Dependencies
  private let settings: ControlPlaneSettings
  private let feed: FeedHub
  private let catalogue: ReleaseCatalogue
  private let receipts: ReceiptKeeper
  nonisolated let policy: PolicyDesk
  private let onRelease: @Sendable (Release, CommitAcceptance) async -> Void
  private var streams: [PipelineID: TypedStream<PipelineEvent>] = [:]
  private(set) var waiting: [CommitAcceptance] = []
  private(set) var current: PipelineID?
  private var cancelReason: String?
  private var currentTask: Task<PipelineResult, any Error>?
  private let gate = SerialGate()
  private let appendGate = SerialGate()
  private let wakeUps: AsyncStream<Void>
  private let wakeUp: AsyncStream<Void>.Continuation

  init(
    world: Dependencies, settings: ControlPlaneSettings, feed: FeedHub,
    catalogue: ReleaseCatalogue, receipts: ReceiptKeeper,
    onRelease: @escaping @Sendable (Release, CommitAcceptance) async -> Void
  ) {
    self.world = world
    self.settings = settings
    self.feed = feed
    self.catalogue = catalogue
    self.receipts = receipts
    policy = PolicyDesk(world: world, settings: settings, catalogue: catalogue)
    self.onRelease = onRelease
    (wakeUps, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  // MARK: Recovery

  /// Loads every pipeline; what had not ended goes on where it stopped.
  func recover() async throws(PortError) {
    var loaded: [(stream: TypedStream<PipelineEvent>, events: [Recorded<PipelineEvent>])] = []
    for id in try await world.journal.streams(prefix: Streams.pipelinePrefix) {
      var stream = TypedStream<PipelineEvent>(id: id, journal: world.journal)
      loaded.append((stream: stream, events: try await stream.load()))
      loaded[loaded.count - 1].stream = stream
    }
    loaded.sort { $0.events.first?.sequence ?? 0 < $1.events.first?.sequence ?? 0 }
    for (stream, events) in loaded {
      if let last = events.last { await feed.advance(to: last.sequence) }
      guard case .commitAccepted(let acceptance)? = events.first?.event else { continue }
      for record in events {
        catalogue.apply(record.event, of: acceptance.pipeline, at: record.at)
      }
      guard let record = catalogue.record(acceptance.pipeline), record.status.state == .running
      else { continue }
      streams[acceptance.pipeline] = stream
      await world.pipeline.endLeftovers(of: acceptance.pipeline)
      for step in record.status.steps where step.state == .running {
        try await append([.stepInterrupted(step: step.name)], to: acceptance)
      }
      waiting.append(acceptance)
    }
    wakeUp.yield()
  }

  // MARK: Removing

  /// Deletes the files of a release, and then records that they are gone: done again, it does no harm.
  func remove(_ release: Release, of acceptance: CommitAcceptance) async throws(PortError) {
    try await world.releases.remove(release)
    if streams[acceptance.pipeline] == nil {
      var stream = TypedStream<PipelineEvent>(
        id: Streams.pipeline(acceptance.pipeline), journal: world.journal)
      _ = try await stream.load()
      streams[acceptance.pipeline] = stream
    }
    try await append([.releaseRemoved(release: release.id)], to: acceptance)
    streams[acceptance.pipeline] = nil
  }

  // MARK: Accepting

  /// Records that a commit is to be built. Commits that wait are superseded by it.
  func accept(_ commit: Commit, by who: String, allowOlder: Bool, again: Bool)
    async throws(PortError) -> Int64
  {
    try await gate.withTurn { () async throws(PortError) in
      if let known = catalogue.record(of: commit.id), known.status.state == .running {
        return await feed.sequence
      }
      let attempt = catalogue.all.count { $0.acceptance.commit.id == commit.id } + 1
      let acceptance = CommitAcceptance(
        pipeline: PipelineID("\(commit.id.short)-\(attempt)"), commit: commit, requestedBy: who,
        allowOlder: allowOlder, again: again)
      let sequence = try await append([.commitAccepted(acceptance)], to: acceptance)
      let superseded = waiting.filter { !$0.isQuestion }
      // What is to be deployed goes before what somebody only asks about.
      waiting = [acceptance] + waiting.filter(\.isQuestion)
      for older in superseded {
        try await append([.commitSuperseded(by: commit.id)], to: older)
        streams[older.pipeline] = nil
      }
      wakeUp.yield()
      return sequence
    }
  }

  /// Commits that somebody may ask about at once.
  static let questionLimit = 5

  /// Records that somebody asks what would stop a commit. Its steps run once nothing that is to be
  /// deployed waits, and nothing comes of it but the answer.
  ///
  /// - Returns: the sequence from which on its feed tells; `nil` when too many wait already.
  func ask(about commit: Commit, by who: String) async throws(PortError) -> Int64? {
    try await gate.withTurn { () async throws(PortError) in
      let open = catalogue.all.filter { $0.acceptance.isQuestion && $0.status.state == .running }
      if open.contains(where: { $0.acceptance.commit.id == commit.id }) {
        return await feed.sequence
      }
      guard open.count < Self.questionLimit else { return nil }
      let attempt = catalogue.all.count { $0.acceptance.commit.id == commit.id } + 1
      let acceptance = CommitAcceptance(
        pipeline: PipelineID("\(commit.id.short)-\(attempt)"), commit: commit, requestedBy: who,
        allowOlder: true, again: true, asks: true)
      let sequence = try await append([.commitAccepted(acceptance)], to: acceptance)
      waiting.append(acceptance)
      wakeUp.yield()
      return sequence
    }
  }

  /// Ends the running pipeline and forgets those that wait.
  /// - Returns: Whether there was anything to end.
  func cancel(reason: String) async throws(PortError) -> Bool {
    let had = current != nil || !waiting.isEmpty
    let dropped = waiting
    waiting = []
    for acceptance in dropped {
      try await append([.pipelineCancelled(reason: reason)], to: acceptance)
    }
    if current != nil {
      cancelReason = reason
      currentTask?.cancel()
    }
    return had
  }

  @discardableResult
  private func append(_ events: [PipelineEvent], to acceptance: CommitAcceptance)
    async throws(PortError) -> Int64
  {
    // Steps that run in parallel report at once.
    try await appendGate.withTurn { () async throws(PortError) in
      let id = acceptance.pipeline
      var stream =
        streams[id]
        ?? TypedStream<PipelineEvent>(id: Streams.pipeline(id), journal: world.journal)
      let records = try await stream.append(events, at: world.time.now())
      streams[id] = stream
      for record in records {
        catalogue.apply(record.event, of: id, at: record.at)
        if let item = FeedText.item(for: record, commit: acceptance.commit.id) {
          await feed.publish(item)
        }
      }
      return records.last?.sequence ?? 0
    }
  }

  /// Like ``append(_:to:)``, for what has happened already: waits for a journal that refuses, and so
  /// keeps the pipeline from going on unrecorded.
  private func appendPatiently(_ events: [PipelineEvent], to acceptance: CommitAcceptance)
    async throws
  {
    let sequence = try await world.persist("a pipeline's progress") { () async throws(PortError) in
      try await append(events, to: acceptance)
    }
    guard sequence != nil else { throw CancellationError() }
  }

  // MARK: Running

  /// Runs what waits until the task is cancelled.
  func run() async {
    for await _ in wakeUps {
      while !Task.isCancelled, let next = waiting.first {
        waiting.removeFirst()
        current = next.pipeline
        await carryThrough(next)
        current = nil
        cancelReason = nil
      }
    }
  }

  private func carryThrough(_ acceptance: CommitAcceptance) async {
    do {
      try await build(acceptance)
    } catch {
      guard !Task.isCancelled else { return }
      let failure = error as? PortError
      let event: PipelineEvent =
        switch failure?.fault {
        case .user?: .commitRefused(reason: "\(error)")
        default: .pipelineFailed(reason: "\(error)")
        }
      do {
        try await appendPatiently([event], to: acceptance)
        await settle(acceptance)
      } catch {
        world.logger.error(
          "a pipeline's end could not be recorded", metadata: ["error": "\(error)"])
      }
    }
    if catalogue.record(acceptance.pipeline)?.status.state != .running {
      streams[acceptance.pipeline] = nil
    }
  }

  private func build(_ acceptance: CommitAcceptance) async throws {
    if let sealed = catalogue.record(acceptance.pipeline)?.release {
      return await onRelease(sealed, acceptance)
    }
    let spec = try await spec(of: acceptance.commit)
    guard let policy = try await policyAnswers(acceptance, spec) else { return }
    let run = try await begin(acceptance, spec)
    guard let result = try await execute(run, acceptance) else { return }
    let keeper = world.evidence.map {
      GateKeeper(world: world, desk: $0, run: run, remembers: !acceptance.isQuestion)
    }
    let judgement = try await keeper?.judge(comparedWith: releasedCommits)
    var record = judgement?.record ?? GateRecord()
    record.answers = policy + record.answers
    if judgement != nil || !policy.isEmpty {
      try await appendPatiently([.gatesJudged(record)], to: acceptance)
    }
    let refusal = record.refusal(of: result, spec)
    if acceptance.isQuestion { return try await answer(refusal, run, acceptance) }
    if let refusal {
      try await appendPatiently([.commitRefused(reason: refusal)], to: acceptance)
      return await settle(acceptance)
    }
    let release = try await world.releases.seal(run, at: world.time.now())
    if let components = judgement?.components { await keeper?.keep(components, of: release.id) }
    try await appendPatiently(
      [.releaseSealed(release: release)] + (try await sign(release, run)), to: acceptance)
    await onRelease(release, acceptance)
  }

  /// Ends a question. What was built of the commit is of no use to anybody.
  private func answer(
    _ reason: String?, _ run: PipelineRun, _ acceptance: CommitAcceptance
  ) async throws {
    let build = Release(
      id: ReleaseID(run.id.rawValue), commit: run.commit.id, pipeline: run.id,
      subject: run.commit.subject, author: run.commit.author, height: run.commit.height,
      directory: run.directory, digest: "", spec: run.spec, builtAt: world.time.now())
    do {
      try await world.releases.remove(build)
    } catch {
      world.logger.warning("a build could not be removed", metadata: ["error": "\(error)"])
    }
    try await appendPatiently([.questionAnswered(reason: reason)], to: acceptance)
  }

  /// Runs the steps.
  /// - Returns: `nil` when somebody ended it, which is recorded.
  private func execute(
    _ run: PipelineRun, _ acceptance: CommitAcceptance
  ) async throws -> PipelineResult? {
    // unstructured: awaited below; a task of its own, so that it can be cancelled by name.
    let task = Task { [world] in
      try await world.pipeline.execute(run) { progress in
        try await self.observe(progress, acceptance)
      }
    }
    currentTask = task
    let outcome = await withTaskCancellationHandler {
      await task.result
    } onCancel: {
      task.cancel()
    }
    currentTask = nil
    guard !Task.isCancelled else { throw CancellationError() }
    if let reason = cancelReason {
      try await appendPatiently([.pipelineCancelled(reason: reason)], to: acceptance)
      await settle(acceptance)
      return nil
    }
    return try outcome.get()
  }

  /// The commits that a commit may be compared with, the newest first.
  private var releasedCommits: [CommitID] {
    catalogue.all.reversed().filter { $0.release != nil }.prefix(Self.basesLimit)
      .map(\.acceptance.commit.id)
  }

  private static let basesLimit = 20

  /// Signs how the release came to be, where this Segue has a key.
  private func sign(_ release: Release, _ run: PipelineRun) async throws -> [PipelineEvent] {
    guard let papers = world.papers else { return [] }
    let began = catalogue.record(run.id)?.status.startedAt ?? release.builtAt
    let key = try await papers.sign(
      release, of: run, from: settings.sourceName, began: began, ended: world.time.now())
    return [.releaseSigned(release: release.id, key: key)]
  }

  private func spec(of commit: Commit) async throws -> ProjectSpec {
    let limit = 256 * 1_024
    guard let bytes = try await world.source.file("segue.yaml", at: commit.id, limit: limit) else {
      throw PortError(
        "commit \(commit.id.short) has no segue.yaml", fault: .user, retry: .never,
        nextStep: "Run `segue init`, commit the file, and push again")
    }
    let spec = try world.readSpec(bytes)
    if let project = settings.project, spec.project != project {
      throw PortError(
        "segue.yaml names the project \(spec.project), but this Segue serves \(project)",
        fault: .user, retry: .never)
    }
    return spec
  }

  /// What the policy says of the commit; `nil` when its way ends here, which is recorded.
  ///
  /// Nothing of a commit against the policy is run, since nobody may have looked at it; unless
  /// somebody asks about that commit by name.
  private func policyAnswers(
    _ acceptance: CommitAcceptance, _ spec: ProjectSpec
  ) async throws -> [GateResult]? {
    let answers: [GateResult]
    do {
      answers = try await policy.answers(
        of: acceptance.commit, spec, isPatient: !acceptance.isQuestion
      ) {
        cancelReason == nil && waiting.allSatisfy(\.isQuestion)
      } tell: { what in
        await feed.publishOutput(
          what, subject: "policy", commit: acceptance.commit.id, at: world.time.now())
      }
    } catch is CancellationError where !Task.isCancelled {
      let end: PipelineEvent =
        waiting.first { !$0.isQuestion }.map { .commitSuperseded(by: $0.commit.id) }
        ?? .pipelineCancelled(reason: cancelReason ?? "nobody waits for it")
      try await appendPatiently([end], to: acceptance)
      return nil
    }
    let against = answers.filter { $0.verdict == .fail }
    if acceptance.isQuestion || against.isEmpty { return answers }
    let reasons = against.map { ([$0.reason] + $0.remedies).joined(separator: ". ") }
    try await appendPatiently(
      [
        .gatesJudged(GateRecord(answers: answers)),
        .commitRefused(reason: reasons.joined(separator: "; ")),
      ], to: acceptance)
    await settle(acceptance)
    return nil
  }

  private func begin(_ acceptance: CommitAcceptance, _ spec: ProjectSpec) async throws
    -> PipelineRun
  {
    let record = catalogue.record(acceptance.pipeline)
    let passed = record?.results.filter(\.value.passed).keys.sorted() ?? []
    if record?.spec == nil {
      try await appendPatiently([.pipelineStarted(spec: spec)], to: acceptance)
    }
    let base = "\(settings.stateDirectory)/builds/\(acceptance.pipeline)"
    var run = PipelineRun(
      id: acceptance.pipeline, commit: acceptance.commit, spec: spec,
      directory: base + "/checkout", logDirectory: base + "/logs", passed: passed)
    if let desk = world.evidence {
      let keeper = GateKeeper(world: world, desk: desk, run: run)
      run.excused = await keeper.excused(comparedWith: releasedCommits.first)
      run.testTimes = await keeper.testTimes()
    }
    return run
  }

  private func observe(_ progress: StepProgress, _ acceptance: CommitAcceptance) async throws {
    switch progress {
    case .started(let step):
      try await appendPatiently([.stepStarted(step: step)], to: acceptance)
    case .finished(let step, let result):
      try await appendPatiently([.stepFinished(step: step, result: result)], to: acceptance)
    case .output(let step, let lines):
      let now = world.time.now()
      for line in lines {
        await feed.publishOutput(
          line, subject: "step \(step)", commit: acceptance.commit.id, at: now)
      }
    }
  }

  private func settle(_ acceptance: CommitAcceptance) async {
    guard !acceptance.isQuestion, let record = catalogue.record(acceptance.pipeline) else { return }
    do {
      try await receipts.issue(refused: record)
    } catch {
      world.logger.error("a receipt could not be issued", metadata: ["error": "\(error)"])
    }
  }
}
