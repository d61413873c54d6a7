import SegueModel

extension SpecBuilder {
  /// A service that was read, and the places that later checks point at.
  private struct Draft {
    var spec: ServiceSpec
    var nameSpan: Span
    var routeSpan: Span?
    /// A route that could not be read is compared with no other.
    var hasSoundRoute: Bool
  }

  mutating func services(_ entry: YAMLEntry) -> [ServiceSpec] {
    let example = "web: { run: ./web --port $PORT }"
    guard let named = namedSections(entry, of: "a service", example: example) else { return [] }
    if named.count > SpecLimits.services {
      error(
        at: entry.keySpan,
        "there are \(named.count) services; up to \(SpecLimits.services) are allowed")
    }
    var drafts: [Draft] = []
    var graph = NeedsGraph(kind: "service")
    for item in named.prefix(SpecLimits.services) {
      guard let draft = service(item, graph: &graph) else { continue }
      drafts.append(draft)
    }
    check(graph)
    checkRoutes(drafts)
    return drafts.map(\.spec)
  }

  private mutating func service(_ entry: YAMLEntry, graph: inout NeedsGraph) -> Draft? {
    let owner = "service `\(entry.key)`"
    guard let fields = section(entry, in: SpecKeys.service, owner: owner) else {
      graph.nodes.append(.init(name: entry.key, span: entry.keySpan, needs: []))
      return nil
    }
    let needs = fields["needs"].map { list($0) { TextRules.name($0, of: "a service") } } ?? []
    graph.nodes.append(.init(name: entry.key, span: entry.keySpan, needs: needs))
    var spec = ServiceSpec(
      name: ServiceName(entry.key), run: fields["run"].flatMap { command($0) } ?? "",
      needs: needs.map { ServiceName($0.text) })
    if let count = fields["instances"].flatMap({ integer($0, in: SpecLimits.instances) }) {
      spec.instances = count
    }
    (spec.environment, spec.secrets) = environmentAndSecrets(fields, isService: true)
    let worker = fields["worker"].flatMap { boolean($0) }
    let isWorker = worker ?? false
    let isClear = worker != nil || fields["worker"] == nil
    spec.route = isWorker ? nil : RouteSpec()
    let errorsBeforeRoute = errorCount
    if let route = fields["route"] { spec.route = self.route(route, of: owner) }
    let hasSoundRoute = isClear && errorCount == errorsBeforeRoute
    if isWorker, let route = fields["route"] {
      error(
        at: route.keySpan, "\(owner) is a worker and takes no traffic, so it has no `route`",
        hint: "keep `worker: true` or `route`")
    }
    if let health = fields["health"] { spec.health = self.health(health, of: owner) }
    if let strategy = fields["strategy"] {
      spec.strategy = self.strategy(strategy, of: owner, instances: spec.instances)
    }
    if let deadlines = fields["deadlines"] {
      spec.deadlines = self.deadlines(deadlines, of: owner)
    }
    if let limits = fields["limits"] { spec.limits = self.limits(limits, of: owner) }
    checkHealth(spec, fields, takesTraffic: isClear && !isWorker, nameSpan: entry.keySpan)
    if let run = fields["run"], !spec.run.isEmpty {
      checkCommand(spec.run, at: run.valueSpan, takesTraffic: isClear && !isWorker)
    }
    return Draft(
      spec: spec, nameSpan: entry.keySpan, routeSpan: fields["route"].map(\.keySpan),
      hasSoundRoute: hasSoundRoute)
  }

  // MARK: Parts

  private mutating func route(_ entry: YAMLEntry, of owner: String) -> RouteSpec {
    var route = RouteSpec()
    if case .scalar(let text, _) = entry.value.content {
      let key = text.hasPrefix("/") ? "path" : "host"
      error(
        at: entry.valueSpan, "`route` must be a mapping, not \(entry.value.kind)",
        hint: "write `route: { \(key): \(Printable.text(text)) }`")
      return route
    }
    guard let fields = section(entry, in: SpecKeys.route, owner: "`route` of \(owner)") else {
      return route
    }
    route.host = fields["host"].flatMap { checked($0, TextRules.host) }
    if var path = fields["path"].flatMap({ checked($0, TextRules.urlPath) }) {
      if path.count > 1, path.hasSuffix("/") { path.removeLast() }
      route.pathPrefix = path
    }
    return route
  }

  private mutating func health(_ entry: YAMLEntry, of owner: String) -> HealthSpec {
    var health = HealthSpec()
    if case .scalar = entry.value.content {
      health.path = checked(entry, TextRules.urlPath)
      return health
    }
    guard let fields = section(entry, in: SpecKeys.health, owner: "`health` of \(owner)") else {
      return health
    }
    health.path = fields["path"].flatMap { checked($0, TextRules.urlPath) }
    if let interval = fields["interval"].flatMap({ duration($0, in: SpecLimits.interval) }) {
      health.interval = interval
    }
    if let timeout = fields["timeout"].flatMap({ duration($0, in: SpecLimits.interval) }) {
      health.timeout = timeout
    }
    if let rise = fields["rise"].flatMap({ integer($0, in: SpecLimits.threshold) }) {
      health.rise = rise
    }
    if let fall = fields["fall"].flatMap({ integer($0, in: SpecLimits.threshold) }) {
      health.fall = fall
    }
    return health
  }

  private mutating func strategy(
    _ entry: YAMLEntry, of owner: String, instances: Int
  ) -> StrategySpec {
    let standard = StrategySpec.rolling(RollingSpec())
    if case .scalar(let text, _) = entry.value.content {
      switch text {
      case "rolling": return standard
      case "blue-green": return .blueGreen(BlueGreenSpec())
      default:
        refuseStrategy(text, at: entry.valueSpan)
        return standard
      }
    }
    let place = "`strategy` of \(owner)"
    guard let fields = section(entry, in: SpecKeys.strategy, owner: place) else { return standard }
    if fields["rolling"] != nil, let second = fields["blue-green"] {
      error(at: second.keySpan, "\(place) names two strategies", hint: "keep one of the two")
      return standard
    }
    if let entry = fields["blue-green"] {
      return .blueGreen(blueGreen(entry, of: owner))
    }
    if let entry = fields["rolling"] {
      return .rolling(rolling(entry, of: owner, instances: instances))
    }
    if case .mapping(let entries) = entry.value.content, !entries.isEmpty { return standard }
    error(at: entry.valueSpan, "\(place) is empty", hint: "write `rolling` or `blue-green`")
    return standard
  }

  private mutating func refuseStrategy(_ text: String, at span: Span) {
    if SpecKeys.strategy.planned.contains(text) {
      error(
        at: span, "the strategy `\(text)` is not supported by this version of Segue",
        hint: "write `rolling` or `blue-green`")
    } else {
      let names = SpecKeys.strategy.keys.map(\.name)
      error(
        at: span, "there is no strategy \(Printable.quoted(text))",
        hint: didYouMean(text, among: names) ?? "write `rolling` or `blue-green`")
    }
  }

  private mutating func rolling(
    _ entry: YAMLEntry, of owner: String, instances: Int
  ) -> RollingSpec {
    var rolling = RollingSpec()
    guard let fields = section(entry, in: SpecKeys.rolling, owner: "`rolling` of \(owner)")
    else { return rolling }
    if let surge = fields["max-surge"].flatMap({ integer($0, in: SpecLimits.surge) }) {
      rolling.maxSurge = surge
    }
    guard let unavailable = fields["max-unavailable"] else {
      if rolling.maxSurge == 0 { refuseStandstill(entry) }
      return rolling
    }
    rolling.maxUnavailable = integer(unavailable, in: SpecLimits.surge) ?? 0
    if rolling.maxSurge == 0, rolling.maxUnavailable == 0 { refuseStandstill(entry) }
    if rolling.maxUnavailable >= instances {
      error(
        at: unavailable.valueSpan,
        "`max-unavailable` is \(rolling.maxUnavailable), but there are only \(instances) "
          + "instance\(instances == 1 ? "" : "s"): nothing would be left to serve",
        hint: instances > 1
          ? "write at most \(instances - 1)" : "leave it out, or raise `instances`")
    }
    return rolling
  }

  private mutating func refuseStandstill(_ entry: YAMLEntry) {
    error(
      at: entry.keySpan,
      "with `max-surge` and `max-unavailable` both 0 no instance could ever be replaced",
      hint: "write `max-surge: 1`")
  }

  private mutating func blueGreen(_ entry: YAMLEntry, of owner: String) -> BlueGreenSpec {
    var blueGreen = BlueGreenSpec()
    if let fields = section(entry, in: SpecKeys.blueGreen, owner: "`blue-green` of \(owner)"),
      let keep = fields["keep-old"].flatMap({ duration($0, in: SpecLimits.duration) })
    {
      blueGreen.keepOld = keep
    }
    return blueGreen
  }

  private mutating func deadlines(_ entry: YAMLEntry, of owner: String) -> DeadlineSpec {
    var deadlines = DeadlineSpec()
    guard let fields = section(entry, in: SpecKeys.deadlines, owner: "`deadlines` of \(owner)")
    else { return deadlines }
    let places: [(String, WritableKeyPath<DeadlineSpec, Milliseconds>)] = [
      ("ready", \.ready), ("drain", \.drain), ("stop", \.stop), ("rollback", \.rollback),
      ("acknowledge", \.acknowledge),
    ]
    for (name, path) in places {
      guard let value = fields[name].flatMap({ duration($0, in: SpecLimits.duration) }) else {
        continue
      }
      deadlines[keyPath: path] = value
    }
    return deadlines
  }

  private mutating func limits(_ entry: YAMLEntry, of owner: String) -> LimitSpec {
    guard let fields = section(entry, in: SpecKeys.limits, owner: "`limits` of \(owner)") else {
      return LimitSpec()
    }
    return LimitSpec(
      memory: fields["memory"].flatMap { size($0) }, cpu: fields["cpu"].flatMap { cores($0) },
      files: fields["files"].flatMap { integer($0, in: SpecLimits.files) },
      processes: fields["processes"].flatMap { integer($0, in: SpecLimits.processes) })
  }

  // MARK: Checks

  private mutating func checkHealth(
    _ spec: ServiceSpec, _ fields: Fields, takesTraffic: Bool, nameSpan: Span
  ) {
    if spec.route == nil, spec.health.path != nil, let entry = fields["health"] {
      error(
        at: entry.keySpan,
        "service `\(spec.name)` is a worker and takes no traffic, so nothing can ask its path",
        hint: "take the path out; a worker is ready when it has stayed up for a while")
    }
    if takesTraffic, spec.health.path == nil, fields["health"]?.value.mentionsPath != true {
      warn(
        at: fields["health"]?.keySpan ?? nameSpan,
        "service `\(spec.name)` has no health path: an instance counts as ready as soon as its "
          + "port accepts a connection",
        hint: "let the program answer 200 when it can serve, and write `health: /up`")
    }
    let needed = spec.health.interval * Int64(spec.health.rise)
    if needed > spec.deadlines.ready {
      error(
        at: fields["health"]?.keySpan ?? fields["deadlines"]?.keySpan ?? nameSpan,
        "service `\(spec.name)` can never be ready in time: `rise` times `interval` is "
          + "\(DurationText.render(needed)), the deadline `ready` is "
          + DurationText.render(spec.deadlines.ready),
        hint: "shorten `interval`, or raise `deadlines: { ready: … }`")
    }
  }

  private mutating func checkCommand(_ run: String, at span: Span, takesTraffic: Bool) {
    if let problem = ShellCommand(run).problemBehindExec {
      warn(
        at: span, "`run` of a service is started as `exec …`, and \(problem)",
        hint: "put it into a script, or write `run: sh -c '…'`; preparations belong in the pipeline"
      )
    }
    if takesTraffic, !run.contains("$PORT"), !run.contains("${PORT") {
      warn(
        at: span, "`run` does not mention $PORT: does the program listen on the port in $PORT?",
        hint: "many read PORT by themselves; otherwise pass it on, like `--port $PORT`")
    }
  }

  private mutating func checkRoutes(_ drafts: [Draft]) {
    var first: [RouteSpec: Draft] = [:]
    for draft in drafts {
      guard draft.hasSoundRoute, let route = draft.spec.route else { continue }
      guard let other = first[route] else {
        first[route] = draft
        continue
      }
      let host = route.host.map { "the host `\($0)`" } ?? "every host"
      let path = route.pathPrefix == "/" ? "" : " below `\(route.pathPrefix)`"
      error(
        at: draft.routeSpan ?? draft.nameSpan,
        "services `\(other.spec.name)` and `\(draft.spec.name)` both take \(host)\(path)",
        hint: "give one of them another `route: { host: …, path: … }`, or `worker: true`",
        notes: [
          source.note(at: other.routeSpan ?? other.nameSpan, "`\(other.spec.name)` takes it here")
        ])
    }
  }
}

extension YAMLNode {
  /// Whether this value of `health` was meant to have a path, be it a sound one or not.
  fileprivate var mentionsPath: Bool {
    guard case .mapping(let entries) = content else { return !isNull }
    return entries.contains { $0.key == "path" }
  }
}
