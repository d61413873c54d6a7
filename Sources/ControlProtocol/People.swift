public import SegueModel

/// Forbids rollouts to start, from now or a later moment on.
public struct FreezeRequest: Hashable, Codable, Sendable {
  /// `nil`: all of them.
  public var environment: EnvironmentName?
  /// As a person writes it: `2026-12-24 18:00`, `8h`, `now`; `nil`: now.
  public var from: String?
  /// `nil`: until somebody lifts it.
  public var until: String?
  public var reason: String
  /// By whose clock the times are meant where they name no zone: an IANA name.
  public var zone: String
  public var who: String

  public init(
    environment: EnvironmentName? = nil, from: String? = nil, until: String? = nil,
    reason: String, zone: String = "UTC", who: String
  ) {
    self.environment = environment
    self.from = from
    self.until = until
    self.reason = reason
    self.zone = zone
    self.who = who
  }
}

/// Ends a freeze that a command set.
public struct LiftRequest: Hashable, Codable, Sendable {
  /// `freeze-12`
  public var freeze: String
  public var who: String

  public init(freeze: String, who: String) {
    self.freeze = freeze
    self.who = who
  }
}

/// Says yes or no to a release, or takes that back.
public struct ApproveRequest: Hashable, Codable, Sendable {
  public enum Word: String, Hashable, Codable, Sendable, CaseIterable {
    case yes, no, withdraw
  }

  /// A release or commit; `nil`: the newest release.
  public var release: String?
  /// `nil`: the only one that asks for approvals.
  public var environment: EnvironmentName?
  public var word: Word
  /// Let it in after the cut-off of this milestone, instead of approving it.
  public var milestone: String?
  public var note: String?
  public var who: String

  public init(
    release: String? = nil, environment: EnvironmentName? = nil, word: Word = .yes,
    milestone: String? = nil, note: String? = nil, who: String
  ) {
    self.release = release
    self.environment = environment
    self.word = word
    self.milestone = milestone
    self.note = note
    self.who = who
  }
}

/// What became of a word about when something may start.
public struct PeopleReply: Hashable, Codable, Sendable {
  /// The freeze that was set or lifted, if it was about one.
  public var freeze: String?
  public var message: String

  public init(freeze: String? = nil, message: String) {
    self.freeze = freeze
    self.message = message
  }
}

/// What says when rollouts may start, and what waits for it.
public struct CalendarReply: Hashable, Codable, Sendable {
  public var now: Instant
  public var environments: [EnvironmentCalendar]
  public var freezes: [FreezeEntry]
  public var milestones: [MilestoneEntry]
  public var waiting: [HeldStartStatus]

  public init(
    now: Instant, environments: [EnvironmentCalendar] = [], freezes: [FreezeEntry] = [],
    milestones: [MilestoneEntry] = [], waiting: [HeldStartStatus] = []
  ) {
    self.now = now
    self.environments = environments
    self.freezes = freezes
    self.milestones = milestones
    self.waiting = waiting
  }
}

/// Whether a rollout may start in an environment, by its windows and freezes.
public struct EnvironmentCalendar: Hashable, Codable, Sendable {
  public var environment: EnvironmentName
  public var mayStart: Bool
  public var sentence: String
  /// When one may start next; `nil`: not within 400 days.
  public var next: Instant?
  /// As they are written; empty: at any time.
  public var windows: [String]

  public init(
    environment: EnvironmentName, mayStart: Bool, sentence: String, next: Instant?,
    windows: [String]
  ) {
    self.environment = environment
    self.mayStart = mayStart
    self.sentence = sentence
    self.next = next
    self.windows = windows
  }
}

/// A freeze that holds now or will.
public struct FreezeEntry: Hashable, Codable, Sendable {
  public var id: String
  /// `every environment`, `production and staging`
  public var environments: String
  /// `2026-12-24 to 2027-01-01 Europe/Paris`
  public var when: String
  public var reason: String
  /// Who set it by a command; `nil`: it stands in `segue.yaml`.
  public var by: String?
  public var isInForce: Bool

  public init(
    id: String, environments: String, when: String, reason: String, by: String?, isInForce: Bool
  ) {
    self.id = id
    self.environments = environments
    self.when = when
    self.reason = reason
    self.by = by
    self.isInForce = isInForce
  }
}

public struct MilestoneEntry: Hashable, Codable, Sendable {
  public var name: String
  public var environments: String
  public var when: String
  /// Who may let a change in: `mo or somebody of the team product`.
  public var gatekeepers: String

  public init(name: String, environments: String, when: String, gatekeepers: String) {
    self.name = name
    self.environments = environments
    self.when = when
    self.gatekeepers = gatekeepers
  }
}

/// A release that is to start, and may not.
public struct HeldStartStatus: Hashable, Codable, Sendable {
  public var environment: EnvironmentName
  public var release: ReleaseID
  public var commit: CommitID
  /// Full sentences, with what to do.
  public var reason: String
  public var since: Instant
  /// When it begins by itself; `nil`: somebody has to say something, or no moment is known.
  public var next: Instant?

  public init(
    environment: EnvironmentName, release: ReleaseID, commit: CommitID, reason: String,
    since: Instant, next: Instant?
  ) {
    self.environment = environment
    self.release = release
    self.commit = commit
    self.reason = reason
    self.since = since
    self.next = next
  }
}
