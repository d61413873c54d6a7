/// A long-running thing that takes traffic, or a worker that takes none.
public struct ServiceSpec: Hashable, Codable, Sendable {
  public var name: ServiceName
  /// Run by `/bin/sh -c "exec ..."` in the root of the release, with `$PORT` or `$SOCKET` set.
  public var run: String
  /// How many instances serve in the steady state; at least 1.
  public var instances: Int
  public var environment: [String: String]
  /// Names of secrets put into each instance's environment.
  public var secrets: [String]
  /// Services of the same release that must be moved before this one.
  public var needs: [ServiceName]
  /// `nil`: each instance listens on a port of its own, `$PORT`.
  public var listen: ListenSpec?
  /// `nil` for what the router brings nothing: for a service whose instances share a socket, and for
  /// a worker, which is ready when it has stayed up for `health.interval * health.rise`.
  public var route: RouteSpec?
  public var health: HealthSpec
  public var strategy: StrategySpec
  public var deadlines: DeadlineSpec
  public var limits: LimitSpec
  /// Changes of the database that go with a release.
  public var migrate: MigrateSpec?
  /// It stays where it is when another service of the same release fails.
  public var isIndependent: Bool
  /// How its releases are judged; `nil`: not at all.
  public var analysis: AnalysisSpec?

  public init(
    name: ServiceName, run: String, instances: Int = 1, environment: [String: String] = [:],
    secrets: [String] = [], needs: [ServiceName] = [], listen: ListenSpec? = nil,
    route: RouteSpec? = RouteSpec(),
    health: HealthSpec = HealthSpec(), strategy: StrategySpec = .rolling(RollingSpec()),
    deadlines: DeadlineSpec = DeadlineSpec(), limits: LimitSpec = LimitSpec(),
    migrate: MigrateSpec? = nil, isIndependent: Bool = false, analysis: AnalysisSpec? = nil
  ) {
    self.analysis = analysis
    self.name = name
    self.run = run
    self.instances = instances
    self.environment = environment
    self.secrets = secrets
    self.needs = needs
    self.listen = listen
    self.route = route
    self.health = health
    self.strategy = strategy
    self.deadlines = deadlines
    self.limits = limits
    self.migrate = migrate
    self.isIndependent = isIndependent
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    name = try fields.decode(ServiceName.self, forKey: .name)
    run = try fields.decode(String.self, forKey: .run)
    instances = try fields.decode(Int.self, forKey: .instances)
    environment = try fields.decode([String: String].self, forKey: .environment)
    secrets = try fields.decode([String].self, forKey: .secrets)
    needs = try fields.decode([ServiceName].self, forKey: .needs)
    listen = try fields.decodeIfPresent(ListenSpec.self, forKey: .listen)
    route = try fields.decodeIfPresent(RouteSpec.self, forKey: .route)
    health = try fields.decode(HealthSpec.self, forKey: .health)
    strategy = try fields.decode(StrategySpec.self, forKey: .strategy)
    deadlines = try fields.decode(DeadlineSpec.self, forKey: .deadlines)
    limits = try fields.decode(LimitSpec.self, forKey: .limits)
    // Records that were written before these existed have none of them.
    migrate = try fields.decodeIfPresent(MigrateSpec.self, forKey: .migrate)
    isIndependent = try fields.decodeIfPresent(Bool.self, forKey: .isIndependent) ?? false
    analysis = try fields.decodeIfPresent(AnalysisSpec.self, forKey: .analysis)
  }
}

/// Changes of the database that go with a release: expand before its first instance, contract once
/// nobody can go back behind it any more. Each runs exactly once for each release and environment.
public struct MigrateSpec: Hashable, Codable, Sendable {
  /// Must leave the earlier release working. Run by `/bin/sh -ec` in the root of the release, with
  /// the service's environment and secrets.
  public var expand: String?
  /// Removes what only the earlier release needed.
  public var contract: String?
  /// Each of the two is ended, and has failed, when it takes longer.
  public var timeout: Milliseconds
  /// How long after the rollout going back stays possible, and the contract waits.
  public var contractAfter: Milliseconds

  public init(
    expand: String? = nil, contract: String? = nil, timeout: Milliseconds = .minutes(10),
    contractAfter: Milliseconds = .minutes(60)
  ) {
    self.expand = expand
    self.contract = contract
    self.timeout = timeout
    self.contractAfter = contractAfter
  }
}

/// One of the two changes of a ``MigrateSpec``.
public enum MigrationStep: String, Hashable, Codable, Sendable, CaseIterable {
  case expand, contract

  /// Its command, if the service has one.
  public func command(of spec: MigrateSpec) -> String? {
    switch self {
    case .expand: spec.expand
    case .contract: spec.contract
    }
  }
}

/// How a migration ended.
public enum MigrationOutcome: Hashable, Codable, Sendable {
  case succeeded
  /// One sentence: `exited with status 1`, `took longer than 10 m`.
  case failed(String)
  /// The machine went down while it ran, so nobody can say how far it came. It is not run again
  /// unless a person says so.
  case interrupted(String)

  public var hasSucceeded: Bool { self == .succeeded }

  /// As a person would say it.
  public var sentence: String {
    switch self {
    case .succeeded: "succeeded"
    case .failed(let reason): reason
    case .interrupted(let reason): "was interrupted: \(reason)"
    }
  }
}

/// Which requests a service gets.
public struct RouteSpec: Hashable, Codable, Sendable {
  /// Lower-case host name without a port; `nil` takes every host that no other service names.
  public var host: String?
  /// Begins with `/`; the longest match wins.
  public var pathPrefix: String
  /// What requests must carry besides; of two services at one host and path, the one that asks for
  /// something gets what carries it.
  public var match: RequestMatch?
  /// Who gets the same version again; `nil` is ``StickySpec/address``.
  public var sticky: StickySpec?
  /// Where the certificate of ``host`` comes from; `nil`: the route wants none.
  public var certificate: RouteCertificate?

  public init(
    host: String? = nil, pathPrefix: String = "/", match: RequestMatch? = nil,
    sticky: StickySpec? = nil, certificate: RouteCertificate? = nil
  ) {
    self.host = host
    self.pathPrefix = pathPrefix
    self.match = match
    self.sticky = sticky
    self.certificate = certificate
  }
}

/// What makes two requests come from the same user, so that they get the same version.
public enum StickySpec: Hashable, Codable, Sendable {
  /// The client's address. Everybody behind one gateway is one user then.
  case address
  /// The value of a header field, named in lower case; without it, the address.
  case header(String)
  /// The value of a cookie; without it, the address. With `isIssued`, the router gives a client that
  /// has none a cookie with a random value.
  case cookie(String, isIssued: Bool)
}

/// How an instance proves that it is ready.
public struct HealthSpec: Hashable, Codable, Sendable {
  /// Asked by `GET`; 200 to 299 is a pass, redirects are not followed. `nil`: a TCP connection
  /// counts as a pass.
  public var path: String?
  /// It says itself that it is ready: `READY=1` to the socket in `$NOTIFY_SOCKET` (sd_notify(3)).
  /// Nobody asks it, then. `nil`: it is asked.
  public var notify: Bool?
  public var interval: Milliseconds
  public var timeout: Milliseconds
  /// Passes in a row until an instance is ready.
  public var rise: Int
  /// Failures in a row until a ready instance is not.
  public var fall: Int
  /// Requests made before the first one of a user's.
  public var warmUp: WarmUpSpec?

  public init(
    path: String? = nil, notify: Bool? = nil, interval: Milliseconds = Milliseconds(250),
    timeout: Milliseconds = .seconds(2), rise: Int = 2, fall: Int = 3, warmUp: WarmUpSpec? = nil
  ) {
    self.path = path
    self.notify = notify
    self.interval = interval
    self.timeout = timeout
    self.rise = rise
    self.fall = fall
    self.warmUp = warmUp
  }
}

/// Requests that an instance gets after it passed its checks and before it is in a table. Their answers
/// do not matter; ``DeadlineSpec/warmUp`` bounds them.
public struct WarmUpSpec: Hashable, Codable, Sendable {
  /// Asked by `GET`, one after another.
  public var path: String
  public var requests: Int
  public init(path: String, requests: Int = 10) {
    self.path = path
    self.requests = requests
  }
}

/// How long each wait of a rollout may last, and so when its consequence comes.
public struct DeadlineSpec: Hashable, Codable, Sendable {
  /// Start to ready; then the rollout is rolled back.
  public var ready: Milliseconds
  /// Requests in flight on a retiring instance; then it is stopped all the same, and the receipt
  /// counts what was cut.
  public var drain: Milliseconds
  /// Websockets, other upgraded connections and event streams of a retiring instance, which last as
  /// long as somebody wants them; `nil`: as ``drain``. Websockets are told to go in the second half.
  public var tunnels: Milliseconds?
  /// SIGTERM to exit; then SIGKILL.
  public var stop: Milliseconds
  /// The whole rollback; then it is an incident, and the last good table stays.
  public var rollback: Milliseconds
  /// The router's acknowledgement of a table; then the rollout is rolled back.
  public var acknowledge: Milliseconds
  /// The warm-up of an instance; then it counts as warm.
  public var warmUp: Milliseconds
  /// A pause; then the rollout is taken back.
  public var pause: Milliseconds

  public init(
    ready: Milliseconds = .seconds(60), drain: Milliseconds = .seconds(30),
    stop: Milliseconds = .seconds(10), rollback: Milliseconds = .seconds(120),
    acknowledge: Milliseconds = .seconds(5), warmUp: Milliseconds = .seconds(10),
    pause: Milliseconds = .minutes(24 * 60), tunnels: Milliseconds? = nil
  ) {
    self.tunnels = tunnels
    self.ready = ready
    self.drain = drain
    self.stop = stop
    self.rollback = rollback
    self.acknowledge = acknowledge
    self.warmUp = warmUp
    self.pause = pause
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    ready = try fields.decode(Milliseconds.self, forKey: .ready)
    drain = try fields.decode(Milliseconds.self, forKey: .drain)
    stop = try fields.decode(Milliseconds.self, forKey: .stop)
    rollback = try fields.decode(Milliseconds.self, forKey: .rollback)
    acknowledge = try fields.decode(Milliseconds.self, forKey: .acknowledge)
    // Records that were written before these existed have none of them.
    let standard = DeadlineSpec()
    warmUp = try fields.decodeIfPresent(Milliseconds.self, forKey: .warmUp) ?? standard.warmUp
    pause = try fields.decodeIfPresent(Milliseconds.self, forKey: .pause) ?? standard.pause
    tunnels = try fields.decodeIfPresent(Milliseconds.self, forKey: .tunnels)
  }

  /// How long tunnels and event streams may take to end.
  public var tunnelDrain: Milliseconds { tunnels ?? drain }

  /// When an instance has been drained long enough on which nothing lasts any more.
  ///
  /// - Parameter end: of its tunnels' drain, and of its requests'.
  public func drainEndOfRequests(_ end: Instant) -> Instant {
    end + (drain - max(drain, tunnelDrain))
  }
}

/// What one instance may use. `nil` is no limit.
public struct LimitSpec: Hashable, Codable, Sendable {
  /// Bytes of memory.
  public var memory: Int64?
  /// Thousandths of one core, by cgroup only.
  public var cpu: Int?
  /// Open file descriptors.
  public var files: Int?
  /// Processes and threads.
  public var processes: Int?

  public init(memory: Int64? = nil, cpu: Int? = nil, files: Int? = nil, processes: Int? = nil) {
    self.memory = memory
    self.cpu = cpu
    self.files = files
    self.processes = processes
  }
}
