import Logging
import Ports
import RolloutEngine
import SegueModel

extension ServiceController {
  /// Watches one instance until it has ended: whether it lives, and whether it is ready.
  func supervise(_ instance: RunningInstance) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.awaitExit(of: instance) }
      group.addTask { await self.watchHealth(of: instance) }
      await group.next()
      group.cancelAll()
    }
  }

  /// How many different reasons for not being ready yet are journalled for one instance.
  private static let reasonLimit = 8

  private func awaitExit(of instance: RunningInstance) async {
    let id = instance.instance
    do {
      let exit = try await world.platform.waitForExit(of: instance)
      guard !Task.isCancelled, let known = state.instances[id], known.isKept else { return }
      running[id] = nil
      let tail = try? await world.platform.output(of: id, key: key, limit: 20)
      let said = tail?.last { !$0.allSatisfy(\.isWhitespace) }.map { "; it last said: \($0)" } ?? ""
      await record(.reportDied(id, reason: "\(exit)\(said)"), completing: nil)
      // Its first process has ended; what it forked off must not outlive it.
      _ = try await world.platform.stop(instance, deadline: .seconds(1))
    } catch {
      guard !Task.isCancelled else { return }
      logger.error("an instance cannot be watched", metadata: ["id": "\(id)", "error": "\(error)"])
      try? await world.time.sleep(for: .seconds(1))
    }
  }

  private func watchHealth(of instance: RunningInstance) async {
    let id = instance.instance
    guard let release = state.instances[id]?.release,
      let spec = state.known(release)?.spec
    else { return await sleepUntilCancelled() }
    let started = world.time.now()
    var check = HealthCount(health: spec.health)
    var reasonsTold = 0
    var isWarm = state.instances[id]?.isReady ?? false
    // An application boots in its own time: asking often at first finds it ready early.
    var pause = min(Milliseconds(20), spec.health.interval)
    while !Task.isCancelled {
      guard let known = state.instances[id], known.isKept else {
        return await sleepUntilCancelled()
      }
      let answer = await self.answer(instance, spec: spec, upSince: started)
      let now = world.time.now()
      switch check.count(answer, wasReady: known.isReady, at: now) {
      case .none:
        if case .fail(let reason) = answer, !known.isReady, reasonsTold < Self.reasonLimit,
          known.problem != reason
        {
          reasonsTold += 1
          await recordHealth(.reportUnready(id, reason: reason))
        }
      case .ready(let firstPass):
        if !isWarm { await warmUp(instance, spec: spec) }
        isWarm = true
        guard state.instances[id]?.isKept == true else { continue }
        await recordHealth(.reportReady(id, booted: firstPass - started))
      case .unready(let reason):
        await recordHealth(.reportUnready(id, reason: reason))
      }
      let isReady = state.instances[id]?.isReady ?? false
      let resting = isReady ? spec.health.interval : min(pause, spec.health.interval)
      try? await world.time.sleep(for: check.isRising ? Milliseconds(10) : resting)
      if !isReady { pause = min(Milliseconds(pause.count * 3 / 2), spec.health.interval) }
    }
  }

  private func answer(_ instance: RunningInstance, spec: ServiceSpec, upSince: Instant) async
    -> ProbeAnswer
  {
    if spec.health.notify == true { return await self.notice(of: instance) }
    guard !spec.isWorker else {
      let patience = spec.health.interval * Int64(spec.health.rise)
      return world.time.now() - upSince >= patience ? .pass : .fail("it has just started")
    }
    let answer = await world.probe.check(instance.endpoint, health: spec.health)
    guard answer == .pass, state.instances[instance.instance]?.isReady != true else {
      return answer
    }
    // The answer counts only when it comes from this very instance, not from a stranger on its port.
    do {
      switch try await world.platform.ownsListener(instance) {
      case .own: return .pass
      case .nobody: return .fail("nothing listens on \(instance.endpoint.place)")
      case .stranger(let who): return .fail("\(instance.endpoint.place) belongs to \(who)")
      }
    } catch {
      return .fail("\(error)")
    }
  }

  /// What an instance says of itself, instead of being asked.
  private func notice(of instance: RunningInstance) async -> ProbeAnswer {
    do {
      return try await world.platform.hasNotified(instance)
        ? .pass : .fail("it has not said READY=1 to $NOTIFY_SOCKET yet")
    } catch {
      return .fail("\(error)")
    }
  }

  /// The requests before the first one of a user's. Their answers do not matter, only that they were
  /// made: what is compiled, cached or connected at the first request is so afterwards.
  private func warmUp(_ instance: RunningInstance, spec: ServiceSpec) async {
    guard let warmUp = spec.health.warmUp, !spec.isWorker else { return }
    let end = world.time.now() + spec.deadlines.warmUp
    for _ in 0..<max(0, warmUp.requests) {
      let left = end - world.time.now()
      guard left > .zero, !Task.isCancelled, state.instances[instance.instance]?.isKept == true
      else { return }
      var request = spec.health
      request.path = warmUp.path
      request.timeout = left
      _ = await world.probe.check(instance.endpoint, health: request)
    }
  }

  private func recordHealth(_ command: RolloutCommand) async {
    do {
      try await submitReport(command)
    } catch {
      // The next check reports it again.
      logger.error("a health report could not be recorded", metadata: ["error": "\(error)"])
    }
  }

  private func sleepUntilCancelled() async {
    while !Task.isCancelled { try? await world.time.sleep(for: .seconds(60)) }
  }
}

/// Counts passes and failures in a row.
struct HealthCount {
  enum Change: Equatable {
    case none
    /// With the moment of the first pass of the row that made it ready.
    case ready(firstPass: Instant)
    case unready(String)
  }

  let health: HealthSpec
  private var passes = 0
  private var failures = 0
  private var firstPass: Instant?

  init(health: HealthSpec) { self.health = health }

  /// Passes have begun, and more are needed: asking at once shortens the wait by nobody's cost.
  var isRising: Bool { passes > 0 && passes < health.rise }

  mutating func count(_ answer: ProbeAnswer, wasReady: Bool, at now: Instant) -> Change {
    switch answer {
    case .pass:
      failures = 0
      passes += 1
      let first = firstPass ?? now
      firstPass = first
      return !wasReady && passes >= health.rise ? .ready(firstPass: first) : .none
    case .fail(let reason):
      passes = 0
      firstPass = nil
      failures += 1
      return wasReady && failures >= health.fall ? .unready(reason) : .none
    }
  }
}
