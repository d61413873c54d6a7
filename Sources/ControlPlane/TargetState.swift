import Ports
import RolloutEngine
import SegueModel
import Synchronization

/// What an environment is meant to run, and how far it has come: the sum of its target's events.
struct TargetState: Hashable, Sendable {
  /// A release that every service of this environment has come to run.
  struct Arrival: Hashable, Sendable {
    var order: TargetOrder
    /// The event by which it did.
    var sequence: Int64
  }

  /// Why the rollout has not begun.
  struct Hold: Hashable, Sendable {
    var reason: String
    /// When it will begin by itself.
    var next: Instant?
    var since: Instant
  }

  private(set) var order: TargetOrder?
  private(set) var isSettled = true
  /// Services whose rollout was ordered for this target, with what was live before.
  private(set) var begun: [ServiceName: ReleaseID?] = [:]
  /// Why the target is being taken back.
  private(set) var unwinding: String?
  /// Calendar or people do not let the rollout begin.
  private(set) var hold: Hold?
  /// The last one, whatever has failed since.
  private(set) var arrival: Arrival?
  /// The last arrival of each other environment that was promoted here.
  private(set) var promoted: [EnvironmentName: Int64] = [:]
  /// Commits that began here in spite of the calendar; the newest of them.
  private(set) var overridden: [CommitID] = []
  private static let overriddenLimit = 50
  /// Releases that were a target once: after a crash, the newest is not set a second time.
  private(set) var known: Set<ReleaseID> = []

  mutating func evolve(_ record: Recorded<TargetEvent>) {
    switch record.event {
    case .targetSet(let order):
      self.order = order
      isSettled = false
      begun = [:]
      unwinding = nil
      hold = nil
      known.insert(order.release)
      if let promotion = order.promotion {
        promoted[promotion.from] = max(promoted[promotion.from] ?? 0, promotion.settled)
      }
    case .targetCleared:
      order = nil
      hold = nil
      isSettled = true
      arrival = nil
    case .serviceBegan(let service, let from):
      begun[service] = .some(from)
      hold = nil
    case .startHeld(_, let reason, let next, _):
      hold = Hold(reason: reason, next: next, since: hold?.since ?? record.at)
    case .startOverridden(let commit, _):
      hold = nil
      overridden = overridden.suffix(Self.overriddenLimit - 1) + [commit]
    case .unwindingBegan(_, let reason):
      unwinding = reason
    case .commitSettled(let commit, let live, _, _):
      guard let order, order.commit == commit else { return }
      isSettled = true
      hold = nil
      if live { arrival = Arrival(order: order, sequence: record.sequence) }
    }
  }
}

/// The targets of all environments side by side: what one needs to know of the others.
final class TargetBoard: Sendable {
  /// Orders and their ends are recorded one at a time, so that exactly one end of a commit is the last.
  let gate = SerialGate()
  private let states = Mutex<[EnvironmentName: TargetState]>([:])

  subscript(environment: EnvironmentName) -> TargetState {
    get { states.withLock { $0[environment] ?? TargetState() } }
    set { states.withLock { $0[environment] = newValue } }
  }

  /// Whether another environment is still to run the commit.
  func isOpen(_ commit: CommitID, except environment: EnvironmentName) -> Bool {
    states.withLock { states in
      states.contains {
        $0.key != environment && !$0.value.isSettled && $0.value.order?.commit == commit
      }
    }
  }
}

/// How far one service has come with the target's release.
enum ServiceFate: Hashable, Sendable {
  case live
  /// On its way to the release, or waiting for its turn within the service.
  case underWay
  /// On its way back from it.
  case goingBack
  /// Taken back, or refused: why.
  case failed(String)
  /// Back at what was live before.
  case back(ReleaseID?)
  /// Live, and not to be moved back: why.
  case stays(String)
  case notStarted

  var isLive: Bool { self == .live }

  /// Nothing more will happen to it, as long as its target is being taken back.
  var isResolved: Bool {
    switch self {
    case .failed, .back, .stays, .notStarted: true
    case .live, .underWay, .goingBack: false
    }
  }

  var isFailed: Bool {
    if case .failed = self { true } else { false }
  }

  var isInProgress: Bool {
    switch self {
    case .underWay, .goingBack: true
    case .live, .failed, .back, .stays, .notStarted: false
    }
  }
}

extension TargetState {
  /// What a service's own state says of the target's release.
  func fate(of service: ServiceName, in state: ServiceState, release: ReleaseID) -> ServiceFate {
    if let rollout = state.rollout {
      if rollout.to.id == release { return rollout.isGoingBack ? .goingBack : .underWay }
      if rollout.from?.id == release, rollout.kind == .rollback { return .goingBack }
      return state.queued?.release.id == release ? .underWay : .notStarted
    }
    if state.queued?.release.id == release { return .underWay }
    if state.live?.id == release { return liveFate(of: service, in: state) }
    if let reason = state.takenBack[release] ?? state.blocked[release] { return .failed(reason) }
    return unwinding != nil && begun[service] != nil ? .back(state.live?.id) : .notStarted
  }

  private func liveFate(of service: ServiceName, in state: ServiceState) -> ServiceFate {
    guard unwinding != nil else { return .live }
    guard let before = begun[service] else { return .stays("it was live before") }
    guard let before else { return .stays("nothing was live before it") }
    // Going back was tried, and failed.
    if let reason = state.takenBack[before] {
      return .stays("\(before) did not come back: \(reason)")
    }
    return .live
  }

  /// What the fates come to, in a sentence; `nil` while one of them is open.
  func verdict(
    of release: Release, in environment: EnvironmentName, _ fates: [ServiceName: ServiceFate]
  ) -> (live: Bool, summary: String)? {
    let services = release.spec.services
    let known = services.map { (service: $0, fate: fates[$0.name] ?? .notStarted) }
    guard !known.contains(where: { $0.fate.isInProgress }) else { return nil }
    let place = release.spec.environments.count > 1 ? " in \(environment)" : ""
    let short = release.commit.short
    if known.allSatisfy({ $0.fate.isLive }) {
      guard !services.isEmpty else {
        return (true, "\(short) is built; it has no services to roll out")
      }
      return (true, "\(short) is live\(place) as \(release.id)")
    }
    guard known.contains(where: { $0.fate.isFailed }) else { return nil }
    if unwinding != nil,
      known.contains(where: { $0.fate.isLive && !$0.service.isIndependent })
    {
      return nil
    }
    let parts = known.map { Self.sentence($0.service.name, $0.fate, release.id) }
    return (false, "\(short) is not live\(place): \(parts.joined(separator: "; "))")
  }

  private static func sentence(_ name: ServiceName, _ fate: ServiceFate, _ release: ReleaseID)
    -> String
  {
    switch fate {
    case .live: "\(name) is live"
    case .underWay, .goingBack: "\(name) is under way"
    case .failed(let reason): "\(name): \(reason)"
    case .back(let before?): "\(name) is back at \(before)"
    case .back(nil): "\(name) runs nothing, as before"
    case .stays(let why): "\(name) stays at \(release), because \(why)"
    case .notStarted: "\(name) was not started"
    }
  }
}
