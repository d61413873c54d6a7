internal import ControlProtocol
internal import Foundation
internal import SegueModel

/// The short answers: status, history, explanations, findings.
struct ReportText: Sendable {
  var glyphs: Glyphs
  var zone: TimeZone

  /// What is live, what is going on, and what is wrong, without tables.
  func status(_ status: StatusReply) -> [Line] {
    let place = glyphs.separator + status.deployBranch + glyphs.separator + status.source
    var lines = [Line("\(status.project)", .bold) + Line(place)]
    var table = Table(alignments: [.leading, .leading])
    table.add(
      Line("proxy", .dim),
      status.proxy.running
        ? Line("http://\(status.proxy.address)", .green) : Line("not running", .red))
    if let pipeline = status.pipeline { table.add(Line("pipeline", .dim), line(pipeline)) }
    if !status.queued.isEmpty {
      let names = status.queued.map(\.short).joined(separator: ", ")
      table.add(Line("waiting", .dim), Line(names))
    }
    for service in status.services {
      table.add(Line("\(service.key)", .dim), line(service))
      if let rollout = service.rollout {
        let text = RolloutText(zone: zone).sentence(rollout, now: status.now)
        let to = rollout.direction == "back" ? rollout.from : rollout.to
        let target = to.map { " to \($0)" } ?? ""
        table.add("", Line("\(what(rollout))\(target): \(text)", .cyan))
      }
      for note in RolloutText(zone: zone).notes(service, now: status.now) { table.add("", note) }
    }
    for held in status.waiting ?? [] {
      table.add(Line("\(held.environment)", .dim), line(held))
    }
    lines += table.lines()
    lines += status.problems.map { Line("! " + $0, .red) }
    return lines
  }

  private func what(_ rollout: RolloutStatus) -> String {
    if rollout.direction == "back" { return "rolls back" }
    return rollout.kind == "rollback" ? "rollback" : rollout.strategy
  }

  private func line(_ pipeline: PipelineStatus) -> Line {
    let about = "\(pipeline.commit.id.short) \(pipeline.commit.subject)"
    let reason = pipeline.reason.map { ": \($0)" } ?? ""
    let ink: Line.Ink =
      switch pipeline.state {
      case .running: .cyan
      case .passed: .green
      case .refused, .failed: .red
      case .cancelled: .yellow
      }
    return Line("\(pipeline.state.rawValue)\(reason)", ink) + Line("  \(about)", .dim)
  }

  private func line(_ service: ServiceStatus) -> Line {
    let ready = service.instances.count { $0.phase == "ready" }
    let instances = "\(ready) of \(Words.count(service.instances.count, "instance")) ready"
    guard let live = service.live else { return Line("nothing live yet, \(instances)") }
    return Line("\(live.id)", .green) + Line("  \(live.commit.short) \(live.subject)  ", .dim)
      + Line(instances)
  }

  func history(_ entries: [HistoryEntry]) -> [Line] {
    guard !entries.isEmpty else { return ["Nothing was rolled out yet."] }
    var table = Table(
      ("when", .leading), ("outcome", .leading), ("service", .leading), ("commit", .leading),
      ("took", .trailing), ("rollout", .leading), ("", .leading))
    for entry in entries {
      table.add(
        Line(Words.dateAndTime(entry.endedAt, in: zone)),
        Line(outcome(of: entry), ink(of: entry)),
        Line(entry.key.map { "\($0)" } ?? "-"), Line(entry.commit.short),
        Line("\(entry.endedAt - entry.startedAt)"),
        Line(entry.rollout.map { "\($0)" } ?? "-"), Line(remark(on: entry)))
    }
    return table.lines(indent: "")
  }

  private func outcome(of entry: HistoryEntry) -> String {
    guard entry.kind == "rollback" else { return entry.outcome }
    return entry.outcome == "live" ? "rollback" : "rollback \(entry.outcome)"
  }

  private func remark(on entry: HistoryEntry) -> String {
    if let reason = entry.reason { return reason }
    guard entry.kind == "rollback" else { return entry.subject }
    let who = entry.startedBy.map { "by \($0)" } ?? "asked for"
    let release = entry.release.map { " to \($0)" } ?? ""
    return "\(who)\(release)\(entry.request.map { ": \($0)" } ?? "")"
  }

  private func ink(of entry: HistoryEntry) -> Line.Ink {
    switch entry.outcome {
    case "live": entry.kind == "rollback" ? .yellow : .green
    case "superseded": .dim
    case "rolled back", "aborted": .yellow
    default: .red
    }
  }

  func explanation(_ explanation: Explanation) -> [Line] {
    let commit = explanation.commit
    let release = explanation.release.map { glyphs.separator + "release \($0)" } ?? ""
    var lines = [
      Line("\(commit.id.short) ", .bold) + Line("\(commit.subject)\(release)"),
      Line("by \(commit.author)", .dim), "", Line(explanation.verdict, .bold), "",
    ]
    for answer in explanation.answers {
      let sign =
        switch answer.result {
        case .pass: Line(glyphs.passed, .green)
        case .fail: Line(glyphs.failed, .red)
        case .wait: Line(glyphs.waiting, .yellow)
        case .unknown: Line("?", .yellow)
        }
      let when = answer.at.map { Line(" (\(Words.dateAndTime($0, in: zone)))", .dim) } ?? Line()
      lines.append(sign + Line(" \(answer.question): ", .bold) + Line(answer.why) + when)
      lines += answer.evidence.map { Line("    " + $0, .dim) }
      lines += answer.remedies.map { Line("    \(glyphs.arrow) \($0)") }
    }
    return lines
  }

  func findings(_ findings: [Finding]) -> [Line] {
    var lines: [Line] = []
    for finding in findings {
      let sign =
        switch finding.severity {
        case .ok: Line(glyphs.passed, .green)
        case .advice: Line(glyphs.waiting, .cyan)
        case .warning: Line("!", .yellow)
        case .problem: Line(glyphs.failed, .red)
        }
      lines.append(sign + Line(" \(finding.subject): ", .bold) + Line(finding.message))
      if let next = finding.nextStep { lines.append(Line("    \(glyphs.arrow) \(next)")) }
    }
    let problems = findings.count { $0.severity == .problem }
    let warnings = findings.count { $0.severity == .warning }
    lines.append("")
    lines.append(
      problems == 0
        ? Line("No problem, \(Words.count(warnings, "warning")).", .green)
        : Line("\(Words.count(problems, "problem")), \(Words.count(warnings, "warning")).", .red))
    return lines
  }

  /// One cause per line, and the next step.
  static func error(_ error: ControlError) -> String {
    var lines = ["segue: \(error.message)"]
    lines += error.causes.map { "  because: \($0)" }
    if let next = error.nextStep { lines.append("  next: \(next)") }
    return lines.map { $0.split(separator: "\n").map { Printable.text(String($0)) } }
      .map { $0.joined(separator: "\n  ") }.joined(separator: "\n")
  }
}
