/// Who belongs together, and when nothing new may start: what `segue.yaml` says for the whole
/// project. Times are kept as they are written, since what they mean depends on the rules of their
/// time zone, which change.
public struct PeopleSpec: Hashable, Codable, Sendable {
  /// In the order of the file; names are unique.
  public var teams: [TeamSpec]
  /// In the order of the file; names are unique.
  public var freezes: [FreezeSpec]
  /// In the order of the file; names are unique.
  public var milestones: [MilestoneSpec]

  public init(
    teams: [TeamSpec] = [], freezes: [FreezeSpec] = [], milestones: [MilestoneSpec] = []
  ) {
    self.teams = teams
    self.freezes = freezes
    self.milestones = milestones
  }

  public var isEmpty: Bool { teams.isEmpty && freezes.isEmpty && milestones.isEmpty }
}

/// People by name.
public struct TeamSpec: Hashable, Codable, Sendable {
  public var name: TeamName
  public var members: [PersonName]
  /// The services that are theirs; `nil`: the file does not say.
  public var services: [ServiceName]?

  public init(name: TeamName, members: [PersonName], services: [ServiceName]? = nil) {
    self.name = name
    self.members = members
    self.services = services
  }
}

/// A time in which no rollout may start.
public struct FreezeSpec: Hashable, Codable, Sendable {
  public var name: String
  /// `2026-12-24 to 2027-01-01 Europe/Paris`
  public var when: String
  public var reason: String
  /// `nil`: all of them.
  public var environments: [EnvironmentName]?

  public init(
    name: String, when: String, reason: String, environments: [EnvironmentName]? = nil
  ) {
    self.name = name
    self.when = when
    self.reason = reason
    self.environments = environments
  }
}

/// Something that is guarded: from its cut-off until it is reached, only some people may let a
/// change in.
public struct MilestoneSpec: Hashable, Codable, Sendable {
  public var name: String
  /// From the cut-off to when the milestone is reached: `2026-12-01 18:00 to 2026-12-15 08:00 UTC`.
  public var when: String
  /// Who may let a change in.
  public var people: [PersonName]
  /// Whose members may.
  public var teams: [TeamName]
  /// `nil`: all of them.
  public var environments: [EnvironmentName]?

  public init(
    name: String, when: String, people: [PersonName] = [], teams: [TeamName] = [],
    environments: [EnvironmentName]? = nil
  ) {
    self.name = name
    self.when = when
    self.people = people
    self.teams = teams
    self.environments = environments
  }
}

/// Whose yes a rollout into an environment needs.
public struct ApprovalSpec: Hashable, Codable, Sendable {
  /// Each of them has to say yes for itself.
  public var teams: [TeamName]
  /// Of whom some have to say yes, beside the teams.
  public var people: [PersonName]
  /// How many different people of each team, and of `people`.
  public var quorum: Int
  /// Whoever wrote a commit that the release brings does not count.
  public var excludesAuthors: Bool
  /// How long a yes holds; `nil`: for this release for ever.
  public var expires: Milliseconds?

  public init(
    teams: [TeamName] = [], people: [PersonName] = [], quorum: Int = 1,
    excludesAuthors: Bool = false, expires: Milliseconds? = nil
  ) {
    self.teams = teams
    self.people = people
    self.quorum = quorum
    self.excludesAuthors = excludesAuthors
    self.expires = expires
  }
}
