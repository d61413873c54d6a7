import SegueModel
import Testing

@testable import SpecFile

@Suite struct ValueTests {
  @Test(
    "durations",
    arguments: [
      ("250ms", 250), ("30s", 30_000), ("10m", 600_000), ("1h", 3_600_000), ("1h30m", 5_400_000),
      ("1h1m1s1ms", 3_661_001), ("0s", 0), ("090s", 90_000), ("14d", 1_209_600_000),
      ("1d12h", 129_600_000), ("999999999d", 86_399_999_913_600_000),
    ] as [(String, Int64)])
  func duration(_ text: String, _ milliseconds: Int64) throws {
    #expect(try DurationText.parse(text) == Milliseconds(milliseconds))
    let rendered = DurationText.render(Milliseconds(milliseconds))
    #expect(try DurationText.parse(rendered) == Milliseconds(milliseconds))
  }

  @Test(
    "no durations",
    arguments: [
      "", "s", "1", "1w", "1h1d", "1.5s", "-1s", "1s1m", "1s1s", "1 s", "1S", "١s", "9999999999s",
    ])
  func notDuration(_ text: String) {
    #expect(throws: Misreading.self) { try DurationText.parse(text) }
  }

  @Test(
    "sizes",
    arguments: [
      ("512MiB", 536_870_912), ("1GiB", 1_073_741_824), ("500MB", 500_000_000), ("1KB", 1_000),
    ] as [(String, Int64)])
  func size(_ text: String, _ bytes: Int64) throws {
    #expect(try SizeText.parse(text) == bytes)
  }

  @Test("no sizes", arguments: ["", "1", "1M", "1mib", "1.5GiB", "-1MiB", "GiB", "999999999TiB"])
  func notSize(_ text: String) {
    #expect(throws: Misreading.self) { try SizeText.parse(text) }
  }

  @Test("cores", arguments: [("0.5", 500), ("2", 2_000), ("0.001", 1), ("12.34", 12_340)])
  func cores(_ text: String, _ thousandths: Int) throws {
    #expect(try CoresText.parse(text) == thousandths)
    #expect(CoresText.render(thousandths) == text)
  }

  @Test("no cores", arguments: ["", ".5", "1.", "0.0001", "-1", "1e3", "1,5"])
  func notCores(_ text: String) {
    #expect(throws: Misreading.self) { try CoresText.parse(text) }
  }

  /// Up to two days in hours, as people say it.
  @Test(arguments: [(24, "24h"), (36, "36h"), (48, "2d"), (50, "2d2h"), (336, "14d")])
  func longTimesAreSaidInDays(_ hours: Int64, _ text: String) {
    #expect(DurationText.render(Milliseconds(hours * 3_600_000)) == text)
  }

  @Test(
    "shares",
    arguments: [
      ("5%", 50), ("0.5%", 5), ("100%", 1_000), ("12.5%", 125), ("0%", 0), ("-5%", -50),
      ("250%", 2_500), ("99999999999999999999%", .max), ("-99999999999999999999%", -.max),
    ])
  func share(_ text: String, _ thousandths: Int) throws {
    #expect(try ShareText.parse(text) == thousandths)
  }

  @Test(
    "no shares",
    arguments: [
      "", "%", "5", "0.05", ".5%", "5.%", "0.05%", "1e1%", "5 %", "5%%", "٥%", "--5%", "1,5%",
      "5.0.0%",
    ])
  func notShare(_ text: String) {
    #expect(throws: Misreading.self) { try ShareText.parse(text) }
  }

  @Test(arguments: [(5, "0.5%"), (250, "25%"), (999, "99.9%"), (1_000, "100%")])
  func sharesAreWrittenAsTheyAreRead(_ thousandths: Int, _ text: String) throws {
    #expect(ShareText.render(thousandths) == text)
    #expect(try ShareText.parse(text) == thousandths)
  }

  @Test(
    "prices",
    arguments: [
      ("0.04 EUR", 40_000), ("0 EUR", 0), ("12 USD", 12_000_000), ("0.000001 CHF", 1),
      ("999999.999999 JPY", 999_999_999_999),
    ] as [(String, Int64)])
  func price(_ text: String, _ millionths: Int64) throws {
    let cost = try PriceText.parse(text)
    #expect(cost == CostSpec(instanceHour: millionths, currency: String(text.suffix(3))))
  }

  @Test(
    "no prices",
    arguments: [
      "", "0.04", "EUR", "EUR 0.04", "0.04EUR", "0.04 eur", "0.04 EURO", "-0.04 EUR", "0,04 EUR",
      "0.0000001 EUR", "1000000 EUR", "1e3 EUR", ".5 EUR", "5. EUR", "0.04  EUR", "€0.04",
      "99999999999999999999 EUR", "٤ EUR", "nan EUR",
    ])
  func notPrice(_ text: String) {
    #expect(throws: Misreading.self) { try PriceText.parse(text) }
  }

  @Test(
    "suggestions",
    arguments: [
      ("instnaces", "instances"), ("max_surge", "max-surge"), ("Health", "health"),
      ("rote", "route"), ("zebra", nil), ("", nil),
    ] as [(String, String?)])
  func suggestion(_ text: String, _ meant: String?) {
    let known = ["instances", "max-surge", "health", "route", "env"]
    #expect(Suggestion.nearest(to: text, among: known) == meant)
  }

  @Test(
    "commands behind exec",
    arguments: [
      ("./web --port $PORT", false), ("cd x && ./web", true), ("A=1 ./web", true),
      ("./a; ./b", true), ("./a || ./b", true), ("./a\n./b", true), ("./a\n", false),
      ("sh -c 'a && b; c'", false), ("./web \"$(a; b)\"", false), ("./web $(a; b)", false),
      ("./web a\\;b", false), ("./web --x=1", false),
    ])
  func exec(_ command: String, _ hasProblem: Bool) {
    #expect((ShellCommand(command).problemBehindExec != nil) == hasProblem)
  }

  @Test func reportTravelsAsJSON() throws {
    let report = SpecReport(diagnostics: Fixtures.diagnostics("version: 2\n"))
    let decoded = try Fixtures.decode(SpecReport.self, from: Fixtures.json(report))
    #expect(decoded == report)
    #expect(report.rendered.contains("segue.yaml:1:10: error:"))
  }
}
