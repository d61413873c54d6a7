import ControlProtocol
import Ports
import RolloutEngine
import SegueModel

/// What happened in a rollout, line by line.
extension RolloutAccount {
  // MARK: Phases

  /// Named after what is done, each with how it ended where somebody or something ended it.
  func phases(until end: Instant) -> [Receipt.PhaseLine] {
    var diary = Diary()
    for record in events { diary.note(record.event, at: record.at) }
    return diary.entries.enumerated().compactMap { index, entry in
      let next = index + 1 < diary.entries.count ? diary.entries[index + 1].at : end
      // Only a pause keeps a rollout waiting after the end of a hold.
      guard !entry.isGap || next > entry.at else { return nil }
      return Receipt.PhaseLine(
        name: entry.name, at: entry.at, took: next - entry.at, detail: entry.detail)
    }
  }

  private struct Diary {
    struct Entry {
      var name: String
      var at: Instant
      var detail: String?
      var isGap = false
    }
    private(set) var entries: [Entry] = []
    private var stages: [Stage] = []
    private var stage = 0

    private var name: String { stage < stages.count ? stages[stage].name : "" }

    mutating func note(_ event: RolloutEvent, at now: Instant) {
      func begin(_ what: String, isGap: Bool = false) {
        entries.append(Entry(name: "\(name): \(what)", at: now, isGap: isGap))
      }
      switch event {
      case .rolloutStarted(let start):
        stages = start.stages
        if start.expands == true {
          entries.append(Entry(name: "database: expanding", at: now))
        } else {
          begin("starting")
        }
      case .migrationFinished(_, .expand, let outcome, _):
        end(outcome.sentence)
        if outcome.hasSucceeded { begin("starting") }
      case .stageEntered(let index):
        stage = index
        begin("starting")
      case .wayBackBegan(_, let reason, let back, _):
        end(reason)
        stages = back
        stage = 0
        begin("restoring")
      case .shiftBegan: begin("shifting traffic")
      case .retiringBegan: begin("retiring")
      case .holdBegan(_, let isExtended):
        if isExtended { end("not enough evidence") }
        begin(isExtended ? "holding for a person" : "holding")
      case .holdEnded(let why):
        end(why.words)
        begin("paused", isGap: true)
      case .promotedToTheEnd(let by, let reason):
        end("promoted to the end by \(by)\(reason.map { ": \($0)" } ?? "")")
      default: break
      }
    }

    /// Says how the last phase ended; the first who said so is right.
    private mutating func end(_ detail: String) {
      guard let last = entries.indices.last, entries[last].detail == nil else { return }
      entries[last].detail = detail
    }
  }

  func pauses(until end: Instant) -> [Receipt.PauseLine]? {
    var lines: [Receipt.PauseLine] = []
    var open: (by: String, reason: String?, at: Instant)?
    func close(_ who: String?, _ why: String? = nil, at now: Instant) {
      guard let pause = open else { return }
      lines.append(
        .init(
          by: pause.by, reason: pause.reason, at: pause.at, took: now - pause.at, resumedBy: who,
          resumeReason: why))
      open = nil
    }
    for record in events {
      switch record.event {
      case .rolloutPaused(let by, let reason, _): open = (by, reason, record.at)
      case .rolloutResumed(let by, let reason): close(by, reason, at: record.at)
      case .wayBackBegan: close(nil, at: record.at)
      default: continue
      }
    }
    close(nil, at: end)
    return lines.isEmpty ? nil : lines
  }

  /// Where somebody had it go past everything that it would have waited for.
  var overrides: [Receipt.WordLine] {
    events.compactMap { record in
      guard case .promotedToTheEnd(let by, let reason) = record.event else { return nil }
      return Receipt.WordLine(
        by: by, kind: .override, gate: "holds of \(key)", at: record.at, reason: reason)
    }
  }

  // MARK: Database

  var migrations: [Receipt.MigrationLine]? {
    var lines: [Receipt.MigrationLine] = []
    var begun: Instant?
    for record in events {
      switch record.event {
      case .migrationOrdered: begun = record.at
      case .migrationFinished(let release, let step, let outcome, let output):
        let at = begun ?? record.at
        lines.append(
          .init(
            release: release, step: step, outcome: outcome.sentence,
            succeeded: outcome.hasSucceeded, at: at, took: record.at - at, output: output))
      default: continue
      }
    }
    return lines.isEmpty ? nil : lines
  }

  /// The engine schedules the contract with the event after the last of this account, by this rule.
  var contractDue: Instant? {
    guard let (start, _) = start, let end, end.outcome == .live, start.kind == .deploy,
      let migrate = start.to.spec.migrate, migrate.contract != nil
    else { return nil }
    return max(end.at + migrate.contractAfter, keptWarm?.until ?? end.at)
  }

  // MARK: Users

  func line(
    of experiment: LiveExperiment, _ report: ExperimentReport?, at now: Instant
  ) -> ExperimentLine {
    let line = experiment.line(of: report, at: now)
    return experiment.line(of: report, at: now, end: experimentEnd(hasWinner: line.winner != nil))
  }

  /// The last that happened to the hold says what ended the experiment.
  private func experimentEnd(hasWinner: Bool) -> ExperimentLine.End? {
    var until: Instant?
    var end: ExperimentLine.End?
    for record in events {
      switch record.event {
      case .holdBegan(let limit, _): until = limit
      case .holdEnded(.judgedGood): return .verdict
      case .holdEnded(.promoted), .promotedToTheEnd: return .person
      case .holdEnded(.elapsed), .holdEnded(.insufficient): return .date
      case .wayBackBegan(.abort, _, _, _): return .person
      case .wayBackBegan(.failure, _, _, _):
        let isOver = until.map { record.at >= $0 } ?? false
        end = isOver ? .date : hasWinner ? .verdict : nil
      default: continue
      }
    }
    return end
  }

  // MARK: Instances

  var cut: Int {
    events.reduce(0) { sum, record in
      if case .instanceDrained(_, let remaining) = record.event { sum + remaining } else { sum }
    }
  }

  var drained: Int {
    events.count { record in
      if case .instanceDrained(_, remaining: 0) = record.event { true } else { false }
    }
  }

  private var keptWarm: (release: ReleaseID, until: Instant)? {
    var kept: (release: ReleaseID, until: Instant)?
    for record in events {
      switch record.event {
      case .keptWarm(let release, let until): kept = (release, until)
      case .warmExpired: kept = nil
      default: continue
      }
    }
    return kept
  }

  func warm(_ price: CostSpec?) -> Receipt.WarmLine? {
    guard let (start, _) = start, let end, end.outcome == .live, let kept = keptWarm,
      kept.until > end.at
    else { return nil }
    let time = (kept.until - end.at) * Int64(start.from?.spec.instances ?? 0)
    return Receipt.WarmLine(
      release: kept.release, until: kept.until, instanceTime: time,
      cost: price.map { Receipt.CostLine($0, for: time) })
  }

  /// Time of instances above the steady number, added up over the rollout.
  var extraInstanceTime: Milliseconds {
    guard let (start, _) = start else { return .zero }
    var count = start.from?.spec.instances ?? 0
    let steady = max(count, start.to.spec.instances)
    var total = Milliseconds.zero
    var last = events.first?.at
    for record in events {
      if let last, count > steady { total = total + (record.at - last) * Int64(count - steady) }
      last = record.at
      switch record.event {
      case .instanceOrdered: count += 1
      case .instanceDied, .instanceStopped, .instanceVanished, .instanceAbandoned: count -= 1
      default: continue
      }
    }
    return total
  }

  // MARK: Requests

  /// What was held since `before`.
  static func held(_ before: HoldCounters?, _ after: HoldCounters?) -> Receipt.HeldLine? {
    guard let after else { return nil }
    let before = before ?? HoldCounters()
    let released = since(after.released, before.released)
    let expired = since(after.expired, before.expired)
    guard released + expired > 0 else { return nil }
    return Receipt.HeldLine(
      released: released, expired: expired, longest: after.longest,
      isUpperBound: before.longest > 0 && after.longest <= before.longest)
  }

  /// What copies of requests have shown of `release` since `before`.
  static func mirror(of release: ReleaseID, _ before: MirrorReport?, _ after: MirrorReport?)
    -> MirrorReport?
  {
    guard var report = after, report.release == release else { return nil }
    guard let before, before.release == release, before.compared <= report.compared else {
      return report
    }
    report.compared -= before.compared
    report.equal = since(report.equal, before.equal)
    report.status = since(report.status, before.status)
    report.headers = since(report.headers, before.headers)
    report.body = since(report.body, before.body)
    report.failed = since(report.failed, before.failed)
    report.skipped = since(report.skipped, before.skipped)
    return report.compared + report.failed + report.skipped > 0 ? report : nil
  }
}

extension Receipt.CostLine {
  init(_ price: CostSpec, for time: Milliseconds) {
    self.init(amount: price.price(of: time), currency: price.currency)
  }
}

extension HoldEnd {
  /// As a receipt says it.
  var words: String {
    switch self {
    case .elapsed: "over"
    case .promoted(let by, let reason): "promoted by \(by)\(reason.map { ": \($0)" } ?? "")"
    case .judgedGood(let why): "judged good: \(why)"
    case .insufficient: "not enough evidence; went on, as the spec says"
    }
  }
}
