import ControlProtocol
import Ports
import RolloutEngine
import SegueModel

/// Says events in sentences: what people read in the live view, in a push, and in the history.
enum FeedText {
  static func item(
    for record: Recorded<RolloutEvent>, key: ServiceKey, during rolling: ReleaseID?,
    catalogue: ReleaseCatalogue
  ) -> FeedItem? {
    let spec = rolling.flatMap { catalogue.record(of: $0)?.release?.spec }?
      .service(key.service, in: key.environment)
    let said =
      waiting(record.event, at: record.at, spec?.strategy)
      ?? sharing(record.event, spec?.sharedAddress) ?? moving(record.event, rolling)
      ?? migrating(record.event, at: record.at) ?? sentence(record.event)
    guard let (level, text, release, rollout) = said else { return nil }
    let commit = (release ?? rolling).flatMap { catalogue.record(of: $0)?.acceptance.commit.id }
    return FeedItem(
      sequence: record.sequence, at: record.at, kind: record.event.kind, level: level,
      subject: "\(key)", text: text, commit: commit, rollout: rollout)
  }

  private typealias Sentence = (FeedItem.Level, String, ReleaseID?, RolloutID?)

  private static func sentence(_ event: RolloutEvent) -> Sentence? {
    switch event {
    case .rolloutStarted(let start):
      let from = start.from.map { " from \($0.id)" } ?? ""
      let what = start.kind == .rollback ? "rollback" : start.to.spec.strategy.name + " rollout"
      let stages = start.stages.count == 1 ? "one stage" : "\(start.stages.count) stages"
      let why = start.reason.map { " (\($0))" } ?? ""
      let by = start.kind == .rollback ? " by \(start.requestedBy)\(why)" : ""
      return (
        .info, "\(what) \(start.id)\(from) to \(start.to.id) started\(by), in \(stages)",
        start.to.id, start.id
      )
    case .deploySuperseded(let release, let by):
      return (.warning, "\(release) was superseded by \(by)", release, nil)
    case .wayBackBegan(_, let reason, _, _):
      return (.failure, "going back: \(reason)", nil, nil)
    case .abortRequested(let by, let reason):
      return (.warning, "abort requested by \(by): \(reason)", nil, nil)
    case .rolloutEnded(let rollout, let outcome, let reason):
      return ended(rollout, outcome, reason)
    case .keptWarm(let release, _):
      return (.info, "\(release) is kept warm: going back to it is one table swap", release, nil)
    case .warmExpired(let release):
      return (.info, "\(release) is no longer kept warm", release, nil)
    case .instanceOrdered(let instance, let release, _):
      return (.info, "starting \(instance)", release, nil)
    case .instanceBecameReady(let instance, let booted):
      return (.info, "\(instance) is ready (booted in \(booted))", nil, nil)
    case .instanceCheckFailed(let instance, let reason):
      return (.info, "\(instance) is not ready yet: \(reason)", nil, nil)
    case .instanceBecameUnready(let instance, let reason):
      return (.warning, "\(instance) is not ready any more: \(reason)", nil, nil)
    case .instanceDied(let instance, let reason):
      return (.failure, "\(instance) \(reason)", nil, nil)
    case .instanceDrained(let instance, let remaining) where remaining > 0:
      return (
        .warning, "\(instance) still had \(remaining) requests in flight at its drain deadline",
        nil, nil
      )
    case .instanceStopped(let instance, let killed):
      return killed
        ? (.warning, "\(instance) did not heed SIGTERM and was killed", nil, nil)
        : (.info, "\(instance) stopped", nil, nil)
    case .tableAcknowledged(let generation):
      return (.info, "the router switched to table \(generation)", nil, nil)
    case .tableFailed(let generation, let reason):
      return (.failure, "the router refused table \(generation): \(reason)", nil, nil)
    case .instanceVanished(let instance, _):
      return (.warning, "\(instance) is gone since the machine was restarted", nil, nil)
    case .instanceAbandoned(let instance):
      return (.failure, "\(instance) does not stop; it is left behind, without traffic", nil, nil)
    case .restored(let isComplete):
      return isComplete
        ? (.success, "every instance is back", nil, nil)
        : (.warning, "not every instance came back in time", nil, nil)
    case .stageEntered, .shiftBegan, .retiringBegan, .instanceStarted, .drainBegan,
      .deployQueued, .instanceDrained, .stopOrdered, .tableProposed, .holdBegan, .holdEnded,
      .rolloutPaused,
      .rolloutResumed, .promotedToTheEnd, .releaseBlocked, .releaseUnblocked, .migrationOrdered,
      .migrationFinished, .contractScheduled, .contractDropped:
      return nil
    }
  }

  /// Where traffic goes, and who has to wait for that.
  private static func moving(_ event: RolloutEvent, _ rolling: ReleaseID?) -> Sentence? {
    switch event {
    case .deployQueued(let order):
      let release = order.release.id
      guard let rolling, rolling != release else {
        return (.info, "\(release) waits until what is under way has ended", release, nil)
      }
      return (
        .info, "\(release) waits, because the rollout of \(rolling) is in progress", release, nil
      )
    case .shiftBegan(let split):
      if let limit = split.holdLimit {
        return (.info, "nobody serves now: requests are held for at most \(limit)", nil, nil)
      }
      if let beside = split.beside {
        return (.info, sentence(beside), beside.release, nil)
      }
      guard let side = split.sides.first(where: { $0.release == rolling }) ?? split.sides.first
      else { return nil }
      return (.info, "\(side.weight) of the traffic is to go to \(side.release)", nil, nil)
    default: return nil
    }
  }

  /// What a shift means where instances accept from one socket.
  private static func sharing(_ event: RolloutEvent, _ address: SharedAddress?) -> Sentence? {
    guard let address, case .shiftBegan(let split) = event else { return nil }
    let text =
      if split.holdLimit != nil {
        "nobody serves now: connections to \(address) wait in its socket"
      } else if split.sides.count > 1 {
        "old and new instances accept from \(address) side by side"
      } else {
        "\(split.sides.first.map { "\($0.release)" } ?? "nothing") alone is to accept from \(address)"
      }
    return (.info, text, nil, nil)
  }

  private static func sentence(_ beside: Split.Beside) -> String {
    switch beside.role {
    case .mirror(let mirror):
      "copies of \(mirror.share) of the requests are to go to \(beside.release)"
    case .host(let host): "\(beside.release) is to be reached as \(host)"
    case .requests(.header(let name, let value)):
      "requests with \(name): \(value) are to go to \(beside.release)"
    case .requests(.cookie(let name, let value)):
      "requests with the cookie \(name)=\(value) are to go to \(beside.release)"
    }
  }

  /// How a hold is said that began just now and may last so long. The event does not name its kind; a
  /// strategy with holds of two kinds and one length is not guessed at.
  private static func hold(of limit: Milliseconds, _ strategy: StrategySpec?) -> String {
    let kinds = Set((strategy?.holds ?? []).filter { $0.limit == limit }.map(\.words))
    return (kinds.count == 1 ? kinds.first : nil) ?? "holding for at most \(limit)"
  }

  /// What a rollout waits for, and who lets it go on.
  private static func waiting(
    _ event: RolloutEvent, at now: Instant, _ strategy: StrategySpec?
  ) -> Sentence? {
    switch event {
    case .holdBegan(let until, let isExtended):
      let text =
        isExtended
        ? "not enough evidence: waiting for somebody to promote it, for at most \(until - now)"
        : hold(of: until - now, strategy)
      return (isExtended ? .warning : .info, text, nil, nil)
    case .holdEnded(let why):
      switch why {
      case .elapsed: return (.info, "the hold is over", nil, nil)
      case .promoted(let by, let reason):
        return (.info, "promoted by \(by)\(reason.map { ": \($0)" } ?? "")", nil, nil)
      case .judgedGood(let sentence): return (.success, sentence, nil, nil)
      case .insufficient:
        return (.warning, "there was not enough evidence; going on, as the spec says", nil, nil)
      }
    case .rolloutPaused(let by, let reason, let until):
      let why = reason.map { ": \($0)" } ?? ""
      return (
        .warning, "paused by \(by)\(why); taken back unless it is resumed within \(until - now)",
        nil, nil
      )
    case .rolloutResumed(let by, let reason):
      return (.info, "resumed by \(by)\(reason.map { ": \($0)" } ?? "")", nil, nil)
    case .promotedToTheEnd(let by, let reason):
      let why = reason.map { ": \($0)" } ?? ""
      return (.info, "promoted to the end by \(by)\(why)", nil, nil)
    case .releaseBlocked(let release, let reason):
      return (.failure, "\(release) was turned down: \(reason)", release, nil)
    case .releaseUnblocked(let release):
      return (.info, "\(release) may go on", release, nil)
    default: return nil
    }
  }

  private static func migrating(_ event: RolloutEvent, at now: Instant) -> Sentence? {
    switch event {
    case .migrationOrdered(let release, let step, _, _):
      return (.info, "\(step.rawValue) step of \(release) began", release, nil)
    case .migrationFinished(let release, let step, let outcome, let output):
      let last =
        outcome.hasSucceeded
        ? ""
        : output.last { !$0.allSatisfy(\.isWhitespace) }
          .map { "; it last said: \($0)" } ?? ""
      return (
        outcome.hasSucceeded ? .success : .failure,
        "\(step.rawValue) step of \(release) \(outcome.sentence)\(last)", release, nil
      )
    case .contractScheduled(let release, let due):
      return (
        .info,
        "the contract step of \(release) waits for \(due - now); until then going back is possible",
        release, nil
      )
    case .contractDropped(let release):
      return (.info, "the contract step of \(release) is not needed any more", release, nil)
    default: return nil
    }
  }

  private static func ended(
    _ rollout: RolloutID, _ outcome: RolloutOutcome, _ reason: String?
  ) -> Sentence {
    let why = reason.map { ": \($0)" } ?? ""
    switch outcome {
    case .live: return (.success, "\(rollout) is complete", nil, rollout)
    case .rolledBack: return (.failure, "\(rollout) was rolled back\(why)", nil, rollout)
    case .aborted: return (.warning, "\(rollout) was taken back\(why)", nil, rollout)
    case .superseded: return (.warning, "\(rollout) was taken back\(why)", nil, rollout)
    case .incident: return (.failure, "\(rollout) is an incident\(why)", nil, rollout)
    }
  }

  static func item(for record: Recorded<PipelineEvent>, commit: CommitID) -> FeedItem? {
    guard let (level, subject, text, final) = sentence(record.event) else { return nil }
    return FeedItem(
      sequence: record.sequence, at: record.at, kind: record.event.kind, level: level,
      subject: subject, text: text, commit: commit, final: final)
  }

  private static func sentence(_ event: PipelineEvent) -> (FeedItem.Level, String, String, Bool)? {
    switch event {
    case .commitAccepted(let acceptance):
      let commit = acceptance.commit
      return (.info, "commit", "\(commit.id.short) \(commit.subject) (\(commit.author))", false)
    case .pipelineStarted(let spec):
      let count = spec.pipeline.count
      return (.info, "pipeline", "started: \(count) \(count == 1 ? "step" : "steps")", false)
    case .stepStarted(let step):
      return (.info, "step \(step)", "started", false)
    case .stepInterrupted(let step):
      return (.warning, "step \(step)", "was interrupted by a restart and runs again", false)
    case .stepFinished(let step, let result):
      let took = result.passed ? " in \(result.took)" : ""
      return (result.passed ? .success : .failure, "step \(step)", result.sentence + took, false)
    case .gatesJudged(let record):
      let failing = record.failing
      guard failing.isEmpty else {
        return (.failure, "gates", "fail: \(failing.map(\.gate).joined(separator: ", "))", false)
      }
      let passing = record.answers.filter { $0.verdict == .pass }
      let names = passing.map(\.gate).joined(separator: ", ")
      return names.isEmpty ? nil : (.success, "gates", "pass: \(names)", false)
    case .releaseSigned(let release, let key):
      return (.info, "release", "\(release) signed with the key \(key.prefix(12))", false)
    case .commitRefused(let reason):
      return (.failure, "commit", "refused: \(reason)", true)
    case .pipelineFailed(let reason):
      return (.failure, "pipeline", "failed: \(reason)", true)
    case .pipelineCancelled(let reason):
      return (.warning, "pipeline", "cancelled: \(reason)", true)
    case .commitSuperseded(let by):
      return (.warning, "commit", "superseded by \(by.short)", true)
    case .questionAnswered(nil):
      return (.success, "commit", "nothing stops it; it was only asked about", true)
    case .questionAnswered(let reason?):
      return (.failure, "commit", "would be refused: \(reason)", true)
    case .releaseSealed(let release):
      return (.success, "release", "\(release.id) built", false)
    case .releaseRemoved(let release):
      return (.info, "release", "\(release) removed, to make room for newer ones", false)
    }
  }

  static func item(for record: Recorded<TargetEvent>, environment: EnvironmentName) -> FeedItem? {
    switch record.event {
    case .targetSet, .serviceBegan: return nil
    case .startHeld(let commit, let reason, _, _):
      return FeedItem(
        sequence: record.sequence, at: record.at, kind: record.event.kind, level: .warning,
        subject: "\(environment)", text: "waits: \(reason)", commit: commit)
    case .startOverridden(let commit, let reason):
      return FeedItem(
        sequence: record.sequence, at: record.at, kind: record.event.kind, level: .warning,
        subject: "\(environment)", text: reason, commit: commit)
    case .targetCleared(let by, let reason):
      return FeedItem(
        sequence: record.sequence, at: record.at, kind: record.event.kind, level: .warning,
        subject: "\(environment)",
        text: "nothing more is rolled out until the next commit (\(by): \(reason))")
    case .unwindingBegan(let commit, let reason):
      return FeedItem(
        sequence: record.sequence, at: record.at, kind: record.event.kind, level: .failure,
        subject: "\(environment)", text: "taking back what this commit moved: \(reason)",
        commit: commit)
    case .commitSettled(let commit, let live, let summary, let isFinal):
      return FeedItem(
        sequence: record.sequence, at: record.at, kind: record.event.kind,
        level: live ? .success : .failure, subject: "commit", text: summary, commit: commit,
        final: isFinal ?? true)
    }
  }

  static func item(for record: Recorded<DriftEvent>) -> FeedItem {
    switch record.event {
    case .driftFound(_, let what), .advisoryMatched(_, _, let what),
      .regressionFound(_, _, let what):
      FeedItem(
        sequence: record.sequence, at: record.at, kind: record.event.kind, level: .warning,
        subject: record.event.subject, text: what)
    case .driftEnded(let subject):
      FeedItem(
        sequence: record.sequence, at: record.at, kind: record.event.kind, level: .info,
        subject: subject, text: "is as it should be again")
    }
  }

  static func item(for record: Recorded<MachineEvent>) -> FeedItem? {
    switch record.event {
    case .machineStarted(_, nil): nil
    case .machineStarted(_, _?):
      FeedItem(
        sequence: record.sequence, at: record.at, kind: record.event.kind, level: .warning,
        subject: "machine", text: "was restarted; what was live comes back first")
    }
  }
}

extension HoldSpec {
  fileprivate var words: String {
    switch self {
    case .time(let span): "holding for \(span)"
    case .promotion(let limit): "waiting for somebody to promote it, for at most \(limit)"
    case .verdict(let hold): "waiting for a verdict, for at most \(hold.maximum)"
    }
  }
}
