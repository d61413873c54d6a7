import Evidence
import SegueModel
import SpecFile
import Testing

@Suite struct GateFileTests {
  private static func waivers(_ text: String) throws(SpecReport) -> [Waiver] {
    try GateFiles.waivers(Array(text.utf8))
  }

  @Test func aWaiverHoldsThroughItsLastDay() throws {
    let waivers = try Self.waivers(
      """
      waivers:
        - id: CVE-2030-0001
          reason: not reachable
          owner: ana
          expires: 2030-01-31
      """)
    #expect(waivers.map(\.id) == ["CVE-2030-0001"])
    #expect(waivers.first?.expires == Instant(rfc3339: "2030-02-01T00:00:00Z"))
  }

  @Test func aTestInQuarantineHasAnOwnerAndAnIssue() throws {
    let entries = try GateFiles.quarantines(
      Array(
        "quarantine:\n- { test: lib.adds, owner: ana, issue: SHOP-1, expires: 2030-01-31 }\n".utf8))
    #expect(entries.map(\.test) == ["lib.adds"])
    #expect(entries.first?.issue == "SHOP-1")
  }

  @Test(arguments: ["", "waivers:\n", "waivers: []\n", "# nothing\n"])
  func anEmptyFileExcusesNothing(text: String) throws {
    #expect(try Self.waivers(text).isEmpty)
  }

  @Test(arguments: [
    ("ignore: []\n", "unknown key `ignore`"),
    ("waivers: {}\n", "must be a list"),
    ("waivers:\n- { id: A, reason: r, owner: o }\n", "has no `expires`"),
    ("waivers:\n- { id: A, reason: r, expires: 2030-01-01 }\n", "has no `owner`"),
    ("waivers:\n- { id: A, reason: r, owner: o, expires: soon }\n", "is not a day"),
    ("waivers:\n- { id: A, reason: r, owner: o, expires: 2030-02-31 }\n", "is not a day"),
    ("waivers:\n- { id: A, reason: '', owner: o, expires: 2030-01-01 }\n", "`reason` is empty"),
    ("waivers:\n- { id: A, why: r, owner: o, expires: 2030-01-01 }\n", "did you mean `reason`?"),
    ("waivers: [&a x]\n", "error"),
    ("- id\n", "has no `waivers`"),
  ])
  func whatIsWrongIsSaid(text: String, words: String) {
    let report = #expect(throws: SpecReport.self) { try Self.waivers(text) }
    #expect(report?.rendered.contains(words) == true, "\(report?.rendered ?? "")")
  }
}
