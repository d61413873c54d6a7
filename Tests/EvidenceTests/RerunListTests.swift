import Evidence
import SegueModel
import Testing

@Suite struct RerunListTests {
  static func test(
    _ className: String, _ name: String, suite: String = "s", file: String? = nil
  ) -> TestCase {
    TestCase(suite: suite, className: className, name: name, file: file, status: .failed)
  }

  @Test(arguments: [
    ("tests.test_cart", "test_adds", "tests/test_cart.py::test_adds"),
    ("tests.test_cart.TestCart", "test_adds[1 2]", "tests/test_cart.py::TestCart::test_adds[1 2]"),
    ("tests.test_cart.TestA.TestB", "test_x", "tests/test_cart.py::TestA::TestB::test_x"),
    // What could not be collected has its module for a name, and the reader gives it the suite.
    ("pytest", "tests.test_cart", "tests/test_cart.py"),
    ("gone.test_other", "test_x", "gone/test_other.py::test_x"),
  ])
  func pytestTakesPathsThatItsReportDoesNotTell(
    className: String, name: String, line: String
  ) {
    let list = RerunList(
      of: [Self.test(className, name, suite: "pytest")], as: .pytest
    ) { $0 == "tests/test_cart.py" }
    #expect(list.lines == [line])
    #expect(list.pattern.isEmpty)
  }

  @Test func swiftTakesOnePatternForBothOfItsLibraries() {
    let list = RerunList(
      of: [
        Self.test("ShopTests.CartTests", "adds(_:)"), Self.test("ShopTests.CartTests", "testOld"),
        Self.test("ShopTests", "free()"),
      ], as: .swift)
    #expect(
      list.pattern
        == #"^ShopTests[./]CartTests[./]adds\(_:\)|^ShopTests[./]CartTests[./]testOld$|"#
        + #"^ShopTests[./]free\(\)"#)
  }

  @Test func goMatchesEachLevelForItself() {
    let list = RerunList(
      of: [Self.test("cart", "TestTotal/two_items"), Self.test("cart", "TestAdd(1)")], as: .go)
    #expect(list.pattern == #"^TestAdd\(1\)$|^TestTotal$/^two_items$"#)
  }

  @Test(arguments: [
    ("src/cart.test.ts", "Cart adds 1+1", "^(Cart adds 1\\+1)$"),
    ("Cart", "Cart adds", "^(Cart adds)$"), ("Cart", "adds", "^(Cart adds)$"),
  ])
  func jestKnowsTestsByTheNamesAroundThem(className: String, name: String, pattern: String) {
    let list = RerunList(
      of: [Self.test(className, name, suite: "Cart", file: "src/cart.test.ts")], as: .jest)
    #expect(list.pattern == pattern)
  }

  @Test func othersAreGivenTheNamesOfTheReportOnceEach() {
    let list = RerunList(
      of: [Self.test("b.C", "m"), Self.test("a.C", "m"), Self.test("b.C", "m")], as: .names)
    #expect(list.lines == ["a.C.m", "b.C.m"])
  }
}

@Suite struct ScannerTests {
  @Test(arguments: SecurityScanner.allCases)
  func eachNamesItsReportAndHowToGetIt(scanner: SecurityScanner) {
    let report = scanner.report(of: "scan")
    let command = scanner.command(report: report)
    #expect(command.contains(report))
    #expect(!command.contains("REPORT"))
    #expect(command.contains(scanner.program))
    #expect(scanner.absence.hasPrefix("\(scanner.rawValue) is not installed"))
    #expect(!scanner.absence.hasSuffix("."))
  }

  /// gitleaks rates nothing, and osv-scanner calls everything a warning: neither may be taken for
  /// medium.
  @Test(arguments: [
    ("gitleaks", SARIFReport.Level.warning, Double?.none, Severity?.some(.high)),
    ("osv-scanner", .warning, nil, nil), ("osv-scanner", .warning, 9.8, .critical),
    ("trivy", .warning, nil, .medium), ("gitleaks", .note, nil, .low),
  ])
  func aLevelThatSaysNothingIsNotBelieved(
    tool: String, level: SARIFReport.Level, score: Double?, severity: Severity?
  ) {
    let finding = SecurityFinding(
      SARIFReport.Finding(
        tool: tool, rule: "r", level: level, securitySeverity: score, message: "m"))
    #expect(finding?.severity == severity)
  }
}
