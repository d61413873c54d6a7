import Evidence
import Testing

@Suite struct VersionOrderTests {
  @Test(arguments: [
    (
      VersionOrder.semantic,
      [
        "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta",
        "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "v1.0.0", "1.0.1+build", "1.10", "2",
      ]
    ),
    (
      .python,
      [
        "1.0.dev1", "1.0a1.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0+abc", "1.0+5",
        "1.0.post1.dev1", "1.0.post1", "1.1.dev1", "1.2", "1.10", "1!0.5",
      ]
    ),
    (
      .debian,
      [
        "1.0~~", "1.0~rc1-1", "1.0~rc1-2", "1.0-1", "1.0-1+deb12u1", "1.0-1.1", "1.0a-1",
        "1.0+x-1", "1.9-1", "1.10-1", "1:0.1-1",
      ]
    ),
  ])
  func ordersAsTheEcosystemDoes(order: VersionOrder, versions: [String]) {
    for (first, left) in versions.enumerated() {
      for (second, right) in versions.enumerated() {
        let result = order.compare(left, right).map { $0.signum() }
        #expect(result == (first - second).signum(), "\(left) against \(right)")
      }
    }
  }

  @Test func spellingDoesNotMatter() {
    #expect(VersionOrder.python.compare("1.0-alpha.1", "v1a1") == 0)
    #expect(VersionOrder.python.compare("1.0-1", "1.0.post1") == 0)
    #expect(VersionOrder.semantic.compare("v1.2.0+incompatible", "1.2") == 0)
    #expect(VersionOrder.debian.compare("0:1.0", "1.0-0") == 0)
    #expect(VersionOrder.semantic.compare("1.x", "1.0.0") == nil)
    #expect(VersionOrder.python.compare("latest", "1.0") == nil)
    #expect(VersionOrder(ecosystem: "Debian:12") == .debian)
    #expect(VersionOrder(ecosystem: "Hex") == nil)
  }
}

@Suite struct PackageURLTests {
  @Test func readsNamesAsEcosystemsKnowThem() throws {
    let names = [
      "pkg:npm/%40scope/name@1.0.0", "pkg:npm/@scope/name@1.0.0", "pkg:pypi/Foo_Bar.baz@2",
      "pkg:golang/github.com/a/b@v1.2.3?type=module#sub", "pkg:maven/org.a/b@1",
      "pkg:deb/debian/openssl@3.0.1-1%2Bdeb12u1?arch=amd64",
    ].compactMap { PackageURL($0) }
    #expect(
      names.map(\.packageName) == [
        "@scope/name", "@scope/name", "foo-bar-baz", "github.com/a/b", "org.a:b", "openssl",
      ])
    #expect(
      names.map(\.version) == ["1.0.0", "1.0.0", "2", "v1.2.3", "1", "3.0.1-1+deb12u1"])
    #expect(PackageURL("npm/x") == nil)
    #expect(PackageURL("pkg:npm") == nil)
  }
}

@Suite struct AdvisoryTests {
  static func read(
    events: String, type: String = "SEMVER", ecosystem: String = "npm", versions: String = "",
    extra: String = ""
  ) throws -> Advisory {
    let text = """
      {"id": "GHSA-1", "modified": "2026-01-01T00:00:00Z", \(extra) "affected": [
        {"package": {"ecosystem": "\(ecosystem)", "name": "x"}, "versions": [\(versions)],
         "ranges": [{"type": "\(type)", "events": [\(events)]}]}]}
      """
    return try Advisory.read(Array(text.utf8))
  }

  static func verdict(_ advisory: Advisory, _ version: String, type: String = "npm") -> String {
    switch advisory.match(PackageURL(type: type, name: "x", version: version)) {
    case .affected(let fix): "affected, \(fix ?? "no fix")"
    case .undecided: "undecided"
    case nil: "not affected"
    }
  }

  @Test(arguments: [
    ("0.0.1", "affected, 1.0.0"), ("1.0.0-rc.1", "affected, 1.0.0"), ("1.0.0", "not affected"),
    ("2.0.0-1", "not affected"), ("2.0.0", "affected, 2.1.0"), ("2.1.0", "not affected"),
    ("x", "undecided"),
  ])
  func fixedIsExclusiveAndEventsAreSorted(version: String, expected: String) throws {
    let advisory = try Self.read(
      events: """
        {"fixed": "2.1.0"}, {"introduced": "2.0.0"}, {"fixed": "1.0.0"}, {"introduced": "0"}
        """)
    #expect(Self.verdict(advisory, version) == expected)
  }

  @Test func lastAffectedIsInclusive() throws {
    let advisory = try Self.read(events: #"{"introduced": "1.0.0"}, {"last_affected": "1.5.0"}"#)
    #expect(Self.verdict(advisory, "1.5.0") == "affected, no fix")
    #expect(Self.verdict(advisory, "1.5.1") == "not affected")
    let one = try Self.read(events: #"{"last_affected": "1.0.0"}, {"introduced": "1.0.0"}"#)
    #expect(Self.verdict(one, "1.0.0") == "affected, no fix")
  }

  @Test func aLimitEndsTheRange() throws {
    let advisory = try Self.read(events: #"{"introduced": "0"}, {"limit": "2.0.0"}"#)
    #expect(Self.verdict(advisory, "1.9.9") == "affected, no fix")
    #expect(Self.verdict(advisory, "2.0.0") == "not affected")
    let any = try Self.read(events: #"{"introduced": "0"}, {"limit": "*"}"#)
    #expect(Self.verdict(any, "9.0.0") == "affected, no fix")
  }

  @Test func aWithdrawnRecordMatchesNothing() throws {
    let advisory = try Self.read(
      events: #"{"introduced": "0"}"#, extra: #""withdrawn": "2026-02-01T00:00:00Z","#)
    #expect(Self.verdict(advisory, "1.0.0") == "not affected")
  }

  @Test func eitherAListedVersionOrARangeIsEnough() throws {
    let advisory = try Self.read(
      events: #"{"introduced": "0"}, {"fixed": "1.0"}"#, type: "ECOSYSTEM", ecosystem: "PyPI",
      versions: #""1.5.0""#)
    #expect(Self.verdict(advisory, "0.9", type: "pypi") == "affected, 1.0")
    #expect(Self.verdict(advisory, "1.5", type: "pypi") == "affected, no fix")
    #expect(Self.verdict(advisory, "1.4", type: "pypi") == "not affected")
  }

  @Test func anOrderThatIsNotKnownIsNoAllClear() throws {
    let events = #"{"introduced": "0"}, {"fixed": "1.0"}"#
    let open = try Self.read(events: events, type: "ECOSYSTEM", ecosystem: "Hex")
    #expect(Self.verdict(open, "0.9", type: "hex") == "undecided")
    let listed = try Self.read(
      events: events, type: "ECOSYSTEM", ecosystem: "Hex", versions: #""0.9""#)
    #expect(Self.verdict(listed, "0.9", type: "hex") == "affected, no fix")
    #expect(Self.verdict(listed, "1.1", type: "hex") == "not affected")
  }

  @Test func anAbsentSeverityIsUnknown() throws {
    #expect(try Self.read(events: "").severities == [])
    let scored = try Self.read(
      events: "", extra: #""severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}],"#)
    #expect(scored.severities == ["CVSS:3.1/AV:N"])
  }

  @Test func maliciousPackagesAreKnownByIdOrAlias() throws {
    #expect(try !Self.read(events: "").isMalicious)
    #expect(try Self.read(events: "", extra: #""aliases": ["MAL-2026-1"],"#).isMalicious)
  }

  @Test func mergesByAlias() throws {
    func record(_ id: String, _ aliases: String) throws -> Advisory {
      try Advisory.read(
        Array(#"{"id": "\#(id)", "modified": "x", "aliases": [\#(aliases)]}"#.utf8))
    }
    let groups = Advisory.mergedByAlias([
      try record("GHSA-1", #""CVE-1""#), try record("GHSA-2", ""),
      try record("PYSEC-1", #""CVE-1""#), try record("CVE-1", ""),
    ])
    #expect(groups.map { $0.map(\.id) } == [["GHSA-1", "PYSEC-1", "CVE-1"], ["GHSA-2"]])
  }

  @Test func whatIsNoRecordIsRefused() {
    #expect(throws: ReportFailure.self) { try Advisory.read(Array(#"{"id": "x"}"#.utf8)) }
  }
}

@Suite struct ComponentListTests {
  @Test(arguments: ["1.5", "1.6", "1.7"])
  func cycloneDXComponentsNest(version: String) throws {
    let list = try ComponentList.cycloneDX(
      Array(
        """
        {"bomFormat": "CycloneDX", "specVersion": "\(version)", "components": [
          {"bom-ref": "a", "name": "app", "version": "1", "components": [
            {"bom-ref": "b", "group": "@s", "name": "lib", "purl": "pkg:npm/%40s/lib@2.0.0"}]}],
         "vulnerabilities": [
          {"id": "CVE-1", "affects": [{"ref": "b"}],
           "analysis": {"state": "not_affected", "justification": "code_not_reachable"}},
          {"id": "CVE-2", "affects": [{"ref": "b"}], "analysis": {"state": "not_affected"}},
          {"id": "CVE-3", "affects": [{"ref": "b"}], "analysis": {"state": "exploitable"}},
          {"id": "CVE-4", "affects": [{"ref": "b"}]}]}
        """.utf8))
    #expect(list.components.map(\.name) == ["app", "@s/lib"])
    #expect(list.components.map(\.version) == ["1", "2.0.0"])
    #expect(list.statements.map(\.excuses) == [true, false, false])
    #expect(list.statements.first?.packages.map(\.packageName) == ["@s/lib"])
  }

  @Test func spdxPackagesCarryTheirAddress() throws {
    let list = try ComponentList.spdx(
      Array(
        """
        {"spdxVersion": "SPDX-2.3", "packages": [{"SPDXID": "SPDXRef-1", "name": "requests",
          "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
            "referenceLocator": "pkg:pypi/requests@2.31.0"}]}, {"name": "bare"}]}
        """.utf8))
    #expect(list.components.map(\.version) == ["2.31.0", nil])
    #expect(list.components.map { $0.package?.ecosystem } == ["PyPI", nil])
  }

  @Test(arguments: [#"{"bomFormat": "CycloneDX", "specVersion": "1.2"}"#, "{}", "[", ""])
  func anotherFormatIsRefused(text: String) {
    #expect(throws: ReportFailure.self) { try ComponentList.cycloneDX(Array(text.utf8)) }
    #expect(throws: ReportFailure.self) { try ComponentList.spdx(Array(text.utf8)) }
  }
}
