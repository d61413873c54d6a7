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
    public init(name: String, at: Instant, took: Milliseconds) {
      self.name = name
      self.at = at
      self.took = took
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
