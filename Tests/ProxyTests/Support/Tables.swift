import SegueModel
import Testing

@testable import Proxy

extension Fixture {
  /// Release `r-a` on one port and, beside it or with a share, `r-b` on another.
  static func pair(
    _ first: Int, _ second: Int, share: Int = 0, role: SideRole? = nil, sticky: StickySpec? = nil,
    host: String? = nil, prefix: String = "/", generation: UInt64 = 1
  ) -> ServiceTable {
    var table = table(
      [first], generation: generation, release: "r-a",
      route: RouteSpec(host: host, pathPrefix: prefix, sticky: sticky))
    let endpoint = Endpoint(instance: InstanceID("i-\(second)"), port: second)
    if share > 0 {
      table.versions[0].weight = Permille(1_000 - share)
      table.versions.append(
        VersionTarget(release: "r-b", weight: Permille(share), endpoints: [endpoint]))
    }
    table.side = role.map { SideTarget(role: $0, release: "r-b", endpoints: [endpoint]) }
    return table
  }

  /// No version, and requests wait.
  static func holding(
    _ limit: Milliseconds = .minutes(10), generation: UInt64 = 1
  ) -> ServiceTable {
    var table = table([], generation: generation)
    table.holdLimit = limit
    return table
  }

  /// What the router counted for a release.
  func counters(_ release: ReleaseID) async throws -> VersionCounters? {
    try await report().versions.first { $0.release == release }
  }

  /// Returns once so many requests are held.
  func untilHeld(_ count: Int) async throws {
    try await eventually("\(count) requests are held") {
      try await report().held?.waiting ?? 0 == count
    }
  }
}

/// Runs a test against two instances that say their names.
func withPair(
  limits: ProxyLimits = ProxyLimits(), _ body: (Fixture, Backend, Backend) async throws -> Void
) async throws {
  let first = try Backend.named("a")
  let second = try Backend.named("b")
  defer {
    first.stop()
    second.stop()
  }
  try await withProxy(limits: limits) { try await body($0, first, second) }
}
