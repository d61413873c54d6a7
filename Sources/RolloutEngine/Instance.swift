public import SegueModel

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
  /// How often its stop was ordered; `nil`: never.
  public var stops: Int?
  /// Its release must not run beside another one; `nil`: it may.
  public var isAlone: Bool?

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

  /// It was ready once and still runs.
  var isUnready: Bool {
    switch phase {
    case .unready: true
    case .ordered, .started, .ready, .draining, .stopping: false
    }
  }
}

/// The instances of one service by order of creation, so that every decision is the same in every
/// replay.
///
/// An array and not a dictionary: a service has few, they are walked through far more often than
/// looked up, and a new one always comes last.
public struct InstanceList: Hashable, Codable, Sendable, RandomAccessCollection {
  private var list: [Instance] = []

  public init() {}

  public var startIndex: Int { 0 }
  public var endIndex: Int { list.count }
  public subscript(position: Int) -> Instance {
    get { list[position] }
    set { list[position] = newValue }
  }

  /// Lowest ordinal first.
  public var values: [Instance] { list }

  public subscript(id: InstanceID) -> Instance? { list.first { $0.id == id } }

  func position(of id: InstanceID) -> Int? { list.firstIndex { $0.id == id } }

  mutating func append(_ instance: Instance) { list.append(instance) }

  mutating func remove(at position: Int) -> Instance { list.remove(at: position) }

  /// Changes one in its place.
  mutating func change(at position: Int, _ body: (inout Instance) -> Void) { body(&list[position]) }

  func count(of release: ReleaseID, where isCounted: (Instance) -> Bool) -> Int {
    var count = 0
    for instance in list where instance.release == release && isCounted(instance) { count += 1 }
    return count
  }

  public init(from decoder: any Decoder) throws {
    list = try decoder.singleValueContainer().decode([Instance].self)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(list)
  }
}

/// Unexpected ends of one release's instances.
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
