public import SegueModel

/// A rollout in progress.
public struct Rollout: Hashable, Codable, Sendable {
  public enum Kind: String, Hashable, Codable, Sendable {
    case deploy, rollback
  }
  public enum Direction: Hashable, Codable, Sendable {
    case forward
    case back(Cause, reason: String, by: Instant)
  }
  /// Why a rollout goes back: it decides the outcome's name.
  public enum Cause: String, Hashable, Codable, Sendable {
    case failure, abort, superseded
  }
  public enum Phase: Hashable, Codable, Sendable {
    /// The database is being made ready for both releases.
    case expanding
    /// Instances are brought up to the stage's numbers.
    case preparing
    /// The split has changed; the router must acknowledge.
    case shifting
    /// What left the table is drained and stopped (or kept warm).
    case retiring
    /// Everything of the stage is done; the next one waits for a time, a person or a verdict.
    case holding(since: Instant, until: Instant, isExtended: Bool)
  }

  /// Who stopped a rollout from going on, and when that ends by itself.
  public struct Pause: Hashable, Codable, Sendable {
    public var by: String
    public var reason: String?
    public var until: Instant
  }

  public let id: RolloutID
  public let kind: Kind
  public let from: ServiceRelease?
  public let to: ServiceRelease
  public let requestedBy: String
  public let startedAt: Instant
  public var stages: [Stage]
  public var stage = 0
  public var phase = Phase.preparing
  public var direction = Direction.forward
  public var pause: Pause?
  /// This stage's hold is over.
  public var isReleased = false
  /// Somebody promoted it all the way: the last stage comes next, and no hold is kept.
  public var skipsHolds = false

  public var current: Stage { stages[stage] }

  public var isGoingBack: Bool {
    switch direction {
    case .forward: false
    case .back: true
    }
  }

  public var isHolding: Bool {
    switch phase {
    case .holding: true
    case .expanding, .preparing, .shifting, .retiring: false
    }
  }
}

/// How a rollout ended.
public enum RolloutOutcome: String, Hashable, Codable, Sendable {
  case live
  case rolledBack
  case aborted
  /// A newer commit came and was to go first. The release did nothing wrong.
  case superseded
  /// The way back was not finished in time: the last good table stays, and people are told.
  case incident
}

/// Why a hold ended.
public enum HoldEnd: Hashable, Codable, Sendable {
  case elapsed
  case promoted(by: String, reason: String?)
  case judgedGood(String)
  /// There was not enough evidence in time, and the spec says to go on.
  case insufficient
}

/// What the judge says of a release that takes traffic.
public enum Verdict: Hashable, Codable, Sendable {
  /// With the sentence that explains it.
  case good(String)
  case bad(String)
}
