internal import ArgumentParser
internal import ControlProtocol
internal import Foundation
internal import RolloutEngine
internal import SegueModel
internal import SpecFile

struct AdviseCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "advise",
    abstract: "Hold every strategy against a service's facts, and recommend one.",
    discussion: """
      For each strategy: how long it takes, what extra capacity it needs and what that costs, how \
      many requests a bad release would spoil before it is taken back, and what it cannot catch.

      Segue measures what it can: requests and failures in the last five minutes, how long instances \
      boot and drain. Instances and price come from segue.yaml. Every fact can be said by an option \
      instead. Without a control plane it works from segue.yaml and the options alone.

      EXAMPLES:
        segue advise
        segue advise web --rate 120 --boot 4s --price "0.04 EUR"
        segue advise web --bad-ratio 2
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var said: SaidFacts
  @Argument(help: "The service. Default: each of them.")
  var service: String?
  @Option(name: [.customShort("e"), .long], help: "Only in this environment.")
  var environment: String?

  func run(in context: Context) async throws -> ExitStatus {
    let console = context.console(common)
    let said = try said.values()
    let request = FactsRequest(
      service: service.map { ServiceName($0) },
      environment: environment.map { EnvironmentName($0) })
    do {
      return try await context.withAPI(common) { [json = common.json] api in
        let reports = try await api.facts(request).map { AdviceReport($0, said) }
        return try await Self.show(reports, json, console)
      }
    } catch let error as ControlError where error.kind == .unreachable || error.kind == .notFound {
      // What is not live yet can be planned all the same.
      guard let root = Repository.root(from: context.directory) else { throw error }
      let spec = try Repository.spec(in: root).spec
      let services = spec.services.filter { service == nil || $0.name.rawValue == service }
      guard !services.isEmpty else { throw error }
      let reports = services.map { planned in
        let place = request.environment.flatMap { spec.service(planned.name, in: $0) } ?? planned
        return AdviceReport(place, cost: spec.cost, said)
      }
      return try await Self.show(reports, common.json, console)
    }
  }

  private static func show(_ reports: [AdviceReport], _ json: Bool, _ console: Console)
    async throws -> ExitStatus
  {
    guard !json else {
      try await console.print(JSONText.document(reports))
      return .success
    }
    let text = AdviceText(glyphs: console.glyphs)
    for (index, report) in reports.enumerated() {
      try await console.print((index > 0 ? [""] : []) + text.lines(report))
    }
    return .success
  }
}

/// Facts that somebody says instead of Segue measuring them.
struct SaidFacts: ParsableArguments {
  @Option(help: ArgumentHelp("Requests a second.", valueName: "n"))
  var rate: Double?
  @Option(
    help: ArgumentHelp("From an instance's start to ready.", valueName: "time"),
    transform: Parse.time)
  var boot: Milliseconds?
  @Option(
    help: ArgumentHelp("From out of the table to the last request's end.", valueName: "time"),
    transform: Parse.time)
  var drain: Milliseconds?
  @Option(help: ArgumentHelp("Instances in the steady state.", valueName: "n"))
  var instances: Int?
  @Option(help: ArgumentHelp("Percent of requests that fail while all is well.", valueName: "%"))
  var errors: Double?
  @Option(help: ArgumentHelp("How many times as often a bad release fails.", valueName: "n"))
  var badRatio: Double?
  @Option(
    help: ArgumentHelp("Until somebody notices that the service fails.", valueName: "time"),
    transform: Parse.time)
  var notice: Milliseconds?
  @Option(
    help: ArgumentHelp("An instance's price for an hour: \"0.04 EUR\".", valueName: "price"),
    transform: Parse.price)
  var price: CostSpec?

  func validate() throws {
    if let rate, !(rate >= 0 && rate <= 1e9) {
      throw ValidationError("--rate must be from 0 to 1000000000.")
    }
    if let instances, !(1...1_000).contains(instances) {
      throw ValidationError("--instances must be from 1 to 1000.")
    }
    if let errors, !(errors > 0 && errors <= 100) {
      throw ValidationError("--errors must be above 0 and at most 100.")
    }
    if let badRatio, !(badRatio > 1 && badRatio <= 1e6) {
      throw ValidationError("--bad-ratio must be above 1.")
    }
  }

  /// The same without the parser.
  struct Values: Sendable {
    var rate: Double?
    var boot: Milliseconds?
    var drain: Milliseconds?
    var instances: Int?
    /// A share.
    var errors: Double?
    var badRatio: Double?
    var notice: Milliseconds?
    var price: CostSpec?
  }

  func values() throws -> Values {
    Values(
      rate: rate, boot: boot, drain: drain, instances: instances, errors: errors.map { $0 / 100 },
      badRatio: badRatio, notice: notice, price: price)
  }
}

/// An advice with the facts it rests on, and where each comes from.
struct AdviceReport: Encodable, Sendable {
  enum Origin: String, Encodable, Sendable {
    case said, measured, file, assumed

    var words: String {
      switch self {
      case .said: "as you say"
      case .measured: "measured"
      case .file: "segue.yaml"
      case .assumed: "assumed"
      }
    }
  }

  struct Known: Encodable, Sendable {
    var name: String
    var value: String
    var origin: Origin
  }

  /// `production/web`, or `web` where nothing runs yet.
  var service: String
  var facts: AdviceFacts
  var known: [Known]
  var advice: Advice

  private static let assumedRate = 10.0
  private static let assumedErrors = 0.001
  private static let assumedBoot = Milliseconds.seconds(5)
  private static let assumedDrain = Milliseconds.seconds(2)

  init(_ measured: ServiceFacts, _ said: SaidFacts.Values) {
    self.init("\(measured.key)", measured.spec, measured.cost, measured, said)
  }

  init(_ spec: ServiceSpec, cost: CostSpec?, _ said: SaidFacts.Values) {
    self.init("\(spec.name)", spec, cost, nil, said)
  }

  private init(
    _ service: String, _ spec: ServiceSpec, _ cost: CostSpec?, _ measured: ServiceFacts?,
    _ said: SaidFacts.Values
  ) {
    var known: [Known] = []
    func pick<Value>(
      _ name: String, _ said: Value?, _ found: Value?, _ origin: Origin, _ assumed: Value,
      _ words: (Value) -> String
    ) -> Value {
      let value = said ?? found ?? assumed
      known.append(
        Known(
          name: name, value: words(value),
          origin: said != nil ? .said : found != nil ? origin : .assumed))
      return value
    }
    var spec = spec
    spec.instances = pick("instances", said.instances, spec.instances, .file, 1) { "\($0)" }
    known.append(Known(name: "strategy", value: spec.strategy.name, origin: .file))
    let traffic = measured?.traffic
    let rate = pick(
      "requests", said.rate, traffic.map { Double($0.requests) / Self.seconds($0.over) }, .measured,
      Self.assumedRate
    ) { "\(AdviceText.requests($0)) a second" }
    let errors = pick(
      "of which fail", said.errors, traffic.flatMap(Self.errorShare), .measured, Self.assumedErrors
    ) { "\(AdviceText.number(($0 * 100_000).rounded() / 1_000))%" }
    let boot = pick("boots in", said.boot, measured?.boot, .measured, Self.assumedBoot) { "\($0)" }
    let drain = pick("drains in", said.drain, measured?.drain, .measured, Self.assumedDrain) {
      "\($0)"
    }
    let cost = said.price ?? cost
    if let cost {
      known.append(
        Known(
          name: "costs", value: Words.money(cost.instanceHour, cost.currency) + " an hour",
          origin: said.price == nil ? .file : .said))
    }
    facts = AdviceFacts(
      spec: spec, requestRate: rate, errorRate: errors, badRatio: said.badRatio ?? 10, boot: boot,
      drain: drain, notice: said.notice ?? .minutes(5), cost: cost)
    advice = Advice(facts)
    self.service = service
    self.known = known
  }

  private static func seconds(_ time: Milliseconds) -> Double { Double(max(1, time.count)) / 1_000 }

  /// `nil` where too few failed for a share to mean anything.
  private static func errorShare(_ traffic: ServiceFacts.Traffic) -> Double? {
    guard traffic.failures >= 3, traffic.requests > 0 else { return nil }
    return Double(traffic.failures) / Double(traffic.requests)
  }
}

extension Parse {
  /// `0.04 EUR`: at most six digits after the point.
  static func price(_ text: String) throws -> CostSpec {
    guard
      let match = text.wholeMatch(of: #/\s*(\d{1,9})(?:\.(\d{1,6}))?\s*([A-Z]{3})\s*/#),
      let whole = Int64(match.1)
    else { throw ValidationError("\"\(text)\" is no price: write \"0.04 EUR\".") }
    let digits = match.2.map(String.init) ?? ""
    let millionths =
      Int64(digits + String(repeating: "0", count: 6 - digits.count)) ?? 0
    return CostSpec(instanceHour: whole * 1_000_000 + millionths, currency: String(match.3))
  }
}
