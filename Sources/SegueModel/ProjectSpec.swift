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
  /// A newer commit aborts the rollout of an older one instead of waiting for its end.
  public var supersedes: Bool
  /// What an instance costs, for the receipts.
  public var cost: CostSpec?
  /// Who issues the certificates of routes that want automatic ones; `nil`: none does.
  public var authority: AuthoritySpec?
  /// Who belongs together, and when nothing new may start; `nil`: the file says nothing of it.
  public var people: PeopleSpec?
  /// What the evidence about a commit must come to.
  public var gates: GatesSpec?
  /// Who is told what happens, and which commits are taken; `nil`: nobody, and all.
  public var outreach: OutreachSpec?

  public init(
    version: Int = 1, project: ProjectName, deployBranch: String = "main",
    pipeline: [StepSpec] = [], services: [ServiceSpec],
    environments: [EnvironmentSpec] = [EnvironmentSpec(name: "production")],
    supersedes: Bool = false, cost: CostSpec? = nil, authority: AuthoritySpec? = nil,
    people: PeopleSpec? = nil,
    gates: GatesSpec? = nil,
    outreach: OutreachSpec? = nil
  ) {
    self.version = version
    self.project = project
    self.deployBranch = deployBranch
    self.pipeline = pipeline
    self.services = services
    self.environments = environments
    self.supersedes = supersedes
    self.cost = cost
    self.authority = authority
    self.people = people
    self.gates = gates
    self.outreach = outreach
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    version = try fields.decode(Int.self, forKey: .version)
    project = try fields.decode(ProjectName.self, forKey: .project)
    deployBranch = try fields.decode(String.self, forKey: .deployBranch)
    pipeline = try fields.decode([StepSpec].self, forKey: .pipeline)
    services = try fields.decode([ServiceSpec].self, forKey: .services)
    environments = try fields.decode([EnvironmentSpec].self, forKey: .environments)
    // Records that were written before these existed have none of them.
    supersedes = try fields.decodeIfPresent(Bool.self, forKey: .supersedes) ?? false
    cost = try fields.decodeIfPresent(CostSpec.self, forKey: .cost)
    authority = try fields.decodeIfPresent(AuthoritySpec.self, forKey: .authority)
    people = try fields.decodeIfPresent(PeopleSpec.self, forKey: .people)
    gates = try fields.decodeIfPresent(GatesSpec.self, forKey: .gates)
    outreach = try fields.decodeIfPresent(OutreachSpec.self, forKey: .outreach)
  }

  public func service(_ name: ServiceName) -> ServiceSpec? {
    services.first { $0.name == name }
  }

  public func environment(_ name: EnvironmentName) -> EnvironmentSpec? {
    environments.first { $0.name == name }
  }

  /// A service as it runs in one environment: with what that environment changes.
  public func service(_ name: ServiceName, in environment: EnvironmentName) -> ServiceSpec? {
    guard var spec = service(name) else { return nil }
    guard let change = self.environment(environment)?.services[name] else { return spec }
    if let instances = change.instances { spec.instances = instances }
    if let route = change.route { spec.route = route }
    if let listen = change.listen { spec.listen = listen }
    spec.environment.merge(change.environment) { _, new in new }
    return spec
  }
}

/// A named place that a release runs in.
public struct EnvironmentSpec: Hashable, Codable, Sendable {
  public var name: EnvironmentName
  /// The environment whose releases this one gets once they are live there; `nil`: it gets every
  /// release that is built.
  public var after: EnvironmentName?
  /// A release moves on from `after` only when somebody promotes it.
  public var isPromotedByHand: Bool
  /// What is different here, by service.
  public var services: [ServiceName: ServiceChange]
  /// When rollouts may start here, as it is written; `nil`: at any time.
  public var windows: [String]?
  /// Whose yes a rollout needs here; `nil`: nobody's.
  public var approval: ApprovalSpec?

  public init(
    name: EnvironmentName, after: EnvironmentName? = nil, isPromotedByHand: Bool = false,
    services: [ServiceName: ServiceChange] = [:], windows: [String]? = nil,
    approval: ApprovalSpec? = nil
  ) {
    self.name = name
    self.after = after
    self.isPromotedByHand = isPromotedByHand
    self.services = services
    self.windows = windows
    self.approval = approval
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    name = try fields.decode(EnvironmentName.self, forKey: .name)
    // Records that were written before these existed have none of them.
    after = try fields.decodeIfPresent(EnvironmentName.self, forKey: .after)
    isPromotedByHand = try fields.decodeIfPresent(Bool.self, forKey: .isPromotedByHand) ?? false
    services =
      try fields.decodeIfPresent([ServiceName: ServiceChange].self, forKey: .services) ?? [:]
    windows = try fields.decodeIfPresent([String].self, forKey: .windows)
    approval = try fields.decodeIfPresent(ApprovalSpec.self, forKey: .approval)
  }
}

/// What one environment changes about a service.
public struct ServiceChange: Hashable, Codable, Sendable {
  public var instances: Int?
  public var route: RouteSpec?
  /// Another address for the socket that the instances share.
  public var listen: ListenSpec?
  /// Added to the service's own variables, or instead of those of the same name.
  public var environment: [String: String]

  public init(
    instances: Int? = nil, route: RouteSpec? = nil, listen: ListenSpec? = nil,
    environment: [String: String] = [:]
  ) {
    self.instances = instances
    self.route = route
    self.listen = listen
    self.environment = environment
  }
}

/// What one instance costs in one hour.
public struct CostSpec: Hashable, Codable, Sendable {
  /// Millionths of the currency's unit: 0.04 EUR is 40,000.
  public var instanceHour: Int64
  /// `EUR`
  public var currency: String

  public init(instanceHour: Int64, currency: String) {
    self.instanceHour = instanceHour
    self.currency = currency
  }

  /// What so much time of instances costs, in millionths of the currency's unit.
  public func price(of time: Milliseconds) -> Int64 {
    let (high, low) = instanceHour.multipliedFullWidth(by: time.count)
    return Int64(3_600_000).dividingFullWidth((high, low)).quotient
  }
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
  /// How only the tests that failed are run again; `nil`: the whole step is.
  public var rerun: RerunSpec?
  /// Which part of the tests this is, where they are split.
  public var shard: StepShard?
  /// The name of the scanner that ``run`` calls, where the step is a ready-made one.
  public var scanner: String?

  public init(
    name: StepName, run: String, needs: [StepName] = [], environment: [String: String] = [:],
    secrets: [String] = [], timeout: Milliseconds = .minutes(30), cache: [String] = [],
    reports: ReportSpec = ReportSpec(), rerun: RerunSpec? = nil, shard: StepShard? = nil,
    scanner: String? = nil
  ) {
    self.name = name
    self.run = run
    self.needs = needs
    self.environment = environment
    self.secrets = secrets
    self.timeout = timeout
    self.cache = cache
    self.reports = reports
    self.rerun = rerun
    self.shard = shard
    self.scanner = scanner
  }

  /// The step as `segue.yaml` names it, whether or not its tests are split.
  public var family: StepName { shard?.step ?? name }
}

/// How only those tests of a step are run again that failed.
public struct RerunSpec: Hashable, Codable, Sendable {
  /// How the program that runs tests is told which.
  public enum Naming: String, Hashable, Codable, Sendable, CaseIterable {
    case pytest, swift, go, jest, names
  }

  /// Run by `/bin/sh -ec` in place of the step's command.
  public var run: String
  public var naming: Naming

  public init(run: String, naming: Naming = .names) {
    self.run = run
    self.naming = naming
  }
}

/// One of the parts that the tests of a step are split into.
public struct StepShard: Hashable, Codable, Sendable {
  /// The step that is split.
  public var step: StepName
  /// From 1 to ``count``.
  public var number: Int
  public var count: Int

  public init(step: StepName, number: Int, count: Int) {
    self.step = step
    self.number = number
    self.count = count
  }
}
