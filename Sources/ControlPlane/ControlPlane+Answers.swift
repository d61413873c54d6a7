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
      services: services, problems: problems(of: services))
  }

  /// The name in the newest commit's `segue.yaml`, where none was fixed.
  private var project: ProjectName {
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

  private func status(of controller: ServiceController) async -> ServiceStatus {
    let state = await controller.state
    let running = await controller.running
    let report = reports[state.key]
    return ServiceStatus(
      key: state.key, live: state.live.map(summary),
      warm: state.warm.values.map { summary($0.release) }.sorted { $0.id < $1.id },
      rollout: state.rollout.map { status(of: $0, state) },
      instances: state.orderedInstances.map { instance in
        InstanceStatus(
          id: instance.id, release: instance.release, phase: instance.phase.name,
          port: instance.endpoint?.port, pid: running[instance.id]?.process.pid,
          since: instance.phase.since ?? startedAt, inFlight: report?.inFlight[instance.id] ?? 0)
      },
      versions: (report?.versions ?? []).map { version in
        let weight = state.table.proposed?.versions.first { $0.release == version.release }?.weight
        return VersionStatus(
          release: version.release, weight: weight ?? .none, requests: version.requests,
          failed: version.failed, inFlight: version.inFlight)
      },
      unavailable: report?.unavailable ?? 0)
  }

  private func summary(_ release: ServiceRelease) -> ReleaseSummary {
    ReleaseSummary(
      id: release.id, commit: release.commit,
      subject: catalogue.record(of: release.id)?.acceptance.commit.subject ?? "")
  }

  private func status(of rollout: Rollout, _ state: ServiceState) -> RolloutStatus {
    let ready = state.instances.values.count { $0.release == rollout.to.id && $0.isReady }
    let phase =
      switch rollout.phase {
      case .expanding: "making the database ready"
      case .holding(_, let until, _): "holding until \(until.milliseconds)"
      case .preparing where rollout.isGoingBack: "restoring the earlier release"
      case .preparing: "\(ready) of \(rollout.current.incoming) instances ready"
      case .shifting: "waiting for the router"
      case .retiring: "retiring what left the table"
      }
    return RolloutStatus(
      id: rollout.id, strategy: rollout.to.spec.strategy.name, from: rollout.from?.id,
      to: rollout.to.id, direction: rollout.isGoingBack ? "back" : "forward",
      phase: "\(rollout.current.name): \(phase)", stage: rollout.stage + 1,
      stages: rollout.stages.count, startedAt: rollout.startedAt)
  }

  // MARK: History and receipts

  public func history(limit: Int) async throws -> [HistoryEntry] {
    await receipts.issued.suffix(max(0, min(limit, ReceiptKeeper.limit))).reversed().map {
      receipt in
      HistoryEntry(
        outcome: receipt.outcome.rawValue, commit: receipt.commit.id,
        subject: receipt.commit.subject, author: receipt.commit.author, rollout: receipt.rollout,
        release: receipt.to, key: receipt.key, startedAt: receipt.startedAt,
        endedAt: receipt.endedAt, reason: receipt.reason)
    }
  }

  public func receipt(_ rollout: RolloutID?) async throws -> Receipt {
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

  // MARK: Explain

  public func explain(_ subject: String?) async throws -> Explanation {
    guard let record = subject.map({ catalogue.find($0) }) ?? catalogue.last else {
      throw ControlError(
        .notFound,
        subject.map { "Segue knows no commit or release \($0)" } ?? "no commit was seen yet",
        nextStep: "`segue history` lists those that there are")
    }
    var answers = record.status.steps.map { step in answer(step, record) }
    if record.status.steps.isEmpty, let reason = record.status.reason {
      answers.append(.init(question: "commit", result: .fail, why: "\(reason)."))
    }
    var isLive = false
    if let release = record.release {
      for environment in release.spec.environments {
        for service in release.spec.services {
          let key = ServiceKey(environment: environment.name, service: service.name)
          let (answer, live) = await answer(key, release)
          answers.append(answer)
          isLive = isLive || live
        }
      }
    }
    return Explanation(
      commit: record.acceptance.commit, release: record.release?.id,
      verdict: verdict(record, answers, isLive: isLive), answers: answers)
  }

  private func verdict(
    _ record: ReleaseCatalogue.Record, _ answers: [Explanation.Answer], isLive: Bool
  ) -> String {
    let short = record.acceptance.commit.id.short
    if let failed = answers.first(where: { $0.result == .fail }) {
      return "\(short) is not live, because of \(failed.question): \(failed.why)"
    }
    if record.status.state == .running { return "\(short) is in the pipeline." }
    if let reason = record.status.reason { return "\(short) is not live: \(reason)." }
    return isLive ? "\(short) is live." : "\(short) is built, and not live."
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

  private func answer(_ key: ServiceKey, _ release: Release) async
    -> (Explanation.Answer, isLive: Bool)
  {
    let question = "rollout \(key)"
    guard let state = await controllers[key]?.state else {
      return (.init(question: question, result: .wait, why: "It has not begun."), false)
    }
    if state.live?.id == release.id {
      return (.init(question: question, result: .pass, why: "It is live."), true)
    }
    if let rollout = state.rollout, rollout.to.id == release.id {
      let why = "\(rollout.id) is in progress: \(rollout.current.name)."
      return (.init(question: question, result: .wait, why: why), false)
    }
    if let reason = state.takenBack[release.id] {
      return (.init(question: question, result: .fail, why: "It was taken back: \(reason)."), false)
    }
    let live = state.live.map { "\($0.id) is live instead" } ?? "nothing is live"
    return (.init(question: question, result: .wait, why: "It was not rolled out; \(live)."), false)
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
    if service.route != nil, service.health.path == nil {
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
