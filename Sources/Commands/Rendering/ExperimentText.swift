internal import ControlProtocol
internal import Foundation
internal import SegueModel

/// What an experiment has shown, as a table.
struct ExperimentText: Sendable {
  var glyphs: Glyphs
  var zone: TimeZone

  func lines(_ reply: ExperimentReply) -> [Line] {
    var title = Line("experiment of \(reply.key)", .bold)
    title += Line(glyphs.separator + reply.rollout.rawValue)
    if let end = reply.endsAt {
      title += Line("\(glyphs.separator)until \(Words.dateAndTime(end, in: zone))")
    }
    title += Line(glyphs.separator + (reply.isRunning ? "under way" : "over"))
    return [title] + Self.table(reply.result)
  }

  /// As a receipt has it.
  static func lines(_ result: ExperimentLine?) -> [Line] {
    guard let result else { return [] }
    return ["", Line("what users did", .bold)] + table(result)
  }

  private static func table(_ result: ExperimentLine) -> [Line] {
    var variants = Table(
      ("variant", .leading), ("release", .leading), ("share", .trailing), ("users", .trailing))
    for variant in result.variants {
      variants.add(
        Line(variant.name), Line("\(variant.release)"), Line("\(variant.share)"),
        Line(Words.count(variant.units)))
    }
    var goals = Table(
      ("goal", .leading), ("variant", .leading), ("per user", .trailing),
      ("difference", .trailing), ("", .leading))
    for row in result.rows {
      let isDecided = (row.atLeast ?? 0) > 0 || (row.atMost ?? 0) < 0
      goals.add(
        Line(row.goal), Line(row.variant), Line(number(row.perUnit)),
        Line(row.difference.map(percent) ?? "", isDecided ? .bold : .plain), Line(bounds(row), .dim)
      )
    }
    let lines = variants.lines() + (result.rows.isEmpty ? [] : [""] + goals.lines())
    return lines + ["", verdict(result)] + notes(result)
  }

  private static func bounds(_ row: ExperimentLine.Row) -> String {
    guard let least = row.atLeast, let most = row.atMost else { return "" }
    return "between \(percent(least)) and \(percent(most))"
  }

  private static func verdict(_ result: ExperimentLine) -> Line {
    let ink: Line.Ink =
      switch result.state {
      case .winner: .green
      case .splitBroken: .red
      case .noData, .undecided: .yellow
      }
    let end =
      switch result.end {
      case .verdict: "; this ended it"
      case .date: "; its time was over"
      case .person: "; a person ended it"
      case nil: ""
      }
    return Line("  ") + Line(result.sentence, ink) + Line(end)
  }

  private static func notes(_ result: ExperimentLine) -> [Line] {
    let counts = [
      (result.crossed, "user", " was answered by both releases", " were answered by both releases"),
      (result.uncounted, "answer", " was not counted", " were not counted"),
      (result.unreadable, "value", " of a goal was no number", " of goals were no numbers"),
    ]
    return counts.filter { $0.0 > 0 }.map { count, noun, one, many in
      Line("  \(Words.count(count, noun))\(count == 1 ? one : many)", .dim)
    }
  }

  /// Of millionths, three digits that say something.
  static func number(_ millionths: Int64) -> String {
    let magnitude = millionths.magnitude
    let digits = magnitude >= 1_000_000 ? 2 : magnitude >= 100_000 ? 3 : magnitude >= 10_000 ? 4 : 6
    let scale = (digits..<6).reduce(UInt64(1)) { unit, _ in unit * 10 }
    let base = (0..<digits).reduce(UInt64(1)) { unit, _ in unit * 10 }
    let rounded = (magnitude + scale / 2) / scale
    // One more in front keeps the zeros behind the point.
    var fraction = String(rounded % base + base).dropFirst()
    while fraction.last == "0" { fraction.removeLast() }
    return (millionths < 0 ? "-" : "") + Words.count(rounded / base)
      + (fraction.isEmpty ? "" : "." + fraction)
  }

  /// `+12.5 %`
  static func percent(_ millionths: Int64) -> String {
    let tenths = (millionths.magnitude + 500) / 1_000
    let sign = tenths == 0 ? "" : millionths < 0 ? "-" : "+"
    return "\(sign)\(Words.count(tenths / 10)).\(tenths % 10) %"
  }
}
