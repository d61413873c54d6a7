public import SegueModel

/// May a rollout start?
public struct StartQuestion: Hashable, Sendable {
  public var environment: EnvironmentName
  public var at: Instant
  /// `nil`: the question is about releases in general.
  public var release: ReleaseID?
  public var overrides: [CalendarOverride]
  public var admissions: [MilestoneAdmission]

  public init(
    environment: EnvironmentName, at: Instant, release: ReleaseID? = nil,
    overrides: [CalendarOverride] = [], admissions: [MilestoneAdmission] = []
  ) {
    self.environment = environment
    self.at = at
    self.release = release
    self.overrides = overrides
    self.admissions = admissions
  }
}

/// Something that stands in the way of a rollout at a moment.
public enum CalendarObstacle: Hashable, Sendable {
  /// - Parameter until: When this freeze is over; `nil`: not before the horizon.
  case frozen(Freeze, until: Instant?)
  /// No window of the environment is open.
  ///
  /// - Parameter opens: When one opens; `nil`: not before the horizon. A freeze may lie there.
  case outsideWindows([ReleaseWindow], opens: Instant?)
  /// A milestone's cut-off has passed, and none of its gatekeepers has let this release in.
  case cutOff(Milestone)
}

/// What the calendar says to a ``StartQuestion``.
public struct StartAnswer: Hashable, Sendable {
  public var mayStart: Bool
  /// Everything that stands in the way at this moment, also what an override lifts; empty when
  /// nothing does.
  public var obstacles: [CalendarObstacle]
  /// The override that a start now relies on.
  public var override: CalendarOverride?
  /// The next moment at which nothing stands in the way; the moment of the question itself when
  /// that is so now. `nil`: none before ``RolloutCalendar/horizon``.
  public var next: Instant?
  /// When it may start now: the moment from which on it may not. `nil`: none before the horizon.
  public var until: Instant?
  /// The answer for a person, with what to do.
  public var sentence: String
}

extension RolloutCalendar {
  /// Says whether a rollout may start, everything that stands in the way, when it may start next,
  /// and until when. The same question always gets the same answer.
  public func answer(_ question: StartQuestion) -> StartAnswer {
    var question = question
    question.at = question.at.bounded
    let obstacles = obstacles(question)
    let outlook = outlook(question)
    guard !obstacles.isEmpty else {
      let until = outlook.firstOutside()
      return StartAnswer(
        mayStart: true, obstacles: [], override: nil, next: question.at, until: until,
        sentence: openSentence(question, until: until))
    }
    let lifting = question.overrides.filter { $0.holds(for: question) }
      .max { ($0.until, $1.by) < ($1.until, $0.by) }
    let next = outlook.firstInside()
    let isGuarded = obstacles.contains { if case .cutOff = $0 { true } else { false } }
    guard let lifting, !isGuarded else {
      return StartAnswer(
        mayStart: false, obstacles: obstacles, override: nil, next: next, until: nil,
        sentence: refusal(question, obstacles, next: next))
    }
    return StartAnswer(
      mayStart: true, obstacles: obstacles, override: lifting, next: next, until: lifting.until,
      sentence: overrideSentence(question, obstacles, lifting))
  }

  private func windows(of environment: EnvironmentName) -> [ReleaseWindow] {
    windows.filter { $0.environments.contains(environment) }
  }

  private func freezes(of environment: EnvironmentName) -> [Freeze] {
    freezes.filter { $0.environments.contains(environment) }
  }

  /// The milestones past whose cut-off nobody has let the release in.
  private func guards(_ question: StartQuestion) -> [Milestone] {
    milestones.filter { milestone in
      milestone.environments.contains(question.environment)
        && !question.admissions.contains {
          $0.milestone == milestone.name && $0.release == question.release
            && milestone.gatekeepers.contains($0.by, roster)
        }
    }
  }

  private func obstacles(_ question: StartQuestion) -> [CalendarObstacle] {
    let now = TimeSpan(start: question.at, end: question.at + Milliseconds(1))
    var obstacles: [CalendarObstacle] = freezes(of: question.environment)
      .filter { !$0.pattern.occurrences(in: now, to: .deny).isEmpty }
      .map { freeze in
        let outlook = Outlook(from: question.at) {
          TimeSpans(freeze.pattern.occurrences(in: $0, to: .deny))
        }
        return .frozen(freeze, until: outlook.firstOutside())
      }
    let windows = windows(of: question.environment)
    if !windows.isEmpty, opening(windows, now).spans.isEmpty {
      let outlook = Outlook(from: question.at) { opening(windows, $0) }
      obstacles.append(.outsideWindows(windows, opens: outlook.firstInside()))
    }
    return obstacles
      + guards(question).filter { $0.span.contains(question.at) }.map { .cutOff($0) }
  }

  private func opening(_ windows: [ReleaseWindow], _ range: TimeSpan) -> TimeSpans {
    TimeSpans(windows.flatMap { $0.pattern.occurrences(in: range, to: .allow) })
  }

  /// When nothing stands in the way, from the question's moment on.
  private func outlook(_ question: StartQuestion) -> Outlook {
    let windows = windows(of: question.environment)
    let freezes = freezes(of: question.environment)
    let guards = guards(question).map(\.span)
    return Outlook(from: question.at) { range in
      let open = windows.isEmpty ? TimeSpans([range]) : opening(windows, range)
      let frozen = freezes.flatMap { $0.pattern.occurrences(in: range, to: .deny) }
      return open.clamped(to: range).subtracting(TimeSpans(frozen + guards))
    }
  }
}
