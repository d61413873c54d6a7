internal import ControlProtocol
internal import Foundation
internal import SegueModel

/// A receipt for people: first what matters, last what proves it.
struct ReceiptText: Sendable {
  var glyphs: Glyphs
  var zone: TimeZone

  func lines(_ receipt: Receipt) -> [Line] {
    head(receipt) + requests(receipt) + latency(receipt) + steps(receipt) + phases(receipt)
      + costs(receipt) + chain(receipt)
  }

  /// The receipt in one sentence.
  func summary(_ receipt: Receipt) -> String {
    let total = receipt.traffic.reduce(0) { $0 + Self.total($1) }
    let failed = receipt.traffic.reduce(0) { $0 + $1.failed }
    return "receipt \(receipt.number): \(Words.count(total, "request")), "
      + "\(Words.count(failed)) failed, \(Words.count(receipt.unavailable)) found no instance, "
      + "\(Words.count(receipt.cut)) cut"
  }

  static func total(_ traffic: Receipt.VersionTraffic) -> UInt64 {
    traffic.responses.reduce(0, +) + traffic.failed
  }

  private func head(_ receipt: Receipt) -> [Line] {
    var title = Line("receipt \(receipt.number)", .bold)
    if let key = receipt.key { title += Line(glyphs.separator + "\(key)") }
    title +=
      Line(glyphs.separator)
      + Line(receipt.outcome.rawValue, receipt.outcome == .live ? .green : .red)
    var table = Table(alignments: [.leading, .leading])
    if let reason = receipt.reason { table.add(Line("why", .dim), Line(reason)) }
    table.add(
      Line("commit", .dim), Line("\(receipt.commit.id.short)  \(receipt.commit.subject)"))
    table.add(Line("author", .dim), Line(receipt.commit.author))
    if let to = receipt.to {
      let from = receipt.from.map { "\($0) \(glyphs.arrow) " } ?? ""
      let strategy = receipt.strategy.map { ", \($0)" } ?? ""
      table.add(Line("release", .dim), Line("\(from)\(to)\(strategy)"))
    }
    if let rollout = receipt.rollout { table.add(Line("rollout", .dim), Line("\(rollout)")) }
    table.add(Line("by", .dim), Line(receipt.startedBy))
    let begin = Words.dateAndTime(receipt.startedAt, in: zone)
    let end = Words.time(receipt.endedAt, in: zone)
    table.add(
      Line("when", .dim),
      Line("\(begin) to \(end), \(receipt.endedAt - receipt.startedAt)"))
    return [title] + table.lines()
  }

  private func requests(_ receipt: Receipt) -> [Line] {
    guard receipt.rollout != nil else { return [] }
    var table = Table(
      ("release", .leading), ("total", .trailing), ("2xx", .trailing), ("3xx", .trailing),
      ("4xx", .trailing), ("5xx", .trailing), ("failed", .trailing), ("retried", .trailing))
    for traffic in receipt.traffic {
      let classes = (1...4).map { $0 < traffic.responses.count ? traffic.responses[$0] : 0 }
      table.add(
        Line("\(traffic.release)"), Line(Words.count(Self.total(traffic))),
        Line(Words.count(classes[0])), Line(Words.count(classes[1])), Line(Words.count(classes[2])),
        Line(Words.count(classes[3]), classes[3] > 0 ? .yellow : .plain),
        Line(Words.count(traffic.failed), traffic.failed > 0 ? .red : .plain),
        Line(Words.count(traffic.retried)))
    }
    let failed = receipt.traffic.reduce(0) { $0 + $1.failed }
    let lost = failed + receipt.unavailable + UInt64(max(0, receipt.cut))
    let verdict =
      lost == 0
      ? Line("  No request failed, found no ready instance, or was cut.", .green)
      : Line(
        "  \(Words.count(failed)) failed, \(Words.count(receipt.unavailable)) found no ready "
          + "instance, \(Words.count(receipt.cut)) cut at the drain deadline.", .red)
    let rows = receipt.traffic.isEmpty ? [Line("  none", .dim)] : table.lines()
    return ["", Line("requests during the rollout", .bold)] + rows + [verdict]
  }

  private func latency(_ receipt: Receipt) -> [Line] {
    guard receipt.latency != nil || receipt.steadyLatency != nil else { return [] }
    var table = Table(
      ("latency", .leading), ("p50", .trailing), ("p99", .trailing), ("p99.9", .trailing))
    for (name, line) in [("rollout", receipt.latency), ("steady", receipt.steadyLatency)] {
      guard let line else {
        table.add(Line(name), Line("-", .dim), Line("-", .dim), Line("-", .dim))
        continue
      }
      table.add(
        Line(name), Line(Words.latency(line.p50)), Line(Words.latency(line.p99)),
        Line(Words.latency(line.p999)))
    }
    return [""] + table.lines()
  }

  private func steps(_ receipt: Receipt) -> [Line] {
    guard !receipt.steps.isEmpty else { return [] }
    var table = Table(
      ("step", .leading), ("outcome", .leading), ("took", .trailing), ("", .leading))
    for step in receipt.steps {
      let ink: Line.Ink = step.outcome == "passed" ? .green : .plain
      table.add(
        Line("\(step.name)"), Line(step.outcome, ink), Line("\(step.took)"),
        Line(step.detail ?? "", .dim))
    }
    return [""] + table.lines()
  }

  private func phases(_ receipt: Receipt) -> [Line] {
    guard !receipt.phases.isEmpty else { return [] }
    var table = Table(("phase", .leading), ("at", .leading), ("took", .trailing))
    for phase in receipt.phases {
      table.add(Line(phase.name), Line(Words.time(phase.at, in: zone)), Line("\(phase.took)"))
    }
    return [""] + table.lines()
  }

  private func costs(_ receipt: Receipt) -> [Line] {
    var table = Table(alignments: [.leading, .leading])
    if let pushToLive = receipt.pushToLive {
      let share = receipt.overhead.map { ", of which Segue itself \($0)" } ?? ""
      table.add(Line("push to live", .dim), Line("\(pushToLive)\(share)"))
    }
    if receipt.rollout != nil {
      table.add(Line("extra instances", .dim), Line("\(receipt.extraInstanceTime) of running time"))
    }
    let lines = table.lines()
    return lines.isEmpty ? [] : [""] + lines
  }

  private func chain(_ receipt: Receipt) -> [Line] {
    var table = Table(alignments: [.leading, .leading])
    table.add(Line("this receipt", .dim), Line(receipt.hash))
    table.add(Line("the one before", .dim), Line(receipt.previous))
    return [""] + table.lines()
  }
}
