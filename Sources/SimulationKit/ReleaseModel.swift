import RolloutEngine
import SegueModel

/// A release as the simulated world knows it: also what is wrong with it.
struct ReleaseModel {
  enum Migration: Hashable {
    case succeeds, fails, hangs
  }

  let release: ServiceRelease
  /// Its instances start, and never pass a check.
  var neverReady = false
  var cannotStart = false
  var diesOnTraffic = false
  var ignoresTerm = false
  var expand = Migration.succeeds
  var contract = Migration.succeeds

  /// Nothing that Segue does can keep such a release up.
  var isHopeless: Bool { neverReady || cannotStart || diesOnTraffic }

  func migration(_ step: MigrationStep) -> Migration {
    switch step {
    case .expand: expand
    case .contract: contract
    }
  }

  /// - Parameter number: Counts from 1 within a run.
  init(number: Int, height: Int, swarm: Swarm, generator: inout Generator) {
    let migrates = generator.chance(swarm.migrationShare)
    let migrate =
      migrates
      ? MigrateSpec(
        expand: "expand",
        contract: generator.chance(700) || swarm.faults == .none ? "contract" : nil,
        timeout: .seconds(generator.time(5...60)),
        contractAfter: swarm.contractAfter ?? .seconds(generator.time(0...60))) : nil
    let spec = ServiceSpec(
      name: "s", run: "serve",
      instances: swarm.variesInstances ? generator.within(1...5) : swarm.instances,
      route: swarm.isWorker ? nil : RouteSpec(), strategy: generator.pick(swarm.strategies),
      deadlines: swarm.deadlines, migrate: migrate)
    release = ServiceRelease(
      id: ReleaseID("r\(number)"), commit: CommitID("c\(number)"), height: height, spec: spec)
    // The first one is good, so that there is something to lose.
    guard number > 1, generator.chance(swarm.badShare) else { return }
    spoil(swarm.faults, &generator)
  }

  private mutating func spoil(_ faults: FaultSet, _ generator: inout Generator) {
    if faults.contains(.unready) {
      neverReady = generator.chance(400)
      cannotStart = generator.chance(100)
    }
    diesOnTraffic = faults.contains(.death) && generator.chance(250)
    ignoresTerm = faults.contains(.stubborn) && generator.chance(500)
    if faults.contains(.migration) {
      let endings: [Migration] = [.succeeds, .fails, .hangs]
      expand = generator.pick(endings)
      contract = generator.pick(endings)
    }
  }
}
