import Evidence
import SegueModel
import Testing

@Suite struct WaiverTests {
  @Test func warnsAWeekBeforeItExpiresAndThenBlocks() {
    let day: Int64 = 86_400_000
    let waiver = Waiver(
      id: "CVE-1", reason: "not reachable", owner: "ana",
      expires: Instant(milliseconds: 30 * day))
    func standing(_ time: Int64) -> Waiver.Standing {
      waiver.standing(at: Instant(milliseconds: time))
    }
    #expect(standing(0) == .holds)
    #expect(standing(23 * day - 1) == .holds)
    #expect(standing(23 * day) == .endsSoon(in: Milliseconds(7 * day)))
    #expect(standing(30 * day - 1) == .endsSoon(in: Milliseconds(1)))
    #expect(standing(30 * day) == .expired)
  }
}

@Suite struct OpenVEXTests {
  static func read(_ statements: String) throws -> [VulnerabilityStatement] {
    try VulnerabilityStatement.openVEX(
      Array(
        """
        {"@context": "https://openvex.dev/ns/v0.2.0", "timestamp": "2026-01-01T00:00:00Z",
         "statements": [\(statements)]}
        """.utf8))
  }

  static let package = PackageURL(type: "npm", name: "x", version: "1.0.0")

  static func statement(_ status: String, _ rest: String = "") -> String {
    """
    {"vulnerability": {"name": "CVE-1", "aliases": ["GHSA-1"]}, "status": "\(status)",
     "products": [{"@id": "pkg:oci/app", "subcomponents": [{"@id": "pkg:npm/x@1.0.0"}]}] \(rest)}
    """
  }

  @Test func notAffectedNeedsAJustification() throws {
    let bare = try Self.read(Self.statement("not_affected"))
    #expect(bare.map(\.excuses) == [false])
    let justified = try Self.read(
      Self.statement("not_affected", #", "justification": "component_not_present""#))
    #expect(justified.map(\.excuses) == [true])
  }

  @Test func theNewestStatementWinsWhateverItsTimeZone() throws {
    let statements = try Self.read(
      [
        Self.statement("affected", #", "timestamp": "2026-03-01T00:30:00+02:00""#),
        Self.statement("fixed", #", "timestamp": "2026-02-28T23:00:00.25Z""#),
        Self.statement("under_investigation"),
      ].joined(separator: ","))
    let current = VulnerabilityStatement.current(
      of: statements, ids: ["GHSA-1"], package: Self.package)
    #expect(current?.status == .fixed)
    #expect(statements[2].at == Instant(milliseconds: 1_767_225_600_000))
  }

  @Test func tellsWhichStatementsMatchNothing() throws {
    let statement = try #require(try Self.read(Self.statement("fixed")).first)
    #expect(statement.isAbout(["CVE-1"], Self.package))
    #expect(!statement.isAbout(["CVE-2"], Self.package))
    #expect(!statement.isAbout(["CVE-1"], PackageURL(type: "npm", name: "x", version: "2.0.0")))
  }

  @Test func aStatementThatCannotBeReadIsRefused() {
    #expect(throws: ReportFailure.self) { try Self.read(Self.statement("whatever")) }
    #expect(throws: ReportFailure.self) { try VulnerabilityStatement.openVEX(Array("{}".utf8)) }
  }
}
