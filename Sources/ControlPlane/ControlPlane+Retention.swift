import Logging
import Ports
import RolloutEngine
import SegueModel

extension ControlPlane {
  /// Releases that stay although nothing needs them.
  static let keptReleases = 10

  /// Deletes the files of one release that nobody can want any more: it is older than the newest ten, and
  /// no service runs it, keeps it warm, waits for it or would go back to it by itself.
  func removeOldReleases() async {
    let releases = catalogue.all.compactMap { record -> (CommitAcceptance, Release)? in
      guard !record.isRemoved, let release = record.release else { return nil }
      return (record.acceptance, release)
    }
    guard releases.count > Self.keptReleases else { return }
    let needed = await neededReleases()
    for (acceptance, release) in releases.dropLast(Self.keptReleases)
    where !needed.contains(release.id) {
      do {
        try await pipeline.remove(release, of: acceptance)
      } catch {
        world.logger.error("a release could not be removed", metadata: ["error": "\(error)"])
      }
      // One at a time, with a look at what is needed before each.
      return
    }
  }

  private func neededReleases() async -> Set<ReleaseID> {
    var needed: Set<ReleaseID> = []
    for environment in targets.keys {
      let target = board[environment]
      needed.formUnion([target.order?.release, target.arrival?.order.release].compactMap { $0 })
    }
    for controller in controllers.values { needed.formUnion(await controller.state.heldReleases) }
    return needed
  }
}

extension ServiceState {
  /// Those whose files this service needs, or may need without anybody's naming them.
  fileprivate var heldReleases: Set<ReleaseID> {
    var held = Set(instances.map(\.release)).union(warm.keys)
    held.formUnion(migrations.contracts.map(\.release.id))
    let single = [
      live?.id, previous?.id, queued?.release.id, rollout?.to.id, rollout?.from?.id,
      migrations.running?.release,
    ]
    held.formUnion(single.compactMap { $0 })
    return held
  }
}
