import Evidence
import SegueModel
import Testing

@Suite struct CVSSTests {
  /// Worked examples with the scores that the specification's own formula gives.
  @Test(arguments: [
    ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
    ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
    ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
    ("CVSS:3.0/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.1),
    ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8),
    ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", 7.5),
    ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N", 1.6),
    ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:N/E:P/RL:O", 9.6),
    ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
    ("CVSS:3.1/AV:A/AC:L/PR:H/UI:N/S:C/C:L/I:H/A:L", 7.5),
  ])
  func scoresAsSpecified(vector: String, score: Double) {
    #expect(CVSS.baseScore(vector) == score)
  }

  /// A checksum over the scores that another implementation (PyPI's `cvss` 3) gives, in this order.
  @Test func scoresEveryBaseVectorAsOthersDo() {
    let metrics = ["AV:NALP", "AC:LH", "PR:NLH", "UI:NR", "S:UC", "C:NLH", "I:NLH", "A:NLH"]
    var vectors = ["CVSS:3.1"]
    for metric in metrics {
      let halves = metric.split(separator: ":")
      vectors = vectors.flatMap { vector in halves[1].map { "\(vector)/\(halves[0]):\($0)" } }
    }
    #expect(vectors.count == 2_592)
    let sum = vectors.reduce(0) { sum, vector in
      (sum * 31 + Int(((CVSS.baseScore(vector) ?? -1) * 10).rounded())) % 1_000_000_007
    }
    #expect(sum == 548_309_627)
  }

  @Test(arguments: [
    ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 9.3),
    ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 10.0),
    ("CVSS:4.0/AV:L/AC:H/AT:P/PR:L/UI:A/VC:L/VI:N/VA:N/SC:N/SI:L/SA:N", 1.0),
    ("CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:P/VC:N/VI:H/VA:N/SC:L/SI:N/SA:L", 6.0),
    ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N/E:U", 0.0),
  ])
  func scoresVersion4AsSpecified(vector: String, score: Double) {
    #expect(CVSS.baseScore(vector) == score)
  }

  /// A checksum over the scores that another implementation (PyPI's `cvss` 3) gives, in this order.
  @Test func scoresEveryBaseVectorOfVersion4AsOthersDo() {
    let metrics = [
      "AV:NALP", "AC:LH", "AT:NP", "PR:NLH", "UI:NPA", "VC:HLN", "VI:HLN", "VA:HLN", "SC:HLN",
      "SI:HLN", "SA:HLN",
    ]
    var vectors = ["CVSS:4.0"]
    for metric in metrics {
      let halves = metric.split(separator: ":")
      vectors = vectors.flatMap { vector in halves[1].map { "\(vector)/\(halves[0]):\($0)" } }
    }
    #expect(vectors.count == 104_976)
    let sum = vectors.reduce(0) { sum, vector in
      (sum * 31 + Int(((CVSS.baseScore(vector) ?? -1) * 10).rounded())) % 1_000_000_007
    }
    #expect(sum == 644_167_128)
  }

  @Test(arguments: [
    "", "CVSS:3.1", "CVSS:3.1/AV:N/AC:L", "CVSS:2.0/AV:N", "AV:N/AC:L/Au:N/C:P/I:P/A:P",
    "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
    "CVSS:3.1/AV:N/AV:P/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
    "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N",
    "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:R/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", "CVSS:4.1/AV:N",
  ])
  func whatCannotBeScoredIsUnknown(vector: String) { #expect(CVSS.baseScore(vector) == nil) }

  @Test func ratesByTheScale() {
    let scores = [0, 0.1, 3.9, 4, 6.9, 7, 8.9, 9, 10]
    #expect(
      scores.map { Severity(score: $0) } == [
        .none, .low, .low, .medium, .medium, .high, .high, .critical, .critical,
      ])
  }
}

@Suite struct SecurityGateTests {
  static let now = TestsGateTests.now
  static let package = PackageURL(type: "npm", name: "lib", version: "1.0.0")

  static func finding(
    _ severity: Severity? = .high, malicious: Bool = false, id: String = "CVE-1"
  ) -> SecurityFinding {
    SecurityFinding(
      id: id, aliases: ["GHSA-1"], severity: severity, isMalicious: malicious, title: "it leaks",
      place: "lib 1.0.0", package: package, fixedIn: "1.0.1")
  }

  static func waiver(days: Int64) -> Waiver {
    Waiver(
      id: "GHSA-1", reason: "not reachable", owner: "ana",
      expires: now + Milliseconds(days * 86_400_000))
  }

  @Test func oneHighFindingBlocksAndNamesTheFix() {
    let answer = SecurityGate().answer([Self.finding(), Self.finding(.low)], at: Self.now)
    #expect(answer.verdict == .fail)
    #expect(answer.reason == "1 of 2 findings blocks: CVE-1")
    #expect(answer.evidence == ["CVE-1 (high) in lib 1.0.0; it leaks; fixed in 1.0.1"])
    #expect(answer.remedies.first == "Update lib to 1.0.1")
  }

  @Test func anUnknownSeverityIsNeverTakenForNone() {
    let answer = SecurityGate(level: .critical).answer([Self.finding(nil)], at: Self.now)
    #expect(answer.verdict == .fail)
    #expect(answer.evidence.first?.contains("nobody says how severe it is") == true)
    let lenient = SecurityGate(blocksUnknown: false).answer([Self.finding(nil)], at: Self.now)
    #expect(lenient.verdict == .pass)
    #expect(lenient.evidence.count == 1)
  }

  @Test func aMaliciousPackageBlocksWhateverAnybodySays() throws {
    var gate = SecurityGate(level: .critical, blocksUnknown: false)
    gate.waivers = [Self.waiver(days: 90)]
    gate.known = [Self.finding().fingerprint]
    gate.statements = try OpenVEXTests.read(
      #"{"vulnerability": "GHSA-1", "status": "fixed", "products": ["pkg:npm/lib"]}"#)
    for severity: Severity? in [nil, Severity.none, .low] {
      let answer = gate.answer([Self.finding(severity, malicious: true)], at: Self.now)
      #expect(answer.verdict == .fail)
      #expect(answer.remedies.first?.hasPrefix("Remove lib") == true)
    }
  }

  @Test func aWaiverHoldsWarnsAndExpires() {
    func answer(_ days: Int64) -> GateAnswer {
      SecurityGate(waivers: [Self.waiver(days: days)]).answer([Self.finding()], at: Self.now)
    }
    #expect(answer(30).verdict == .pass)
    #expect(answer(30).warnings.isEmpty)
    #expect(answer(7).verdict == .pass)
    #expect(answer(7).warnings == ["the waiver of GHSA-1 by ana ends on 2026-01-08"])
    #expect(answer(0).verdict == .fail)
    #expect(answer(0).evidence.first?.contains("by ana expired on 2026-01-01") == true)
  }

  @Test func tellsWaiversAndStatementsThatMatchNothing() throws {
    let statements = try OpenVEXTests.read(
      #"{"vulnerability": "CVE-9", "status": "fixed", "products": ["pkg:npm/lib"]}"#)
    let answer = SecurityGate(waivers: [Self.waiver(days: 30)], statements: statements)
      .answer([], at: Self.now)
    #expect(answer.verdict == .pass)
    #expect(
      answer.warnings == [
        "the waiver of GHSA-1 by ana matches nothing",
        "the statement about CVE-9 matches nothing",
      ])
  }

  @Test func onlyWhatIsNewBlocksWhereThatIsAsked() {
    let gate = SecurityGate(known: [Self.finding().fingerprint])
    #expect(gate.answer([Self.finding()], at: Self.now).verdict == .pass)
    #expect(gate.answer([Self.finding(id: "CVE-2")], at: Self.now).verdict == .fail)
    let moved = SecurityFinding(id: "R", severity: .high, title: "bad", place: "a.js:3")
    let same = SecurityFinding(id: "R", severity: .high, title: "bad", place: "a.js:99")
    #expect(moved.fingerprint == same.fingerprint)
  }

  @Test func aScanThatFailedIsNoCleanScan() {
    let answer = SecurityGate().answer([], problems: ["semgrep did not succeed"], at: Self.now)
    #expect(answer.verdict == .fail)
    #expect(SecurityGate().answer(nil, at: Self.now).verdict == .wait)
  }

  @Test func resultsOfAnalysesAreRated() {
    func severity(_ level: SARIFReport.Level, _ score: Double?) -> Severity? {
      SecurityFinding(
        SARIFReport.Finding(
          tool: "t", rule: "r", level: level, securitySeverity: score, message: "m", path: "a",
          line: 1, isSuppressed: false))?.severity
    }
    #expect(severity(.error, nil) == .high)
    #expect(severity(.warning, 9.1) == .critical)
    #expect(severity(.none, nil) == nil)
  }
}

@Suite struct LiveMatchTests {
  static func advisory(_ id: String, aliases: String = "", fixed: String, vector: String? = nil)
    throws -> Advisory
  {
    let severity = vector.map { #", "severity": [{"type": "CVSS_V3", "score": "\#($0)"}]"# } ?? ""
    return try Advisory.read(
      Array(
        """
        {"id": "\(id)", "modified": "2026-01-01T00:00:00Z", "aliases": [\(aliases)],
         "summary": "it leaks", "affected": [{"package": {"ecosystem": "npm", "name": "lib"},
         "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "\(fixed)"}]}]}]
         \(severity)}
        """.utf8))
  }

  static let live = LiveComponents(
    release: "r1", places: ["production/web"], people: ["the shop team"],
    components: ComponentList(components: [
      Component(
        name: "lib", version: "1.0.0",
        package: PackageURL(type: "npm", name: "lib", version: "1.0.0"))
    ]))

  @Test func aNewAdvisoryAboutALiveReleaseIsAnIncident() throws {
    let high = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    let index = AdvisoryIndex([
      try Self.advisory("GHSA-1", aliases: #""CVE-1""#, fixed: "1.0.1"),
      try Self.advisory("CVE-1", fixed: "1.0.1", vector: high),
      try Self.advisory("CVE-0", fixed: "0.9.0", vector: high),
    ])
    let incidents = index.rematch([Self.live], gate: SecurityGate(), at: TestsGateTests.now)
    #expect(incidents.count == 1)
    #expect(
      incidents.first?.description
        == "release r1, live in production/web: GHSA-1 in lib 1.0.0; update lib to 1.0.1; "
        + "told: the shop team")
    #expect(incidents.first?.findings.map(\.severity) == [.critical])
    var told = Self.live
    told.known = Set(incidents.flatMap(\.findings).map(\.fingerprint))
    #expect(index.rematch([told], gate: SecurityGate(), at: TestsGateTests.now).isEmpty)
  }

  @Test func whatIsWaivedOrMildIsNoIncident() throws {
    let low = "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"
    let mild = AdvisoryIndex([try Self.advisory("CVE-1", fixed: "2.0.0", vector: low)])
    #expect(mild.rematch([Self.live], gate: SecurityGate(), at: TestsGateTests.now).isEmpty)
    let unrated = AdvisoryIndex([try Self.advisory("GHSA-1", fixed: "2.0.0")])
    let gate = SecurityGate(waivers: [SecurityGateTests.waiver(days: 9)])
    #expect(unrated.rematch([Self.live], gate: gate, at: TestsGateTests.now).isEmpty)
    #expect(unrated.rematch([Self.live], gate: SecurityGate(), at: TestsGateTests.now).count == 1)
  }
}
