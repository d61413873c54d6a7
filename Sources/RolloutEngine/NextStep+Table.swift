import SegueModel

/// What the router should know.
extension ServiceState {
  func staleTable(at now: Instant) -> [RolloutEvent]? {
    isTableCurrent ? nil : proposal(at: now)
  }

  func proposal(at now: Instant) -> [RolloutEvent] {
    guard let desired = desiredTable else { return [] }
    let spec = rollout?.to.spec ?? live?.spec
    return [
      .tableProposed(
        table: desired, acknowledgeBy: now + (spec?.deadlines.acknowledge ?? .seconds(5)))
    ]
  }

  func isInTable(_ id: InstanceID) -> Bool {
    guard let proposed = table.proposed else { return false }
    for version in proposed.versions where version.endpoints.contains(where: { $0.instance == id })
    {
      return true
    }
    return proposed.side?.endpoints.contains { $0.instance == id } ?? false
  }

  /// Whether the proposed table says what the split and the ready instances mean now.
  ///
  /// Asked after every event, so the usual case is answered without building a table.
  private var isTableCurrent: Bool {
    guard let route else { return true }
    guard let proposed = table.proposed else { return desiredVersions.isEmpty }
    guard servedRoute != nil else { return proposed.versions.isEmpty && proposed.side == nil }
    if proposed.holdLimit != split.holdLimit || proposed.route != route { return isEmptyAndWas }
    guard proposed.experiment == experiment(of: proposed.versions) else { return false }
    guard isSideCurrent(proposed.side) else { return false }
    var index = 0
    for side in split.sides {
      let count = min(able(of: side.release), side.instances)
      guard count > 0 else { continue }
      guard index < proposed.versions.count else { return false }
      let version = proposed.versions[index]
      guard version.release == side.release, version.endpoints.count == count,
        areReady(version.endpoints, of: side.release)
      else { return false }
      index += 1
    }
    // With nothing ready the fallbacks decide.
    guard index > 0 else { return desiredVersions == proposed.versions }
    guard index == proposed.versions.count else { return false }
    return index == 1
      ? proposed.versions[0].weight == .all
      : zip(proposed.versions, split.sides).allSatisfy { $0.weight == $1.weight }
  }

  /// A service that never had a version needs no table, whatever its route is.
  private var isEmptyAndWas: Bool {
    split.holdLimit == nil && table.proposed?.holdLimit == nil && desiredVersions.isEmpty
      && table.proposed?.versions.isEmpty == true && desiredSide == nil
      && table.proposed?.side == nil
  }

  private func isSideCurrent(_ side: SideTarget?) -> Bool {
    guard let beside = split.beside else { return side == nil }
    let count = min(able(of: beside.release), beside.instances)
    guard let side else { return count == 0 }
    return side.role == beside.role && side.release == beside.release
      && side.endpoints.count == count && areReady(side.endpoints, of: beside.release)
  }

  /// Whether these are the first ready instances of the release, in order.
  private func areReady(_ endpoints: [Endpoint], of release: ReleaseID) -> Bool {
    var index = 0
    for instance in instances where instance.release == release && mayServe(instance) {
      guard index < endpoints.count else { return true }
      guard instance.endpoint == endpoints[index] else { return false }
      index += 1
    }
    return index == endpoints.count
  }

  /// What the split means for the instances that are ready now; `nil` for what never had a route.
  var desiredTable: ServiceTable? {
    guard let route else { return nil }
    let versions = desiredVersions
    return ServiceTable(
      key: key, generation: (table.proposed?.generation ?? .zero).next, route: route,
      versions: versions, side: desiredSide, holdLimit: split.holdLimit,
      tunnelDrain: tunnelDrain, experiment: experiment(of: versions))
  }

  /// Only while both releases have their share is there anything to compare.
  private func experiment(of versions: [VersionTarget]) -> ExperimentTarget? {
    guard let rollout, !rollout.isGoingBack, let from = rollout.from, versions.count == 2,
      case .ab(let spec) = rollout.to.spec.strategy, let goals = spec.goals, !goals.isEmpty
    else { return nil }
    return ExperimentTarget(
      rollout: rollout.id, control: from.id, variant: rollout.to.id, goals: goals)
  }

  /// Both ways, there and back, are as patient as the more patient of the two releases.
  private var tunnelDrain: Milliseconds? {
    let specs = [rollout?.from?.spec, rollout?.to.spec, live?.spec]
    return specs.compactMap { $0?.deadlines.tunnelDrain }.max()
  }

  /// What is not served any more keeps its last route, with an empty table: the router must let go of
  /// its instances.
  private var route: RouteSpec? { servedRoute ?? table.proposed?.route }

  /// The route of the release that requests go by: a new one's counts once the traffic turns to it.
  private var servedRoute: RouteSpec? {
    guard let rollout else { return live?.spec.route }
    guard let from = rollout.from else { return rollout.to.spec.route }
    let isTurned =
      split.sides.contains { $0.release == rollout.to.id }
      || split.beside?.release == rollout.to.id || (split.sides.isEmpty && !rollout.isGoingBack)
    return isTurned ? rollout.to.spec.route : from.spec.route
  }

  private var desiredVersions: [VersionTarget] {
    guard servedRoute != nil else { return [] }
    var versions = split.sides.compactMap { side in
      target(side.release, side.weight, limit: side.instances, where: mayServe)
    }
    if versions.isEmpty, split.holdLimit == nil { versions = lastResort }
    if versions.count == 1 { versions[0].weight = .all }
    return versions
  }

  /// Nothing that should serve is ready. What served until now and still can, goes on; if nothing can,
  /// those that were ready once: an answer from them is likelier than from nobody.
  private var lastResort: [VersionTarget] {
    guard !split.sides.isEmpty else { return [] }
    for version in table.proposed?.versions ?? [] {
      let able = version.endpoints.filter { instances[$0.instance]?.isReady ?? false }
      if !able.isEmpty {
        return [VersionTarget(release: version.release, weight: .all, endpoints: able)]
      }
    }
    let stillReady = split.sides.compactMap { side in
      blocked[side.release] == nil || side.release == live?.id
        ? target(side.release, side.weight, limit: side.instances, where: \.isReady) : nil
    }
    guard stillReady.isEmpty else { return stillReady }
    return split.sides.compactMap { side in
      target(side.release, side.weight, limit: side.instances, where: \.isUnready)
    }
  }

  /// It is ready; and of a release that is taken back, or that an incident left over, nothing is
  /// brought into the table any more.
  private func mayServe(_ instance: Instance) -> Bool {
    guard instance.isReady else { return false }
    let isWanted =
      if let rollout {
        instance.release == rollout.to.id
          ? !rollout.isGoingBack : instance.release == rollout.from?.id
      } else {
        instance.release == live?.id
      }
    return isWanted || isInTable(instance.id)
  }

  private func able(of release: ReleaseID) -> Int {
    instances.count(of: release, where: mayServe)
  }

  private var desiredSide: SideTarget? {
    guard servedRoute != nil, let beside = split.beside,
      let target = target(beside.release, .all, limit: beside.instances, where: mayServe)
    else { return nil }
    return SideTarget(role: beside.role, release: beside.release, endpoints: target.endpoints)
  }

  private func target(
    _ release: ReleaseID, _ weight: Permille, limit: Int, where isWanted: (Instance) -> Bool
  ) -> VersionTarget? {
    var endpoints: [Endpoint] = []
    for instance in instances where instance.release == release && isWanted(instance) {
      guard endpoints.count < limit else { break }
      if let endpoint = instance.endpoint { endpoints.append(endpoint) }
    }
    return endpoints.isEmpty
      ? nil : VersionTarget(release: release, weight: weight, endpoints: endpoints)
  }
}
