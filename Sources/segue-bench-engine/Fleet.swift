import RolloutEngine
import SegueModel

/// Services whose effects are carried out at once, one step of each in turn.
struct Fleet {
  private struct Member {
    var state: ServiceState
    var pending: [Effect] = []
    var nextPort = 1
  }

  struct Work {
    var commands = 0
    var events = 0
  }

  private static let perService = 10
  private var members: [Member]
  private var now = Instant(milliseconds: 1_000_000)

  var instances: Int { members.reduce(0) { $0 + $1.state.instances.count } }

  static func key(_ index: Int) -> ServiceKey {
    ServiceKey(environment: "production", service: ServiceName("service-\(index)"))
  }

  /// Each with its first release live.
  init(services: Int) {
    members = (0..<services).map { Member(state: ServiceState(key: Self.key($0))) }
    _ = rollOut(height: 1)
  }

  /// Deploys a new release of every service, and goes on until all of them are live.
  mutating func rollOut(height: Int) -> Work {
    var work = Work()
    for index in members.indices {
      let order = DeployOrder(
        release: Self.release(height, of: index), requestedBy: "benchmark")
      submit(.deploy(order), to: index, &work)
    }
    var isBusy = true
    while isBusy {
      isBusy = false
      // All of them act at the same time, however many they are.
      now = now + Milliseconds(1)
      for index in members.indices where !members[index].pending.isEmpty {
        let effect = members[index].pending.removeFirst()
        for command in results(of: effect, index) { submit(command, to: index, &work) }
        isBusy = true
      }
    }
    return work
  }

  private static func release(_ height: Int, of index: Int) -> ServiceRelease {
    ServiceRelease(
      id: ReleaseID("r-\(height)"), commit: CommitID("c\(height)"), height: height,
      spec: ServiceSpec(
        name: key(index).service, run: "serve", instances: perService,
        strategy: .rolling(RollingSpec(maxSurge: 2))))
  }

  private mutating func submit(_ command: RolloutCommand, to index: Int, _ work: inout Work) {
    work.commands += 1
    guard let events = try? members[index].state.carryOut(command, at: now) else { return }
    work.events += events.count
    for event in events {
      if let effect = members[index].state.effect(of: event, at: now) {
        members[index].pending.append(effect)
      }
    }
  }

  private mutating func results(of effect: Effect, _ index: Int) -> [RolloutCommand] {
    switch effect {
    case .startInstance(let id, _):
      members[index].nextPort += 1
      let endpoint = Endpoint(instance: id, port: members[index].nextPort)
      return [.reportStarted(id, endpoint), .reportReady(id, booted: Milliseconds(250))]
    case .applyTable(let table): return [.acknowledge(table.generation)]
    case .awaitDrain(let id, _): return [.reportDrained(id, remaining: 0)]
    case .stopInstance(let id, _): return [.reportStopped(id, killed: false)]
    case .migrate, .issueReceipt: return []
    }
  }

  /// So many events of one service, from its first deploy on.
  static func history(events count: Int) -> [(event: RolloutEvent, at: Instant)] {
    var state = ServiceState(key: key(0))
    var history: [(event: RolloutEvent, at: Instant)] = []
    var fleet = Fleet(services: 0)
    fleet.members = [Member(state: state)]
    var height = 0
    while history.count < count {
      height += 1
      var commands: [RolloutCommand] = [
        .deploy(DeployOrder(release: release(height, of: 0), requestedBy: "benchmark"))
      ]
      while !commands.isEmpty {
        fleet.now = fleet.now + Milliseconds(1)
        let events = (try? state.carryOut(commands.removeFirst(), at: fleet.now)) ?? []
        history += events.map { ($0, fleet.now) }
        for event in events {
          guard let effect = state.effect(of: event, at: fleet.now) else { continue }
          commands += fleet.results(of: effect, 0)
        }
      }
    }
    return Array(history.prefix(count))
  }
}
