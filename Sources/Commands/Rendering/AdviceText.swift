internal import Foundation
internal import RolloutEngine
internal import SegueModel

/// The strategies for one service, side by side.
struct AdviceText: Sendable {
  var glyphs: Glyphs

  func lines(_ report: AdviceReport) -> [Line] {
    let facts = report.facts
    var lines = [Line(report.service, .bold)]
    var known = Table(alignments: [.leading, .leading, .leading])
    for fact in report.known {
      known.add(Line(fact.name, .dim), Line(fact.value), Line(fact.origin.words, .dim))
    }
    lines += known.lines() + [""] + table(report)
    lines += ["", Line("What each cannot catch:", .bold)]
    var limits = Table(alignments: [.leading, .leading])
    for row in report.advice.rows where row.impossible == nil {
      limits.add(Line(row.name), Line(row.cannotCatch))
    }
    lines += limits.lines()
    for row in report.advice.rows {
      if let why = row.impossible { lines.append(Line("  \(row.name): not here, \(why)", .dim)) }
    }
    lines += remarks(report)
    lines += ["", Line("\(glyphs.arrow) \(report.advice.recommended)", .green)]
    lines += Self.paragraph(sentence(report.advice.why))
    let ratio = Self.number(facts.badRatio)
    lines += Self.paragraph(
      "Planned for a release that fails \(ratio) times as often. Without a judge somebody notices "
        + "\(facts.notice) after the whole service fails twice as often as it did. An instance that "
        + "never gets ready is caught by every strategy before a user meets it.", .dim)
    return lines
  }

  private func sentence(_ why: String) -> String { why.prefix(1).uppercased() + why.dropFirst() }

  private static func paragraph(_ text: String, _ ink: Line.Ink = .plain) -> [Line] {
    Words.wrapped(text, columns: 76).map { Line("  " + $0, ink) }
  }

  private func table(_ report: AdviceReport) -> [Line] {
    var table = Table(
      ("", .leading), ("strategy", .leading), ("takes", .trailing), ("extra at once", .trailing),
      ("extra in all", .trailing), ("costs", .trailing), ("fail if bad", .trailing))
    for row in report.advice.rows where row.impossible == nil {
      let isChosen = row.name == report.advice.recommended
      let price = row.price.flatMap { amount in
        report.facts.cost.map { Words.money(amount, $0.currency) }
      }
      table.add(
        Line(isChosen ? glyphs.arrow : "", .green), Line(row.name, isChosen ? .green : .plain),
        Line((row.endsByPerson ? "from " : "") + "\(row.takes)"),
        Line(row.peakExtra == 0 ? "-" : "\(row.peakExtra)"),
        Line(row.extraTime == .zero ? "-" : "\(row.extraTime)"),
        Line(row.extraTime == .zero ? "-" : price ?? "?"),
        Line(Self.requests(row.failing)))
    }
    return table.lines(indent: "")
  }

  private func remarks(_ report: AdviceReport) -> [Line] {
    waiting(report.advice.rows)
  }

  /// What goes wrong with a good release.
  private func waiting(_ rows: [StrategyAdvice]) -> [Line] {
    rows.filter { $0.impossible == nil && $0.held >= 1 }.flatMap { row in
      let held = "\(Self.requests(row.held)) requests wait although the release is good"
      let lost = row.lost >= 1 ? ", \(Self.requests(row.lost)) of them in vain" : ""
      return [Line("  \(row.name): about \(held)\(lost)", row.lost >= 1 ? .red : .dim)]
    }
  }

  /// Below ten, tenths matter.
  static func requests(_ number: Double) -> String {
    guard number < 1e15 else { return "countless" }
    if number > 0, number < 9.95 { return Self.number((number * 10).rounded() / 10) }
    return Words.count(Int64(number.rounded()))
  }

  /// `10`, `2.5`
  static func number(_ number: Double) -> String {
    number == number.rounded() && abs(number) < 1e15 ? "\(Int64(number))" : "\(number)"
  }
}
