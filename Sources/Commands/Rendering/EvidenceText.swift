internal import ControlProtocol
internal import Foundation
internal import SegueModel

/// What the gates said, and what is known of tests.
struct EvidenceText: Sendable {
  var glyphs: Glyphs
  var zone: TimeZone

  func gates(_ reply: GateReply) -> [Line] {
    var lines = [
      Line("\(reply.commit.id.short) ", .bold) + Line(reply.commit.subject),
      Line(
        "compared with \(reply.record.base.map(\.short) ?? "nothing: it is the first commit")", .dim
      ),
      "", Line(reply.verdict, .bold), "",
    ]
    for answer in reply.record.answers + (reply.starts ?? []) {
      let sign =
        switch answer.verdict {
        case .pass: Line(glyphs.passed, .green)
        case .fail: Line(glyphs.failed, .red)
        case .wait: Line(glyphs.waiting, .yellow)
        }
      lines.append(sign + Line(" \(answer.gate): ", .bold) + Line(answer.reason))
      lines += answer.evidence.map { Line("    " + $0, .dim) }
      if answer.verdict != .pass {
        lines += answer.remedies.map { Line("    \(glyphs.arrow) \($0)") }
      }
      lines += answer.warnings.map { Line("    ! " + $0, .yellow) }
    }
    return lines
  }

  func tests(_ tests: [TestStanding], _ question: TestsRequest.Question) -> [Line] {
    guard !tests.isEmpty else {
      let none: Line =
        switch question {
        case .flaky: "No test is known to fail without cause."
        case .slow: "No test has run yet."
        case .new: "No test is new."
        case .failing: "No test failed the last time."
        }
      return [none]
    }
    var table = Table(
      ("test", .leading), ("last", .leading), ("runs", .trailing), ("failures", .trailing),
      ("takes", .trailing), ("flaky", .trailing), ("", .leading))
    for test in tests {
      table.add(
        Line(test.test), Line(test.last, ink(of: test)), Line("\(test.runs)"),
        Line("\(test.failures)"), Line("\(test.meanDuration)"), Line("\(test.flakiness)"),
        Line(remark(on: test, question)))
    }
    return table.lines(indent: "")
  }

  /// How long steps take, and which tests take longer or less than they did.
  func durations(_ reply: DurationsReply) -> [Line] {
    guard !reply.steps.isEmpty else {
      return ["No step has run its tests often enough to see a trend."]
    }
    var lines = [Line("all tests of a step", .bold)] + reply.steps.flatMap(duration)
    lines += ["", Line("tests", .bold)]
    lines += reply.tests.flatMap(duration)
    if reply.tests.isEmpty { lines.append("  None became slower or faster.") }
    return lines
  }

  private func duration(_ standing: DurationStanding) -> [Line] {
    let growth = standing.growth.count
    let size = Milliseconds(abs(growth))
    let trend: Line =
      !standing.isChange || growth == 0
      ? Line("no trend", .dim)
      : growth > 0 ? Line("\(size) slower", .yellow) : Line("\(size) faster", .green)
    var lines = [
      Line("  \(standing.subject): ") + trend
        + Line(
          ", \(standing.median) in the middle of \(Words.count(standing.runs, "run")),"
            + " \(standing.last) the last time")
    ]
    for jump in standing.jumps {
      lines.append(
        Line("    \(glyphs.arrow) \(jump.before) to \(jump.after) since \(jump.commit.short)")
          + Line(
            " of \(Words.dateAndTime(jump.at, in: zone)); before it ran \(jump.previous.short)",
            .dim))
    }
    if standing.jumps.isEmpty, standing.isChange {
      lines.append(
        Line(
          "    about \(Self.milliseconds(standing.slope)) a run"
            + " (\(Self.milliseconds(standing.slopeLow)) to"
            + " \(Self.milliseconds(standing.slopeHigh)));"
            + " by chance with a probability of at most \(standing.chance)", .dim))
    }
    return lines
  }

  private static func milliseconds(_ thousandths: Int64) -> String {
    let tenths = (thousandths.magnitude + 50) / 100
    return "\(thousandths < 0 ? "-" : "+")\(tenths / 10).\(tenths % 10) ms"
  }

  private func ink(of test: TestStanding) -> Line.Ink {
    switch test.last {
    case "passed": .green
    case "failed": .red
    default: .yellow
    }
  }

  private func remark(on test: TestStanding, _ question: TestsRequest.Question) -> String {
    if question == .new {
      return "since \(test.firstCommit.short), \(Words.dateAndTime(test.firstSeen, in: zone))"
    }
    guard test.failingInARow > 0, let since = test.failingSince else { return "" }
    return "failed \(Words.count(test.failingInARow, "time")) in a row, since \(since.short)"
  }
}
