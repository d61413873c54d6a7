internal import ControlProtocol
internal import Foundation
internal import SegueModel

/// What a rollout does and waits for, and what else there is to know of its service, in plain words.
struct RolloutText: Sendable {
  var zone: TimeZone

  /// `stage 2 of 5: holding at 5% for another 3 m 20 s`
  func sentence(_ rollout: RolloutStatus, now: Instant) -> String {
    guard let wait = rollout.wait, let name = rollout.stageName else { return rollout.phase }
    let isShared = rollout.weight.map { $0 > .none && $0 < .all } ?? false
    let words = words(wait, rollout, isShared: isShared, now: now)
    return "\(stage(rollout, named: name, saysShare: wait.isHold && isShared)): \(words)"
  }

  private func stage(_ rollout: RolloutStatus, named name: String, saysShare: Bool) -> String {
    if rollout.stages <= 1 || name.hasPrefix("batch ") { return name }
    let stage = "stage \(rollout.stage) of \(rollout.stages)"
    // A share is in the sentence already.
    return saysShare && name.hasSuffix("%") ? stage : "\(stage), \(name)"
  }

  private func words(
    _ wait: WaitStatus, _ rollout: RolloutStatus, isShared: Bool, now: Instant
  ) -> String {
    let place = isShared ? " at \(rollout.weight ?? .none)" : ""
    let until = wait.until.map { ", until \(Words.moment($0, now: now, in: zone))" } ?? ""
    let left = wait.until.map { Words.span($0 - now) }
    switch wait.kind {
    case .database: return "the expand step runs\(limit(left))"
    case .instances:
      let wanted = wait.wanted ?? 0
      let missing = wanted - (wait.ready ?? 0)
      let whose = rollout.direction == "back" ? " of the earlier release" : ""
      guard missing > 0 else { return "instances\(whose) are ready" }
      let noun = wanted == 1 ? "instance" : "instances"
      return "waiting for \(missing) of \(wanted) \(noun)\(whose) to become ready\(limit(left))"
    case .router: return "waiting for the router to switch\(limit(left))"
    case .drain: return "finishing the requests of what left the table"
    case .time: return "holding\(place)\(left.map { " for another \($0)" } ?? "")"
    case .promotion: return "holding\(place), waiting for somebody to promote it\(until)"
    case .verdict: return "holding\(place), waiting for a verdict\(limit(left))"
    case .decision:
      return "holding\(place), not enough evidence: waiting for somebody to promote it\(until)"
    case .pause:
      return
        "paused\(place) by \(wait.by ?? "somebody")\(wait.reason.map { ": \($0)" } ?? "")\(until)"
    }
  }

  private func limit(_ left: String?) -> String { left.map { ", at most another \($0)" } ?? "" }

  /// One line each, of what goes on beside the rollout.
  func notes(_ service: ServiceStatus, now: Instant) -> [Line] {
    var lines: [Line] = []
    if let rollout = service.rollout, let reason = rollout.reason {
      lines.append(Line("taken back: \(reason)", .yellow))
    }
    if let judgement = service.rollout?.judgement {
      lines.append(Line("judge: \(judgement)", .dim))
    }
    if let held = service.held, held.waiting > 0 {
      lines.append(Line("\(Words.count(held.waiting, "request")) held now", .yellow))
    }
    if let mirror = service.mirrored { lines.append(Self.line(mirror)) }
    if let queued = service.queued {
      lines.append(
        Line("next: ") + Line("\(queued.id)")
          + Line("  \(queued.commit.short) \(queued.subject)", .dim))
    }
    if let migration = service.migration {
      let left = Words.span(migration.until - now)
      lines.append(
        Line(
          "the \(migration.step.rawValue) step of \(migration.release) runs, at most another \(left)",
          .cyan))
    }
    for contract in service.contracts ?? [] {
      let due = Words.moment(contract.due, now: now, in: zone)
      lines.append(
        Line(
          "the contract step of \(contract.release) waits until \(due); until then `segue rollback` "
            + "goes back"))
    }
    return lines
  }

  /// `1,204 copies compared: 3 differ, 1 unanswered`
  static func line(_ mirror: MirrorReport) -> Line {
    let different = mirror.compared - min(mirror.equal, mirror.compared)
    let failed = mirror.failed > 0 ? ", \(Words.count(mirror.failed)) unanswered" : ""
    let skipped = mirror.skipped > 0 ? ", \(Words.count(mirror.skipped)) not compared" : ""
    let compared = mirror.compared == 1 ? "1 copy" : "\(Words.count(mirror.compared)) copies"
    return Line(
      "\(compared) compared: \(different == 0 ? "none differs" : "\(Words.count(different)) differ")"
        + failed + skipped, different + mirror.failed == 0 ? .plain : .yellow)
  }
}
