public import SegueModel

/// The signed-off account of a finished rollout: what moved, what it cost, and whether a request
/// noticed. Receipts form a hash chain.
public struct Receipt: Hashable, Codable, Sendable {
  public enum Outcome: String, Hashable, Codable, Sendable {
    case live
    case rolledBack = "rolled back"
    case aborted, incident
    /// A newer commit came and went first.
    case superseded
    /// The pipeline refused the commit: nothing was rolled out.
    case refused
  }

  /// Position in the chain, from 1.
  public var number: Int64
  public var outcome: Outcome
  /// Why, for every outcome but `live`: one sentence.
  public var reason: String?
  public var commit: Commit
  /// `nil` for a refused commit.
  public var rollout: RolloutID?
  public var key: ServiceKey?
  public var strategy: String?
  public var from: ReleaseID?
  public var to: ReleaseID?
  /// Who or what started it.
  public var startedBy: String
  public var startedAt: Instant
  public var endedAt: Instant
  public var steps: [StepLine]
  public var phases: [PhaseLine]
  public var traffic: [VersionTraffic]
  /// Requests on the whole route, during the rollout, that found no ready instance.
  public var unavailable: UInt64
  /// Requests cut at a drain deadline.
  public var cut: Int
  /// Latency of the route in the rollout and in the steady time before it, microseconds.
  public var latency: LatencyLine?
  public var steadyLatency: LatencyLine?
  /// Milliseconds of instances above the steady number, added up.
  public var extraInstanceTime: Milliseconds
  /// From the push to all traffic on the new release.
  public var pushToLive: Milliseconds?
  /// `pushToLive` less the user's steps and the application's boot time: Segue's own share.
  public var overhead: Milliseconds?
  /// `rollback` when somebody asked for an earlier release; `nil`: a deploy.
  public var kind: String?
  /// Why it was asked for.
  public var request: String?
  /// The gates that let the commit pass; `nil`: none was asked.
  public var gates: [String]?
  /// What the gates let pass all the same, and why: findings that somebody waived, tests in quarantine,
  /// each with its gate before it; `nil`: nothing.
  public var excused: [String]?
  /// What people said by which it could start, and what they had it go past; `nil`: nothing.
  public var words: [WordLine]?
  /// The key that vouches for how the release came to be; `nil`: none does.
  public var signedBy: String?
  /// Where the papers of the release lie: its provenance, and the summary of its verification; `nil`:
  /// there are none.
  public var papers: [String]?
  /// Requests that were held during the rollout; `nil`: none.
  public var held: HeldLine?
  /// Instances whose last request in flight was done before their drain deadline.
  public var drained: Int?
  /// Every pause, in order; `nil`: none.
  public var pauses: [PauseLine]?
  /// What running ``extraInstanceTime`` cost; `nil`: the spec names no price.
  public var cost: CostLine?
  /// The earlier release's instances that stay up after the rollout; `nil`: none do.
  public var warm: WarmLine?
  /// Changes of the database that the rollout ran; `nil`: none.
  public var migrations: [MigrationLine]?
  /// When the contract step begins, and going back ends; `nil`: there is none to come.
  public var contractDue: Instant?
  /// What copies of requests have shown; `nil`: none was copied.
  public var mirror: MirrorReport?
  /// What they say of the release; `nil`: none was copied.
  public var copies: CopiesLine?
  /// What live traffic said of the release; `nil`: nothing was judged.
  public var judgement: JudgementLine?
  /// What users did; `nil`: it was no experiment.
  public var experiment: ExperimentLine?
  /// Why no request of the service could be counted, in one sentence; `nil`: they were.
  public var uncounted: String?
  /// SHA-256 of the receipt before, in hexadecimal; 64 zeros for the first.
  public var previous: String
  /// SHA-256 of this receipt's canonical JSON without this field.
  public var hash: String

  public struct StepLine: Hashable, Codable, Sendable {
    public var name: StepName
    public var outcome: String
    public var took: Milliseconds
    public var detail: String?
    public init(name: StepName, outcome: String, took: Milliseconds, detail: String?) {
      self.name = name
      self.outcome = outcome
      self.took = took
      self.detail = detail
    }
  }

  public struct PhaseLine: Hashable, Codable, Sendable {
    public var name: String
    public var at: Instant
    public var took: Milliseconds
    /// How it ended: `promoted by ana: looks fine`.
    public var detail: String?
    public init(name: String, at: Instant, took: Milliseconds, detail: String? = nil) {
      self.name = name
      self.at = at
      self.took = took
      self.detail = detail
    }
  }

  public struct PauseLine: Hashable, Codable, Sendable {
    public var by: String
    public var reason: String?
    public var at: Instant
    public var took: Milliseconds
    /// `nil`: it ended with the rollout's way back.
    public var resumedBy: String?
    public var resumeReason: String?
    public init(
      by: String, reason: String?, at: Instant, took: Milliseconds, resumedBy: String?,
      resumeReason: String? = nil
    ) {
      self.by = by
      self.reason = reason
      self.at = at
      self.took = took
      self.resumedBy = resumedBy
      self.resumeReason = resumeReason
    }
  }

  /// What one person said about the start.
  public struct WordLine: Hashable, Codable, Sendable {
    public enum Kind: String, Hashable, Codable, Sendable {
      /// A yes that was asked for.
      case approval
      /// A gate that would have held it was set aside.
      case override
    }
    public var by: String
    public var kind: Kind
    /// For which gate: `approval production`, `calendar production`, `milestone beta`.
    public var gate: String
    public var at: Instant
    public var reason: String?
    public init(by: String, kind: Kind, gate: String, at: Instant, reason: String?) {
      self.by = by
      self.kind = kind
      self.gate = gate
      self.at = at
      self.reason = reason
    }
  }

  public struct HeldLine: Hashable, Codable, Sendable {
    /// Held and then passed on.
    public var released: UInt64
    /// Held until the limit, or too many at once: answered 503.
    public var expired: UInt64
    /// The longest that any was held, in microseconds.
    public var longest: UInt64
    /// The router was seen to hold one so long before the rollout: these were not held longer.
    public var isUpperBound: Bool
    public init(released: UInt64, expired: UInt64, longest: UInt64, isUpperBound: Bool) {
      self.released = released
      self.expired = expired
      self.longest = longest
      self.isUpperBound = isUpperBound
    }
  }

  public struct CostLine: Hashable, Codable, Sendable {
    /// Millionths of the currency's unit.
    public var amount: Int64
    /// `EUR`
    public var currency: String
    public init(amount: Int64, currency: String) {
      self.amount = amount
      self.currency = currency
    }
  }

  /// Running time that is still to come when the receipt is written.
  public struct WarmLine: Hashable, Codable, Sendable {
    public var release: ReleaseID
    public var until: Instant
    /// From the rollout's end, unless something ends it earlier.
    public var instanceTime: Milliseconds
    public var cost: CostLine?
    public init(
      release: ReleaseID, until: Instant, instanceTime: Milliseconds, cost: CostLine?
    ) {
      self.release = release
      self.until = until
      self.instanceTime = instanceTime
      self.cost = cost
    }
  }

  public struct MigrationLine: Hashable, Codable, Sendable {
    public var release: ReleaseID
    public var step: MigrationStep
    /// `succeeded`, `exited with status 1`
    public var outcome: String
    public var succeeded: Bool
    public var at: Instant
    public var took: Milliseconds
    /// The last lines that it printed.
    public var output: [String]
    public init(
      release: ReleaseID, step: MigrationStep, outcome: String, succeeded: Bool, at: Instant,
      took: Milliseconds, output: [String]
    ) {
      self.release = release
      self.step = step
      self.outcome = outcome
      self.succeeded = succeeded
      self.at = at
      self.took = took
      self.output = output
    }
  }

  public struct VersionTraffic: Hashable, Codable, Sendable {
    public var release: ReleaseID
    /// Requests answered during the rollout, by status class: index 1 is 2xx, 4 is 5xx.
    public var responses: [UInt64]
    public var failed: UInt64
    public var retried: UInt64
    public init(release: ReleaseID, responses: [UInt64], failed: UInt64, retried: UInt64) {
      self.release = release
      self.responses = responses
      self.failed = failed
      self.retried = retried
    }
  }

  public struct LatencyLine: Hashable, Codable, Sendable {
    public var p50: UInt64
    public var p99: UInt64
    public var p999: UInt64
    public init(p50: UInt64, p99: UInt64, p999: UInt64) {
      self.p50 = p50
      self.p99 = p99
      self.p999 = p999
    }
  }

  public init(
    number: Int64, outcome: Outcome, reason: String?, commit: Commit, rollout: RolloutID?,
    key: ServiceKey?, strategy: String?, from: ReleaseID?, to: ReleaseID?, startedBy: String,
    startedAt: Instant, endedAt: Instant, steps: [StepLine], phases: [PhaseLine],
    traffic: [VersionTraffic], unavailable: UInt64, cut: Int, latency: LatencyLine?,
    steadyLatency: LatencyLine?, extraInstanceTime: Milliseconds, pushToLive: Milliseconds?,
    overhead: Milliseconds?, previous: String, hash: String
  ) {
    self.number = number
    self.outcome = outcome
    self.reason = reason
    self.commit = commit
    self.rollout = rollout
    self.key = key
    self.strategy = strategy
    self.from = from
    self.to = to
    self.startedBy = startedBy
    self.startedAt = startedAt
    self.endedAt = endedAt
    self.steps = steps
    self.phases = phases
    self.traffic = traffic
    self.unavailable = unavailable
    self.cut = cut
    self.latency = latency
    self.steadyLatency = steadyLatency
    self.extraInstanceTime = extraInstanceTime
    self.pushToLive = pushToLive
    self.overhead = overhead
    self.previous = previous
    self.hash = hash
  }
}
