public import SegueModel

/// The environments that something is about.
public enum EnvironmentChoice: Hashable, Sendable {
  case all
  case some(Set<EnvironmentName>)

  public func contains(_ environment: EnvironmentName) -> Bool {
    switch self {
    case .all: true
    case .some(let environments): environments.contains(environment)
    }
  }

  /// `every environment`, `production`, `production and staging`
  public var text: String {
    switch self {
    case .all: "every environment"
    case .some(let names): Wording.list(names.sorted().map(\.rawValue), "and")
    }
  }
}

/// As a list of names in order, or `null` for all of them.
extension EnvironmentChoice: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    self = container.decodeNil() ? .all : .some(try container.decode(Set<EnvironmentName>.self))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .all: try container.encodeNil()
    case .some(let names): try container.encode(names.sorted())
    }
  }
}

/// A time in which rollouts may start. An environment that has windows is closed outside them.
public struct ReleaseWindow: Hashable, Sendable {
  public var environments: EnvironmentChoice
  public var pattern: TimePattern

  public init(environments: EnvironmentChoice, pattern: TimePattern) {
    self.environments = environments
    self.pattern = pattern
  }
}

/// Names a freeze for whoever wants to lift it: `freeze-12`.
public struct FreezeID: Identifier {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
}

/// A time in which rollouts may not start, whatever the windows say.
public struct Freeze: Hashable, Sendable {
  public var id: FreezeID
  public var environments: EnvironmentChoice
  public var pattern: TimePattern
  public var reason: String
  /// Who set it by a command; `nil`: it stands in `segue.yaml`.
  public var setBy: PersonName?

  public init(
    id: FreezeID, environments: EnvironmentChoice, pattern: TimePattern, reason: String,
    setBy: PersonName? = nil
  ) {
    self.id = id
    self.environments = environments
    self.pattern = pattern
    self.reason = reason
    self.setBy = setBy
  }
}

/// Something that a team works towards, and from a moment on guards: after the cut-off only some
/// people may let a change in.
public struct Milestone: Hashable, Sendable {
  public var name: String
  public var environments: EnvironmentChoice
  public var cutOff: Instant
  /// When the milestone is reached and the guard ends; `nil`: it stays until it is taken out.
  public var reached: Instant?
  /// Who may let a change in after the cut-off.
  public var gatekeepers: PeopleChoice
  /// In which its moments are shown.
  public var zone: TimeZoneRules

  public init(
    name: String, environments: EnvironmentChoice, cutOff: Instant, reached: Instant?,
    gatekeepers: PeopleChoice, zone: TimeZoneRules
  ) {
    self.name = name
    self.environments = environments
    self.cutOff = cutOff
    self.reached = reached
    self.gatekeepers = gatekeepers
    self.zone = zone
  }

  var span: TimeSpan { TimeSpan(start: cutOff.bounded, end: (reached ?? .latest).bounded) }
}

/// A rollout that somebody means to start at a certain time. It reserves nothing.
public struct PlannedRelease: Hashable, Sendable {
  /// Unique among the planned ones, and kept when the plan changes.
  public var id: String
  public var environment: EnvironmentName
  public var at: Instant
  public var title: String
  public var plannedBy: PersonName?
  public var isCancelled: Bool
  /// How often the plan was changed.
  public var sequence: Int
  /// When the plan was made, or changed last.
  public var changed: Instant

  public init(
    id: String, environment: EnvironmentName, at: Instant, title: String,
    plannedBy: PersonName? = nil, isCancelled: Bool = false, sequence: Int = 0, changed: Instant
  ) {
    self.id = id
    self.environment = environment
    self.at = at
    self.title = title
    self.plannedBy = plannedBy
    self.isCancelled = isCancelled
    self.sequence = sequence
    self.changed = changed
  }
}

/// Somebody's word that a rollout may start in spite of windows and freezes. It does not stand
/// against a milestone, whose gatekeepers are named.
public struct CalendarOverride: Hashable, Codable, Sendable {
  public var by: PersonName
  /// Why; everybody is told.
  public var reason: String
  public var from: Instant
  /// From this moment on it does not hold.
  public var until: Instant
  public var environments: EnvironmentChoice
  /// The release it was given for; `nil`: any.
  public var release: ReleaseID?

  public init(
    by: PersonName, reason: String, from: Instant, until: Instant,
    environments: EnvironmentChoice, release: ReleaseID? = nil
  ) {
    self.by = by
    self.reason = reason
    self.from = from
    self.until = until
    self.environments = environments
    self.release = release
  }

  /// An override without a reason never holds.
  func holds(for question: StartQuestion) -> Bool {
    TimeSpan(start: from, end: until).contains(question.at)
      && environments.contains(question.environment)
      && (release == nil || release == question.release)
      && reason.contains { !$0.isWhitespace }
  }
}

/// Somebody's word that a release may go in after the cut-off of a milestone.
public struct MilestoneAdmission: Hashable, Codable, Sendable {
  public var by: PersonName
  public var milestone: String
  public var release: ReleaseID

  public init(by: PersonName, milestone: String, release: ReleaseID) {
    self.by = by
    self.milestone = milestone
    self.release = release
  }
}

/// Everything that says when rollouts may start: a value that the shell puts together from
/// `segue.yaml` and the journal, and asks.
///
/// What forbids wins over what allows. A rollout that has begun is not the calendar's business.
public struct RolloutCalendar: Hashable, Sendable {
  /// How far ahead the next moment is looked for: 400 days. An answer that finds none says so.
  public static let horizon = Outlook.horizon

  public var windows: [ReleaseWindow]
  public var freezes: [Freeze]
  public var milestones: [Milestone]
  public var planned: [PlannedRelease]
  public var roster: TeamRoster

  public init(
    windows: [ReleaseWindow] = [], freezes: [Freeze] = [], milestones: [Milestone] = [],
    planned: [PlannedRelease] = [], roster: TeamRoster = TeamRoster()
  ) {
    self.windows = windows
    self.freezes = freezes
    self.milestones = milestones
    self.planned = planned
    self.roster = roster
  }
}
