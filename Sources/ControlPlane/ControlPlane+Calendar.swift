public import ControlProtocol
import Ports
import ReleaseCalendar
import RolloutEngine
public import SegueModel

/// The calendar as people and their programs see it.
extension ControlPlane {
  /// How far back rollouts are shown, and how far ahead what recurs.
  private static let shownPast = Milliseconds.minutes(90 * 24 * 60)

  /// What is to start and may not, in the order of the environments' names.
  var heldStarts: [HeldStartStatus] {
    targets.keys.sorted().compactMap { environment in
      let state = board[environment]
      guard let hold = state.hold, let order = state.order, !state.isSettled else { return nil }
      return HeldStartStatus(
        environment: environment, release: order.release, commit: order.commit,
        reason: hold.reason, since: hold.since, next: hold.next)
    }
  }

  /// By the newest release's `segue.yaml`, and what people said since.
  private func calendar(at now: Instant) async -> RolloutCalendar {
    var calendar = RolloutCalendar()
    if let newest = catalogue.newestRelease {
      calendar = RolloutCalendar(newest.spec, zones: world.zones, at: now)
    }
    calendar.add(await people.state.book, zones: world.zones)
    return calendar
  }

  public func calendar(_ environment: EnvironmentName?) async throws -> CalendarReply {
    let now = world.time.now()
    let calendar = await calendar(at: now)
    let known = catalogue.newestRelease?.spec.environments.map(\.name) ?? []
    if let environment, !known.contains(environment) {
      throw ControlError(
        .notFound, "there is no environment \(environment)",
        nextStep: "There are: \(known.map(\.rawValue).joined(separator: ", "))")
    }
    func isShown(_ choice: EnvironmentChoice) -> Bool {
      environment.map { choice.contains($0) } ?? true
    }
    let moment = TimeSpan(start: now, end: now + Milliseconds(1))
    let later = TimeSpan(start: now, end: now + RolloutCalendar.horizon)
    return CalendarReply(
      now: now,
      environments: known.filter { environment == nil || $0 == environment }.map { name in
        let answer = calendar.answer(StartQuestion(environment: name, at: now))
        return EnvironmentCalendar(
          environment: name, mayStart: answer.mayStart, sentence: answer.sentence,
          next: answer.next,
          windows: calendar.windows.filter { $0.environments.contains(name) }.map(\.pattern.text))
      },
      freezes: calendar.freezes.filter { freeze in
        isShown(freeze.environments) && !freeze.pattern.occurrences(in: later, to: .deny).isEmpty
      }.map { freeze in
        FreezeEntry(
          id: freeze.id.rawValue, environments: freeze.environments.text,
          when: freeze.pattern.text, reason: freeze.reason, by: freeze.setBy?.rawValue,
          isInForce: !freeze.pattern.occurrences(in: moment, to: .deny).isEmpty)
      },
      milestones: calendar.milestones.filter { milestone in
        isShown(milestone.environments) && (milestone.reached.map { now < $0 } ?? true)
      }.map { milestone in
        let end = milestone.reached.map { MomentText.full($0, in: milestone.zone) } ?? "for ever"
        return MilestoneEntry(
          name: milestone.name, environments: milestone.environments.text,
          when: "\(MomentText.full(milestone.cutOff, in: milestone.zone)) to \(end)",
          gatekeepers: milestone.gatekeepers.text)
      }, waiting: heldStarts.filter { environment == nil || $0.environment == environment })
  }

  /// As iCalendar (RFC 5545): windows, freezes, milestones, what took place and what will.
  public func calendarFeed(_ environment: EnvironmentName?) async throws -> String {
    let now = world.time.now()
    var calendar = await calendar(at: now)
    calendar.planned = heldStarts.compactMap { held in
      guard let next = held.next else { return nil }
      let record = catalogue.record(of: held.release)
      return PlannedRelease(
        id: "\(held.environment)-\(held.release)", environment: held.environment, at: next,
        title: "\(held.commit.short) \(record?.acceptance.commit.subject ?? "")",
        plannedBy: record.map { PersonName($0.acceptance.requestedBy) }, changed: held.since)
    }
    let newest = catalogue.newestRelease
    let settings = FeedSettings(
      project: settings.project ?? newest?.spec.project ?? "segue", environment: environment,
      range: TimeSpan(
        start: Instant(milliseconds: now.milliseconds - Self.shownPast.count),
        end: now + FeedSettings.usualHorizon), configured: newest?.builtAt ?? startedAt)
    return calendar.feed(
      settings, past: await pastRollouts(), book: await people.state.book, zones: world.zones
    ).text
  }

  private func pastRollouts() async -> [PastRollout] {
    await receipts.issued.compactMap { receipt in
      guard let id = receipt.rollout, let key = receipt.key, let release = receipt.to else {
        return nil
      }
      return PastRollout(
        id: id, key: key, release: release, commit: receipt.commit.id,
        started: receipt.startedAt, ended: receipt.endedAt, outcome: receipt.outcome.rawValue)
    }
  }
}
