public import SegueModel

/// Stops rollouts from going on to their next stage; what is under way in this one is finished.
public struct PauseRequest: Hashable, Codable, Sendable {
  /// `nil`, as the environment: every rollout in progress.
  public var service: ServiceName?
  public var environment: EnvironmentName?
  public var who: String
  public var reason: String?
  public init(
    service: ServiceName? = nil, environment: EnvironmentName? = nil, who: String,
    reason: String? = nil
  ) {
    self.service = service
    self.environment = environment
    self.who = who
    self.reason = reason
  }
}

/// Lets paused rollouts go on.
public struct ResumeRequest: Hashable, Codable, Sendable {
  /// `nil`, as the environment: every rollout that is paused.
  public var service: ServiceName?
  public var environment: EnvironmentName?
  public var who: String
  public var reason: String?
  public init(
    service: ServiceName? = nil, environment: EnvironmentName? = nil, who: String,
    reason: String? = nil
  ) {
    self.service = service
    self.environment = environment
    self.who = who
    self.reason = reason
  }
}

/// Ends the hold of one rollout.
public struct PromoteRequest: Hashable, Codable, Sendable {
  /// `nil`, as the environment: the one rollout in progress. With several the request is refused.
  public var service: ServiceName?
  public var environment: EnvironmentName?
  /// Keep no later hold either: the last stage comes next.
  public var toTheEnd: Bool
  public var who: String
  public var reason: String?
  public init(
    service: ServiceName? = nil, environment: EnvironmentName? = nil, toTheEnd: Bool = false,
    who: String, reason: String? = nil
  ) {
    self.service = service
    self.environment = environment
    self.toTheEnd = toTheEnd
    self.who = who
    self.reason = reason
  }
}

/// Which services' facts are asked for.
public struct FactsRequest: Hashable, Codable, Sendable {
  /// `nil`: all of them.
  public var service: ServiceName?
  /// `nil`: all of them.
  public var environment: EnvironmentName?
  public init(service: ServiceName? = nil, environment: EnvironmentName? = nil) {
    self.service = service
    self.environment = environment
  }
}

/// What Segue knows of a service and has measured of it.
public struct ServiceFacts: Hashable, Codable, Sendable {
  public var key: ServiceKey
  /// As the live release says it.
  public var spec: ServiceSpec
  public var cost: CostSpec?
  /// What the router counted lately; `nil`: it did not answer, or not for long enough.
  public var traffic: Traffic?
  /// The median of the latest starts, from start to the first passed check.
  public var boot: Milliseconds?
  /// The median of the latest drains.
  public var drain: Milliseconds?

  public struct Traffic: Hashable, Codable, Sendable {
    public var requests: UInt64
    /// Answered 5xx, or not answered.
    public var failures: UInt64
    public var over: Milliseconds
    public init(requests: UInt64, failures: UInt64, over: Milliseconds) {
      self.requests = requests
      self.failures = failures
      self.over = over
    }
  }

  public init(
    key: ServiceKey, spec: ServiceSpec, cost: CostSpec? = nil, traffic: Traffic? = nil,
    boot: Milliseconds? = nil, drain: Milliseconds? = nil
  ) {
    self.key = key
    self.spec = spec
    self.cost = cost
    self.traffic = traffic
    self.boot = boot
    self.drain = drain
  }
}
