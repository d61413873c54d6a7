import Evidence
import SegueModel
import Testing

@Suite struct TextLockFileTests {
  static func names(_ name: String, _ text: String) throws -> [String]? {
    try ComponentList.lockFile(named: name, Array(text.utf8)).map(LockFileTests.names)
  }

  @Test func requirementsWithoutOneVersionAreListedWithoutOne() throws {
    let text = """
      # pinned by hand
      -r base.txt
      --index-url https://example.org/simple
      Flask[async]==3.0.1 ; python_version > "3.8" \\
          --hash=sha256:0123
      django >= 4.2, <5
      my_lib==1.*
      ./local/package
      other @ https://example.org/other.whl
      """
    #expect(
      try Self.names("requirements-dev.txt", text) == [
        "flask 3.0.1", "django ", "my-lib ", "other ",
      ])
  }

  @Test func cargoLeavesTheWorkspaceOut() throws {
    let text = """
      version = 4

      [[package]]
      name = "app"
      version = "0.1.0"
      dependencies = [
       "serde",
      ]

      [[package]]
      name = "serde"
      version = "1.0.200"
      source = "registry+https://example.org/index"
      """
    #expect(try Self.names("Cargo.lock", text) == ["serde 1.0.200"])
    #expect(throws: ReportFailure.self) { try Self.names("Cargo.lock", "version = 4\n") }
  }

  @Test func pythonLocksLeaveTheProjectAndTextsOut() throws {
    let uv = """
      version = 1
      [[package]]
      name = "shop"
      version = "0.1.0"
      source = { virtual = "." }
      dependencies = [{ name = "idna" }]

      [[package]]
      name = "idna"
      version = "3.10"
      source = { registry = "https://example.org/simple" }
      """
    #expect(try Self.names("uv.lock", uv) == ["idna 3.10"])
    let poetry = #"""
      [[package]]
      name = "idna"
      version = "3.10"
      description = """
      [[package]]
      name = "not a package"
      """

      [package.extras]
      version = "9"

      [metadata]
      name = "neither"
      """#
    #expect(try Self.names("poetry.lock", poetry) == ["idna 3.10"])
  }

  @Test func goListsModulesWhoseSourcesWereNeeded() throws {
    let text = """
      example.org/a/b v1.2.3 h1:abc=
      example.org/a/b v1.2.3/go.mod h1:def=
      example.org/c v0.0.0-20240101000000-0123456789ab/go.mod h1:ghi=
      """
    #expect(try Self.names("go.sum", text) == ["example.org/a/b v1.2.3"])
  }

  @Test func bundlerLeavesPlatformsAndWishesOut() throws {
    let text = """
      PATH
        remote: .
        specs:
          shop (0.1.0)

      GEM
        remote: https://example.org/
        specs:
          nokogiri (1.16.2-x86_64-linux)
            racc (~> 1.4)
          racc (1.7.3)

      DEPENDENCIES
        nokogiri
      """
    #expect(try Self.names("Gemfile.lock", text) == ["nokogiri 1.16.2", "racc 1.7.3"])
    #expect(throws: ReportFailure.self) { try Self.names("Gemfile.lock", "hello") }
  }

  @Test(arguments: [
    #"{"version": 3, "pins": [{"identity": "nio", "location": "https://github.com/Apple/nio.git", "state": {"version": "2.1.0"}}]}"#,
    #"{"version": 1, "object": {"pins": [{"package": "nio", "repositoryURL": "git@github.com:apple/nio", "state": {"version": "2.1.0"}}]}}"#,
  ])
  func swiftPinsAreNamedByTheirRepository(text: String) throws {
    #expect(try Self.names("Package.resolved", text) == ["github.com/apple/nio 2.1.0"])
    #expect(throws: ReportFailure.self) { try Self.names("Package.resolved", "{}") }
  }

  @Test func anUnknownNameIsNoLockFile() throws {
    #expect(try Self.names("notes.txt", "flask==1") == nil)
  }

  @Test func writesCycloneDXThatReadsBack() throws {
    let list = ComponentList(
      components: [
        "pkg:npm/%40scope/name@1.0.0", "pkg:pypi/foo-bar@2", "pkg:golang/example.org/a/b@v1.2.3",
        "pkg:deb/debian/openssl@3.0.1-1%2Bdeb12u1", "pkg:maven/org.a/b",
      ].compactMap { PackageURL($0) }.map {
        Component(name: $0.name, version: $0.version, package: $0)
      })
    let bytes = try list.cycloneDX(
      of: "r1", project: "shop", at: Instant(milliseconds: 1_767_225_661_500))
    let again = try ComponentList.cycloneDX(bytes)
    #expect(again.components.map(\.package) == list.components.map(\.package))
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text.contains("\"timestamp\":\"2026-01-01T00:01:01Z\""))
    #expect(text.contains("\"purl\":\"pkg:deb/debian/openssl@3.0.1-1%2Bdeb12u1\""))
  }

  @Test(arguments: [
    (-1, "1969-12-31T23:59:59Z"), (0, "1970-01-01T00:00:00Z"),
    (951_782_400_000, "2000-02-29T00:00:00Z"), (4_102_444_800_000, "2100-01-01T00:00:00Z"),
    (-2_208_988_800_000, "1900-01-01T00:00:00Z"),
  ])
  func timesAreWrittenInUTC(milliseconds: Int64, text: String) {
    #expect(Instant(milliseconds: milliseconds).rfc3339 == text)
  }
}

@Suite struct LanguageVersionTests {
  @Test(arguments: [
    (
      VersionOrder.rubyGems,
      ["1.0.a", "1.0.a.2", "1.0.b1", "1.0.rc1", "1.0", "1.0.1", "1.9", "1.10.pre", "1.10", "2.0"]
    ),
    (
      .maven,
      [
        "1-alpha-1", "1-alpha2", "1-b1", "1-m1", "1-rc", "1-snapshot", "1", "1-sp", "1-foo2",
        "1-foo10", "1-1", "1.1", "1.9", "1.10", "2-rc1", "2.0.0",
      ]
    ),
    (
      .composer,
      [
        "1.0-dev", "1.0.0-alpha1", "1.0-beta2", "v1.0.0-beta10", "1.0.0-RC1", "1.0", "1.0.0-p1",
        "1.0.0.1", "1.9", "1.10",
      ]
    ),
  ])
  func ordersAsTheEcosystemDoes(order: VersionOrder, versions: [String]) {
    VersionOrderTests().ordersAsTheEcosystemDoes(order: order, versions: versions)
  }

  @Test func spellingDoesNotMatter() {
    for other in ["1.ga", "1-ga", "1-0", "1.0", "1.0.0", "1.final", "1-RELEASE"] {
      #expect(VersionOrder.maven.compare("1", other) == 0, "\(other)")
    }
    #expect(VersionOrder.maven.compare("1.foo", "1-foo") == 0)
    #expect(VersionOrder.maven.compare("1-a1", "1-alpha-1") == 0)
    #expect(VersionOrder.rubyGems.compare("1.0.0", "1") == 0)
    #expect(VersionOrder.rubyGems.compare("1.0-1", "1.0.pre.1") == 0)
    #expect(VersionOrder.rubyGems.compare("latest", "1") == nil)
    #expect(VersionOrder.composer.compare("v1.0", "1.0.0.0") == 0)
    #expect(VersionOrder.composer.compare("dev-main", "1.0") == nil)
  }

  @Test func everyEcosystemOfALockFileHasAnOrder() throws {
    let types = ["pypi", "npm", "golang", "maven", "deb", "cargo", "gem", "composer", "swift"]
    for type in types {
      let ecosystem = try #require(PackageURL(type: type, name: "x").ecosystem)
      #expect(VersionOrder(ecosystem: ecosystem) != nil, "\(ecosystem)")
    }
  }
}
