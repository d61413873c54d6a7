import RolloutEngine
import SegueModel
import Testing

/// Services whose instances accept from one socket: the engine moves instances, and no traffic.
@Suite struct SharedSocketTests {
  private static func release(_ id: ReleaseID, _ height: Int) -> ServiceRelease {
    ServiceRelease(
      id: id, commit: CommitID("c\(height)"), height: height,
      spec: ServiceSpec(
        name: "web", run: "serve", instances: 2,
        listen: .inherit(SharedAddress(port: 8_080)), route: nil,
        deadlines: DeadlineSpec(drain: .seconds(30), stop: .seconds(10))))
  }

  private static func live() throws -> World {
    var world = World()
    try world.deploy(release("r1", 1))
    try world.settle()
    return world
  }

  @Test func newInstancesAreReadyBeforeOldOnesStop() throws {
    var world = try Self.live()
    try world.deploy(Self.release("r2", 2))
    try world.settle()
    #expect(world.outcomes == [.live, .live])
    #expect(world.ready == ["r2": 2])
    #expect(world.state.table.proposed == nil, "the router is told nothing")
    var ready = 0
    for event in world.log {
      switch event {
      case .instanceBecameReady: ready += 1
      case .stopOrdered, .drainBegan:
        ready -= 1
        #expect(ready >= 2, "capacity comes first")
      default: break
      }
    }
  }

  /// Nobody else waits for its last requests.
  @Test func anInstanceHasTheTimeOfTheDrainAfterItsSignal() throws {
    var world = try Self.live()
    world.stopsAnswer = false
    try world.deploy(Self.release("r2", 2))
    try world.settle()
    let stop = try #require(
      world.pending.lazy.compactMap { effect -> Milliseconds? in
        if case .stopInstance(_, let deadline) = effect { deadline } else { nil }
      }.first)
    #expect(stop == .seconds(40))
  }

  /// It takes requests all the same; without it, nobody would.
  @Test func theLastOnesThatAcceptAreNotStopped() throws {
    var world = try Self.live()
    let ids = world.state.orderedInstances.map(\.id)
    for id in ids { try world.submit(.reportUnready(id, reason: "GET /up answered 503")) }
    try world.pass(.minutes(10))
    #expect(world.state.orderedInstances.map(\.id) == ids)
    try world.submit(.reportReady(ids[0], booted: .zero))
    try world.pass(.minutes(2))
    #expect(world.ready == ["r1": 2])
    #expect(!world.state.orderedInstances.map(\.id).contains(ids[1]))
  }
}
