internal import ControlProtocol
internal import Foundation
internal import SegueModel

/// Everything the live view shows, as a value: no clock, no terminal.
struct LiveState: Sendable {
  var status: StatusReply?
  /// The last things that happened, oldest first.
  var events: [FeedItem] = []
  /// The commit whose fate is awaited, and that fate.
  var commit: CommitID?
  var fate: FeedItem?
  /// Why nothing arrives at the moment.
  var lost: String?
  /// The control plane's clock, as well as it is known.
  var now: Instant
  var tick = 0

  static let keptEvents = 200

  mutating func append(_ item: FeedItem) {
    events.append(item)
    if events.count > Self.keptEvents { events.removeFirst(events.count - Self.keptEvents) }
    if item.final, let commit = item.commit, commit == self.commit { fate = item }
  }
}

/// Draws a ``LiveState`` in lines that fit a terminal.
struct LiveView: Sendable {
  var glyphs: Glyphs
  var zone: TimeZone
  /// The last line: what Ctrl-C does.
  var footer: String = "Ctrl-C leaves; the control plane goes on"

  /// At most `rows` lines; the newest events take what the rest leaves over.
  func lines(_ state: LiveState, columns: Int, rows: Int) -> [Line] {
    var lines = header(state, columns: columns)
    if let status = state.status {
      if let pipeline = status.pipeline { lines += pipelineLines(pipeline, state) }
      for service in status.services { lines += serviceLines(service, state) }
      for held in status.waiting ?? [] { lines += waitingLines(held, columns: columns) }
      lines += status.problems.map { Line("! " + $0, .red) }
    }
    var tail: [Line] = []
    if let lost = state.lost { tail.append(Line("\(glyphs.spin(state.tick)) \(lost)", .yellow)) }
    if let fate = state.fate { tail.append(Line() + FeedText.line(fate, zone: zone)) }
    tail.append(Line(footer, .dim))
    let room = rows - lines.count - tail.count - 2
    if room < 0 { lines = cut(lines, to: max(0, rows - tail.count)) }
    if room >= 1, !state.events.isEmpty {
      lines.append("")
      lines += state.events.suffix(min(room, 10)).map { FeedText.line($0, zone: zone) }
    }
    if room >= -1 { lines.append("") }
    return lines + tail
  }

  /// What somebody can do about it stands at the end of the reason, so all of it is shown.
  private func waitingLines(_ held: HeldStartStatus, columns: Int) -> [Line] {
    let title = Line("\(held.environment) ", .bold) + Line("\(held.release) waits:", .yellow)
    return ["", title]
      + Words.wrapped(held.reason, to: columns - 2).map { Line("  \($0)", .yellow) }
  }

  private func cut(_ lines: [Line], to count: Int) -> [Line] {
    guard lines.count > count, count > 0 else { return Array(lines.prefix(count)) }
    let hidden = lines.count - count + 1
    return lines.prefix(count - 1) + [Line("… \(Words.count(hidden, "line")) more", .dim)]
  }

  private func header(_ state: LiveState, columns: Int) -> [Line] {
    guard let status = state.status else {
      return [Line("\(glyphs.spin(state.tick)) asking the control plane …", .dim)]
    }
    let project = Line("\(status.project)", .bold)
    let place = Line(glyphs.separator + status.deployBranch + glyphs.separator + status.source)
    let address =
      status.proxy.running
      ? Line("http://\(status.proxy.address)", .cyan) : Line("proxy is down", .red)
    let left = project + place
    guard left.width + address.width + 2 <= columns else { return [left, Line("  ") + address] }
    return [left.padded(to: columns - address.width) + address]
  }
}

// MARK: Pipeline

extension LiveView {
  private func pipelineLines(_ pipeline: PipelineStatus, _ state: LiveState) -> [Line] {
    let commit = pipeline.commit
    var lines: [Line] = ["", Line("commit \(commit.id.short) ", .bold) + Line(commit.subject)]
    var title = Line("pipeline  ")
    switch pipeline.state {
    case .running:
      title += Line("runs, \(elapsed(since: pipeline.startedAt, state.now))", .cyan)
    case .passed: title += Line("passed\(took(pipeline))", .green)
    case .refused: title += Line("refused\(took(pipeline))", .red)
    case .failed: title += Line("failed\(took(pipeline))", .red)
    case .cancelled: title += Line("cancelled\(took(pipeline))", .yellow)
    }
    if let release = pipeline.release { title += Line("  release \(release)") }
    lines.append(title)
    var table = Table(alignments: [.leading, .leading, .trailing, .leading])
    for step in pipeline.steps { add(step, to: &table, state) }
    lines += table.lines()
    if let reason = pipeline.reason { lines.append(Line("  " + reason, .red)) }
    if let queued = state.status?.queued, !queued.isEmpty {
      let names = queued.map(\.short).joined(separator: ", ")
      lines.append(Line("  \(Words.count(queued.count, "commit")) waiting: \(names)", .dim))
    }
    return lines
  }

  private func add(_ step: StepStatus, to table: inout Table, _ state: LiveState) {
    let took = step.took.map(\.description) ?? ""
    let detail = Line(step.detail ?? "", .dim)
    switch step.state {
    case .waiting:
      table.add(Line(glyphs.waiting, .dim), Line("\(step.name)", .dim), "", Line("waits", .dim))
    case .running:
      let since = step.startedAt.map { elapsed(since: $0, state.now) } ?? ""
      table.add(
        Line(glyphs.spin(state.tick), .cyan), Line("\(step.name)"), Line(since), detail)
    case .passed:
      table.add(Line(glyphs.passed, .green), Line("\(step.name)"), Line(took), detail)
    case .failed:
      table.add(
        Line(glyphs.failed, .red), Line("\(step.name)", .red), Line(took),
        Line(step.detail ?? "failed", .red))
    case .skipped:
      table.add(Line(glyphs.skipped, .dim), Line("\(step.name)", .dim), "", Line("skipped", .dim))
    case .cancelled:
      table.add(
        Line(glyphs.skipped, .yellow), Line("\(step.name)", .dim), Line(took),
        Line("cancelled", .yellow))
    }
  }

  private func took(_ pipeline: PipelineStatus) -> String {
    pipeline.endedAt.map { " in \($0 - pipeline.startedAt)" } ?? ""
  }

  /// Whole seconds: tenths would flicker.
  func elapsed(since start: Instant, _ now: Instant) -> String {
    let count = max(0, (now - start).count)
    return Milliseconds(count - count % 1_000).count == 0
      ? "0 s" : "\(Milliseconds(count - count % 1_000))"
  }
}

// MARK: Services

extension LiveView {
  private func serviceLines(_ service: ServiceStatus, _ state: LiveState) -> [Line] {
    var title = Line("\(service.key)", .bold)
    if let live = service.live {
      title += Line("  live: ") + Line("\(live.id)", .green)
      title += Line("  \(live.commit.short) \(live.subject)", .dim)
    } else {
      title += Line("  nothing live yet", .dim)
    }
    var lines: [Line] = ["", title]
    if let rollout = service.rollout { lines += rolloutLines(rollout, state) }
    lines += RolloutText(zone: zone).notes(service, now: state.now).map { Line("    ") + $0 }
    if !service.versions.isEmpty { lines += versionLines(service) }
    if !service.instances.isEmpty { lines += instanceLines(service, state) }
    if !service.warm.isEmpty {
      let names = service.warm.map(\.id.description).joined(separator: ", ")
      lines.append(Line("  kept warm for a rollback: \(names)", .dim))
    }
    if service.unavailable > 0 {
      lines.append(
        Line("  \(Words.count(service.unavailable, "request")) found no ready instance", .red))
    }
    return lines
  }

  private func rolloutLines(_ rollout: RolloutStatus, _ state: LiveState) -> [Line] {
    let from = rollout.from.map { "\($0) \(glyphs.arrow) " } ?? ""
    let back = rollout.direction == "back"
    let stages = max(1, rollout.stages)
    let stage = min(max(0, rollout.stage), stages)
    let cells = 12
    let full = cells * stage / stages
    let bar =
      Line("[") + Line(String(repeating: glyphs.full, count: full), back ? .yellow : .green)
      + Line(String(repeating: glyphs.empty, count: cells - full), .dim) + Line("]")
    let title =
      Line("  \(glyphs.spin(state.tick)) ", .cyan)
      + Line(name(of: rollout), back ? .yellow : .cyan)
      + Line("  \(from)\(rollout.to)  ") + bar
      + Line("  \(elapsed(since: rollout.startedAt, state.now))")
    let ink: Line.Ink = rollout.wait?.kind == .pause ? .yellow : .plain
    return [title, Line("    \(RolloutText(zone: zone).sentence(rollout, now: state.now))", ink)]
  }

  private func name(of rollout: RolloutStatus) -> String {
    if rollout.direction == "back" { return "rolls back" }
    return rollout.kind == "rollback" ? "rollback" : rollout.strategy
  }

  private func versionLines(_ service: ServiceStatus) -> [Line] {
    var table = Table(
      ("version", .leading), ("weight", .trailing), ("requests", .trailing), ("failed", .trailing),
      ("in flight", .trailing))
    for version in service.versions {
      table.add(
        Line("\(version.release)"), Line("\(version.weight)"), Line(Words.count(version.requests)),
        Line(Words.count(version.failed), version.failed > 0 ? .red : .plain),
        Line(Words.count(version.inFlight)))
    }
    return table.lines()
  }

  private func instanceLines(_ service: ServiceStatus, _ state: LiveState) -> [Line] {
    var table = Table(
      ("instance", .leading), ("release", .leading), ("phase", .leading), ("port", .trailing),
      ("in flight", .trailing), ("since", .trailing))
    for instance in service.instances {
      table.add(
        Line("\(instance.id)"), Line("\(instance.release)"),
        Line(instance.phase, instance.phase == "ready" ? .green : .yellow),
        Line(instance.port.map { "\($0)" } ?? ""), Line(Words.count(instance.inFlight)),
        Line(elapsed(since: instance.since, state.now)))
    }
    return table.lines()
  }
}
