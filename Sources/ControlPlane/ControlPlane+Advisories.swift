import ControlProtocol
import Evidence
import Logging
import Ports
import RolloutEngine
import SegueModel

/// What remembers which advisories the live releases were matched with.
struct AdvisoryMemory {
  /// The stamp of each directory.
  var stamps: [String: String] = [:]
  /// What was live at the last look.
  var live: Set<ReleaseID> = []
  /// When the history was last told what is live.
  var kept: Instant?
}

/// A release can become vulnerable without anybody having changed it.
extension ControlPlane {
  /// Matches what is live whenever the advisories, or what is live, have changed.
  func watchAdvisories() async {
    guard let desk = world.evidence else { return }
    var memory = AdvisoryMemory()
    while !Task.isCancelled {
      do throws(PortError) {
        try await rematch(desk, &memory)
        troubles["advisories"] = nil
      } catch {
        memory = AdvisoryMemory()
        note("advisories", "\(error)")
      }
      try? await world.time.sleep(for: settings.advisoryInterval)
    }
  }

  private func rematch(
    _ desk: EvidenceDesk, _ memory: inout AdvisoryMemory
  ) async throws(PortError) {
    let live = await liveReleases()
    try await keepLive(Array(live.keys), desk, &memory)
    var stamps: [String: String] = [:]
    for release in live.keys {
      guard let directory = security(of: release)?.advisories else { continue }
      stamps[directory] = try await desk.advisories.stamp(of: directory)
    }
    guard stamps != memory.stamps || Set(live.keys) != memory.live else { return }
    var found: [DriftEvent] = []
    for (id, places) in live.sorted(by: { $0.key < $1.key }) {
      guard let security = security(of: id), let directory = security.advisories,
        let release = catalogue.record(of: id)?.release,
        let components = try await desk.history.components(of: id)
      else { continue }
      var gate = SecurityGate(
        level: Severity(security.block), statements: components.statements)
      gate.waivers = await waivers(of: release, security, desk)
      gate.statements += await statements(of: release, security)
      let index = try await desk.advisories.advisories(in: directory)
      let one = LiveComponents(
        release: id.rawValue, places: places.map { "\($0)" },
        people: Self.people(for: release, places), components: components)
      for incident in index.rematch([one], gate: gate, at: world.time.now()) {
        found.append(
          .advisoryMatched(release: id, places: places, what: Self.sentence(incident)))
      }
    }
    try await drift.settle(DriftEvent.components, found)
    driftMemory.problems = await drift.open
    memory = AdvisoryMemory(stamps: stamps, live: Set(live.keys), kept: memory.kept)
  }

  private static let keepInterval = Milliseconds(24 * 3_600_000)

  /// What is live stays known however old it is. Told once a day, and whenever something goes live.
  private func keepLive(
    _ live: [ReleaseID], _ desk: EvidenceDesk, _ memory: inout AdvisoryMemory
  ) async throws(PortError) {
    let now = world.time.now()
    if let kept = memory.kept, now - kept < Self.keepInterval, Set(live) == memory.live { return }
    try await desk.history.keep(live.sorted(), at: now)
    memory.kept = now
  }

  /// Where each release is live.
  private func liveReleases() async -> [ReleaseID: [ServiceKey]] {
    var live: [ReleaseID: [ServiceKey]] = [:]
    for (key, controller) in controllers.sorted(by: { $0.key < $1.key }) {
      if let id = await controller.state.live?.id { live[id, default: []].append(key) }
    }
    return live
  }

  /// Who should look: whoever wrote the release's commit, and the teams whose services it is live in.
  private static func people(for release: Release, _ places: [ServiceKey]) -> [String] {
    let teams = (release.spec.people?.teams ?? []).filter { team in
      team.services?.contains { name in places.contains { $0.service == name } } ?? false
    }
    return [release.author]
      + teams.map { "\($0.members.map(\.rawValue).joined(separator: ", ")) of the team \($0.name)" }
  }

  private func security(of release: ReleaseID) -> SecurityGateSpec? {
    catalogue.record(of: release)?.release?.spec.gates?.security
  }

  /// The waivers that the release came with; none when they cannot be read, which excuses nothing.
  private func waivers(
    of release: Release, _ security: SecurityGateSpec, _ desk: EvidenceDesk
  ) async -> [Waiver] {
    guard let path = security.waivers,
      let bytes = try? await world.source.file(path, at: release.commit, limit: 256 * 1_024)
    else { return [] }
    return (try? desk.readWaivers(bytes, path)) ?? []
  }

  /// The statements that the release came with; those that cannot be read excuse nothing.
  private func statements(
    of release: Release, _ security: SecurityGateSpec
  ) async -> [VulnerabilityStatement] {
    var statements: [VulnerabilityStatement] = []
    for path in security.statements {
      guard
        let bytes = try? await world.source.file(path, at: release.commit, limit: 256 * 1_024)
      else { continue }
      statements += (try? EvidenceDesk.statements(bytes, path)) ?? []
    }
    return statements
  }

  private static func sentence(_ incident: LiveIncident) -> String {
    let shown = 3
    let findings = incident.findings.prefix(shown).map { finding in
      let fix = finding.fixedIn.map { "update it to \($0)" } ?? "there is no fixed version yet"
      return "\(finding.id) in \(finding.place) (\(fix))"
    }
    let more = incident.findings.count - shown
    return "live in \(incident.places.joined(separator: ", ")), and an advisory is about it: "
      + findings.joined(separator: "; ") + (more > 0 ? "; and \(more) more" : "")
      + ". It concerns \(incident.people.joined(separator: "; "))"
  }
}
