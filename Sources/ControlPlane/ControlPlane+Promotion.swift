public import ControlProtocol
import Ports
import RolloutEngine
import SegueModel

extension ControlPlane {
  // MARK: By themselves

  /// Gives what has arrived in one environment to those that come after it by themselves: the very
  /// same release, never another build.
  func promoteArrivals() async {
    for source in targets.keys.sorted() {
      guard let arrival = board[source].arrival,
        let release = catalogue.record(of: arrival.order.release)?.release
      else { continue }
      for next in release.spec.environments
      where next.after == source && !next.isPromotedByHand
        && board[next.name].promoted[source] ?? 0 < arrival.sequence
      {
        var order = arrival.order
        order.requestedBy = "promotion from \(source)"
        order.promotion = Promotion(from: source, settled: arrival.sequence)
        do throws(PortError) {
          try await aim(order, of: release, at: next.name)
        } catch {
          note("journal", "\(error)")
        }
      }
    }
  }

  // MARK: By hand

  public func promoteRelease(_ request: PromoteReleaseRequest) async throws -> DeployReply {
    try await answering {
      let sequence = await self.feed.sequence
      let source = try await self.environment(before: request.environment)
      let release = try await self.release(request, from: source)
      try await self.refuse(request, release)
      let order = TargetOrder(
        release: release.id, commit: release.commit,
        requestedBy: request.who + (request.reason.map { " (\($0))" } ?? ""), allowOlder: false,
        again: request.release != nil,
        promotion: Promotion(
          from: source, settled: self.board[source].arrival?.sequence ?? sequence))
      try await self.aim(order, of: release, at: request.environment)
      return DeployReply(
        commit: release.commit, sequence: sequence,
        message: "\(release.id) (\(release.commit.short)) goes from \(source) to "
          + "\(request.environment)",
        accepted: true)
    }
  }

  /// Where an environment gets its releases from, by the newest commit's word.
  private func environment(before name: EnvironmentName) throws -> EnvironmentName {
    let known = catalogue.newestRelease?.spec.environments ?? []
    guard let found = known.first(where: { $0.name == name }) else {
      let names = known.map(\.name.rawValue).joined(separator: ", ")
      throw ControlError(
        .notFound, "there is no environment \(name)",
        nextStep: names.isEmpty ? "Deploy with `segue deploy`" : "There are: \(names)")
    }
    guard let source = found.after else {
      throw ControlError(
        .refused, "\(name) comes after no other environment: it gets every release by itself",
        nextStep: "Use `segue deploy`")
    }
    return source
  }

  /// The release that is to move on: it must be live, and at rest, where it comes from.
  private func release(_ request: PromoteReleaseRequest, from source: EnvironmentName) async throws
    -> Release
  {
    let release: Release
    if let name = request.release {
      guard let found = catalogue.find(name)?.release else {
        throw ControlError(
          .notFound, "there is no release or commit \(name)",
          nextStep: "`segue history` lists those that there are")
      }
      release = found
    } else {
      guard let found = await newestLive(in: source) else {
        throw ControlError(
          .refused, "nothing is live in \(source) that could be promoted",
          nextStep: "`segue status` shows what is on its way")
      }
      release = found
    }
    let states = await serviceStates(of: release, in: [source])
    guard states.allSatisfy({ $0.live?.id == release.id && $0.rollout == nil }) else {
      throw ControlError(
        .refused, "\(release.id) (\(release.commit.short)) is not live in \(source)",
        nextStep: "Only what is live in \(source) can be promoted; `segue status` shows it")
    }
    return release
  }

  private func newestLive(in environment: EnvironmentName) async -> Release? {
    var newest: Release?
    for (key, controller) in controllers where key.environment == environment {
      guard let live = await controller.state.live?.id,
        let release = catalogue.record(of: live)?.release
      else { continue }
      if release.height > newest?.height ?? .min { newest = release }
    }
    return newest
  }

  private func refuse(_ request: PromoteReleaseRequest, _ release: Release) async throws {
    let place = request.environment
    let states = await serviceStates(of: release, in: [place])
    if states.allSatisfy({ $0.live?.id == release.id && $0.rollout == nil }) {
      throw ControlError(.refused, "\(release.id) is live in \(place) already")
    }
    let target = board[place]
    if !target.isSettled, target.order?.release == release.id {
      throw ControlError(.refused, "\(release.id) is on its way to \(place) already")
    }
    if let newer = states.compactMap(\.live).first(where: { $0.height > release.height }) {
      throw ControlError(
        .refused,
        "\(release.commit.short) is older than \(newer.commit.short), which \(place) runs",
        nextStep: "Use `segue rollback` there")
    }
    if request.release == nil, let reason = states.compactMap({ $0.takenBack[release.id] }).first {
      throw ControlError(
        .refused, "\(release.id) was taken back in \(place) before: \(reason)",
        nextStep: "Push a commit that mends it; to try the same release again, name it")
    }
  }
}

extension ProjectSpec {
  /// Those that get a release without anybody's promoting it, the first ones first.
  var automaticEnvironments: [EnvironmentName] {
    var names = environments.filter { $0.after == nil }.map(\.name)
    var index = 0
    while index < names.count {
      names += environments.filter { environment in
        environment.after == names[index] && !environment.isPromotedByHand
          && !names.contains(environment.name)
      }.map(\.name)
      index += 1
    }
    return names
  }
}
