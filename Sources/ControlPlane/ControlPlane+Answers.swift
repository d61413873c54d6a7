public import ControlProtocol
import Ports
import RolloutEngine
public import SegueModel

extension ControlPlane {
  // MARK: Status

  public func status() async throws -> StatusReply {
    var services: [ServiceStatus] = []
    for controller in controllers.values.sorted(by: { $0.key < $1.key }) {
      services.append(await status(of: controller))
    }
    return StatusReply(
      segueVersion: settings.version, project: project,
      deployBranch: settings.deployBranch, source: settings.sourceName, now: world.time.now(),
      startedAt: startedAt, sequence: await feed.sequence, proxy: await proxyStatus(),
      pipeline: catalogue.last?.status, queued: try await pipeline.waiting.map(\.commit.id),
      services: services, problems: problems(of: services),
      waiting: heldStarts.isEmpty ? nil : heldStarts)
  }

  /// The name in the newest commit's `segue.yaml`, where none was fixed.
  var project: ProjectName {
    settings.project ?? catalogue.all.last { $0.spec != nil }?.spec?.project ?? ""
  }

  private func problems(of services: [ServiceStatus]) -> [String] {
    var problems = troubles.merging(driftMemory.problems) { $1 }.sorted { $0.key < $1.key }
      .map { "\($0.key): \($0.value)" }
    for service in services where service.live != nil {
      let ready = service.instances.filter { $0.phase == "ready" && $0.release == service.live?.id }
      if ready.isEmpty {
        problems.append("\(service.key): no instance of the live release is ready")
      }
    }
    return problems
  }

  // MARK: History and receipts

  public func history(limit: Int) async throws -> [HistoryEntry] {
    await receipts.issued.suffix(max(0, min(limit, ReceiptKeeper.limit))).reversed().map {
      receipt in
      HistoryEntry(
        outcome: receipt.outcome.rawValue, commit: receipt.commit.id,
        subject: receipt.commit.subject, author: receipt.commit.author, rollout: receipt.rollout,
        release: receipt.to, key: receipt.key, startedAt: receipt.startedAt,
        endedAt: receipt.endedAt, reason: receipt.reason, kind: receipt.kind,
        startedBy: receipt.startedBy, request: receipt.request)
    }
  }

  public func receipt(_ rollout: RolloutID?) async throws -> Receipt {
    await awaitReceipts()
    let issued = await receipts.issued
    guard let rollout else {
      guard let last = issued.last else {
        throw ControlError(
          .notFound, "no rollout has finished yet", nextStep: "`segue status` shows what runs")
      }
      return last
    }
    let name = rollout.rawValue
    guard
      let found = issued.last(where: {
        $0.rollout == rollout || $0.to?.rawValue == name || "\($0.number)" == name
          || (name.count >= 4 && $0.commit.id.rawValue.hasPrefix(name))
      })
    else {
      throw ControlError(
        .notFound, "there is no receipt \(name)",
        nextStep: "`segue history` lists the rollouts; the last 1,000 receipts are kept at hand")
    }
    return found
  }

  /// A rollout that has just ended has its receipt a moment later, and whoever asks at that moment
  /// means this one.
  private func awaitReceipts() async {
    let end = world.time.now() + Self.receiptPatience
    while world.time.now() < end {
      var isWaiting = false
      for controller in controllers.values where await controller.awaitsReceipt {
        isWaiting = true
      }
      guard isWaiting else { return }
      try? await world.time.sleep(for: Milliseconds(10))
    }
  }

  private static let receiptPatience = Milliseconds.seconds(5)

  // MARK: Explain

  public func explain(_ subject: String?) async throws -> Explanation {
    guard let record = subject.map({ catalogue.find($0) }) ?? catalogue.last else {
      throw ControlError(
        .notFound,
        subject.map { "Segue knows no commit or release \($0)" } ?? "no commit was seen yet",
        nextStep: "`segue history` lists those that there are")
    }
    var answers = record.status.steps.map { step in answer(step, record) }
    answers += record.gates?.answers.map { Explanation.Answer($0) } ?? []
    if record.gates != nil, record.spec == nil {
      answers.append(.init(.stepsWereNotRun(record.acceptance.commit.id)))
    }
    if let release = record.release, record.signedBy != nil, let papers = world.papers {
      answers.append(
        .init(
          release, objection: await papers.objection(to: release),
          papers: await papers.papers(of: release)))
    }
    if record.status.steps.isEmpty, record.gates == nil, let reason = record.status.reason {
      answers.append(.init(question: "commit", result: .fail, why: "\(reason)."))
    }
    var isLive = false
    var wasLive = false
    if let release = record.release {
      for environment in release.spec.environments {
        var places: [Standing] = []
        for service in release.spec.services {
          let key = ServiceKey(environment: environment.name, service: service.name)
          let standing = await standing(of: release, at: key)
          places.append(standing)
          isLive = isLive || standing.isLive
          wasLive = wasLive || standing.wasLive
        }
        answers += await startAnswers(
          of: release, in: environment.name, hasBegun: places.contains(where: \.hasBegun))
        answers += places.map(\.answer)
      }
    } else if record.status.state == .refused || record.acceptance.isQuestion,
      let prospect = prospect(record)
    {
      // What it would wait for besides: whoever mends it should learn of everything at once.
      for environment in prospect.spec.environments {
        answers += await startAnswers(of: prospect, in: environment.name, hasBegun: false)
      }
    }
    return Explanation(
      commit: record.acceptance.commit, release: record.release?.id,
      verdict: verdict(record, answers, isLive: isLive, wasLive: wasLive), answers: answers)
  }

  private func verdict(
    _ record: ReleaseCatalogue.Record, _ answers: [Explanation.Answer], isLive: Bool, wasLive: Bool
  ) -> String {
    let short = record.acceptance.commit.id.short
    if record.acceptance.isQuestion, record.status.state != .running {
      return record.status.reason.map { "\(short) is not live, and would not be: \($0)." }
        ?? "\(short) was only asked about: no gate stops it, and it is not deployed."
    }
    if record.status.state == .refused, record.gates?.failing.isEmpty == false,
      let reason = record.status.reason
    {
      return "\(short) is not live: \(reason)."
    }
    if let failed = answers.first(where: { $0.result == .fail }) {
      return "\(short) is not live, because of \(failed.question): \(failed.why)"
    }
    if record.status.state == .running { return "\(short) is in the pipeline." }
    if let reason = record.status.reason { return "\(short) is not live: \(reason)." }
    let held = heldStarts.first { $0.commit == record.acceptance.commit.id }
    if let held { return "\(short) waits to start in \(held.environment). \(held.reason)" }
    if isLive { return "\(short) is live." }
    return wasLive ? "\(short) was live, and is not any more." : "\(short) is built, and not live."
  }

  private func answer(_ step: StepStatus, _ record: ReleaseCatalogue.Record)
    -> Explanation.Answer
  {
    let result = record.results[step.name]
    let why = (step.detail ?? step.state.rawValue) + "."
    var evidence = (result?.tests?.failures ?? []).map { "\($0.test): \($0.message)" }
    if evidence.isEmpty { evidence = result?.tail ?? [] }
    let outcome: Explanation.Answer.Result =
      switch step.state {
      case .passed: .pass
      case .failed, .skipped, .cancelled: .fail
      case .waiting, .running: .wait
      }
    return .init(
      question: "step \(step.name)", result: outcome, why: why,
      evidence: outcome == .fail ? evidence : [])
  }

  struct Standing {
    var answer: Explanation.Answer
    var isLive = false
    var wasLive = false
    var isUnderWay = false
    var hasBegun: Bool { isLive || wasLive || isUnderWay }

    init(
      _ question: String, _ result: Explanation.Answer.Result, _ why: String, at: Instant? = nil
    ) {
      answer = .init(question: question, result: result, why: why, at: at)
    }
  }

  /// What has become of a release in one place.
  func standing(of release: Release, at key: ServiceKey) async -> Standing {
    let question = "rollout \(key)"
    guard let state = await controllers[key]?.state else {
      return Standing(question, .wait, "It has not begun.")
    }
    if let rollout = state.rollout, rollout.to.id == release.id {
      let phase = status(of: rollout, state).phase
      var standing = Standing(question, .wait, "\(rollout.id) is in progress: \(phase).")
      standing.isUnderWay = true
      standing.answer.evidence =
        Trial(rollout)?.evidence(on: reports[key], at: world.time.now()) ?? []
      return standing
    }
    if state.live?.id == release.id { return liveStanding(question, state) }
    if let reason = state.takenBack[release.id] {
      return Standing(question, .fail, "It was taken back: \(reason).")
    }
    if let reason = state.blocked[release.id] {
      return Standing(question, .fail, "It was turned down: \(reason).")
    }
    if state.queued?.release.id == release.id {
      let what = state.rollout.map { "the rollout of \($0.to.id)" } ?? "what is under way"
      return Standing(question, .wait, "It waits until \(what) has ended.")
    }
    let left = await receipts.issued.last {
      $0.key == key && $0.from == release.id && $0.outcome == .live
    }
    guard let left, let to = left.to else {
      let live = state.live.map { "\($0.id) is live instead" } ?? "nothing is live"
      return Standing(question, .wait, "It was not rolled out; \(live).")
    }
    var standing = Standing(
      question, .unknown, "It was live, until \(to) took its place.", at: left.endedAt)
    if left.kind == Rollout.Kind.rollback.rawValue {
      let why = left.request.map { ": \($0)" } ?? ""
      standing = Standing(
        question, .fail, "It was live, until \(left.startedBy) rolled it back to \(to)\(why).",
        at: left.endedAt)
    }
    standing.wasLive = true
    return standing
  }

  private func liveStanding(_ question: String, _ state: ServiceState) -> Standing {
    var standing = Standing(question, .pass, "It is live.")
    standing.isLive = true
    if let rollout = state.rollout, !rollout.isGoingBack {
      let what =
        rollout.kind == .rollback
        ? "\(rollout.requestedBy) is rolling it back to \(rollout.to.id)"
        : "\(rollout.to.id) is about to take its place"
      standing.answer.why = "It is live, and \(what)."
    }
    return standing
  }

  // MARK: Doctor

  public func diagnose() async throws -> [Finding] {
    var findings: [Finding] = []
    let verification = try await world.journal.verify()
    if let broken = verification.firstBroken {
      findings.append(
        Finding(
          subject: "journal", severity: .problem,
          message: "the hash chain is broken at event \(broken)",
          nextStep: "Restore the state directory from a backup"))
    } else {
      findings.append(
        Finding(
          subject: "journal", severity: .ok,
          message: "\(verification.events) events, hash chain intact"))
    }
    for (subject, trouble) in troubles.sorted(by: { $0.key < $1.key }) {
      findings.append(Finding(subject: subject, severity: .problem, message: trouble))
    }
    let proxy = await proxyStatus()
    findings.append(
      Finding(
        subject: "proxy", severity: proxy.running ? .ok : .problem,
        message: proxy.running
          ? "serves \(proxy.address), started again \(proxy.restarts) times" : "is not running"))
    for service in catalogue.last?.release?.spec.services ?? [] {
      findings += Self.advice(on: service)
    }
    return findings
  }

  private static func advice(on service: ServiceSpec) -> [Finding] {
    let subject = "service \(service.name)"
    var findings: [Finding] = []
    if !service.isWorker, service.health.path == nil, service.health.notify != true {
      findings.append(
        Finding(
          subject: subject, severity: .advice,
          message: "has no health path: an open port counts as ready",
          nextStep: "Set health.path in segue.yaml"))
    }
    if service.instances == 1 {
      findings.append(
        Finding(
          subject: subject, severity: .advice,
          message: "has one instance: when it dies, requests wait for nobody",
          nextStep: "Set instances to 2 or more"))
    }
    return findings
  }
}

extension Instance.Phase {
  var name: String {
    switch self {
    case .ordered, .started: "starting"
    case .ready: "ready"
    case .unready: "unready"
    case .draining: "draining"
    case .stopping: "stopping"
    }
  }

  var since: Instant? {
    switch self {
    case .ready(let since), .unready(let since): since
    case .ordered, .started, .draining, .stopping: nil
    }
  }
}
