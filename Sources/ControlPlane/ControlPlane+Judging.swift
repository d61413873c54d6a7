import CanaryAnalysis
import ControlProtocol
import Logging
import Ports
import RolloutEngine
import SegueModel

/// How live traffic is watched for one service.
struct LiveWatch {
  var memory = TrafficMemory()
  var judge: LiveJudge?
  var bake: Bake?
  /// What was live whenever nothing was being rolled out, newest last. A rollout may be over between two
  /// looks; what is new here has had one.
  var settled: [ReleaseID] = []
  /// When each metric is asked for next.
  var nextLooks: [String: Instant] = [:]

  /// A release that has all of the traffic, and is watched a while longer.
  struct Bake {
    var release: ReleaseID
    var watch: BakeWatch
    var onRegression: AnalysisSpec.OnRegression
  }
}

/// Judging releases by live traffic: against the one beside them while there are two, and for a while
/// against the hour before when there is only one.
extension ControlPlane {
  /// Between two looks at the counts.
  private static let block = Milliseconds.seconds(1)

  /// Lets the judges look at what the router has counted, once a second, and acts on what they say.
  func judge(_ reports: [ServiceReport]) async {
    let now = world.time.now()
    if let judgedAt, now >= judgedAt, now - judgedAt < Self.block { return }
    judgedAt = now
    for (key, controller) in controllers.sorted(by: { $0.key < $1.key }) {
      let state = await controller.state
      var watch = watches[key] ?? LiveWatch()
      let report = reports.first { $0.key == key }
      let block = report.flatMap {
        watch.memory.add($0, at: now, isSteady: state.rollout == nil)
      }
      // Nothing waits between the reading of the watch and its writing: metrics come in beside this.
      let isNew = watch.judge?.rollout != state.rollout?.id
      let verdict = judge(state, report, &watch, at: now)
      let finding = block.flatMap {
        watch.bake?.watch.add(requests: $0.requests, errors: $0.errors)
      }
      watches[key] = watch
      if isNew, let judge = watch.judge, let rollout = state.rollout {
        await announce(judge, rollout, key, watch.memory)
      }
      if let rollout = state.rollout,
        let word = Self.word(verdict, watch.judge, report, rollout, state, at: now)
      {
        await tell(word, rollout, controller)
      }
      if let finding { await act(on: finding, controller) }
    }
  }

  private func judge(
    _ state: ServiceState, _ report: ServiceReport?, _ watch: inout LiveWatch, at now: Instant
  ) -> CanaryVerdict? {
    let settings = watch.judge?.settings
    if let judge = watch.judge, judge.rollout != state.rollout?.id { watch.judge = nil }
    if state.rollout == nil, let live = state.live, !watch.settled.contains(live.id) {
      if !watch.settled.isEmpty { beginBaking(live, settings, &watch) }
      watch.settled = watch.settled.suffix(99) + [live.id]
    }
    guard let rollout = state.rollout, !rollout.isGoingBack else { return nil }
    watch.bake = nil
    if watch.judge == nil {
      watch.judge = LiveJudge(
        rollout, after: watch.memory.blocks, answered: Self.answered(report, rollout.from, state))
    }
    let verdict = watch.judge?.sample(report, at: now)
    if let line = watch.judge?.line { judgements.keep(line, of: rollout.id) }
    return verdict
  }

  /// What the instances of the release that goes have answered so far, one by one.
  private static func answered(
    _ report: ServiceReport?, _ release: ServiceRelease?, _ state: ServiceState
  ) -> [TrafficHistory.Count] {
    state.instances.filter { $0.release == release?.id }.compactMap { instance in
      report?.answered?[instance.id].map {
        TrafficHistory.Count(requests: $0.requests, errors: $0.errors)
      }
    }
  }

  /// Says how long a verdict takes at today's traffic.
  private func announce(
    _ judge: LiveJudge, _ rollout: Rollout, _ key: ServiceKey, _ memory: TrafficMemory
  ) async {
    guard let today = memory.today else { return }
    let share = rollout.stages.first.map { Double($0.weight.value) / 1_000 } ?? 0.5
    let forecast = VerdictForecast(
      requestsPerSecond: today.rate, baselineRate: today.failing,
      share: min(max(share, 0.01), 0.99), settings: judge.settings)
    await feed.publishRemark(
      "\(forecast)", kind: "judgingBegan", subject: "\(key)",
      commit: rollout.to.commit, at: world.time.now())
  }

  /// What the engine is told, if there is something to tell. Where something else than errors decides,
  /// they can only object.
  private static func word(
    _ verdict: CanaryVerdict?, _ judge: LiveJudge?, _ report: ServiceReport?, _ rollout: Rollout,
    _ state: ServiceState, at now: Instant
  ) -> Verdict? {
    let word = verdict.flatMap { verdict in judge.flatMap { Self.word(verdict, $0) } }
    guard let trial = Trial(rollout) else { return word }
    if case .bad? = word { return word }
    return trial.verdict(on: report, of: rollout, state, at: now)
  }

  private static func word(_ verdict: CanaryVerdict, _ judge: LiveJudge) -> Verdict? {
    if let broken = judge.brokenBound { return .bad(broken) }
    if let (answer, sentence) = judge.scoring {
      switch answer {
      case .bad: return .bad(sentence)
      case .good: return judge.unknownBound == nil ? .good(sentence) : nil
      case .open: return nil
      }
    }
    switch verdict {
    case .bad: return .bad(verdict.description)
    case .good: return judge.unknownBound == nil ? .good(verdict.description) : nil
    case .notEnoughEvidence: return nil
    }
  }

  /// Bad takes the rollout back at once; good ends a hold that waits for it.
  private func tell(_ word: Verdict, _ rollout: Rollout, _ controller: ServiceController) async {
    do {
      try await controller.submit(.judge(rollout.id, stage: rollout.stage, word))
    } catch {
      world.logger.error(
        "a verdict could not be recorded",
        metadata: ["service": "\(controller.key)", "error": "\(error)"])
    }
  }

  // MARK: After a rollout

  private func beginBaking(
    _ live: ServiceRelease, _ settings: JudgeSettings?, _ watch: inout LiveWatch
  ) {
    guard let analysis = live.spec.analysis,
      analysis.bake != nil && !watch.memory.blocks.isEmpty || analysis.objective != nil
    else { return }
    watch.bake = LiveWatch.Bake(
      release: live.id,
      watch: BakeWatch(
        before: watch.memory.blocks, length: Int((analysis.bake?.count ?? 0) / 1_000),
        settings: settings ?? JudgeSettings(analysis),
        objective: analysis.objective.map { Double($0) / 1e6 }),
      onRegression: analysis.onRegression ?? .offer)
  }

  private func act(on finding: BakeWatch.Finding, _ controller: ServiceController) async {
    let key = controller.key
    guard let bake = watches[key]?.bake else { return }
    let what: String
    switch finding {
    case .watching: return
    case .finished:
      watches[key]?.bake = nil
      return
    case .regression(let evidence):
      let sentence = CanaryVerdict.bad(evidence, because: [.errors]).description
      what =
        "fails more often than the hour before it: "
        + sentence.replacing("canary", with: "now").replacing("baseline", with: "before it")
    case .burning(let factor):
      what = "fails at least \(factor) times as often as its objective allows"
    }
    watches[key]?.bake = nil
    let reason = "\(bake.release) \(what)"
    switch bake.onRegression {
    case .offer:
      await keepRegression(
        of: bake.release, in: key, reason + "; `segue rollback` brings back the release before")
    case .rollBack:
      await keepRegression(of: bake.release, in: key, reason + "; it is taken back")
      do {
        try await controller.submit(.rollBack(release: nil, by: "segue", reason: reason))
      } catch {
        await keepRegression(
          of: bake.release, in: key, "\(reason); it could not be taken back: \(error)")
      }
    }
  }
}
