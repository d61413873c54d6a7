import SegueModel

/// A service that was read, and the places that later checks point at.
struct ServiceDraft {
  var spec: ServiceSpec
  var nameSpan: Span
  var isWorker: Bool
  /// Its instances share a socket, and the router knows nothing of it.
  var isShared = false
  /// How it listens could be read.
  var hasSoundListen = true
  var routeSpan: Span?
  /// A route that could not be read is compared with no other.
  var hasSoundRoute: Bool
  var secrets: [LocatedText]
  /// Where the host of a preview stands.
  var previewSpan: Span?
}

/// The services of a file.
struct ServiceDrafts {
  /// Those that could be read.
  var all: [ServiceDraft] = []
  /// Of all, the others too.
  var names: [String] = []

  func draft(_ name: String) -> ServiceDraft? { all.first { $0.spec.name.rawValue == name } }
}

extension SpecBuilder {
  mutating func services(_ entry: YAMLEntry) -> ServiceDrafts {
    let example = "web: { run: ./web --port $PORT }"
    guard let named = namedSections(entry, of: "a service", example: example) else {
      return ServiceDrafts()
    }
    if named.count > SpecLimits.services {
      error(
        at: entry.keySpan,
        "there are \(named.count) services; up to \(SpecLimits.services) are allowed")
    }
    var drafts: [ServiceDraft] = []
    var graph = NeedsGraph(kind: "service")
    for item in named.prefix(SpecLimits.services) {
      guard let draft = service(item, graph: &graph) else { continue }
      drafts.append(draft)
    }
    check(graph)
    return ServiceDrafts(all: drafts, names: graph.nodes.map(\.name))
  }

  private mutating func service(
    _ entry: YAMLEntry, graph: inout NeedsGraph
  ) -> ServiceDraft? {
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
    let (variables, secrets) = environmentAndSecrets(fields, isService: true)
    (spec.environment, spec.secrets) = (variables, secrets.map(\.text))
    let worker = fields["worker"].flatMap { boolean($0) }
    let isWorker = worker ?? false
    let isClear = worker != nil || fields["worker"] == nil
    spec.route = isWorker ? nil : RouteSpec()
    let errorsBeforeRoute = errorCount
    if let route = fields["route"] { spec.route = self.route(route, of: owner) }
    var draft = ServiceDraft(
      spec: spec, nameSpan: entry.keySpan, isWorker: isWorker,
      routeSpan: fields["route"].map(\.keySpan),
      hasSoundRoute: isClear && errorCount == errorsBeforeRoute, secrets: secrets)
    if isWorker, let route = fields["route"] { refuseRoute(route, of: owner) }
    settings(of: &draft, fields, owner: owner)
    checkListen(&draft, fields, owner: owner)
    checkHealth(draft.spec, fields, takesTraffic: isClear && !isWorker, nameSpan: entry.keySpan)
    if let run = fields["run"], !spec.run.isEmpty {
      checkCommand(
        draft.spec, at: run.valueSpan,
        takesTraffic: isClear && !isWorker && draft.hasSoundListen)
    }
    return draft
  }

  /// How a service is checked, moved and bounded.
  private mutating func settings(of draft: inout ServiceDraft, _ fields: Fields, owner: String) {
    if let listen = fields["listen"] { self.listen(listen, in: &draft, owner: owner) }
    if let health = fields["health"] { draft.spec.health = self.health(health, of: owner) }
    if let strategy = fields["strategy"] {
      draft.spec.strategy = self.strategy(
        strategy, of: owner, instances: draft.spec.instances, isWorker: draft.isWorker)
      draft.previewSpan = strategy.value.entry(at: ["blue-green", "preview", "host"])?.valueSpan
    }
    if let deadlines = fields["deadlines"] {
      draft.spec.deadlines = self.deadlines(deadlines, of: owner)
    }
    judge(&draft, fields, owner: owner)
    if let limits = fields["limits"] { draft.spec.limits = self.limits(limits, of: owner) }
    if let migrate = fields["migrate"] { draft.spec.migrate = self.migrate(migrate, of: owner) }
    draft.spec.isIndependent = fields["independent"].flatMap { boolean($0) } ?? false
  }

  // MARK: Parts

  /// - Parameter standard: What is not named is as it is here.
  mutating func route(
    _ entry: YAMLEntry, of owner: String, standard: RouteSpec = RouteSpec()
  ) -> RouteSpec {
    var route = standard
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
    if let host = fields["host"].flatMap({ checked($0, TextRules.host) }) { route.host = host }
    if var path = fields["path"].flatMap({ checked($0, TextRules.urlPath) }) {
      if path.count > 1, path.hasSuffix("/") { path.removeLast() }
      route.pathPrefix = path
    }
    if fields["header"] != nil || fields["cookie"] != nil {
      route.match = requestMatch(fields, of: owner)
    }
    if let sticky = fields["sticky"] { route.sticky = self.sticky(sticky, of: owner) }
    if let tls = fields["tls"] {
      route.certificate = certificate(tls, of: owner, hasHost: route.host != nil)
    }
    return route
  }

  private mutating func requestMatch(
    _ fields: Fields, of owner: String
  ) -> RequestMatch? {
    let owner = "`route` of \(owner)"
    if let header = fields["header"], let cookie = fields["cookie"] {
      error(
        at: header.keySpan.later(cookie.keySpan),
        "\(owner) asks for both a header field and a cookie",
        hint: "keep one of the two")
      return nil
    }
    if let header = fields["header"] {
      return match(header, in: SpecKeys.requestHeader, of: owner, what: "a header field")
        .map { .header(name: $0.name, value: $0.value) }
    }
    return fields["cookie"].flatMap { cookie in
      match(cookie, in: SpecKeys.requestCookie, of: owner, what: "a cookie")
        .map { .cookie(name: $0.name, value: $0.value) }
    }
  }

  mutating func refuseRoute(_ entry: YAMLEntry, of owner: String) {
    error(
      at: entry.keySpan, "\(owner) is a worker and takes no traffic, so it has no `route`",
      hint: "keep `worker: true` or `route`")
  }

  private mutating func sticky(_ entry: YAMLEntry, of owner: String) -> StickySpec? {
    if case .scalar(let text, _) = entry.value.content {
      if text == "address" { return .address }
      error(
        at: entry.valueSpan, "`sticky` cannot be \(Printable.quoted(text))",
        hint: didYouMean(text, among: ["address"])
          ?? "write `address`, or the name of a cookie like `sticky: { cookie: session }`")
      return nil
    }
    let owner = "`sticky` of \(owner)"
    guard let fields = section(entry, in: SpecKeys.sticky, owner: owner) else { return nil }
    if let header = fields["header"], let cookie = fields["cookie"] {
      error(
        at: header.keySpan.later(cookie.keySpan), "\(owner) names both a cookie and a header field",
        hint: "keep one of the two")
      return nil
    }
    let issue = fields["issue"].flatMap { boolean($0) }
    if let entry = fields["issue"], fields["cookie"] == nil {
      error(
        at: entry.keySpan, "`issue` without `cookie`: only a cookie can be given to a client",
        hint: "write `sticky: { cookie: segue, issue: true }`, or take it out")
    }
    if let cookie = fields["cookie"] {
      let name = checked(cookie) { TextRules.token($0, of: "a cookie") }
      return name.map { .cookie($0, isIssued: issue ?? false) }
    }
    if let header = fields["header"] {
      let name = checked(header) { TextRules.token($0, of: "a header field") }
      return name.map { .header($0.lowercased()) }
    }
    if entry.value.hasNoEntries {
      error(
        at: entry.valueSpan, "\(owner) is empty",
        hint: "write `address`, `{ cookie: session }` or `{ header: X-User }`")
    }
    return nil
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
    if fields["notify"].flatMap({ boolean($0) }) == true { health.notify = true }
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
    if let entry = fields["warm-up"] { health.warmUp = warmUp(entry, of: owner) }
    return health
  }

  private mutating func warmUp(_ entry: YAMLEntry, of owner: String) -> WarmUpSpec? {
    if case .scalar = entry.value.content {
      return checked(entry, TextRules.urlPath).map { WarmUpSpec(path: $0) }
    }
    guard let fields = section(entry, in: SpecKeys.warmUp, owner: "`warm-up` of \(owner)"),
      let path = fields["path"].flatMap({ checked($0, TextRules.urlPath) })
    else { return nil }
    var warmUp = WarmUpSpec(path: path)
    if let count = fields["requests"].flatMap({ integer($0, in: SpecLimits.warmUpRequests) }) {
      warmUp.requests = count
    }
    return warmUp
  }

  private mutating func deadlines(_ entry: YAMLEntry, of owner: String) -> DeadlineSpec {
    var deadlines = DeadlineSpec()
    guard let fields = section(entry, in: SpecKeys.deadlines, owner: "`deadlines` of \(owner)")
    else { return deadlines }
    let long = SpecLimits.duration
    let places: [(String, ClosedRange<Milliseconds>, WritableKeyPath<DeadlineSpec, Milliseconds>)] =
      [
        ("ready", long, \.ready), ("drain", long, \.drain), ("stop", long, \.stop),
        ("rollback", long, \.rollback), ("acknowledge", long, \.acknowledge),
        ("warm-up", long, \.warmUp), ("pause", SpecLimits.wait, \.pause),
      ]
    for (name, range, path) in places {
      guard let value = fields[name].flatMap({ duration($0, in: range) }) else { continue }
      deadlines[keyPath: path] = value
    }
    deadlines.tunnels = fields["tunnels"].flatMap { duration($0, in: long) }
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

  private mutating func migrate(_ entry: YAMLEntry, of owner: String) -> MigrateSpec? {
    let owner = "`migrate` of \(owner)"
    guard let fields = section(entry, in: SpecKeys.migrate, owner: owner) else { return nil }
    var migrate = MigrateSpec(
      expand: fields["expand"].flatMap { command($0) },
      contract: fields["contract"].flatMap { command($0) })
    if let timeout = fields["timeout"].flatMap({ duration($0, in: SpecLimits.duration) }) {
      migrate.timeout = timeout
    }
    if let after = fields["contract-after"] {
      if let wait = duration(after, in: SpecLimits.waitOrNone) { migrate.contractAfter = wait }
      if fields["contract"] == nil {
        error(
          at: after.keySpan, "`contract-after` without `contract`: there is nothing to wait",
          hint: "add `contract: …`, or take it out")
      }
    }
    if fields["expand"] == nil, fields["contract"] == nil {
      error(
        at: entry.keySpan, "\(owner) has neither `expand` nor `contract`",
        hint: "add `expand: ./migrate up`, or take `migrate` out")
    }
    return migrate
  }

  // MARK: Checks

  private mutating func checkHealth(
    _ spec: ServiceSpec, _ fields: Fields, takesTraffic: Bool, nameSpan: Span
  ) {
    if spec.health.path != nil, spec.health.notify == true, let entry = fields["health"] {
      error(
        at: entry.value.entry(at: ["notify"])?.keySpan ?? entry.keySpan,
        "service `\(spec.name)` is either asked at its path, or says itself that it is ready",
        hint: "keep one of `path` and `notify`")
    }
    if spec.isWorker, spec.health.path != nil, let entry = fields["health"] {
      error(
        at: entry.keySpan,
        "service `\(spec.name)` is a worker and takes no traffic, so nothing can ask its path",
        hint: "take the path out; a worker is ready when it has stayed up for a while")
    } else if spec.isWorker, spec.health.warmUp != nil, let entry = fields["health"] {
      error(
        at: entry.value.entry(at: ["warm-up"])?.keySpan ?? entry.keySpan,
        "service `\(spec.name)` is a worker and takes no traffic, so nothing can warm it up",
        hint: "take `warm-up` out")
    }
    if takesTraffic, spec.health.path == nil, spec.health.notify != true,
      fields["health"]?.value.mentionsPath != true
    {
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

  private mutating func checkCommand(_ spec: ServiceSpec, at span: Span, takesTraffic: Bool) {
    let run = spec.run
    if let problem = ShellCommand(run).problemBehindExec {
      warn(
        at: span, "`run` of a service is started as `exec …`, and \(problem)",
        hint: "put it into a script, or write `run: sh -c '…'`; preparations belong in the pipeline"
      )
    }
    guard takesTraffic, spec.sharedAddress == nil else { return }
    if spec.listen == .unix {
      guard !run.contains("$SOCKET"), !run.contains("${SOCKET") else { return }
      warn(
        at: span, "`run` does not mention $SOCKET: does the program listen on the path in $SOCKET?",
        hint: "pass it on, like `--unix $SOCKET`, or read it in the program")
    } else if !run.contains("$PORT"), !run.contains("${PORT") {
      warn(
        at: span, "`run` does not mention $PORT: does the program listen on the port in $PORT?",
        hint: "many read PORT by themselves; otherwise pass it on, like `--port $PORT`")
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
