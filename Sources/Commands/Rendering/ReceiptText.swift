internal import ControlProtocol
internal import Foundation
internal import SegueModel

/// A receipt for people: first what matters, last what proves it.
struct ReceiptText: Sendable {
  var glyphs: Glyphs
  var zone: TimeZone

  func lines(_ receipt: Receipt) -> [Line] {
    head(receipt) + requests(receipt) + judgement(receipt)
      + ExperimentText.lines(receipt.experiment) + mirror(receipt) + latency(receipt)
      + steps(receipt)
      + migrations(receipt) + phases(receipt) + pauses(receipt) + costs(receipt) + chain(receipt)
  }

  private func judgement(_ receipt: Receipt) -> [Line] {
    receipt.judgement.map { JudgementText.lines($0, glyphs: glyphs) } ?? []
  }

  /// The receipt in one sentence.
  func summary(_ receipt: Receipt) -> String {
    let total = receipt.traffic.reduce(0) { $0 + Self.total($1) }
    let failed = receipt.traffic.reduce(0) { $0 + $1.failed }
    return "receipt \(receipt.number): \(Words.count(total, "request")), "
      + "\(Words.count(failed)) failed, \(Words.count(receipt.unavailable)) found no instance, "
      + "\(Words.count(receipt.cut)) cut"
      + (receipt.held.map { ", \(Words.count($0.released + $0.expired)) held" } ?? "")
  }

  static func total(_ traffic: Receipt.VersionTraffic) -> UInt64 {
    traffic.responses.reduce(0, +) + traffic.failed
  }

  private func head(_ receipt: Receipt) -> [Line] {
    var title = Line("receipt \(receipt.number)", .bold)
    if let key = receipt.key { title += Line(glyphs.separator + "\(key)") }
    if let kind = receipt.kind { title += Line(glyphs.separator + kind) }
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
    if let gates = receipt.gates {
      table.add(Line("gates", .dim), Line("passed \(gates.joined(separator: ", "))"))
    }
    for line in receipt.excused ?? [] { table.add(Line("let pass", .dim), Line(line, .yellow)) }
    for word in receipt.words ?? [] { add(word, to: &table) }
    if let key = receipt.signedBy {
      table.add(Line("signed", .dim), Line("provenance with the key \(key.prefix(12))"))
    }
    for paper in receipt.papers ?? [] { table.add(Line("paper", .dim), Line(paper)) }
    if let rollout = receipt.rollout { table.add(Line("rollout", .dim), Line("\(rollout)")) }
    let request = receipt.request.map { ": \($0)" } ?? ""
    table.add(Line("by", .dim), Line(receipt.startedBy + request))
    let begin = Words.dateAndTime(receipt.startedAt, in: zone)
    let end = Words.time(receipt.endedAt, in: zone)
    table.add(
      Line("when", .dim),
      Line("\(begin) to \(end), \(receipt.endedAt - receipt.startedAt)"))
    return [title] + table.lines()
  }

  private func add(_ word: Receipt.WordLine, to table: inout Table) {
    let when = Words.dateAndTime(word.at, in: zone)
    let why = word.reason.map { ": \($0)" } ?? ""
    switch word.kind {
    case .approval:
      table.add(Line("approved", .dim), Line("\(word.gate), by \(word.by), \(when)\(why)"))
    case .override:
      table.add(
        Line("overridden", .dim), Line("\(word.gate), by \(word.by), \(when)\(why)", .yellow))
    }
  }

  private func requests(_ receipt: Receipt) -> [Line] {
    guard receipt.rollout != nil else { return [] }
    if let why = receipt.uncounted {
      return ["", Line("requests during the rollout", .bold), Line("  \(why)", .yellow)]
    }
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
    let inVain = receipt.held?.expired ?? 0
    let lost = failed + receipt.unavailable + inVain + UInt64(max(0, receipt.cut))
    let verdict =
      lost == 0
      ? Line("  No request failed, found no ready instance, or was cut.", .green)
      : Line(
        "  \(Words.count(failed)) failed, \(Words.count(receipt.unavailable)) found no ready "
          + "instance, \(Words.count(receipt.cut)) cut at the drain deadline.", .red)
    let rows = receipt.traffic.isEmpty ? [Line("  none", .dim)] : table.lines()
    return ["", Line("requests during the rollout", .bold)] + rows + [verdict]
      + held(receipt.held) + drained(receipt)
  }

  private func held(_ held: Receipt.HeldLine?) -> [Line] {
    guard let held else { return [] }
    let atMost = held.isUpperBound ? "at most " : ""
    let longest = "the longest for \(atMost)\(Words.latency(held.longest))"
    let total = held.released + held.expired
    let text = "  \(Words.count(total, "request")) held, \(longest)"
    return held.expired == 0
      ? [Line("\(text); every one was passed on.")]
      : [Line("\(text); \(Words.count(held.expired)) of them in vain.", .red)]
  }

  private func drained(_ receipt: Receipt) -> [Line] {
    guard let drained = receipt.drained, drained > 0 else { return [] }
    return [
      Line(
        "  \(Words.count(drained, "instance")) finished what was in flight before "
          + "\(drained == 1 ? "it" : "they") stopped.", .dim)
    ]
  }

  private func mirror(_ receipt: Receipt) -> [Line] {
    guard let mirror = receipt.mirror else { return [] }
    var table = Table(
      ("compared", .trailing), ("equal", .trailing), ("status", .trailing), ("headers", .trailing),
      ("body", .trailing), ("unanswered", .trailing), ("not copied", .trailing))
    func count(_ number: UInt64) -> Line {
      Line(Words.count(number), number > 0 ? .yellow : .plain)
    }
    table.add(
      Line(Words.count(mirror.compared)), Line(Words.count(mirror.equal)), count(mirror.status),
      count(mirror.headers), count(mirror.body), count(mirror.failed),
      Line(Words.count(mirror.skipped)))
    var examples = Table(alignments: [.leading, .leading, .leading])
    // The same difference again and again says no more than once, and how often.
    var shown: [MirrorDifference] = []
    for example in mirror.examples where !shown.contains(example) { shown.append(example) }
    for example in shown {
      let count = mirror.examples.count { $0 == example }
      examples.add(
        Line(example.method, .dim), Line(example.path, .dim),
        Line(example.what + (count > 1 ? ", \(count) times" : "")))
    }
    return ["", Line("copies to \(mirror.release), and how their answers differ", .bold)]
      + table.lines() + (receipt.copies.map { [Self.line($0)] } ?? []) + Self.groups(mirror)
      + examples.lines()
  }

  private static func line(_ copies: CopiesLine) -> Line {
    let ink: Line.Ink =
      switch copies.answer {
      case .good: .green
      case .bad: .red
      case .notEnoughEvidence: .yellow
      }
    return Line("  ") + Line(copies.sentence, ink)
  }

  /// The most frequent kinds of differences.
  private static func groups(_ mirror: MirrorReport) -> [Line] {
    guard let groups = mirror.groups, !groups.isEmpty else { return [] }
    var table = Table(alignments: [.trailing, .leading, .leading])
    for group in groups.prefix(groupLimit) {
      table.add(
        Line(Words.count(group.count, "time")), Line(group.request, .yellow), Line(group.what))
    }
    return table.lines()
  }

  private static let groupLimit = 10

  private func migrations(_ receipt: Receipt) -> [Line] {
    guard let migrations = receipt.migrations else { return [] }
    var lines: [Line] = [""]
    for migration in migrations {
      lines.append(
        Line("  \(migration.step.rawValue) step of \(migration.release)  ", .bold)
          + Line(migration.outcome, migration.succeeded ? .green : .red)
          + Line("  in \(migration.took)"))
      lines += migration.output.suffix(10).map { Line("    " + $0, .dim) }
    }
    return lines
  }

  private func pauses(_ receipt: Receipt) -> [Line] {
    guard let pauses = receipt.pauses else { return [] }
    var table = Table(
      ("paused by", .leading), ("at", .leading), ("for", .trailing), ("resumed by", .leading))
    for pause in pauses {
      table.add(
        Line(pause.by + (pause.reason.map { ": \($0)" } ?? "")),
        Line(Words.time(pause.at, in: zone)), Line("\(pause.took)"),
        Line((pause.resumedBy ?? "nobody") + (pause.resumeReason.map { ": \($0)" } ?? "")))
    }
    return [""] + table.lines()
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
    var table = Table(
      ("phase", .leading), ("at", .leading), ("took", .trailing), ("", .leading))
    for phase in receipt.phases {
      table.add(
        Line(phase.name), Line(Words.time(phase.at, in: zone)), Line("\(phase.took)"),
        Line(phase.detail ?? "", .dim))
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
      table.add(
        Line("extra instances", .dim),
        Line("\(receipt.extraInstanceTime) of running time\(price(receipt.cost))"))
    }
    if let warm = receipt.warm {
      let until = Words.moment(warm.until, now: receipt.endedAt, in: zone)
      table.add(
        Line("kept warm", .dim),
        Line(
          "\(warm.release) until \(until), \(warm.instanceTime) more of running time"
            + price(warm.cost)))
    }
    if let due = receipt.contractDue {
      let until = Words.moment(due, now: receipt.endedAt, in: zone)
      table.add(
        Line("contract step", .dim),
        Line("waits until \(until); until then `segue rollback` goes back"))
    }
    let lines = table.lines()
    return (lines.isEmpty ? [] : [""] + lines) + incident(receipt)
  }

  private func incident(_ receipt: Receipt) -> [Line] {
    guard receipt.outcome == .incident else { return [] }
    return [
      Line("  This is an incident: the last good table stays, and somebody has to look.", .red)
    ]
  }

  private func price(_ cost: Receipt.CostLine?) -> String {
    cost.map { ", \(Words.money($0.amount, $0.currency))" } ?? ""
  }

  private func chain(_ receipt: Receipt) -> [Line] {
    var table = Table(alignments: [.leading, .leading])
    table.add(Line("this receipt", .dim), Line(receipt.hash))
    table.add(Line("the one before", .dim), Line(receipt.previous))
    return [""] + table.lines()
  }
}
