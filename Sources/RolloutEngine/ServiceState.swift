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
  public var instances = InstanceList()
  public var rollout: Rollout?
  /// The newest deploy that arrived while a rollout was in progress.
  public var queued: DeployOrder?
  /// Who gets traffic; changes only at a stage's shift.
  public var split: Split = .none
  public var table = TableState()
  /// Releases that were taken back, and why: not tried again unless somebody says so.
  public var takenBack: [ReleaseID: String] = [:]
  /// Releases that a gate turned down after they were built, and why: never brought into a table.
  public var blocked: [ReleaseID: String] = [:]
  /// Unexpected ends per release, for the back-off of restarts.
  public var crashes: [ReleaseID: CrashRecord] = [:]
  public var migrations = MigrationState()
  /// Instances vanished with a restart of the machine, or a way back ended in an incident: until this
  /// moment the live release comes back before anything new is begun.
  public var restoringUntil: Instant?
  public var instancesOrdered = 0
  public var rolloutsStarted = 0

  public init(key: ServiceKey) { self.key = key }

  /// By order of creation.
  public var orderedInstances: [Instance] { instances.values }

  /// A release the state still has the plan of.
  public func known(_ release: ReleaseID) -> ServiceRelease? {
    if let live, live.id == release { return live }
    if let rollout, rollout.to.id == release { return rollout.to }
    if let rollout, let from = rollout.from, from.id == release { return from }
    if let set = warm[release] { return set.release }
    if let previous, previous.id == release { return previous }
    return nil
  }
}

/// Instances kept running after their release stopped being live.
public struct WarmSet: Hashable, Codable, Sendable {
  public var release: ServiceRelease
  public var until: Instant
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

  /// A release that requests reach by another way than its share.
  public struct Beside: Hashable, Codable, Sendable {
    public var role: SideRole
    public var release: ReleaseID
    public var instances: Int
    public init(role: SideRole, release: ReleaseID, instances: Int) {
      self.role = role
      self.release = release
      self.instances = instances
    }
  }

  /// Sides with a weight above zero.
  public var sides: [Side]
  public var beside: Beside?
  /// Nobody serves: requests are held for so long.
  public var holdLimit: Milliseconds?

  public init(sides: [Side], beside: Beside? = nil, holdLimit: Milliseconds? = nil) {
    self.sides = sides.filter { $0.weight > .none }
    self.beside = beside
    self.holdLimit = holdLimit
  }

  public static let none = Split(sides: [])

  static func all(to release: ServiceRelease) -> Split {
    Split(sides: [Side(release: release.id, weight: .all, instances: release.spec.instances)])
  }
}

/// The table last proposed to the router and what it acknowledged.
public struct TableState: Hashable, Codable, Sendable {
  public var proposed: ServiceTable?
  public var acknowledged = Generation.zero
  public var acknowledgeBy: Instant?

  public var isSettled: Bool { (proposed?.generation ?? .zero) == acknowledged }
}

/// What is known of the changes of the database.
public struct MigrationState: Hashable, Codable, Sendable {
  /// One change of one release.
  public struct Record: Hashable, Codable, Sendable {
    public var release: ReleaseID
    public var step: MigrationStep
    /// How often it was begun.
    public var attempts: Int
    /// `nil` while it runs.
    public var outcome: MigrationOutcome?
  }

  public struct Running: Hashable, Codable, Sendable {
    public var release: ReleaseID
    public var step: MigrationStep
    public var by: Instant
  }

  /// A contract that waits until nobody can go back behind its release any more.
  public struct Contract: Hashable, Codable, Sendable {
    public var release: ServiceRelease
    public var due: Instant
  }

  public var running: Running?
  /// Lowest release first.
  public var contracts: [Contract] = []
  /// The latest ``limit``, oldest first.
  public var records: [Record] = []
  /// Releases below this height cannot run any more: a contract removed what they need.
  public var floor: Int?

  static let limit = 100

  public func record(_ release: ReleaseID, _ step: MigrationStep) -> Record? {
    records.last { $0.release == release && $0.step == step }
  }
}
