import SegueModel
import Testing

@testable import TrafficRouting

@Suite struct RouteMatcherTests {
  static let routes = [
    RouteSpec(host: nil, pathPrefix: "/"),
    RouteSpec(host: "shop.test", pathPrefix: "/"),
    RouteSpec(host: "shop.test", pathPrefix: "/api"),
    RouteSpec(host: "shop.test", pathPrefix: "/api/v2/"),
    RouteSpec(host: nil, pathPrefix: "/static"),
  ]

  @Test(arguments: [
    ("shop.test", "/", 1), ("SHOP.Test:8080", "/x", 1), ("shop.test.", "/", 1),
    ("shop.test", "/api", 2), ("shop.test", "/api?x", 2), ("shop.test", "/api/x", 2),
    ("shop.test", "/apix", 1), ("shop.test", "/api/v2", 3), ("shop.test", "/api/v2/y", 3),
    ("shop.test", "/api/v2?q", 3), ("shop.test", "/api/v22", 2), ("shop.test", "/static/a", 1),
    ("other.test", "/static/a", 4), ("other.test", "/statics", 0), ("", "/", 0),
    ("xshop.test", "/", 0), ("[::1]:80", "/", 0), ("shop.test", "/API", 1),
  ])
  func picks(_ host: String, _ path: String, _ expected: Int) {
    let bytes = Array(host.utf8) + Array(path.utf8)
    let split = host.utf8.count
    let index = RouteMatcher(Self.routes).match(
      bytes.span, authority: 0..<split, path: split..<bytes.count, block: FieldBlock())
    #expect(index == expected)
  }

  @Test func nothingMatchesWhereNobodyIs() {
    let bytes = Array("b.test/".utf8)
    let matcher = RouteMatcher([RouteSpec(host: "a.test")])
    #expect(matcher.match(bytes.span, authority: 0..<6, path: 6..<7, block: FieldBlock()) == nil)
  }

  @Test func ofTwoEqualRoutesTheFirstWins() {
    let bytes = Array("/".utf8)
    let matcher = RouteMatcher([RouteSpec(), RouteSpec()])
    #expect(matcher.match(bytes.span, authority: 0..<0, path: 0..<1, block: FieldBlock()) == 0)
  }

  @Test(arguments: [
    ("/", "X-Tenant: blue", 1), ("/", "x-tenant: blue", 1), ("/", "X-Tenant: green", 0),
    ("/", "Cookie: a=1; tenant=red", 2), ("/", "Cookie: tenant=redder", 0), ("/", "A: b", 0),
    // A longer path says more than a field.
    ("/api", "X-Tenant: blue", 3),
  ])
  func aRouteMayAskForAFieldOrACookie(_ path: String, _ field: String, _ expected: Int) throws {
    let routes = [
      RouteSpec(), RouteSpec(match: .header(name: "X-Tenant", value: "blue")),
      RouteSpec(match: .cookie(name: "tenant", value: "red")), RouteSpec(pathPrefix: "/api"),
    ]
    let bytes = Array("GET \(path) HTTP/1.1\r\nHost: a.test\r\n\(field)\r\n\r\n".utf8)
    var parser = RequestParser()
    #expect(try parser.parse(bytes.span))
    let index = RouteMatcher(routes).match(
      bytes.span, authority: parser.authority, path: parser.path, block: parser.block)
    #expect(index == expected)
  }
}

@Suite struct StickySplitTests {
  static let key = ServiceKey(environment: "production", service: "web")

  static func chosen(_ shares: [(ReleaseID, Int)], ids: ClosedRange<Int> = 1...1_000) -> [ReleaseID]
  {
    let split = StickySplit(shares.map { ($0.0, Permille($0.1)) }, service: key)
    return ids.compactMap { id in split.choose(StickyUnit("\(id)")).map { shares[$0].0 } }
  }

  @Test(arguments: [10, 50, 250, 500, 900])
  func aShareIsWhatItSays(_ permille: Int) {
    let small = Self.chosen([("r-old", 1_000 - permille), ("r-new", permille)])
    let percent = Double(small.count { $0 == "r-new" }) / 10
    // Three standard deviations of a thousand draws, and a point for the smallest share.
    let share = Double(permille) / 1_000
    let spread = max(300 * (share * (1 - share) / 1_000).squareRoot(), 1)
    #expect(abs(percent - Double(permille) / 10) <= spread)
    let large = Self.chosen([("r-old", 1_000 - permille), ("r-new", permille)], ids: 1...100_000)
    let exact = Double(large.count { $0 == "r-new" }) / 1_000
    #expect(abs(exact - Double(permille) / 10) < 0.6)
  }

  @Test func nobodyGoesBackWhileAShareGrows() {
    var before: Set<Int> = []
    for permille in [1, 10, 50, 100, 250, 333, 500, 750, 999] {
      let releases = Self.chosen([("r-old", 1_000 - permille), ("r-new", permille)])
      let now = Set(releases.indices.filter { releases[$0] == "r-new" })
      #expect(before.isSubset(of: now))
      before = now
    }
  }

  @Test func amongThreeOnlyTheGrowingOneGains() {
    let before = Self.chosen([("r-a", 400), ("r-b", 400), ("r-c", 200)])
    let after = Self.chosen([("r-c", 600), ("r-b", 200), ("r-a", 200)])
    for (old, new) in zip(before, after) where old != new { #expect(new == "r-c") }
  }

  @Test func nothingToChooseFrom() {
    #expect(Self.chosen([]).isEmpty)
    #expect(Self.chosen([("r-a", 0)]).isEmpty)
    #expect(Self.chosen([("r-a", 1_000)]).count == 1_000)
  }
}

@Suite struct InstanceChoiceTests {
  static func choose(_ standings: [InstanceStanding], seed: UInt64 = 1) -> Int? {
    var random = FastRandom(seed: seed)
    return InstanceChoice.choose(count: standings.count, random: &random) { standings[$0] }
  }

  @Test func prefersTheLessLoadedOfTwo() {
    for seed in 1...100 as ClosedRange<UInt64> {
      #expect(Self.choose([.init(inFlight: 5), .init(inFlight: 1)], seed: seed) == 1)
    }
  }

  @Test func neverTakesATriedOne() {
    for seed in 1...100 as ClosedRange<UInt64> {
      #expect(Self.choose([.init(isTried: true), .init(inFlight: 99)], seed: seed) == 1)
      #expect(
        Self.choose(
          [.init(isTried: true), .init(inFlight: 9, isPenalised: true), .init(isTried: true)],
          seed: seed) == 1)
    }
    #expect(Self.choose([.init(isTried: true), .init(isTried: true)]) == nil)
    #expect(Self.choose([.init(isTried: true)]) == nil)
    #expect(Self.choose([]) == nil)
  }

  @Test func aPenalisedOneIsTheLastChoiceButAChoice() {
    for seed in 1...100 as ClosedRange<UInt64> {
      #expect(Self.choose([.init(isPenalised: true), .init(inFlight: 99)], seed: seed) == 1)
    }
    #expect(Self.choose([.init(isPenalised: true)]) == 0)
    #expect(Self.choose([.init(isPenalised: true), .init(isPenalised: true)]) != nil)
  }

  @Test func spreadsEvenly() {
    var random = FastRandom(seed: 3)
    var counts = [0, 0, 0, 0]
    for _ in 0..<40_000 {
      if let index = InstanceChoice.choose(
        count: 4, random: &random, standing: { _ in InstanceStanding() })
      {
        counts[index] += 1
      }
    }
    for count in counts { #expect((9_400...10_600).contains(count)) }
  }
}

@Suite struct RetryPolicyTests {
  struct Case: Sendable {
    var failure: AttemptFailure
    var method: RequestMethod
    var replayable = true
    var wrote = true
    var sent = 1
    var decision: RetryDecision
  }

  @Test(arguments: [
    Case(failure: .notConnected, method: .post, wrote: false, decision: .onAnotherInstance),
    Case(
      failure: .notConnected, method: .get, replayable: false, wrote: false, sent: 9,
      decision: .onAnotherInstance),
    Case(
      failure: .closedBeforeResponse(reusedConnection: true), method: .get,
      decision: .onFreshConnection),
    Case(
      failure: .closedBeforeResponse(reusedConnection: false), method: .get,
      decision: .onAnotherInstance),
    Case(failure: .closedBeforeResponse(reusedConnection: true), method: .post, decision: .giveUp),
    Case(failure: .closedBeforeResponse(reusedConnection: false), method: .post, decision: .giveUp),
    Case(
      failure: .closedBeforeResponse(reusedConnection: true), method: .post, wrote: false,
      decision: .onFreshConnection),
    Case(
      failure: .closedBeforeResponse(reusedConnection: true), method: .put, replayable: false,
      decision: .giveUp),
    Case(
      failure: .closedBeforeResponse(reusedConnection: true), method: .put,
      decision: .onFreshConnection),
    Case(
      failure: .closedBeforeResponse(reusedConnection: true), method: .get, sent: 3,
      decision: .giveUp),
    Case(failure: .closedDuringResponse, method: .get, decision: .giveUp),
    Case(failure: .notUnderstood, method: .get, decision: .giveUp),
    Case(failure: .timedOut, method: .get, decision: .giveUp),
  ])
  func decides(_ example: Case) {
    #expect(
      RetryPolicy.decide(
        after: example.failure, method: example.method, bodyIsReplayable: example.replayable,
        wroteSomething: example.wrote, sent: example.sent) == example.decision)
  }
}

@Suite struct TableSetTests {
  static let key = ServiceKey(environment: "production", service: "web")

  static func table(_ generation: UInt64, port: Int = 80, key: ServiceKey = key) -> ServiceTable {
    ServiceTable(
      key: key, generation: Generation(generation), route: RouteSpec(),
      versions: [
        VersionTarget(
          release: "r-1", weight: .all, endpoints: [Endpoint(instance: "i-1", port: port)])
      ])
  }

  @Test func aGreaterGenerationWins() throws {
    var set = TableSet.empty
    #expect(try set.apply(Self.table(1)))
    #expect(try set.apply(Self.table(5, port: 81)))
    #expect(set.table(Self.key)?.generation == Generation(5))
  }

  @Test func theSameTableIsAcknowledgedAgain() throws {
    var set = TableSet.empty
    #expect(try set.apply(Self.table(3)))
    #expect(try !set.apply(Self.table(3)))
  }

  @Test func anOlderOrContradictingTableIsRefused() throws {
    var set = TableSet.empty
    _ = try set.apply(Self.table(3))
    let before = set
    #expect(throws: TableRefusal.stale(offered: Generation(2), inForce: Generation(3))) {
      try set.apply(Self.table(2))
    }
    #expect(throws: TableRefusal.conflict(Generation(3))) { try set.apply(Self.table(3, port: 81)) }
    #expect(set == before)
  }

  @Test func aRemovedServiceStaysFenced() throws {
    var set = TableSet.empty
    _ = try set.apply(Self.table(3))
    #expect(throws: TableRefusal.self) { try set.remove(Self.key, generation: Generation(2)) }
    #expect(try set.remove(Self.key, generation: Generation(4)))
    #expect(try !set.remove(Self.key, generation: Generation(4)))
    #expect(throws: TableRefusal.stale(offered: Generation(4), inForce: Generation(4))) {
      try set.apply(Self.table(4))
    }
    #expect(try set.apply(Self.table(5)))
    #expect(set.removed.isEmpty)
  }

  @Test func tablesStandInTheOrderOfTheirKeys() throws {
    var set = TableSet.empty
    for name in ["c", "a", "b"] {
      let key = ServiceKey(environment: "production", service: ServiceName(name))
      _ = try set.apply(Self.table(1, key: key))
    }
    #expect(set.tables.map(\.key.service) == ["a", "b", "c"])
  }

  @Test func anUnsoundTableIsRefused() {
    func refuses(_ change: (inout ServiceTable) -> Void) {
      var table = Self.table(1)
      change(&table)
      var set = TableSet.empty
      #expect(throws: TableRefusal.self) { try set.apply(table) }
      #expect(set == .empty)
    }
    refuses { $0.versions[0].weight = Permille(999) }
    refuses { $0.versions[0].endpoints = [] }
    refuses { $0.versions[0].endpoints[0].port = 0 }
    refuses { $0.versions[0].endpoints[0].port = 65_536 }
    for path in ["", "relative.sock", "/" + String(repeating: "s", count: 107), "/a\u{0}b"] {
      refuses { $0.versions[0].endpoints[0].socket = path }
    }
    refuses { $0.route.pathPrefix = "api" }
    refuses {
      $0.versions[0].weight = Permille(500)
      $0.versions.append($0.versions[0])
    }
  }

  @Test func aSocketNeedsNoPort() throws {
    var table = Self.table(1)
    table.versions[0].endpoints = [
      Endpoint(instance: "i-1", socket: "/" + String(repeating: "s", count: 106))
    ]
    var set = TableSet.empty
    #expect(try set.apply(table))
  }

  @Test func anEmptyTableIsSound() throws {
    var table = Self.table(1)
    table.versions = []
    var set = TableSet.empty
    #expect(try set.apply(table))
  }
}
