import ReleaseCalendar
import SegueModel

extension RolloutCalendar {
  /// The calendar of a `segue.yaml`. Its times were read when the commit came; where one cannot be
  /// read any more, because its time zone is gone from the machine, it forbids.
  init(_ spec: ProjectSpec, zones: ZoneLibrary, at now: Instant) {
    self.init(roster: TeamRoster(spec))
    for environment in spec.environments {
      let place = EnvironmentChoice.some([environment.name])
      for text in environment.windows ?? [] {
        do throws(CalendarTextFault) {
          windows.append(
            ReleaseWindow(environments: place, pattern: try TimePattern(text, zones: zones)))
        } catch {
          freezes.append(
            .unreadable("windows-of-\(environment.name)", place, error, since: now))
        }
      }
    }
    for freeze in spec.people?.freezes ?? [] {
      let place = EnvironmentChoice(freeze.environments)
      do throws(CalendarTextFault) {
        freezes.append(
          Freeze(
            id: FreezeID(freeze.name), environments: place,
            pattern: try TimePattern(freeze.when, zones: zones), reason: freeze.reason))
      } catch {
        freezes.append(.unreadable(freeze.name, place, error, since: now))
      }
    }
    for milestone in spec.people?.milestones ?? [] { add(milestone, zones: zones, at: now) }
  }

  private mutating func add(_ milestone: MilestoneSpec, zones: ZoneLibrary, at now: Instant) {
    let place = EnvironmentChoice(milestone.environments)
    do throws(CalendarTextFault) {
      let pattern = try TimePattern(milestone.when, zones: zones)
      let everything = TimeSpan(start: .farPast, end: .farFuture)
      guard let span = pattern.occurrences(in: everything, to: .deny).first else { return }
      milestones.append(
        Milestone(
          name: milestone.name, environments: place, cutOff: span.start, reached: span.end,
          gatekeepers: PeopleChoice(
            people: Set(milestone.people), teams: Set(milestone.teams)), zone: pattern.zone))
    } catch {
      freezes.append(.unreadable(milestone.name, place, error, since: now))
    }
  }
}

extension Instant {
  fileprivate static let farPast = Instant(milliseconds: -1 << 52)
  fileprivate static let farFuture = Instant(milliseconds: 1 << 52)
}

extension EnvironmentChoice {
  init(_ names: [EnvironmentName]?) { self = names.map { .some(Set($0)) } ?? .all }
}

extension Freeze {
  fileprivate static func unreadable(
    _ name: String, _ place: EnvironmentChoice, _ fault: CalendarTextFault, since now: Instant
  ) -> Freeze {
    Freeze(
      id: FreezeID(name), environments: place,
      pattern: TimePattern(from: now, until: nil, zone: .utc), reason: "\(fault)")
  }
}
