import Evidence
import EvidenceStore
import SegueModel
import Testing

@Suite struct CommitEvidenceTests {
  static let day = Milliseconds(86_400_000)
  static let start = Instant(milliseconds: 0)

  @Test func coverageComesBackLineByLine() async throws {
    let report = CoverageReport(files: [
      "a.swift": CoverageReport.File(hits: [1: 5, 2: 1, 3: 0, 4: 0, 9: 1]),
      "b.swift": CoverageReport.File(),
    ])
    try await withStore { store, _ in
      try await store.record(report, of: "c1", in: "shop", at: Self.start)
      let kept = try #require(try await store.coverage(of: "c1", in: "shop"))
      #expect(kept.count == report.count)
      #expect(kept.files["a.swift"]?.hits == [1: 1, 2: 1, 3: 0, 4: 0, 9: 1])
      #expect(kept.files["b.swift"]?.hits.isEmpty == true)
      #expect(try await store.coverage(of: "c1", in: "other") == nil)
    }
  }

  @Test func findingsAndComponentsComeBackAsTheyWere() async throws {
    let package = PackageURL(type: "npm", namespace: "@s", name: "lib", version: "1.0.0")
    let findings = [
      SecurityFinding(
        id: "CVE-1", aliases: ["GHSA-1"], severity: nil, isMalicious: true, title: "bad",
        place: "lib", package: package, fixedIn: "1.0.1"),
      SecurityFinding(id: "rule", severity: .low, place: "a.js:1"),
    ]
    let list = ComponentList(components: [
      Component(reference: "r", name: "lib", version: "1.0.0", package: package),
      Component(name: "other"),
    ])
    try await withStore { store, _ in
      #expect(try await store.findings(of: "c1", in: "shop") == nil)
      try await store.record(findings, of: "c1", in: "shop", at: Self.start)
      try await store.record([], of: "c2", in: "shop", at: Self.start)
      try await store.record(list, of: "r-1", at: Self.start)
      #expect(try await store.findings(of: "c1", in: "shop") == findings)
      #expect(try await store.findings(of: "c2", in: "shop") == [])
      #expect(try await store.components(of: "r-1") == list)
      #expect(try await store.components(of: "r-2") == nil)
    }
  }

  @Test func pruningKeepsWhatIsLive() async throws {
    try await withStore { store, _ in
      try await store.record(CoverageReport(), of: "c1", in: "shop", at: Self.start)
      for release in ["r-1", "r-2"] as [ReleaseID] {
        try await store.record(ComponentList(), of: release, at: Self.start)
      }
      let later = Self.start + Self.day * 500
      try await store.keep(["r-1"], at: later)
      try await store.prune(now: later)
      #expect(try await store.components(of: "r-1") != nil)
      #expect(try await store.components(of: "r-2") == nil)
      #expect(try await store.coverage(of: "c1", in: "shop") == nil)
    }
  }
}
