public import SegueModel

/// A rollout that took place, for the feed.
public struct PastRollout: Hashable, Sendable {
  public var id: RolloutID
  public var key: ServiceKey
  public var release: ReleaseID
  public var commit: CommitID
  public var started: Instant
  /// `nil`: it is still going on.
  public var ended: Instant?
  /// As the receipt has it: `live`, `rolled back`.
  public var outcome: String

  public init(
    id: RolloutID, key: ServiceKey, release: ReleaseID, commit: CommitID, started: Instant,
    ended: Instant?, outcome: String
  ) {
    self.id = id
    self.key = key
    self.release = release
    self.commit = commit
    self.started = started
    self.ended = ended
    self.outcome = outcome
  }
}

/// What the events of a feed have in common.
public struct FeedSettings: Hashable, Sendable {
  /// What recurs is written out this far ahead: 90 days.
  public static let usualHorizon = Milliseconds(90 * 86_400_000)

  public var project: ProjectName
  /// Only what concerns this environment; `nil`: everything.
  public var environment: EnvironmentName?
  /// What recurs, and what has no end, is written out in this stretch of time, of which at most
  /// ``RolloutCalendar/horizon`` counts.
  public var range: TimeSpan
  /// When the configuration that windows, freezes and milestones come from was recorded.
  public var configured: Instant

  public init(
    project: ProjectName, environment: EnvironmentName? = nil, range: TimeSpan, configured: Instant
  ) {
    self.project = project
    self.environment = environment
    self.range = range
    self.configured = configured
  }
}

extension RolloutCalendar {
  /// How many past rollouts a feed shows at most.
  public static let shownRollouts = 1_000

  /// The feed of everything in the calendar, the rollouts that took place, and the freezes that
  /// people set.
  ///
  /// An occurrence of something that recurs keeps its UID as long as the pattern stays as it is
  /// written, so a program that fetches the feed again moves nothing and doubles nothing. Windows
  /// come last, so where there are too many events it is those that are missing.
  ///
  /// - Parameters:
  ///   - past: Rollouts; the latest ``shownRollouts`` are shown.
  ///   - book: Freezes set by commands; those that the calendar got from there are left to it,
  ///     because only the book knows which were lifted.
  public func feed(
    _ settings: FeedSettings, past: [PastRollout] = [], book: FreezeBook = FreezeBook(),
    zones: ZoneLibrary = .utcOnly
  ) -> CalendarFeed {
    let writer = FeedWriter(settings: settings)
    var events: [FeedEvent] = []
    for freeze in freezes where freeze.setBy == nil && writer.shows(freeze.environments) {
      events += writer.events(freeze)
    }
    for entry in book.entries where writer.shows(entry.order.environments) {
      events.append(writer.event(entry, zones))
    }
    for milestone in milestones where writer.shows(milestone.environments) {
      events.append(writer.event(milestone))
    }
    for plan in planned where writer.shows(.some([plan.environment])) {
      events.append(writer.event(plan))
    }
    let shown = past.filter { writer.shows(.some([$0.key.environment])) }
    let latest = shown.sorted { ($0.started, $0.id) > ($1.started, $1.id) }
    events += latest.prefix(Self.shownRollouts).map { writer.event($0) }
    for window in windows where writer.shows(window.environments) {
      events += writer.events(window)
    }
    let place = settings.environment.map { "\(settings.project) \($0)" } ?? "\(settings.project)"
    return CalendarFeed(name: "Rollouts of \(place)", events: events)
  }
}

private struct FeedWriter {
  var settings: FeedSettings

  func shows(_ environments: EnvironmentChoice) -> Bool {
    settings.environment.map { environments.contains($0) } ?? true
  }

  private func uid(_ parts: String...) -> String {
    "\(parts.joined(separator: "-"))@\(settings.project).segue"
  }

  /// What tells patterns apart in a UID: FNV-1a over how it is written (public domain, G. Fowler,
  /// L. C. Noll, K.-P. Vo). It guards against nothing, it only keeps UIDs short.
  private func mark(_ texts: String...) -> String {
    let hash = texts.joined(separator: "\n").utf8.reduce(UInt64(0xCBF2_9CE4_8422_2325)) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01B3
    }
    return String(hash, radix: 16)
  }

  func events(_ window: ReleaseWindow) -> [FeedEvent] {
    let pattern = window.pattern
    let mark = mark(window.environments.text, pattern.text)
    return occurrences(pattern, .allow).map { span in
      FeedEvent(
        uid: uid("window", mark, "\(span.start.milliseconds / 1_000)"), kind: .window,
        start: span.start, end: span.end,
        summary: "Window: \(window.environments.text)",
        details: "Rollouts may start: \(pattern.text)", changed: settings.configured)
    }
  }

  func events(_ freeze: Freeze) -> [FeedEvent] {
    let mark = mark(freeze.environments.text, freeze.pattern.text)
    return occurrences(freeze.pattern, .deny).map { span in
      FeedEvent(
        uid: uid(freeze.id.rawValue, mark, "\(span.start.milliseconds / 1_000)"), kind: .freeze,
        start: span.start, end: span.end,
        summary: "Freeze: \(freeze.environments.text)",
        details: "\(freeze.reason)\n\(freeze.pattern.text)\n\(freeze.id) in segue.yaml",
        changed: settings.configured)
    }
  }

  /// A lifted freeze stays in the feed, shortened, or cancelled when it never began, because a
  /// program that has fetched it must be told.
  func event(_ entry: FreezeBook.Entry, _ zones: ZoneLibrary) -> FeedEvent {
    let order = entry.order
    let zone = (try? zones.rules(named: order.zone)) ?? .utc
    let lifted = entry.lift.map { "\nLifted by \($0.by) \(MomentText.full($0.at, in: zone))" }
    let end = entry.isCancelled ? order.until : entry.end
    return FeedEvent(
      uid: uid(order.id.rawValue), kind: .freeze, start: order.from,
      end: end ?? max(order.from, settings.range.end),
      summary: "Freeze: \(order.environments.text)",
      details: "\(order.reason)\nSet by \(order.by)\(end == nil ? ", with no end" : "")"
        + (lifted ?? "\nTo lift it: segue freeze --lift \(order.id)"),
      status: entry.isCancelled ? .cancelled : .confirmed, sequence: entry.lift == nil ? 0 : 1,
      changed: entry.lift?.at ?? order.at)
  }

  func event(_ milestone: Milestone) -> FeedEvent {
    FeedEvent(
      uid: uid("milestone", mark(milestone.name, milestone.environments.text)), kind: .milestone,
      start: milestone.cutOff, end: milestone.reached ?? milestone.cutOff,
      summary: "Milestone: \(milestone.name)",
      details: "After the cut-off only \(milestone.gatekeepers.text) may let a change into "
        + milestone.environments.text,
      changed: settings.configured)
  }

  func event(_ plan: PlannedRelease) -> FeedEvent {
    FeedEvent(
      uid: uid("planned", plan.id), kind: .plannedRelease, start: plan.at, end: plan.at,
      summary: "Planned: \(plan.title)",
      details: "To \(plan.environment)" + (plan.plannedBy.map { ", planned by \($0)" } ?? ""),
      status: plan.isCancelled ? .cancelled : .tentative, sequence: plan.sequence,
      changed: plan.changed)
  }

  func event(_ rollout: PastRollout) -> FeedEvent {
    FeedEvent(
      uid: uid("rollout", rollout.id.rawValue), kind: .rollout, start: rollout.started,
      end: rollout.ended ?? rollout.started,
      summary: "\(rollout.key): \(rollout.outcome)",
      details: "Release \(rollout.release)\nCommit \(rollout.commit)\n"
        + "What happened: segue receipt \(rollout.id)",
      sequence: rollout.ended == nil ? 0 : 1, changed: rollout.ended ?? rollout.started)
  }

  private func occurrences(_ pattern: TimePattern, _ purpose: TimePattern.Purpose) -> [TimeSpan] {
    let start = settings.range.start.bounded
    let range = TimeSpan(
      start: start, end: min(settings.range.end, start + RolloutCalendar.horizon))
    return Array(pattern.occurrences(in: range, to: purpose).prefix(CalendarFeed.limit))
  }
}
