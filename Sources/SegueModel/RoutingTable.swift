/// Where one service's requests go. Immutable; replaced as a whole under a greater generation.
public struct ServiceTable: Hashable, Codable, Sendable {
  public var key: ServiceKey
  public var generation: Generation
  public var route: RouteSpec
  /// Versions with a weight above zero; the weights add to 1000. Empty: nothing is ready, and requests
  /// are answered 503, or held.
  public var versions: [VersionTarget]
  /// A release that some requests reach by another way than its share.
  public var side: SideTarget?
  /// With no version: how long a request waits for one before it is answered 503; `nil`: not at all.
  public var holdLimit: Milliseconds?
  /// How long the tunnels of an instance that leaves the table may last; `nil`: until somebody ends
  /// them.
  public var tunnelDrain: Milliseconds?
  /// What is to be counted of the users of two versions; `nil`: nothing.
  public var experiment: ExperimentTarget?

  public init(
    key: ServiceKey, generation: Generation, route: RouteSpec, versions: [VersionTarget],
    side: SideTarget? = nil, holdLimit: Milliseconds? = nil, tunnelDrain: Milliseconds? = nil,
    experiment: ExperimentTarget? = nil
  ) {
    self.experiment = experiment
    self.tunnelDrain = tunnelDrain
    self.key = key
    self.generation = generation
    self.route = route
    self.versions = versions
    self.side = side
    self.holdLimit = holdLimit
  }

  /// Every instance that gets requests under this table, copies of requests included.
  public var endpoints: [Endpoint] { versions.flatMap(\.endpoints) + (side?.endpoints ?? []) }
}

/// A release beside the versions that share the traffic, and who gets there.
public struct SideTarget: Hashable, Codable, Sendable {
  public var role: SideRole
  public var release: ReleaseID
  /// At least one.
  public var endpoints: [Endpoint]

  public init(role: SideRole, release: ReleaseID, endpoints: [Endpoint]) {
    self.role = role
    self.release = release
    self.endpoints = endpoints
  }
}

/// How requests come to a release that has no share of the traffic.
public enum SideRole: Hashable, Codable, Sendable {
  /// Requests that match go there instead.
  case requests(RequestMatch)
  /// Requests for this host go there; the path counts as in the route.
  case host(String)
  /// Copies go there; nobody sees the answers.
  case mirror(MirrorSpec)
}

/// One release's share of a service, and the instances that serve it.
public struct VersionTarget: Hashable, Codable, Sendable {
  public var release: ReleaseID
  public var weight: Permille
  /// At least one.
  public var endpoints: [Endpoint]

  public init(release: ReleaseID, weight: Permille, endpoints: [Endpoint]) {
    self.release = release
    self.weight = weight
    self.endpoints = endpoints
  }
}

/// One instance's address.
public struct Endpoint: Hashable, Codable, Sendable {
  public var instance: InstanceID
  /// A literal address, `127.0.0.1`: a route names instances, never a host that a client chose.
  public var host: String
  /// 0 where there is a socket.
  public var port: Int
  /// The absolute path of the Unix socket that it listens on, instead of a port.
  public var socket: String?

  public init(instance: InstanceID, host: String = "127.0.0.1", port: Int) {
    self.instance = instance
    self.host = host
    self.port = port
  }

  public init(instance: InstanceID, socket: String) {
    self.init(instance: instance, port: 0)
    self.socket = socket
  }

  /// As messages name it: `port 4711` or `socket /var/lib/segue/...`.
  public var place: String { socket.map { "socket \($0)" } ?? "port \(port)" }

  /// The longest path that fits into a Unix socket's address on Linux, with its final zero (unix(7)).
  public static let socketPathLimit = 107
}
