import Foundation
import Ports
import SegueModel
import Testing

@testable import Proxy

/// Users of two releases, and what they come to.
@Suite struct ExperimentTests {
  private static let goals = [
    GoalSpec(name: "checkout", source: .header("segue-goal"), count: .sum),
    GoalSpec(name: "welcome", source: .path("/welcome")),
    GoalSpec(name: "paid", source: .posted, count: .sum),
  ]

  private static func table(
    _ first: Int, _ second: Int, rollout: RolloutID = "R1", generation: UInt64 = 1
  ) -> ServiceTable {
    var table = Fixture.pair(
      first, second, share: 500, sticky: .header("x-user"), generation: generation)
    table.experiment = ExperimentTarget(
      rollout: rollout, control: "r-a", variant: "r-b", goals: goals)
    return table
  }

  /// Says that a user who buys has reached a goal.
  private static func shop() throws -> Backend {
    try Backend.http { request, socket in
      let bought = request.path.hasPrefix("/buy") ? "Segue-Goal: checkout=2.5, other\r\n" : ""
      try socket.answer(request.path == "/lost" ? "404 Not Found" : "200 OK", headers: bought)
    }
  }

  private static func withShops(
    directory: String? = nil, _ body: (Fixture, Int, Int) async throws -> Void
  ) async throws {
    let backends = try [shop(), shop()]
    defer { for backend in backends { backend.stop() } }
    try await withProxy(directory: directory) {
      try await body($0, backends[0].port, backends[1].port)
    }
  }

  private static func visit(_ proxy: Fixture, _ paths: [String], users: Range<Int>) async throws {
    try await onThread {
      // Each user comes by two connections, and so perhaps by two event loops.
      let clients = try (0..<2).map { _ in try proxy.connect() }
      for user in users {
        for client in clients {
          for path in paths { _ = try client.get(path, headers: "X-User: \(user)\r\n") }
        }
      }
    }
  }

  @Test func usersAreCountedOnceAndGoalsByTheirValue() async throws {
    try await Self.withShops { proxy, first, second in
      try await proxy.director.apply(Self.table(first, second))
      try await Self.visit(proxy, ["/", "/buy?x=1", "/welcome?a"], users: 0..<40)
      let report = try #require(try await proxy.report().experiment)
      #expect(report.rollout == "R1" && report.arms.map(\.release) == ["r-a", "r-b"])
      #expect(report.arms.map(\.units).reduce(0, +) == 40)
      #expect(report.crossed == 0 && report.uncounted == 0 && report.unreadable == 0)
      for arm in report.arms {
        #expect(arm.units > 0)
        // Two connections, 2.5 each.
        #expect(arm.sums == [Double(arm.units) * 5, Double(arm.units), 0])
        #expect(arm.squares == [Double(arm.units) * 25, Double(arm.units), 0])
      }
    }
  }

  @Test func aPostedGoalCountsForItsUser() async throws {
    try await Self.withShops { proxy, first, second in
      func post(_ unit: String, _ goal: String = "paid") async throws -> ReachedGoal.Fate {
        try await proxy.director.credit(
          ReachedGoal(key: Fixture.key, goal: goal, unit: unit, value: "7"))
      }
      #expect(try await post("1") == .noExperiment)
      try await proxy.director.apply(Self.table(first, second))
      try await Self.visit(proxy, ["/lost"], users: 1..<2)
      #expect(try await post("1") == .counted)
      #expect(try await post("2") == .unknownUnit)
      #expect(try await post("1", "checkout") == .unknownGoal)
      let arms = try #require(try await proxy.report().experiment?.arms)
      #expect(arms.map { $0.sums[2] }.reduce(0, +) == 7)
    }
  }

  @Test func nothingIsCountedWithoutAnExperiment() async throws {
    try await Self.withShops { proxy, first, second in
      var table = Self.table(first, second)
      table.experiment = nil
      try await proxy.director.apply(table)
      try await Self.visit(proxy, ["/buy"], users: 0..<4)
      #expect(try await proxy.report().experiment == nil)
    }
  }

  /// What an experiment has come to can be asked when it is over; the next begins with nothing.
  @Test func theLastExperimentIsKeptUntilTheNext() async throws {
    try await Self.withShops { proxy, first, second in
      try await proxy.director.apply(Self.table(first, second))
      try await Self.visit(proxy, ["/"], users: 0..<5)
      try await proxy.route([first], generation: 2)
      try await Self.visit(proxy, ["/buy"], users: 0..<9)
      let ended = try #require(try await proxy.report().experiment)
      #expect(ended.rollout == "R1" && ended.arms.map(\.units).reduce(0, +) == 5)
      try await proxy.director.apply(Self.table(first, second, rollout: "R2", generation: 3))
      let next = try #require(try await proxy.report().experiment)
      #expect(next.rollout == "R2" && next.arms.allSatisfy { $0.units == 0 })
    }
  }

  @Test func aProxyThatIsStartedAnewGoesOnCounting() async throws {
    let directory = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let backends = try [Self.shop(), Self.shop()]
    defer { for backend in backends { backend.stop() } }
    try await withProxy(directory: directory) { proxy in
      try await proxy.director.apply(Self.table(backends[0].port, backends[1].port))
      try await Self.visit(proxy, ["/buy"], users: 0..<20)
    }
    try await withProxy(directory: directory) { proxy in
      try await Self.visit(proxy, ["/buy"], users: 10..<30)
      let arms = try #require(try await proxy.report().experiment?.arms)
      #expect(arms.map(\.units).reduce(0, +) == 30)
      #expect(arms.map { $0.sums[0] }.reduce(0, +) == 200)
    }
  }
}
