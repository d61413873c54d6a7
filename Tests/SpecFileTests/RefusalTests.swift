import SegueModel
import Testing

@testable import SpecFile

/// What a file may not ask for, one fact each: the sentence, and the place it points at. How whole
/// reports look is in the goldens.
@Suite struct RefusalTests {
  /// The errors of a file with one service `web` that has these lines.
  private static func errors(_ lines: String...) -> [Diagnostic] {
    let service = ["run: ./web --port $PORT", "health: /up"] + lines
    let text =
      "version: 1\nproject: shop\nservices:\n  web:\n"
      + service.map { "    \($0)\n" }.joined()
    return Fixtures.diagnostics(text).filter { $0.severity == .error }
  }

  private static func sole(_ diagnostics: [Diagnostic]) throws -> Diagnostic {
    #expect(diagnostics.count == 1, "\(diagnostics.map(\.rendered))")
    return try #require(diagnostics.first)
  }

  /// The piece of the line that the carets are under.
  private static func marked(_ diagnostic: Diagnostic) -> String {
    let lines = diagnostic.excerpt.split(separator: "\n").map(Array.init)
    guard lines.count == 2, let start = lines[1].firstIndex(of: "^") else { return "" }
    return String(lines[0][start..<min(lines[1].count, lines[0].count)])
  }

  @Test func environmentsWhoseInstancesWouldHaveTheSameNames() throws {
    let text = """
      version: 1
      project: shop
      services:
        web: { run: ./web --port $PORT, health: /up, route: { host: a.example.com } }
        eu-web: { run: ./web --port $PORT, health: /up, route: { host: b.example.com } }
      environments:
        prod: {}
        prod-eu: { services: { web: { route: { host: c.example.com } }, \
          eu-web: { route: { host: d.example.com } } } }

      """
    let errors = Fixtures.diagnostics(text).filter { $0.severity == .error }
    let error = try Self.sole(errors)
    #expect(error.message.contains("`web` in `prod-eu` and of `eu-web` in `prod`"))
    #expect(Self.marked(error) == "prod-eu")
  }

  // MARK: Canary

  @Test(arguments: ["101%", "150%", "1000%", "99999999999999999999%"])
  func weightsAboveEverything(_ weight: String) throws {
    let error = try Self.sole(Self.errors("strategy: { canary: { steps: [5%, \(weight)] } }"))
    #expect(error.message.contains("is \(weight), which is more than all of the traffic"))
    #expect(Self.marked(error) == weight)
  }

  @Test func theStepToEverythingFollowsByItself() throws {
    let error = try Self.sole(Self.errors("strategy: { canary: { steps: [5%, 100%] } }"))
    #expect(error.hint?.contains("the move to 100% follows by itself") == true)
    #expect(Self.marked(error) == "100%")
  }

  @Test(arguments: ["0%", "0.0%", "-1%", "-99999999999999999999%"])
  func weightsOfNothing(_ weight: String) throws {
    let error = try Self.sole(Self.errors("strategy: { canary: { steps: [\(weight), 5%] } }"))
    #expect(error.message.contains("is \(weight): it has to give the new release some"))
    #expect(Self.marked(error) == weight)
  }

  @Test(arguments: [
    ("25%", "goes down from 50% to 25%"), ("50%", "is 50%, like the one before it"),
  ])
  func stepsThatDoNotGrow(_ weight: String, _ words: String) throws {
    for step in [weight, "{ weight: \(weight) }"] {
      let error = try Self.sole(Self.errors("strategy: { canary: { steps: [5%, 50%, \(step)] } }"))
      #expect(error.message == "step 3 of `canary` of service `web` \(words)")
      #expect(Self.marked(error) == weight)
    }
  }

  @Test func moreStepsThanAnybodyNeeds() throws {
    let weights = (1...21).map { "\($0)%" }.joined(separator: ", ")
    let error = try Self.sole(Self.errors("strategy: { canary: { steps: [\(weights)] } }"))
    #expect(error.message == "`canary` of service `web` has 21 steps; up to 20 are allowed")
  }

  @Test func unknownKnobs() throws {
    let nearby = try Self.sole(Self.errors("strategy: { canary: { stpes: [5%] } }"))
    #expect(nearby.message == "unknown key `stpes` in `canary` of service `web`")
    #expect(nearby.hint == "did you mean `steps`?")
    let step = try Self.sole(
      Self.errors("strategy: { canary: { steps: [{ weight: 5%, colour: red }] } }"))
    #expect(step.message == "unknown key `colour` in step 1 of `canary` of service `web`")
    let above = try Self.sole(Self.errors("strategy: { steps: [5%] }"))
    #expect(above.hint == "put it under `canary`")
  }

  @Test(arguments: [
    ("{ blue-green: { preview: { host: p.example, until: verdict } } }", "`until` cannot be"),
    ("{ canary: { watch: [errors] } }", "unknown key `watch` in `canary`"),
    ("{ canary: { until: verdict, limit: 1h } }", "bounds the wait for a person"),
    ("{ ab: { variants: {} } }", "not supported by this version of Segue"),
    ("{ ab: { goals: [orders] } }", "`goals` must be a mapping, not a list"),
  ])
  func verdictsOutOfPlace(_ strategy: String, _ message: String) throws {
    let error = try Self.sole(Self.errors("strategy: \(strategy)"))
    #expect(error.message.contains(message), "\(error.message)")
  }

  @Test(arguments: [
    ("analysis: { watch: [erors] }", "nothing called `erors` can be watched"),
    ("analysis: { minimum: 2h }", "waits at least 2h and at most 1h"),
    ("analysis: { tolerate: -1 }", "-1, which is out of range"),
    ("analysis: { false-alarms: 50% }", "50%, which is out of range"),
    ("analysis: { on-insufficient: wait }", "`on-insufficient` cannot be `wait`"),
    ("analysis: { objective: 100% }", "is no objective"),
    ("analysis: { objective: 99.99999% }", "is no objective"),
    ("analysis: { objective: 0.999 }", "is no objective"),
    ("analysis: { score: { pass: 101 } }", "101, which is out of range"),
    ("analysis: { score: { pass: 50, marginal: 60 } }", "calls 60 marginal and 50 good"),
    ("worker: true\n    analysis: { watch: [errors] }", "nothing can judge it"),
  ])
  func analysesThatCannotBe(_ line: String, _ message: String) throws {
    let messages = Self.errors(line).map(\.message)
    #expect(messages.contains { $0.contains(message) }, "\(messages)")
  }

  // MARK: Numbers

  @Test(
    "numbers below nothing",
    arguments: [
      ("instances: -1", "-1"), ("strategy: { ab: { share: -5% } }", "-5%"),
      ("strategy: { rolling: { max-surge: -1 } }", "-1"),
      ("strategy: { recreate: { hold-limit: -1s } }", "-1s"),
      ("strategy: { canary: { keep-old: -1s } }", "-1s"),
      ("migrate: { expand: ./up, timeout: -1m }", "-1m"), ("deadlines: { pause: -1h }", "-1h"),
    ])
  func negative(_ line: String, _ value: String) throws {
    let error = try Self.sole(Self.errors(line))
    #expect(Self.marked(error) == value)
    #expect(error.message.contains(value))
    #expect(error.hint != nil)
  }

  @Test(
    "numbers beyond all bounds",
    arguments: [
      ("instances: 99999999999999999999", "99999999999999999999"),
      ("strategy: { ab: { share: 99999999999999999999% } }", "99999999999999999999%"),
      ("strategy: { rolling: { max-surge: 99999999999999999999 } }", "99999999999999999999"),
      ("strategy: { canary: { hold: 999999999d } }", "999999999d"),
      ("strategy: { canary: { hold: 99999999999999999999d } }", "99999999999999999999d"),
      ("deadlines: { pause: 91d }", "91d"),
      ("migrate: { contract: ./c, contract-after: 91d }", "91d"),
      ("limits: { memory: 999999999TiB }", "999999999TiB"),
    ])
  func huge(_ line: String, _ value: String) throws {
    let error = try Self.sole(Self.errors(line))
    #expect(Self.marked(error) == value)
    #expect(error.message.contains(value))
    #expect(error.hint != nil)
  }

  @Test(
    "prices",
    arguments: [
      ("-0.04 EUR", "below nothing"), ("99999999999999999999 EUR", "more than an hour"),
      ("0.0000001 EUR", "finer than a millionth"), ("0.04", "the currency is missing"),
      ("0.04 eur", "is not a price"),
    ])
  func price(_ price: String, _ words: String) throws {
    let error = try Self.sole(
      Fixtures.diagnostics(
        "version: 1\nproject: shop\npipeline: [{ step: a, run: a }]\n"
          + "cost: { instance-hour: \(price) }\n"))
    #expect(error.message.contains(words))
    #expect(Self.marked(error) == price)
  }

  // MARK: Circles

  @Test func servicesThatNeedOneAnother() throws {
    let error = try Self.sole(
      Fixtures.diagnostics(
        """
        version: 1
        project: shop
        services:
          a: { run: a, worker: true, needs: [b] }
          b: { run: b, worker: true, needs: [c] }
          c: { run: c, worker: true, needs: [a] }
        """))
    #expect(error.message == "services need one another in a circle: a -> b -> c -> a")
    #expect((error.line, error.column) == (6, 38))
  }

  @Test func environmentsThatComeAfterOneAnother() throws {
    let error = try Self.sole(
      Fixtures.diagnostics(
        """
        version: 1
        project: shop
        services: { a: { run: a, worker: true } }
        environments:
          staging: { after: production }
          production: { after: staging }
        """))
    #expect(
      error.message
        == "environments come after one another in a circle: staging -> production -> staging")
    #expect((error.line, error.column) == (6, 24))
  }

  /// 100 services in 20 environments, each with a preview, all of them in one another's way.
  @Test func manyCollisionsEnd() {
    let services = (0..<SpecLimits.services).map {
      "  s\($0): { run: a $PORT, health: /up, strategy: { blue-green: { preview: { host: p } } } }\n"
    }
    let environments = (0..<SpecLimits.environments).map { "  e\($0): {}\n" }
    let start = ContinuousClock.now
    let diagnostics = Fixtures.diagnostics(
      "version: 1\nproject: shop\nservices:\n\(services.joined())"
        + "environments:\n\(environments.joined())")
    #expect(diagnostics.count == SpecLimits.diagnostics + 1)
    #expect(ContinuousClock.now - start < .seconds(20))
  }
}
