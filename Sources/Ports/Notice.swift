public import SegueModel

/// Something that people outside of Segue want to hear of: one sentence, and what it is about.
public struct Notice: Hashable, Codable, Sendable {
  /// What happened. The raw values are written into the journal and sent to receivers.
  public enum Kind: String, Hashable, Codable, Sendable, CaseIterable {
    /// A commit is to be built.
    case commitAccepted = "commit-accepted"
    /// A commit became a release.
    case releaseBuilt = "release-built"
    /// A commit is not built, because a newer one came or somebody said so.
    case commitDropped = "commit-dropped"
    case rolloutBegan = "rollout-began"
    case rolloutFinished = "rollout-finished"
    case rolledBack = "rolled-back"
    /// A person must say yes before it goes on.
    case waitingForApproval = "waiting-for-approval"
    /// A window or a freeze holds a rollout back.
    case frozen
    /// A freeze or a gate was overridden by a person, with a reason.
    case overridden
    /// Evidence of a commit, such as its tests, did not pass.
    case gateFailed = "gate-failed"
    case incident
    /// A release was found worse than the one before it, after its rollout had finished.
    case lateRegression = "late-regression"
    /// An advisory names a component of a release that is live.
    case advisoryHit = "advisory-hit"
  }

  /// Unique for ever, printable ASCII without blanks: receivers drop what they have had by it.
  public var id: String
  public var kind: Kind
  public var project: ProjectName
  public var environment: EnvironmentName?
  public var service: ServiceName?
  public var release: ReleaseID?
  /// What was live before ``release``; `nil` when nothing was, or where it does not matter.
  public var previousRelease: ReleaseID?
  public var commit: CommitID?
  /// Who wrote the commit, as people call them.
  public var author: String?
  /// The teams that it concerns; none means everybody.
  public var teams: [String]
  /// Where to read more: an `http` or `https` address.
  public var link: String?
  /// What happened, for people: one sentence of plain text.
  public var text: String
  public var at: Instant

  public init(
    id: String, kind: Kind, project: ProjectName, environment: EnvironmentName? = nil,
    service: ServiceName? = nil, release: ReleaseID? = nil, previousRelease: ReleaseID? = nil,
    commit: CommitID? = nil, author: String? = nil, teams: [String] = [], link: String? = nil,
    text: String, at: Instant
  ) {
    self.id = id
    self.kind = kind
    self.project = project
    self.environment = environment
    self.service = service
    self.release = release
    self.previousRelease = previousRelease
    self.commit = commit
    self.author = author
    self.teams = teams
    self.link = link
    self.text = text
    self.at = at
  }
}

extension Notice.Kind {
  /// Whether it comes so often, and says so little, that only who names it gets it.
  public var isOnlyForWhoAsks: Bool {
    switch self {
    case .commitAccepted, .releaseBuilt, .commitDropped: true
    case .rolloutBegan, .rolloutFinished, .rolledBack, .waitingForApproval, .frozen, .overridden,
      .gateFailed, .incident, .lateRegression, .advisoryHit:
      false
    }
  }
}

/// The name of a way to tell people something, such as `team-web-chat`.
public struct ChannelName: Identifier {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
}

/// Which notices a channel wants. What is empty does not restrict.
public struct NoticeSelection: Hashable, Codable, Sendable {
  public var kinds: [Notice.Kind]
  /// A notice that concerns everybody is wanted by every team.
  public var teams: [String]
  public var projects: [ProjectName]
  /// A notice that is about no environment is wanted for every one.
  public var environments: [EnvironmentName]
  /// A notice that is about no service is wanted for every one, and so is one for ``teams`` by name.
  public var services: [ServiceName]

  public init(
    kinds: [Notice.Kind] = [], teams: [String] = [], projects: [ProjectName] = [],
    environments: [EnvironmentName] = [], services: [ServiceName] = []
  ) {
    self.kinds = kinds
    self.teams = teams
    self.projects = projects
    self.environments = environments
    self.services = services
  }

  public func wants(_ notice: Notice) -> Bool {
    let isForTeam = teams.contains(where: notice.teams.contains)
    return (kinds.isEmpty ? !notice.kind.isOnlyForWhoAsks : kinds.contains(notice.kind))
      && (projects.isEmpty || projects.contains(notice.project))
      && (teams.isEmpty || notice.teams.isEmpty || isForTeam)
      && (services.isEmpty || isForTeam || (notice.service.map(services.contains) ?? true))
      && (environments.isEmpty || (notice.environment.map(environments.contains) ?? true))
  }
}

/// What brings notices to people.
public protocol Notifier: Sendable {
  /// Says that the store holds a notice that was not there before. Returns at once, and never waits
  /// for a receiver: a rollout goes on whether or not anybody can be told.
  func wake()
}

/// A notice that one channel has still to deliver.
public struct PendingNotice: Hashable, Sendable {
  /// Grows with every notice: its order on the channel.
  public var sequence: Int64
  public var notice: Notice
  public init(sequence: Int64, notice: Notice) {
    self.sequence = sequence
    self.notice = notice
  }
}

/// What was promised to channels, on stable storage.
///
/// Which channels a notice is for is decided when it is written, by ``NoticeSelection``, so that a
/// change of the settings changes nothing of what was promised before.
public protocol NoticeStore: Sendable {
  /// What the channel has still to deliver with a sequence greater than `sequence`, oldest first, at
  /// most `limit`.
  func pending(
    on channel: ChannelName, after sequence: Int64, limit: Int
  ) async throws(PortError) -> [PendingNotice]

  /// Records that the receiver has them. Recording twice is harmless.
  func delivered(_ sequences: [Int64], on channel: ChannelName) async throws(PortError)

  /// Records that they were given up, and why. Recording twice is harmless.
  func failed(
    _ sequences: [Int64], on channel: ChannelName, reason: String
  ) async throws(PortError)
}
