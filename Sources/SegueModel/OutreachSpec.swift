/// A way to tell people or programs what happens.
///
/// Everything that must not stand in a repository is the name of a secret: a file of the state
/// directory's `secrets`.
public struct ChannelSpec: Hashable, Codable, Sendable {
  /// Who is told, and how.
  public enum Receiver: Hashable, Codable, Sendable {
    /// A chat that takes Slack's incoming webhooks; its address is the secret.
    case slack(address: String)
    /// A program that takes signed JSON; both are secrets.
    case webhook(address: String, key: String)
    /// A program that takes CDEvents; its address is the secret.
    case cdevents(address: String)
    case email(EmailSpec)
  }

  /// The kinds of events that there are, as files write them.
  public static let knownEvents = [
    "commit-accepted", "release-built", "commit-dropped", "rollout-began", "rollout-finished",
    "rolled-back", "waiting-for-approval",
    "frozen", "overridden", "gate-failed", "incident", "late-regression", "advisory-hit",
  ]

  /// Unique in the file.
  public var name: String
  public var receiver: Receiver
  /// The kinds of events that it wants, as the file writes them; none: all.
  public var events: [String]
  /// None: all.
  public var environments: [EnvironmentName]
  /// The teams whose events it wants; none: everybody's.
  public var teams: [String]
  /// The services whose events it wants, beside what is about no service; `nil`: of all.
  public var services: [ServiceName]?

  public init(
    name: String, receiver: Receiver, events: [String] = [],
    environments: [EnvironmentName] = [], teams: [String] = [], services: [ServiceName]? = nil
  ) {
    self.name = name
    self.receiver = receiver
    self.events = events
    self.environments = environments
    self.teams = teams
    self.services = services
  }
}

/// Mail to people.
public struct EmailSpec: Hashable, Codable, Sendable {
  /// How the mail server is spoken to.
  public enum Security: String, Hashable, Codable, Sendable, CaseIterable {
    /// TLS from the first octet, as on port 465.
    case tls
    /// TLS after STARTTLS, as on port 587.
    case startTLS = "starttls"
    /// None: for a server on this machine.
    case none
  }

  public var to: [String]
  public var from: String
  public var server: String
  public var port: Int
  public var security: Security
  public var user: String?
  /// The name of the secret.
  public var password: String?

  public init(
    to: [String], from: String, server: String, port: Int, security: Security,
    user: String? = nil, password: String? = nil
  ) {
    self.to = to
    self.from = from
    self.server = server
    self.port = port
    self.security = security
    self.user = user
    self.password = password
  }
}

/// Which commits may come to the deploy branch.
public struct PolicySpec: Hashable, Codable, Sendable {
  /// What branches that are merged are called: a pattern, with a group `issue` if they name one.
  public var branchNames: String?
  /// The deploy branch moves by merges only.
  public var deniesDirectCommits: Bool
  /// Each commit must carry a signature that Git holds for good.
  public var needsSignature: Bool
  /// A branch's name that fits, for the sentences that people read.
  public var example: String?
  /// Where the issues are that branches name; `nil`: nobody asks.
  public var issues: TrackerSpec?

  public init(
    branchNames: String? = nil, deniesDirectCommits: Bool = false, needsSignature: Bool = false,
    example: String? = nil, issues: TrackerSpec? = nil
  ) {
    self.branchNames = branchNames
    self.deniesDirectCommits = deniesDirectCommits
    self.needsSignature = needsSignature
    self.example = example
    self.issues = issues
  }
}

/// Where issues live.
public struct TrackerSpec: Hashable, Codable, Sendable {
  public enum Kind: String, Hashable, Codable, Sendable, CaseIterable {
    case gitHub = "github"
    case gitLab = "gitlab"
    case gitea
    case jira
  }

  public var kind: Kind
  /// The address of its API, without a slash at the end.
  public var url: String
  /// `owner/name`; empty for Jira.
  public var repository: String
  /// The name of the secret; `nil`: it is asked without one.
  public var token: String?
  /// The user that the token belongs to, where Jira wants one.
  public var user: String?
  /// An issue must be open, and not only exist.
  public var mustBeOpen: Bool

  public init(
    kind: Kind, url: String, repository: String = "", token: String? = nil, user: String? = nil,
    mustBeOpen: Bool = true
  ) {
    self.kind = kind
    self.url = url
    self.repository = repository
    self.token = token
    self.user = user
    self.mustBeOpen = mustBeOpen
  }
}

/// The forge that the repository lives at: it is told how commits fare, and tells of pushes.
public struct ForgeSpec: Hashable, Codable, Sendable {
  public enum Kind: String, Hashable, Codable, Sendable, CaseIterable {
    case gitHub = "github"
    case gitLab = "gitlab"
    case gitea
  }

  public var kind: Kind
  /// The address of its API, without a slash at the end.
  public var url: String
  /// `owner/name`.
  public var repository: String
  /// The name of the secret by which statuses and comments are written; `nil`: none are.
  public var token: String?
  /// The name of the secret that the forge signs its webhooks with; `nil`: none are taken.
  public var webhookSecret: String?
  /// Issues that branches name get a comment when their commit is live or taken back.
  public var comments: Bool

  public init(
    kind: Kind, url: String, repository: String, token: String? = nil,
    webhookSecret: String? = nil, comments: Bool = true
  ) {
    self.kind = kind
    self.url = url
    self.repository = repository
    self.token = token
    self.webhookSecret = webhookSecret
    self.comments = comments
  }
}

/// Who is told what happens to a project, and which commits it takes.
public struct OutreachSpec: Hashable, Codable, Sendable {
  /// In the order of the file.
  public var channels: [ChannelSpec]
  public var policy: PolicySpec?
  public var forge: ForgeSpec?

  public init(
    channels: [ChannelSpec] = [], policy: PolicySpec? = nil, forge: ForgeSpec? = nil
  ) {
    self.channels = channels
    self.policy = policy
    self.forge = forge
  }
}

/// Where a commit comes from, as its repository knows.
public struct CommitOrigin: Hashable, Codable, Sendable {
  /// What Git says about its signature.
  public enum Signature: Hashable, Codable, Sendable {
    case good
    case missing
    /// Git's answer, a phrase.
    case bad(String)
  }

  public var commit: CommitID
  /// In Git's order; a merge has two or more.
  public var parents: [CommitID]
  /// The first line of its message.
  public var subject: String
  /// The branches, other than the one it is on, whose head it is, or whose head it merges.
  public var branches: [String]
  /// `nil` when nobody asked.
  public var signature: Signature?

  public init(
    commit: CommitID, parents: [CommitID], subject: String, branches: [String] = [],
    signature: Signature? = nil
  ) {
    self.commit = commit
    self.parents = parents
    self.subject = subject
    self.branches = branches
    self.signature = signature
  }
}
