internal import ControlProtocol
internal import Foundation
internal import SegueModel

/// When rollouts may start, and what keeps them.
extension ReportText {
  func calendar(_ calendar: CalendarReply) -> [Line] {
    var lines: [Line] = []
    if calendar.environments.isEmpty {
      lines.append("Nothing was built yet, so there is no segue.yaml to go by.")
    }
    for place in calendar.environments {
      lines.append(
        Line(
          place.mayStart ? glyphs.passed : glyphs.waiting, place.mayStart ? .green : .yellow)
          + Line(" \(place.environment): ", .bold) + Line(place.sentence))
      lines += place.windows.map { Line("    window  \($0)", .dim) }
    }
    lines += calendar.waiting.map { held in
      Line("\(glyphs.waiting) ", .yellow)
        + Line("\(held.release) (\(held.commit.short)) waits to start in \(held.environment)")
        + Line(held.next.map { ", until \(Words.dateAndTime($0, in: zone))" } ?? "", .dim)
    }
    if !calendar.freezes.isEmpty { lines += [""] + freezes(calendar) }
    if !calendar.milestones.isEmpty { lines += [""] + milestones(calendar.milestones) }
    return lines
  }

  func freezes(_ calendar: CalendarReply) -> [Line] {
    guard !calendar.freezes.isEmpty else { return ["No freeze holds or will."] }
    var table = Table(
      ("freeze", .leading), ("", .leading), ("where", .leading), ("when", .leading),
      ("by", .leading), ("reason", .leading))
    for freeze in calendar.freezes {
      table.add(
        Line(freeze.id), Line(freeze.isInForce ? "now" : "", .yellow), Line(freeze.environments),
        Line(freeze.when), Line(freeze.by ?? "segue.yaml", .dim), Line(freeze.reason))
    }
    return table.lines(indent: "")
  }

  private func milestones(_ milestones: [MilestoneEntry]) -> [Line] {
    var table = Table(
      ("milestone", .leading), ("where", .leading), ("when", .leading), ("lets in", .leading))
    for milestone in milestones {
      table.add(
        Line(milestone.name), Line(milestone.environments), Line(milestone.when),
        Line(milestone.gatekeepers))
    }
    return table.lines(indent: "")
  }

  /// A release that may not start yet.
  func line(_ held: HeldStartStatus) -> Line {
    Line("\(held.release) waits: \(held.reason)", .yellow)
  }
}
