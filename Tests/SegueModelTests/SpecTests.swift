import Foundation
import SegueModel
import Testing

@Suite struct CostSpecTests {
  @Test(
    arguments: [
      // An hour, a minute, two instances for half an hour, nothing.
      (40_000, 3_600_000, 40_000), (40_000, 60_000, 666), (40_000, 2 * 1_800_000, 40_000),
      (40_000, 0, 0), (0, 3_600_000, 0), (1, 3_599_999, 0), (1, 3_600_000, 1),
      // The dearest instance a file may name, a hundred of them for a year.
      (999_999_999_999, 100 * 365 * 86_400_000, 875_999_999_999_124_000),
    ] as [(Int64, Int64, Int64)])
  func priceIsRoundedDownToAMillionth(hour: Int64, time: Int64, price: Int64) {
    let cost = CostSpec(instanceHour: hour, currency: "EUR")
    #expect(cost.price(of: Milliseconds(time)) == price)
  }
}

@Suite struct ProjectSpecTests {
  private static let spec = ProjectSpec(
    project: "shop",
    services: [
      ServiceSpec(
        name: "web", run: "./web", instances: 3, environment: ["LOG": "info", "A": "b"],
        route: RouteSpec(host: "shop.example.com")),
      ServiceSpec(name: "mailer", run: "./mailer", route: nil),
    ],
    environments: [
      EnvironmentSpec(
        name: "staging",
        services: [
          "web": ServiceChange(
            instances: 1, route: RouteSpec(host: "staging.example.com"),
            environment: ["LOG": "debug", "NEW": "1"])
        ]),
      EnvironmentSpec(name: "production", after: "staging", services: ["web": ServiceChange()]),
    ])

  @Test func anEnvironmentChangesAService() throws {
    let web = try #require(Self.spec.service("web", in: "staging"))
    #expect(web.instances == 1)
    #expect(web.route == RouteSpec(host: "staging.example.com"))
    #expect(web.environment == ["LOG": "debug", "A": "b", "NEW": "1"])
    #expect(web.run == "./web")
  }

  @Test(arguments: ["production", "nowhere"] as [EnvironmentName])
  func whatIsNotChangedStays(environment: EnvironmentName) {
    #expect(Self.spec.service("web", in: environment) == Self.spec.service("web"))
  }

  @Test func aServiceThatIsNotChangedStays() {
    #expect(Self.spec.service("mailer", in: "staging") == Self.spec.service("mailer"))
    #expect(Self.spec.service("mailer", in: "staging")?.route == nil)
    #expect(Self.spec.service("other", in: "staging") == nil)
  }

  @Test func everythingTravelsAsJSON() throws {
    var spec = Self.spec
    spec.supersedes = true
    spec.cost = CostSpec(instanceHour: 40_000, currency: "EUR")
    spec.services[0].migrate = MigrateSpec(expand: "./up")
    spec.services[0].health.warmUp = WarmUpSpec(path: "/")
    spec.services[0].route?.sticky = .cookie("session", isIssued: true)
    spec.services[0].strategy = .ab(
      ABSpec(audience: .requests(.header(name: "X-Beta", value: "1"))))
    let decoded = try JSONDecoder().decode(
      ProjectSpec.self, from: try JSONEncoder().encode(spec))
    #expect(decoded == spec)
  }
}

/// Releases keep the specs of their commits for ever, so that those of the first version have to be
/// read by every later one.
@Suite struct FirstVersionTests {
  private static let deadlines = """
    { "ready": 60000, "drain": 1000, "stop": 10000, "rollback": 120000, "acknowledge": 5000 }
    """
  private static let service = """
    {
      "name": "web", "run": "./web", "instances": 2, "environment": { "A": "b" },
      "secrets": ["KEY"], "needs": [], "route": { "host": "a.example", "pathPrefix": "/" },
      "health": { "path": "/up", "interval": 250, "timeout": 2000, "rise": 2, "fall": 3 },
      "strategy": { "blueGreen": { "_0": { "keepOld": 600000 } } },
      "deadlines": \(deadlines), "limits": { "memory": 536870912 }
    }
    """

  private func decode<Value: Decodable>(_: Value.Type, _ json: String) throws -> Value {
    try JSONDecoder().decode(Value.self, from: Data(json.utf8))
  }

  @Test func deadlines() throws {
    let deadlines = try decode(DeadlineSpec.self, Self.deadlines)
    #expect(deadlines == DeadlineSpec(drain: .seconds(1)))
  }

  @Test func environment() throws {
    let environment = try decode(EnvironmentSpec.self, #"{ "name": "production" }"#)
    #expect(environment == EnvironmentSpec(name: "production"))
    #expect(environment.after == nil)
    #expect(!environment.isPromotedByHand)
  }

  @Test func service() throws {
    let service = try decode(ServiceSpec.self, Self.service)
    #expect(
      service
        == ServiceSpec(
          name: "web", run: "./web", instances: 2, environment: ["A": "b"], secrets: ["KEY"],
          route: RouteSpec(host: "a.example"), health: HealthSpec(path: "/up"),
          strategy: .blueGreen(BlueGreenSpec()), deadlines: DeadlineSpec(drain: .seconds(1)),
          limits: LimitSpec(memory: 512 << 20)))
    #expect(service.migrate == nil)
    #expect(!service.isIndependent)
  }

  @Test func project() throws {
    let project = try decode(
      ProjectSpec.self,
      """
      {
        "version": 1, "project": "shop", "deployBranch": "main", "pipeline": [],
        "services": [\(Self.service)], "environments": [{ "name": "production" }]
      }
      """)
    #expect(project.services.map(\.name) == ["web"])
    #expect(project.environments == [EnvironmentSpec(name: "production")])
    #expect(!project.supersedes)
    #expect(project.cost == nil)
  }

  @Test(arguments: [
    #"{ "rolling": { "_0": { "maxSurge": 2, "maxUnavailable": 1 } } }"#,
    #"{ "blueGreen": { "_0": { "keepOld": 1 } } }"#,
  ])
  func strategy(json: String) throws {
    let strategy = try decode(StrategySpec.self, json)
    switch strategy {
    case .rolling(let spec): #expect(spec == RollingSpec(maxSurge: 2, maxUnavailable: 1))
    case .blueGreen(let spec): #expect(spec == BlueGreenSpec(keepOld: Milliseconds(1)))
    case .canary, .ab, .shadow, .recreate: Issue.record("\(strategy)")
    }
  }

  /// An instance without tunnels need not wait for as long as one with some.
  @Test(arguments: [(30, nil, 0), (30, 300, 270), (30, 10, 0), (30, 30, 0)])
  func requestsAreDrainedByTheirOwnDeadline(_ drain: Int64, _ tunnels: Int64?, _ earlier: Int64) {
    let deadlines = DeadlineSpec(drain: .seconds(drain), tunnels: tunnels.map { .seconds($0) })
    let end = Instant(milliseconds: 1_000_000)
    #expect(end - deadlines.drainEndOfRequests(end) == .seconds(earlier))
  }
}
