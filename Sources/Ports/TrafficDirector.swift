public import SegueModel

/// What splits traffic: Segue's own proxy, or somebody else's.
public protocol TrafficDirector: Sendable {
  /// Replaces one service's table. Returns only when *every* worker of the router has switched:
  /// from then on no new request goes by an older table.
  ///
  /// A table whose generation is older than the one in force is refused (`retry: never`); the one in
  /// force again is acknowledged again.
  func apply(_ table: ServiceTable) async throws(PortError)

  /// Forgets a service.
  func remove(_ key: ServiceKey, generation: Generation) async throws(PortError)

  /// What every service's requests have done so far, and what is in flight now.
  func report() async throws(PortError) -> [ServiceReport]

  /// Counts a goal of the experiment under way that somebody says a user has reached.
  func credit(_ reached: ReachedGoal) async throws(PortError) -> ReachedGoal.Fate
}

extension TrafficDirector {
  /// A router that counts nobody's goals.
  public func credit(_ reached: ReachedGoal) async throws(PortError) -> ReachedGoal.Fate {
    throw PortError(
      "This router does not count goals", fault: .user, retry: .never,
      nextStep: "Experiments need Segue's own proxy")
  }
}
