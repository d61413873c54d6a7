import Ports
import ReleaseCalendar
import RolloutEngine
import SegueModel

/// What the gate said to an order that may not begin, and until when there is no use in asking again.
struct HeldStart: Sendable {
  var order: TargetOrder
  /// What people had said by then.
  var version: Int
  var at: Instant
  var until: Instant
}

/// Whether the environment's target may begin.
extension TargetController {
  /// How long an answer counts while nobody says anything new: a clock may be put right meanwhile.
  private static let patience = Milliseconds.minutes(1)

  /// Asks calendar and people before the first service begins; what has begun is finished.
  func mayBegin(
    _ release: Release, _ order: TargetOrder, _ controllers: [ServiceKey: ServiceController],
    _ fates: [ServiceName: ServiceFate]
  ) async throws(PortError) -> Bool {
    guard state.begun.isEmpty, fates.values.contains(.notStarted) else { return true }
    let now = world.time.now()
    if let held = heldStart, held.order == order, held.version == (await gate.people.state.version),
      state.hold != nil, held.at <= now, now < held.until
    {
      return false
    }
    let version = await gate.people.state.version
    let answers = await gate.answers(
      StartSubject(
        release: release, environment: environment, live: await live(of: release, controllers)))
    guard let reason = answers.reason else {
      heldStart = nil
      if answers.calendar.override != nil {
        let event = TargetEvent.startOverridden(
          commit: order.commit, reason: answers.calendar.sentence)
        return try await record(event, for: order)
      }
      return true
    }
    if state.hold?.reason != reason || state.hold?.next != answers.next {
      let event = TargetEvent.startHeld(commit: order.commit, reason: reason, next: answers.next)
      guard try await record(event, for: order) else { return false }
    }
    let end = now + Self.patience
    heldStart = HeldStart(
      order: order, version: version, at: now,
      until: min(end, answers.calendar.mayStart ? end : answers.calendar.next ?? end))
    return false
  }

  /// The oldest release that a service of this one runs here.
  private func live(
    of release: Release, _ controllers: [ServiceKey: ServiceController]
  ) async -> Release? {
    var oldest: Release?
    for service in release.spec.services {
      let key = ServiceKey(environment: environment, service: service.name)
      guard let live = await controllers[key]?.state.live?.id,
        let found = catalogue.record(of: live)?.release
      else { continue }
      if found.height < oldest?.height ?? .max { oldest = found }
    }
    return oldest
  }
}
