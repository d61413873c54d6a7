/// What a `segue.yaml` says, after it was read and found sound. Every default is already filled in.
///
/// A release carries the spec of its own commit, so that a rollback restores the exact earlier
/// configuration together with the exact earlier files.
public struct ProjectSpec: Hashable, Codable, Sendable {
  /// The format version; 1 is the only one so far.
  public var version: Int
  public var project: ProjectName
  /// The branch whose head is deployed.
  public var deployBranch: String
  /// Steps in the order of the file. Names are unique; `needs` form no cycle.
  public var pipeline: [StepSpec]
  /// Services in the order of the file. Names are unique; `needs` form no cycle.
  public var services: [ServiceSpec]
  /// Environments in the order of the file; at least one.
  public var environments: [EnvironmentSpec]

  public init(
    version: Int = 1, project: ProjectName, deployBranch: String = "main",
    pipeline: [StepSpec] = [], services: [ServiceSpec],
    environments: [EnvironmentSpec] = [EnvironmentSpec(name: "production")]
  ) {
    self.version = version
    self.project = project
    self.deployBranch = deployBranch
    self.pipeline = pipeline
    self.services = services
    self.environments = environments
  }

  public func service(_ name: ServiceName) -> ServiceSpec? {
    services.first { $0.name == name }
  }
}

/// A named place that a release runs in.
public struct EnvironmentSpec: Hashable, Codable, Sendable {
  public var name: EnvironmentName
  public init(name: EnvironmentName) { self.name = name }
}

/// One command of the pipeline.
public struct StepSpec: Hashable, Codable, Sendable {
  public var name: StepName
  /// Run by `/bin/sh -ec` in the root of a clean checkout.
  public var run: String
  /// Steps that must have passed before this one starts.
  public var needs: [StepName]
  public var environment: [String: String]
  /// Names of secrets put into the step's environment and masked in its log.
  public var secrets: [String]
  /// The step is ended, with its whole process group, when it takes longer. Default 30 minutes.
  public var timeout: Milliseconds
  /// Directories, relative to the checkout, kept from one run of this step to the next.
  public var cache: [String]
  public var reports: ReportSpec

  public init(
    name: StepName, run: String, needs: [StepName] = [], environment: [String: String] = [:],
    secrets: [String] = [], timeout: Milliseconds = .minutes(30), cache: [String] = [],
    reports: ReportSpec = ReportSpec()
  ) {
    self.name = name
    self.run = run
    self.needs = needs
    self.environment = environment
    self.secrets = secrets
    self.timeout = timeout
    self.cache = cache
    self.reports = reports
  }
}

/// Reports that a step promises to leave behind: glob patterns relative to the checkout.
public struct ReportSpec: Hashable, Codable, Sendable {
  /// JUnit XML test reports. A promised report that is missing or empty refuses the commit.
  public var junit: [String]
  public init(junit: [String] = []) { self.junit = junit }
  public var isEmpty: Bool { junit.isEmpty }
}

/// A long-running thing that takes traffic, or a worker that takes none.
public struct ServiceSpec: Hashable, Codable, Sendable {
  public var name: ServiceName
  /// Run by `/bin/sh -c "exec ..."` in the root of the release, with `$PORT` set.
  public var run: String
  /// How many instances serve in the steady state; at least 1.
  public var instances: Int
  public var environment: [String: String]
  /// Names of secrets put into each instance's environment.
  public var secrets: [String]
  /// Services of the same release that must be moved before this one.
  public var needs: [ServiceName]
  /// `nil` for a worker: it takes no traffic and is ready when it has stayed up for `health.interval
  /// * health.rise`.
  public var route: RouteSpec?
  public var health: HealthSpec
  public var strategy: StrategySpec
  public var deadlines: DeadlineSpec
  public var limits: LimitSpec

  public init(
    name: ServiceName, run: String, instances: Int = 1, environment: [String: String] = [:],
    secrets: [String] = [], needs: [ServiceName] = [], route: RouteSpec? = RouteSpec(),
    health: HealthSpec = HealthSpec(), strategy: StrategySpec = .rolling(RollingSpec()),
    deadlines: DeadlineSpec = DeadlineSpec(), limits: LimitSpec = LimitSpec()
  ) {
    self.name = name
    self.run = run
    self.instances = instances
    self.environment = environment
    self.secrets = secrets
    self.needs = needs
    self.route = route
    self.health = health
    self.strategy = strategy
    self.deadlines = deadlines
    self.limits = limits
  }
}

/// Which requests a service gets.
public struct RouteSpec: Hashable, Codable, Sendable {
  /// Lower-case host name without a port; `nil` takes every host that no other service names.
  public var host: String?
  /// Begins with `/`; the longest match wins.
  public var pathPrefix: String
  public init(host: String? = nil, pathPrefix: String = "/") {
    self.host = host
    self.pathPrefix = pathPrefix
  }
}

/// How an instance proves that it is ready.
public struct HealthSpec: Hashable, Codable, Sendable {
  /// Asked by `GET`; 200 to 299 is a pass, redirects are not followed. `nil`: a TCP connection
  /// counts as a pass.
  public var path: String?
  public var interval: Milliseconds
  public var timeout: Milliseconds
  /// Passes in a row until an instance is ready.
  public var rise: Int
  /// Failures in a row until a ready instance is not.
  public var fall: Int

  public init(
    path: String? = nil, interval: Milliseconds = Milliseconds(250),
    timeout: Milliseconds = .seconds(2), rise: Int = 2, fall: Int = 3
  ) {
    self.path = path
    self.interval = interval
    self.timeout = timeout
    self.rise = rise
    self.fall = fall
  }
}

/// How long each wait of a rollout may last, and so when its consequence comes.
public struct DeadlineSpec: Hashable, Codable, Sendable {
  /// Start to ready; then the rollout is rolled back.
  public var ready: Milliseconds
  /// Requests in flight on a retiring instance; then it is stopped all the same, and the receipt
  /// counts what was cut.
  public var drain: Milliseconds
  /// SIGTERM to exit; then SIGKILL.
  public var stop: Milliseconds
  /// The whole rollback; then it is an incident, and the last good table stays.
  public var rollback: Milliseconds
  /// The router's acknowledgement of a table; then the rollout is rolled back.
  public var acknowledge: Milliseconds

  public init(
    ready: Milliseconds = .seconds(60), drain: Milliseconds = .seconds(30),
    stop: Milliseconds = .seconds(10), rollback: Milliseconds = .seconds(120),
    acknowledge: Milliseconds = .seconds(5)
  ) {
    self.ready = ready
    self.drain = drain
    self.stop = stop
    self.rollback = rollback
    self.acknowledge = acknowledge
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

/// How traffic moves from one release to the next.
public enum StrategySpec: Hashable, Codable, Sendable {
  case rolling(RollingSpec)
  case blueGreen(BlueGreenSpec)

  /// As it is written in `segue.yaml`.
  public var name: String {
    switch self {
    case .rolling: "rolling"
    case .blueGreen: "blue-green"
    }
  }
}

/// Replace instances batch by batch.
public struct RollingSpec: Hashable, Codable, Sendable {
  /// Instances above the steady number while a batch starts.
  public var maxSurge: Int
  /// Instances below the steady number while a batch starts. Not both may be 0.
  public var maxUnavailable: Int
  public init(maxSurge: Int = 1, maxUnavailable: Int = 0) {
    self.maxSurge = maxSurge
    self.maxUnavailable = maxUnavailable
  }
}

/// A full second set, one table swap, the old set kept warm.
public struct BlueGreenSpec: Hashable, Codable, Sendable {
  /// How long the old set stays up after the switch, for a rollback in one table swap.
  public var keepOld: Milliseconds
  public init(keepOld: Milliseconds = .minutes(10)) { self.keepOld = keepOld }
}
