import SegueModel

/// An environment that was read, and the places that later checks point at.
struct EnvironmentDraft {
  var spec: EnvironmentSpec
  var span: Span?
  /// Where the route of a service is changed, or could be, by service.
  var routeSpans: [ServiceName: Span] = [:]
  var unsoundRoutes: Set<ServiceName> = []
  /// Whether it can be said for every service whether it is changed.
  var hasKnownChanges = true

  init(name: EnvironmentName, span: Span? = nil) {
    spec = EnvironmentSpec(name: name)
    self.span = span
  }
}

extension SpecBuilder {
  mutating func environments(
    _ entry: YAMLEntry, _ services: ServiceDrafts, _ teams: TeamDrafts
  ) -> [EnvironmentDraft] {
    guard let named = namedSections(entry, of: "an environment", example: "production: {}")
    else { return [] }
    if entry.value.hasNoEntries {
      error(
        at: entry.valueSpan, "there is no environment",
        hint: "write `environments: { production: {} }`, or leave it out")
    }
    if named.count > SpecLimits.environments {
      error(
        at: entry.keySpan,
        "there are \(named.count) environments; up to \(SpecLimits.environments) are allowed")
    }
    var graph = NeedsGraph(kind: "environment", key: "after")
    let drafts = named.prefix(SpecLimits.environments).map {
      environment($0, services, teams, graph: &graph)
    }
    check(graph)
    checkNames(drafts, services.names)
    return drafts
  }

  /// Instances and rollouts are named by environment and service with a `-` between, which both may
  /// contain themselves.
  private mutating func checkNames(_ environments: [EnvironmentDraft], _ services: [String]) {
    var first: [String: (environment: EnvironmentName, service: String)] = [:]
    for environment in environments {
      let name = environment.spec.name
      for service in services {
        guard let other = first.updateValue((name, service), forKey: "\(name)-\(service)"),
          other.environment != name, let span = environment.span
        else { continue }
        error(
          at: span,
          "the instances of `\(service)` in `\(name)` and of `\(other.service)` in "
            + "`\(other.environment)` would have the same names",
          hint: "give one of the environments another name")
      }
    }
  }

  private mutating func environment(
    _ entry: YAMLEntry, _ services: ServiceDrafts, _ teams: TeamDrafts, graph: inout NeedsGraph
  ) -> EnvironmentDraft {
    let owner = "environment `\(entry.key)`"
    var draft = EnvironmentDraft(name: EnvironmentName(entry.key), span: entry.keySpan)
    guard let fields = section(entry, in: SpecKeys.environment, owner: owner) else {
      graph.nodes.append(.init(name: entry.key, span: entry.keySpan, needs: []))
      draft.hasKnownChanges = false
      return draft
    }
    let after = fields["after"].flatMap { entry in
      name(entry, of: "an environment").map { LocatedText(text: $0, span: entry.valueSpan) }
    }
    graph.nodes.append(
      .init(name: entry.key, span: entry.keySpan, needs: after.map { [$0] } ?? []))
    draft.spec.after = after.map { EnvironmentName($0.text) }
    if let promote = fields["promote"] {
      draft.spec.isPromotedByHand = word(promote, among: ["automatic", "by-hand"]) == "by-hand"
      if draft.spec.isPromotedByHand, fields["after"] == nil {
        error(
          at: promote.keySpan, "\(owner) has no `after`, so there is nothing to promote from",
          hint: "add `after: …` with the environment that comes before, or take `promote` out")
      }
    }
    draft.spec.windows = fields["windows"].flatMap { windows($0, owner: owner) }
    draft.spec.approval = fields["approval"].flatMap { approval($0, teams, owner: owner) }
    if let entry = fields["services"] { changes(entry, services, in: &draft, owner: owner) }
    return draft
  }

  // MARK: What is different

  private mutating func changes(
    _ entry: YAMLEntry, _ services: ServiceDrafts, in draft: inout EnvironmentDraft, owner: String
  ) {
    let example = "web: { instances: 1 }"
    guard let named = namedSections(entry, of: "a service", example: example) else {
      draft.hasKnownChanges = false
      return
    }
    if named.count < entry.value.entries.count { draft.hasKnownChanges = false }
    for item in named {
      guard services.names.contains(item.key) else {
        let names = services.names
        draft.hasKnownChanges = false
        error(
          at: item.keySpan, "there is no service `\(item.key)` to change in \(owner)",
          hint: didYouMean(item.key, among: names)
            ?? (names.isEmpty
              ? nil : "there are: " + names.prefix(20).map { "`\($0)`" }.joined(separator: ", ")))
        continue
      }
      let name = ServiceName(item.key)
      draft.routeSpans[name] = item.keySpan
      // What a service that could not be read has is not known; its change is read all the same.
      let service = services.draft(item.key)
      let errorsBefore = errorCount
      draft.spec.services[name] = change(
        item, of: service, in: &draft, owner: "service `\(item.key)` in \(owner)")
      if errorCount != errorsBefore { draft.unsoundRoutes.insert(name) }
    }
  }

  private mutating func change(
    _ item: YAMLEntry, of service: ServiceDraft?, in draft: inout EnvironmentDraft, owner: String
  ) -> ServiceChange? {
    guard let fields = section(item, in: SpecKeys.change, owner: owner) else { return nil }
    var change = ServiceChange()
    if let entry = fields["instances"] {
      change.instances = integer(entry, in: SpecLimits.instances)
      if let count = change.instances, let service { checkInstances(count, entry, service, owner) }
    }
    if let entry = fields["route"] {
      draft.routeSpans[ServiceName(item.key)] = entry.keySpan
      change.route = route(entry, of: owner, standard: service?.spec.route ?? RouteSpec())
      if service?.isWorker == true {
        error(
          at: entry.keySpan, "\(owner) is a worker and takes no traffic, so it has no `route`",
          hint: "take it out")
      } else if service?.isShared == true {
        change.route = nil
        refuseSharedRoute(entry, of: owner)
      }
    }
    if let entry = fields["listen"] {
      change.listen = changedListen(entry, of: service, owner: owner)
    }
    if let entry = fields["env"] {
      change.environment = variables(entry, beside: service?.secrets ?? [], isService: true)
    }
    return change
  }

  private mutating func checkInstances(
    _ count: Int, _ entry: YAMLEntry, _ service: ServiceDraft, _ owner: String
  ) {
    guard case .rolling(let rolling) = service.spec.strategy, rolling.maxUnavailable >= count,
      rolling.maxUnavailable < service.spec.instances
    else { return }
    error(
      at: entry.valueSpan,
      "\(owner) has \(count) instance\(count == 1 ? "" : "s"), but `max-unavailable` of its "
        + "strategy is \(rolling.maxUnavailable): nothing would be left to serve",
      hint: "write at least \(rolling.maxUnavailable + 1), or lower `max-unavailable`")
  }

  // MARK: One router for all

  /// A service of an environment, and the host and path that it takes.
  private struct Claim {
    var environment: EnvironmentName
    var service: ServiceName
    var host: String?
    var path: String
    var match: RequestMatch?
    /// Where the route is written, or would be.
    var span: Span
    /// Where this environment could say something else.
    var changeSpan: Span

    struct Place: Hashable {
      var host: String?
      var path: String
      var match: RequestMatch?
    }
    struct Pair: Hashable {
      var one: Span
      var other: Span
    }

    /// "the host `shop.example.com` below `/api`"
    var words: String {
      (host.map { "the host `\($0)`" } ?? "every host") + (path == "/" ? "" : " below `\(path)`")
        + (match.map { " for requests with \($0.words)" } ?? "")
    }
  }

  private func claims(
    _ services: ServiceDrafts, in environments: [EnvironmentDraft]
  ) -> [Claim] {
    environments.filter(\.hasKnownChanges).flatMap { environment in
      services.all.compactMap { service -> Claim? in
        let name = service.spec.name
        let change = environment.spec.services[name]
        guard service.hasSoundRoute, !environment.unsoundRoutes.contains(name),
          let route = service.spec.route
        else { return nil }
        let own = service.routeSpan ?? service.nameSpan
        let changeSpan = environment.routeSpans[name] ?? environment.span ?? own
        return Claim(
          environment: environment.spec.name, service: name,
          host: (change?.route ?? route).host, path: (change?.route ?? route).pathPrefix,
          match: (change?.route ?? route).match,
          span: change?.route == nil ? own : changeSpan, changeSpan: changeSpan)
      }
    }
  }

  /// All services of all environments stand behind one router, so that each needs a host and path
  /// of its own.
  mutating func checkRoutes(_ services: ServiceDrafts, in environments: [EnvironmentDraft]) {
    let claims = claims(services, in: environments)
    var first: [Claim.Place: Claim] = [:]
    var told: Set<Claim.Pair> = []
    for claim in claims {
      let place = Claim.Place(host: claim.host, path: claim.path, match: claim.match)
      guard let other = first[place] else {
        first[place] = claim
        continue
      }
      if claim.service == other.service {
        refuse(claim, likeThatOf: other)
      } else if told.insert(Claim.Pair(one: other.span, other: claim.span)).inserted {
        // Where two services meet in the file itself, they do so in every environment.
        refuse(claim, beside: other)
      }
    }
    checkPreviews(services, claims)
  }

  private mutating func refuse(_ claim: Claim, beside other: Claim) {
    let places =
      claim.environment == other.environment
      ? "services `\(other.service)` and `\(claim.service)`"
      : "`\(other.service)` in \(other.environment) and `\(claim.service)` in \(claim.environment)"
    error(
      at: claim.span, "\(places) both take \(claim.words)",
      hint: "give one of them another `route: { host: …, path: … }`, or `worker: true`",
      notes: [source.note(at: other.span, "`\(other.service)` takes it here")])
  }

  private mutating func refuse(_ claim: Claim, likeThatOf other: Claim) {
    let name = claim.service
    error(
      at: claim.changeSpan,
      "environments `\(other.environment)` and `\(claim.environment)` both serve `\(name)` at "
        + "\(claim.words), and one router cannot tell them apart",
      hint: "give it a host of its own in one of them: "
        + "`services: { \(name): { route: { host: … } } }`",
      notes: [
        source.note(at: other.changeSpan, "`\(name)` of `\(other.environment)` takes it here")
      ])
  }

  // MARK: Previews

  private mutating func checkPreviews(_ services: ServiceDrafts, _ claims: [Claim]) {
    let routes = Dictionary(
      claims.compactMap { claim in claim.host.map { ($0, claim) } }
    ) { first, _ in first }
    var first: [Claim.Place: Claim] = [:]
    var told: Set<Span> = []
    for claim in claims {
      guard let draft = services.draft(claim.service.rawValue), let span = draft.previewSpan,
        case .blueGreen(let spec) = draft.spec.strategy, let host = spec.preview?.host
      else { continue }
      let place = Claim.Place(host: host, path: claim.path, match: claim.match)
      let other = first[place]
      first[place] = other ?? claim
      if let route = routes[host] {
        guard told.insert(span).inserted else { continue }
        error(
          at: span, "the preview of service `\(claim.service)` has the host of a route",
          hint: "give it a host that no route has, like `preview.\(host)`",
          notes: [source.note(at: route.span, "`\(route.service)` takes it here")])
      } else if let other, told.insert(span).inserted {
        refusePreview(of: claim, at: span, likeThatOf: other, services)
      }
    }
  }

  private mutating func refusePreview(
    of claim: Claim, at span: Span, likeThatOf other: Claim, _ services: ServiceDrafts
  ) {
    guard claim.service == other.service else {
      let place = services.draft(other.service.rawValue)?.previewSpan ?? other.span
      return error(
        at: span,
        "the previews of services `\(other.service)` and `\(claim.service)` have the same host",
        hint: "give each a host of its own",
        notes: [source.note(at: place, "`\(other.service)` takes it here")])
    }
    error(
      at: span,
      "environments `\(other.environment)` and `\(claim.environment)` would both show the preview "
        + "of `\(claim.service)` at one host, and one router cannot tell them apart",
      hint: "give one of them another `route: { path: … }`, or take `preview` out",
      notes: [source.note(at: claim.changeSpan, "`\(claim.environment)` has it too")])
  }
}
