import ControlProtocol
import Logging
import Ports
import RolloutEngine
import SegueModel

/// What is remembered from one look at the world to the next.
struct DriftMemory {
  /// Seen once: a difference counts only when it is there twice in a row, because the two sides of the
  /// comparison are not read in the same moment.
  var suspects: Set<String> = []
  /// What stands in the status, by subject.
  var problems: [String: String] = [:]
  var nextVerification: Instant?
  /// The release whose files were looked at last.
  var lastVerified: ReleaseID?
  /// Releases whose files have changed.
  var changed: Set<ReleaseID> = []
}

extension ControlPlane {
  private static let instances = "instance "
  private static let tables = "table "
  private static let releases = "release "

  /// Holds what runs against the journal, every few seconds, and puts right what differs.
  func watchDrift() async {
    while !Task.isCancelled {
      do throws(PortError) {
        let observed = try await world.platform.observe()
        try await settle(Self.instances, await mendInstances(observed))
        try await settle(Self.releases, try await verifyReleases())
        try await endRegressions()
        troubles["drift"] = nil
      } catch {
        note("drift", "\(error)")
      }
      await removeOldReleases()
      try? await world.time.sleep(for: settings.driftInterval)
    }
  }

  private func settle(_ kind: String, _ found: [String: String]) async throws(PortError) {
    try await drift.settle(kind, found)
    driftMemory.problems = await drift.open
  }

  // MARK: Instances

  private func mendInstances(_ observed: [RunningInstance]) async -> [String: String] {
    var suspects: Set<String> = []
    var found: [String: String] = [:]
    let present = Set(observed.map(\.instance))
    for (_, controller) in controllers.sorted(by: { $0.key < $1.key }) {
      for id in await controller.missing(among: present) {
        let subject = Self.instances + id.rawValue
        suspects.insert(subject)
        guard driftMemory.suspects.contains(subject) else { continue }
        found[subject] = "is gone, and nobody saw it end"
        await controller.noteMissing(id)
      }
    }
    for instance in observed
    where await controllers[instance.key]?.state.instances[instance.instance] == nil {
      let subject = Self.instances + instance.instance.rawValue
      suspects.insert(subject)
      guard driftMemory.suspects.contains(subject) else { continue }
      found[subject] = "runs as process \(instance.process.pid), and no event accounts for it"
      await stopStranger(instance)
    }
    driftMemory.suspects = suspects
    return found
  }

  /// It gets no traffic, because no table names it.
  private func stopStranger(_ instance: RunningInstance) async {
    world.logger.warning(
      "stopping an instance that no event accounts for", metadata: ["id": "\(instance.instance)"])
    do {
      _ = try await world.platform.stop(instance, deadline: .seconds(5))
    } catch {
      world.logger.error("it does not stop", metadata: ["error": "\(error)"])
    }
  }

  // MARK: Tables

  /// What the router has acknowledged, by service; to be asked before the router is.
  func settledGenerations() async -> [ServiceKey: Generation] {
    var settled: [ServiceKey: Generation] = [:]
    for (key, controller) in controllers {
      let table = await controller.state.table
      if table.isSettled, let proposed = table.proposed { settled[key] = proposed.generation }
    }
    return settled
  }

  /// A router that was started anew gets its tables again; one that has a table too many loses it.
  func mendTables(_ expected: [ServiceKey: Generation], _ reports: [ServiceReport]) async {
    var found: [String: String] = [:]
    for (key, generation) in expected.sorted(by: { $0.key < $1.key }) {
      let reported = reports.first { $0.key == key }?.generation
      guard reported ?? .zero < generation else { continue }
      found[Self.tables + "\(key)"] =
        reported.map { "the router went by \($0) instead of \(generation); it is told again" }
        ?? "the router had lost it; it is told again"
      _ = await controllers[key]?.reapplyTable()
    }
    for report in reports {
      let proposed = await controllers[report.key]?.state.table.proposed
      if let proposed {
        guard report.generation > proposed.generation else { continue }
        found[Self.tables + "\(report.key)"] =
          "the router goes by \(report.generation), and the journal knows none above "
          + "\(proposed.generation): is this an old copy of the state directory?"
      } else {
        found[Self.tables + "\(report.key)"] = "no event accounts for it; it is removed"
        await remove(report)
      }
    }
    do throws(PortError) {
      try await settle(Self.tables, found)
    } catch {
      note("drift", "\(error)")
    }
  }

  private func remove(_ report: ServiceReport) async {
    do {
      try await world.director.remove(report.key, generation: report.generation)
    } catch {
      world.logger.warning("a table could not be removed", metadata: ["error": "\(error)"])
    }
  }

  // MARK: Releases

  /// Looks at the files of one live release, now and then: reading all of them takes a while.
  private func verifyReleases() async throws(PortError) -> [String: String] {
    var live: Set<ReleaseID> = []
    for controller in controllers.values {
      if let id = await controller.state.live?.id { live.insert(id) }
    }
    driftMemory.changed.formIntersection(live)
    let now = world.time.now()
    if now >= driftMemory.nextVerification ?? now {
      let sorted = live.sorted()
      let next = sorted.first { $0 > driftMemory.lastVerified ?? "" } ?? sorted.first
      driftMemory.nextVerification = now + settings.verifyInterval
      driftMemory.lastVerified = next
      if let next, let release = catalogue.record(of: next)?.release {
        let isSound = try await world.releases.verify(release)
        if isSound { driftMemory.changed.remove(next) } else { driftMemory.changed.insert(next) }
      }
    }
    return Dictionary(
      uniqueKeysWithValues: driftMemory.changed.map {
        (Self.releases + $0.rawValue, "its files are not those that were built")
      })
  }
}
