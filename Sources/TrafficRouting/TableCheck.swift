import SegueModel

/// Whether a table is one that a router can follow, whoever wrote it.
enum TableCheck {
  /// A request is not held for longer: no client waits that long, and spans are multiplied.
  static let holdLimit = Milliseconds.minutes(24 * 60)
  /// Names of header fields and cookies that a table may ask about, and how long each may be.
  static let nameLimit = 32
  static let nameOctets = 256

  static func check(_ table: ServiceTable) throws(TableRefusal) {
    guard table.route.pathPrefix.hasPrefix("/") else {
      throw .unsound("the path prefix \(table.route.pathPrefix) does not begin with /")
    }
    try checkSticky(table.route.sticky)
    switch table.route.match {
    case .header(let name, _), .cookie(let name, _): try checkName(name)
    case nil: break
    }
    try checkVersions(table.versions)
    if let side = table.side { try checkSide(side, of: table) }
    if let experiment = table.experiment { try checkExperiment(experiment) }
    if let limit = table.holdLimit, limit < .zero || limit > holdLimit {
      throw .unsound("requests cannot be held for \(limit.count) ms")
    }
  }

  private static func checkVersions(_ versions: [VersionTarget]) throws(TableRefusal) {
    guard !versions.isEmpty else { return }
    var total = 0
    for version in versions {
      guard version.weight > .none else {
        throw .unsound("\(version.release) has no share of the traffic")
      }
      total += version.weight.value
      try checkEndpoints(version.endpoints, of: version.release)
    }
    guard total == 1_000 else { throw .unsound("the shares add to \(total), not to 1000") }
    guard Set(versions.map(\.release)).count == versions.count else {
      throw .unsound("a release is named twice")
    }
  }

  private static func checkEndpoints(
    _ endpoints: [Endpoint], of release: ReleaseID
  ) throws(TableRefusal) {
    guard !endpoints.isEmpty else { throw .unsound("\(release) has no instance") }
    for endpoint in endpoints {
      if let socket = endpoint.socket {
        guard socket.hasPrefix("/"), socket.utf8.count <= Endpoint.socketPathLimit,
          !socket.utf8.contains(0)
        else { throw .unsound("\(endpoint.instance) has no valid socket: \(socket)") }
      } else if !(1...65_535).contains(endpoint.port) {
        throw .unsound("\(endpoint.instance) has no valid port: \(endpoint.port)")
      }
    }
  }

  private static func checkSide(
    _ side: SideTarget, of table: ServiceTable
  ) throws(TableRefusal) {
    try checkEndpoints(side.endpoints, of: side.release)
    guard !table.versions.contains(where: { $0.release == side.release }) else {
      throw .unsound("\(side.release) has a share of the traffic and is beside it, too")
    }
    switch side.role {
    case .requests(.header(let name, _)), .requests(.cookie(let name, _)): try checkName(name)
    case .host(let host):
      guard !host.isEmpty, host.utf8.count <= nameOctets,
        host.utf8.allSatisfy({ $0.isHostCharacter && $0.lowercased == $0 && $0 != .colon })
      else { throw .unsound("\(Excerpt.quoted(host.utf8)) is no host name in lower case") }
      guard host != table.route.host else {
        throw .unsound("\(host) is the host of the service itself")
      }
    case .mirror(let mirror):
      guard mirror.headers.count <= nameLimit else {
        throw .unsound("more than \(nameLimit) header fields are to be compared")
      }
      for name in mirror.headers { try checkName(name) }
    }
  }

  private static func checkExperiment(_ experiment: ExperimentTarget) throws(TableRefusal) {
    guard (1...GoalSpec.limit).contains(experiment.goals.count) else {
      throw .unsound("an experiment has 1 to \(GoalSpec.limit) goals")
    }
    for goal in experiment.goals {
      try checkName(goal.name)
      switch goal.source {
      case .header(let name): try checkName(name)
      case .path(let path):
        guard path.hasPrefix("/") else {
          throw .unsound("the path of the goal \(goal.name) does not begin with /")
        }
      case .posted: break
      }
    }
    guard Set(experiment.goals.map(\.name)).count == experiment.goals.count else {
      throw .unsound("a goal is named twice")
    }
  }

  private static func checkSticky(_ sticky: StickySpec?) throws(TableRefusal) {
    switch sticky {
    case .address, nil: break
    case .header(let name), .cookie(let name, isIssued: _): try checkName(name)
    }
  }

  /// A name that is no token could write lines of its own into a response (RFC 9110 section 5.6.2).
  private static func checkName(_ name: String) throws(TableRefusal) {
    guard !name.isEmpty, name.utf8.count <= nameOctets, name.utf8.allSatisfy(\.isToken) else {
      throw .unsound("a header field or cookie cannot be called \(Excerpt.quoted(name.utf8))")
    }
  }
}
