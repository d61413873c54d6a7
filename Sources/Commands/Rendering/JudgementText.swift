internal import CanaryAnalysis
internal import ControlProtocol
internal import Foundation

/// What live traffic said of a release, with how the evidence grew.
enum JudgementText {
  private static let width = 72
  private static let height = 6

  static func lines(_ judgement: JudgementLine, glyphs: Glyphs) -> [Line] {
    let colour: Line.Ink =
      switch judgement.answer {
      case .good: .green
      case .bad: .red
      case .notEnoughEvidence: .yellow
      }
    var lines = ["", Line("judged by live traffic", .bold)]
    lines.append(
      Line("  ") + Line(answer(judgement.answer), colour) + Line(": \(judgement.sentence)"))
    // The picture is made of characters that not every terminal has, and without requests it is empty.
    if glyphs == .unicode, judgement.points.count > 1, judgement.requests > 0 {
      lines += plot(judgement).terminal(width: width, height: height)
        .split(separator: "\n", omittingEmptySubsequences: false).map { Line("  \($0)", .dim) }
    }
    return lines
  }

  static func svg(_ judgement: JudgementLine) -> String { plot(judgement).svg }

  private static func answer(_ answer: JudgementLine.Answer) -> String {
    switch answer {
    case .good: "good"
    case .bad: "bad"
    case .notEnoughEvidence: "not enough evidence"
    }
  }

  /// The points are parts of what suffices already.
  private static func plot(_ judgement: JudgementLine) -> EvidencePlot {
    var history = EvidenceHistory()
    for point in judgement.points {
      history.add(
        EvidenceHistory.Point(
          seconds: Double(point.after) / 1_000, againstIt: Double(point.against) / 1_000,
          forIt: Double(point.inFavour) / 1_000))
    }
    return EvidencePlot(history: history, badAt: 1, goodAt: 1)
  }
}
