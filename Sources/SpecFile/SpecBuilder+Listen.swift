import SegueModel

extension SpecBuilder {
  mutating func listen(_ entry: YAMLEntry, in draft: inout ServiceDraft, owner: String) {
    let errorsBefore = errorCount
    draft.spec.listen = listen(entry, of: owner)
    guard errorCount != errorsBefore else { return }
    // Whether it needs a route, or a port in its command, is not known.
    draft.hasSoundListen = false
    draft.hasSoundRoute = false
  }

  /// - Returns: `nil` for a port of its own, which is also what an unsound one counts as.
  mutating func listen(_ entry: YAMLEntry, of owner: String) -> ListenSpec? {
    if case .scalar(let text, _) = entry.value.content {
      switch text {
      case "port": return nil
      case "unix": return .unix
      case "inherit":
        error(
          at: entry.valueSpan, "`inherit` does not say where to listen",
          hint: "write `listen: { inherit: 8080 }`, or `{ inherit: 0.0.0.0:8080 }`")
      default:
        error(
          at: entry.valueSpan, "`listen` cannot be \(Printable.quoted(text))",
          hint: didYouMean(text, among: ["port", "unix", "inherit"])
            ?? "write `port`, `unix` or `{ inherit: 8080 }`; Segue chooses the port of `port`")
      }
      return nil
    }
    let owner = "`listen` of \(owner)"
    guard let fields = section(entry, in: SpecKeys.listen, owner: owner) else { return nil }
    guard let address = fields["inherit"] else { return nil }
    return self.address(address).map { .inherit($0) }
  }

  private mutating func address(_ entry: YAMLEntry) -> SharedAddress? {
    guard let text = text(entry) else { return nil }
    do throws(Misreading) {
      return try AddressText.parse(text)
    } catch {
      self.error(at: entry.valueSpan, error)
      return nil
    }
  }

  // MARK: What goes together

  /// Settles what a service that listens in another way than by a port has, and refuses what it cannot
  /// have. To be called once everything else of the service was read.
  mutating func checkListen(_ draft: inout ServiceDraft, _ fields: Fields, owner: String) {
    guard let listen = draft.spec.listen, let entry = fields["listen"] else { return }
    guard !draft.isWorker else {
      return error(
        at: entry.keySpan, "\(owner) is a worker and takes no requests, so it does not `listen`",
        hint: "keep `worker: true` or `listen`")
    }
    guard case .inherit = listen else { return }
    draft.spec.route = nil
    draft.isShared = true
    if let route = fields["route"] { refuseSharedRoute(route, of: owner) }
    if let strategy = fields["strategy"] {
      checkShared(&draft.spec.strategy, strategy, of: owner)
    }
  }

  mutating func refuseSharedRoute(_ entry: YAMLEntry, of owner: String) {
    error(
      at: entry.keySpan,
      "\(owner) takes requests from a socket of its own (`listen: { inherit: … }`), with no router "
        + "on the path that could follow a `route`",
      hint: "take `route` out, or take `listen` out and let the router bring the requests")
  }

  /// All instances, the old and the new, accept from one socket: nobody can say which request goes to
  /// which release.
  private mutating func checkShared(
    _ strategy: inout StrategySpec, _ entry: YAMLEntry, of owner: String
  ) {
    func span(_ path: [String]) -> Span? { entry.value.entry(at: path)?.keySpan }
    switch strategy {
    case .rolling: break
    case .blueGreen(var blueGreen):
      if let place = span(["blue-green", "preview"]) {
        refuse("`preview`", "nothing could show one of two releases", at: place, of: owner)
      }
      if let place = span(["blue-green", "keep-old"]) {
        refuse(
          "`keep-old`", "old instances that are kept would go on taking requests", at: place,
          of: owner)
      }
      blueGreen.keepOld = .zero
      strategy = .blueGreen(blueGreen)
    case .recreate:
      if let place = span(["recreate", "hold-limit"]) {
        refuse(
          "`hold-limit`", "connections wait in the kernel for as long as their clients do",
          at: place, of: owner)
      }
    case .canary, .ab, .shadow:
      error(
        at: entry.valueSpan,
        "\(owner) cannot have the strategy `\(strategy.name)`: with `listen: { inherit: … }` all "
          + "instances accept from one socket, so that requests cannot be given to one release by "
          + "weight, nor be copied, nor be counted for each release",
        hint: "write `rolling`, `blue-green` or `recreate`, or take `listen` out and let the "
          + "router bring the requests")
    }
  }

  private mutating func refuse(
    _ key: String, _ reason: String, at span: Span, of owner: String
  ) {
    error(
      at: span, "\(owner) cannot have \(key): instances accept from one socket, and \(reason)",
      hint: "take it out, or take `listen` out and let the router bring the requests")
  }

  // MARK: In environments

  /// Another address for a socket that instances share; the way in itself stays as the service has it.
  mutating func changedListen(
    _ entry: YAMLEntry, of service: ServiceDraft?, owner: String
  ) -> ListenSpec? {
    let listen = self.listen(entry, of: owner)
    guard let service, service.spec.sharedAddress == nil || listen == .unix else { return listen }
    error(
      at: entry.keySpan, "only the address of a service with `listen: { inherit: … }` can differ",
      hint: "take it out, or write `listen` under the service itself")
    return nil
  }

  /// Two sockets cannot listen at one address, whatever environment they are of.
  mutating func checkAddresses(_ services: ServiceDrafts, in environments: [EnvironmentDraft]) {
    var first: [SharedAddress: (EnvironmentName, ServiceName)] = [:]
    for environment in environments where environment.hasKnownChanges {
      for service in services.all {
        let name = service.spec.name
        var spec = service.spec
        if let listen = environment.spec.services[name]?.listen { spec.listen = listen }
        guard let address = spec.sharedAddress else { continue }
        guard let (place, other) = first[address] else {
          first[address] = (environment.spec.name, name)
          continue
        }
        error(
          at: environment.routeSpans[name] ?? environment.span ?? service.nameSpan,
          "`\(other)` in `\(place)` and `\(name)` in `\(environment.spec.name)` would both listen "
            + "on \(address)",
          hint: place == environment.spec.name
            ? "give one of them another port"
            : "give it another port in one of them: "
              + "`services: { \(name): { listen: { inherit: … } } }`")
      }
    }
  }
}
