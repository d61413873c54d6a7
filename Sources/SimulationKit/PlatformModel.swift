import SegueModel

/// A process that the simulated platform runs, or ran.
struct ProcessModel {
  let instance: InstanceID
  /// The trailing number of the instance's name.
  let ordinal: Int
  /// The release's number.
  let release: Int
  let endpoint: Endpoint
  let startedAt: Int64
  /// Which start of the machine it belongs to.
  let boot: Int
  var isAlive = true
  var isPassing = false
  /// It passed its checks at some time.
  var wasReady = false
  var wasToldToStop = false
  /// What is known of its end once it was told to stop.
  var exitsAt: Int64?
  var wasKilled = false
  /// When the requests in flight on it will have been answered.
  var inFlight: [Int64] = []

  mutating func requests(at now: Int64) -> Int {
    if !inFlight.isEmpty { inFlight.removeAll { $0 <= now } }
    return inFlight.count
  }
}

/// Processes by the order of their start. An endpoint's port leads to its process.
struct PlatformModel {
  private static let firstPort = 10_000
  var processes: [ProcessModel] = []
  /// Restarts of the machine.
  var boot = 0
  /// The process of each instance, by the instance's number.
  private var byOrdinal: [Int] = []

  static func ordinal(of instance: InstanceID) -> Int {
    var number = 0
    var factor = 1
    for byte in instance.rawValue.utf8.reversed() {
      guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { break }
      number += Int(byte - UInt8(ascii: "0")) * factor
      factor *= 10
    }
    return number
  }

  func position(of instance: InstanceID) -> Int? {
    let ordinal = Self.ordinal(of: instance)
    guard ordinal < byOrdinal.count, byOrdinal[ordinal] >= 0 else { return nil }
    return byOrdinal[ordinal]
  }

  func position(of endpoint: Endpoint) -> Int? {
    let position = endpoint.port - Self.firstPort
    return processes.indices.contains(position) ? position : nil
  }

  mutating func start(_ instance: InstanceID, release: Int, at now: Int64) -> Int {
    let position = processes.count
    let ordinal = Self.ordinal(of: instance)
    processes.append(
      ProcessModel(
        instance: instance, ordinal: ordinal, release: release,
        endpoint: Endpoint(instance: instance, port: Self.firstPort + position), startedAt: now,
        boot: boot))
    while byOrdinal.count <= ordinal { byOrdinal.append(-1) }
    byOrdinal[ordinal] = position
    return position
  }
}

/// The runner of database changes: what runs outlives the control plane.
struct MigrationModel {
  struct Run {
    let release: ReleaseID
    let step: MigrationStep
    let attempt: Int
    var starts = 1
    var outcome: MigrationOutcome?
    var boot: Int
  }

  var runs: [Run] = []

  func position(of release: ReleaseID, _ step: MigrationStep, _ attempt: Int) -> Int? {
    runs.lastIndex { $0.release == release && $0.step == step && $0.attempt == attempt }
  }
}
