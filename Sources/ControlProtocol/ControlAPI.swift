public import SegueModel

/// What the control plane can be asked, whatever carries the question. `ControlServer` offers it over
/// HTTP on a Unix socket; `ControlClient` implements it over that socket; tests call it directly.
public protocol ControlAPI: Sendable {
  func status() async throws -> StatusReply
  /// Builds (if need be) and rolls out a commit, or only asks what would stop it. Returns as soon as it
  /// is recorded.
  func deploy(_ request: DeployRequest) async throws -> DeployReply
  func rollback(_ request: RollbackRequest) async throws -> RolloutReply
  func abort(_ request: AbortRequest) async throws -> RolloutReply
  /// Stops rollouts from going on to their next stage.
  func pause(_ request: PauseRequest) async throws -> RolloutReply
  /// Lets paused rollouts go on.
  func resume(_ request: ResumeRequest) async throws -> RolloutReply
  /// Ends the hold of one rollout, or all its holds.
  func promote(_ request: PromoteRequest) async throws -> RolloutReply
  /// Brings a release that is live elsewhere into another environment.
  func promoteRelease(_ request: PromoteReleaseRequest) async throws -> DeployReply
  /// Finished rollouts, newest first.
  func history(limit: Int) async throws -> [HistoryEntry]
  /// The receipt of a rollout, or with `nil` of the last finished one.
  func receipt(_ rollout: RolloutID?) async throws -> Receipt
  /// What is known of services that an advice on their strategy depends on.
  func facts(_ request: FactsRequest) async throws -> [ServiceFacts]
  /// Why a release or commit (id, short id, or `nil` for the newest commit) is or is not live.
  func explain(_ subject: String?) async throws -> Explanation
  /// What the gates said of a commit (id, short id, or `nil` for the newest one that was judged).
  func gates(_ subject: String?) async throws -> GateReply
  /// What users do, where it decides between two releases.
  func experiment(_ request: ExperimentRequest) async throws -> ExperimentReply
  /// Counts a goal that a user has reached.
  func reach(_ request: GoalRequest) async throws -> GoalReply
  /// Tests of the project, by what is asked.
  func tests(_ request: TestsRequest) async throws -> [TestStanding]
  /// What became of the durations of the project's tests.
  func testDurations(_ request: DurationsRequest) async throws -> DurationsReply
  /// How long the project's tests take: what they are split by.
  func testTimes() async throws -> TestTimesReply
  /// Everything that happens, from after `sequence`; with `follow` it does not end. `commit` keeps
  /// only what concerns that commit, and ends when its fate is decided.
  func feed(after sequence: Int64, follow: Bool, commit: CommitID?)
    -> AsyncThrowingStream<FeedItem, any Error>
  /// Lines of a step's log (`STEP` of a commit) or of a service's instances.
  func logs(_ request: LogsRequest) -> AsyncThrowingStream<LogLine, any Error>
  /// Forbids rollouts to start.
  func freeze(_ request: FreezeRequest) async throws -> PeopleReply
  /// Ends a freeze that a command set.
  func lift(_ request: LiftRequest) async throws -> PeopleReply
  /// Says yes or no to a release, or lets it in past a milestone.
  func approve(_ request: ApproveRequest) async throws -> PeopleReply
  /// When rollouts may start in one environment, or with `nil` in all.
  func calendar(_ environment: EnvironmentName?) async throws -> CalendarReply
  /// The same and what took place, as iCalendar (RFC 5545).
  func calendarFeed(_ environment: EnvironmentName?) async throws -> String
  /// Checks of the running installation.
  func diagnose() async throws -> [Finding]
  /// The embedded remote's hook: `branch` now points at `commit`.
  func pushed(_ request: PushedRequest) async throws -> DeployReply
}

/// The version of the wire types; the client refuses a server with another one.
public let controlProtocolVersion = 1

/// A refusal, or a failure: what the CLI prints and how it exits.
public struct ControlError: Error, Hashable, Codable, Sendable, CustomStringConvertible {
  public enum Kind: String, Hashable, Codable, Sendable {
    /// The request makes no sense as it is.
    case invalid
    /// There is no such release, rollout, or service.
    case notFound
    /// It cannot be done now; `nextStep` says what can.
    case refused
    /// Something outside Segue failed.
    case failed
    /// The control plane is not running or does not answer.
    case unreachable
  }
  public var kind: Kind
  public var message: String
  public var causes: [String]
  public var nextStep: String?

  public init(_ kind: Kind, _ message: String, causes: [String] = [], nextStep: String? = nil) {
    self.kind = kind
    self.message = message
    self.causes = causes
    self.nextStep = nextStep
  }

  public var description: String {
    ([message] + causes).joined(separator: ": ") + (nextStep.map { ". \($0)" } ?? "")
  }
}

public struct DeployRequest: Hashable, Codable, Sendable {
  /// A branch, tag or commit; `nil`: the head of the deploy branch.
  public var revision: String?
  /// Deploy even when the commit is older than the live one.
  public var allowOlder: Bool
  /// Run the pipeline and the rollout again although this commit was refused or rolled back before.
  public var again: Bool
  /// Why it may start in spite of windows and freezes; `nil`: it may not.
  public var override: String?
  /// `true`: run the steps and ask the gates, and deploy nothing.
  public var asks: Bool?
  public var who: String

  public init(
    revision: String? = nil, allowOlder: Bool = false, again: Bool = false,
    override: String? = nil, asks: Bool? = nil, who: String
  ) {
    self.revision = revision
    self.allowOlder = allowOlder
    self.again = again
    self.override = override
    self.asks = asks
    self.who = who
  }
}

public struct PushedRequest: Hashable, Codable, Sendable {
  public var branch: String
  public var commit: CommitID
  public var who: String
  public init(branch: String, commit: CommitID, who: String) {
    self.branch = branch
    self.commit = commit
    self.who = who
  }
}

public struct DeployReply: Hashable, Codable, Sendable {
  public var commit: CommitID
  /// Follow the feed from here to see everything this request causes.
  public var sequence: Int64
  /// One sentence: what happens now.
  public var message: String
  /// Whether the commit's fate is open, and so worth following; false when it is live already.
  public var accepted: Bool
  public init(commit: CommitID, sequence: Int64, message: String, accepted: Bool) {
    self.commit = commit
    self.sequence = sequence
    self.message = message
    self.accepted = accepted
  }
}

public struct RollbackRequest: Hashable, Codable, Sendable {
  /// `nil`: every service of the project.
  public var service: ServiceName?
  /// `nil`: the only one there is.
  public var environment: EnvironmentName?
  /// A release or commit; `nil`: the release that was live before.
  public var to: String?
  public var who: String
  public var reason: String?
  public init(
    service: ServiceName? = nil, environment: EnvironmentName? = nil, to: String? = nil,
    who: String, reason: String? = nil
  ) {
    self.service = service
    self.environment = environment
    self.to = to
    self.who = who
    self.reason = reason
  }
}

public struct AbortRequest: Hashable, Codable, Sendable {
  /// `nil`, as the environment: every rollout in progress, and the running pipeline.
  public var service: ServiceName?
  /// `nil`: all of them.
  public var environment: EnvironmentName?
  public var who: String
  public var reason: String?
  public init(
    service: ServiceName? = nil, environment: EnvironmentName? = nil, who: String,
    reason: String? = nil
  ) {
    self.service = service
    self.environment = environment
    self.who = who
    self.reason = reason
  }
}

public struct PromoteReleaseRequest: Hashable, Codable, Sendable {
  public var environment: EnvironmentName
  /// A release or commit; `nil`: the one that is live in the environment before.
  public var release: String?
  public var who: String
  public var reason: String?
  public init(
    environment: EnvironmentName, release: String? = nil, who: String, reason: String? = nil
  ) {
    self.environment = environment
    self.release = release
    self.who = who
    self.reason = reason
  }
}

public struct RolloutReply: Hashable, Codable, Sendable {
  public var rollouts: [RolloutID]
  public var sequence: Int64
  public var message: String
  public init(rollouts: [RolloutID], sequence: Int64, message: String) {
    self.rollouts = rollouts
    self.sequence = sequence
    self.message = message
  }
}

public struct LogsRequest: Hashable, Codable, Sendable {
  /// `nil`: all steps (with `commit`) or all services.
  public var step: StepName?
  public var commit: String?
  public var service: ServiceName?
  /// `nil`: all of them.
  public var environment: EnvironmentName?
  public var instance: InstanceID?
  /// How many of the last lines to begin with.
  public var tail: Int
  public var follow: Bool
  public init(
    step: StepName? = nil, commit: String? = nil, service: ServiceName? = nil,
    environment: EnvironmentName? = nil, instance: InstanceID? = nil, tail: Int = 100,
    follow: Bool = false
  ) {
    self.step = step
    self.commit = commit
    self.service = service
    self.environment = environment
    self.instance = instance
    self.tail = tail
    self.follow = follow
  }
}

public struct LogLine: Hashable, Codable, Sendable {
  /// The step or instance that printed it.
  public var source: String
  public var text: String
  public init(source: String, text: String) {
    self.source = source
    self.text = text
  }
}

/// One thing that happened, told to people and machines.
public struct FeedItem: Hashable, Codable, Sendable {
  public enum Level: String, Hashable, Codable, Sendable {
    case info, success, warning, failure
    /// A line printed by a step: not in the journal, so it has the sequence of the item before it.
    case output
  }
  public var sequence: Int64
  public var at: Instant
  /// The event's kind: `stepFinished`, `rolloutCompleted`.
  public var kind: String
  public var level: Level
  /// What it is about: `pipeline`, `step test`, `production/web`.
  public var subject: String
  /// One sentence, or one line of output.
  public var text: String
  public var commit: CommitID?
  public var rollout: RolloutID?
  /// Nothing further will come of this commit.
  public var final: Bool

  public init(
    sequence: Int64, at: Instant, kind: String, level: Level, subject: String, text: String,
    commit: CommitID? = nil, rollout: RolloutID? = nil, final: Bool = false
  ) {
    self.sequence = sequence
    self.at = at
    self.kind = kind
    self.level = level
    self.subject = subject
    self.text = text
    self.commit = commit
    self.rollout = rollout
    self.final = final
  }
}

/// One result of `segue doctor`.
public struct Finding: Hashable, Codable, Sendable {
  public enum Severity: String, Hashable, Codable, Sendable { case ok, advice, warning, problem }
  /// `proxy`, `service web`, `git`
  public var subject: String
  public var severity: Severity
  public var message: String
  public var nextStep: String?
  public init(
    subject: String, severity: Severity, message: String, nextStep: String? = nil
  ) {
    self.subject = subject
    self.severity = severity
    self.message = message
    self.nextStep = nextStep
  }
}
