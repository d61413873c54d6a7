public import SegueModel

/// Everything the engine knows of one service in one environment: the sum of its events.
public struct ServiceState: Hashable, Codable, Sendable {
  public let key: ServiceKey
  /// The release that serves in the steady state; `nil` before the first deploy.
  public var live: ServiceRelease?
  /// The release that was live before: what a rollback without a name goes to.
  public var previous: ServiceRelease?
  /// Earlier releases whose instances still run, out of the table, so that going back is one swap.
  public var warm: [ReleaseID: WarmSet] = [:]
  public var instances: [InstanceID: Instance] = [:]
  public var rollout: Rollout?
  /// The newest deploy that arrived while a rollout was in progress.
  public var queued: DeployOrder?
  /// Who gets traffic; changes only at a stage's shift.
  public var split: Split = .none
  public var table = TableState()
  /// Releases that were taken back, and why: not tried again unless somebody says so.
  public var takenBack: [ReleaseID: String] = [:]
  /// Unexpected ends per release, for the back-off of restarts.
  public var crashes: [ReleaseID: CrashRecord] = [:]
  public var instancesOrdered = 0
  public var rolloutsStarted = 0

  public init(key: ServiceKey) { self.key = key }
}

/// What the engine needs to know of a release: the service's own part of it, frozen.
public struct ServiceRelease: Hashable, Codable, Sendable {
  public var id: ReleaseID
  public var commit: CommitID
  /// See ``Release/height``.
  public var height: Int
  public var spec: ServiceSpec

  public init(id: ReleaseID, commit: CommitID, height: Int, spec: ServiceSpec) {
    self.id = id
    self.commit = commit
    self.height = height
    self.spec = spec
  }
}

/// Instances kept running after their release stopped being live.
public struct WarmSet: Hashable, Codable, Sendable {
  public var release: ServiceRelease
  public var until: Instant
}

/// One instance as the engine sees it. It leaves the state when it has stopped.
public struct Instance: Hashable, Codable, Sendable {
  public enum Phase: Hashable, Codable, Sendable {
    /// The platform was told to start it.
    case ordered(readyBy: Instant)
    /// Its process exists.
    case started(readyBy: Instant)
    case ready(since: Instant)
    /// It was ready and failed its checks since.
    case unready(since: Instant)
    /// Out of the acknowledged table; requests in flight are being finished.
    case draining(until: Instant)
    /// SIGTERM was ordered.
    case stopping(by: Instant)
  }

  public let id: InstanceID
  public let release: ReleaseID
  /// The rollout that ordered it; `nil` for a replacement in the steady state.
  public let rollout: RolloutID?
  /// Order of creation within the service.
  public let ordinal: Int
  public var phase: Phase
  public var endpoint: Endpoint?
  /// It was in a proposed table at some time, so requests may be in flight on it.
  public var hadTraffic = false
  /// Why its last check failed, until it is ready.
  public var problem: String?

  /// Whether it counts towards the number that should run.
  public var isKept: Bool {
    switch phase {
    case .ordered, .started, .ready, .unready: true
    case .draining, .stopping: false
    }
  }

  public var isReady: Bool {
    switch phase {
    case .ready: true
    case .ordered, .started, .unready, .draining, .stopping: false
    }
  }
}

/// How traffic is divided between at most two releases.
public struct Split: Hashable, Codable, Sendable {
  public struct Side: Hashable, Codable, Sendable {
    public var release: ReleaseID
    public var weight: Permille
    /// How many ready instances of it may be in the table.
    public var instances: Int
    public init(release: ReleaseID, weight: Permille, instances: Int) {
      self.release = release
      self.weight = weight
      self.instances = instances
    }
  }
  /// Sides with a weight above zero.
  public var sides: [Side]
  public init(sides: [Side]) { self.sides = sides.filter { $0.weight > .none } }
  public static let none = Split(sides: [])
}

/// The table last proposed to the router and what it acknowledged.
public struct TableState: Hashable, Codable, Sendable {
  public var proposed: ServiceTable?
  public var acknowledged = Generation.zero
  public var acknowledgeBy: Instant?

  public var isSettled: Bool { (proposed?.generation ?? .zero) == acknowledged }
}

public struct CrashRecord: Hashable, Codable, Sendable {
  /// Unexpected ends in a row, with less than ``RestartPolicy/forget`` between them.
  public var count: Int
  public var last: Instant
}

/// When an instance that died is started again.
public enum RestartPolicy {
  /// After this long without a crash the count begins anew.
  public static let forget = Milliseconds.minutes(5)

  /// At once after the first crash, then 1 s, 2 s, 4 s ... up to a minute.
  public static func delay(afterCrashes count: Int) -> Milliseconds {
    count <= 1 ? .zero : min(.seconds(1 << Int64(min(count - 2, 6))), .seconds(60))
  }
}

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
    case failure, abort
  }
  public enum Phase: Hashable, Codable, Sendable {
    /// Instances are brought up to the stage's numbers.
    case preparing
    /// The split has changed; the router must acknowledge.
    case shifting
    /// What left the table is drained and stopped (or kept warm).
    case retiring
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

  public var current: Stage { stages[stage] }

  public var isGoingBack: Bool {
    switch direction {
    case .forward: false
    case .back: true
    }
  }
}

/// How a rollout ended.
public enum RolloutOutcome: String, Hashable, Codable, Sendable {
  case live
  case rolledBack
  case aborted
  /// The way back was not finished in time: the last good table stays, and people are told.
  case incident
}

/// A release that somebody or something wants live.
public struct DeployOrder: Hashable, Codable, Sendable {
  public var release: ServiceRelease
  public var requestedBy: String
  public var allowOlder: Bool
  public var again: Bool

  public init(
    release: ServiceRelease, requestedBy: String, allowOlder: Bool = false, again: Bool = false
  ) {
    self.release = release
    self.requestedBy = requestedBy
    self.allowOlder = allowOlder
    self.again = again
  }
}
