import Evidence
import Ports
import SegueModel
import Testing

/// What reports of tests are easily misread in: one test for each, named in `docs/evidence-traps.md`.
@Suite struct JUnitTrapTests {
  /// `status class.name` of each case.
  private func read(_ body: String) throws -> [String] {
    try JUnitReader.read(Array(body.utf8)).cases.map { "\($0.status.rawValue) \($0.fullName)" }
  }

  private func refusal(_ body: String) -> ReportFailure? {
    do throws(ReportFailure) {
      _ = try JUnitReader.read(Array(body.utf8))
      return nil
    } catch {
      return error
    }
  }

  @Test func totalsComeFromTheCasesAlone() throws {
    let report = try JUnitReader.read(
      Array(
        """
        <testsuites tests="90" failures="40"><testsuite name="s" tests="9" failures="7" errors="1">
        <testcase name="a" classname="C"/></testsuite></testsuites>
        """.utf8))
    #expect([report.summary.total, report.summary.failed] == [1, 0])
  }

  @Test func aFailureCountsMoreThanBeingSkipped() throws {
    #expect(
      try read(
        "<testsuite><testcase name=\"a\"><skipped/><error/></testcase>"
          + "<testcase name=\"b\"><error/><skipped/><failure/></testcase></testsuite>")
        == ["failed a", "failed b"])
  }

  @Test func nestedSuitesAreReadAndNamed() throws {
    let report = try JUnitReader.read(
      Array(
        """
        <testsuite name="outer"><testcase name="a"/><testsuite name="inner"><testsuite name="">
        <testcase name="b" classname="C"/></testsuite></testsuite></testsuite>
        """.utf8))
    #expect(report.cases.map(\.suite) == ["outer", "outer > inner"])
  }

  @Test func emptyAttributesAndNegativeTimesMeanNothing() throws {
    let report = try JUnitReader.read(
      Array(
        """
        <testsuite tests=""><testcase name="a" classname="" file="" time=""/>
        <testcase name="b" time="-3.5"/><testcase name="c" time="NaN"/><testcase name="d" time="1e99"/>
        </testsuite>
        """.utf8))
    #expect(report.cases.allSatisfy { $0.status == .passed && $0.time.count >= 0 })
    #expect(report.cases.prefix(3).allSatisfy { $0.time.count == 0 })
  }

  @Test func aSuiteThatCountsTestsAndListsNoneIsRefused() {
    #expect(refusal("<testsuite tests=\"12\"/>") == .noTestCases(declared: 12))
  }

  @Test func charactersThatXMLForbidsDoNotHideAFailure() throws {
    let escape = "\u{1B}[31mno\u{1B}[0m"
    #expect(
      try read(
        "<testsuite><testcase name=\"a\"><failure message=\"\(escape)\">&#x1b;\(escape)</failure>"
          + "</testcase></testsuite>") == ["failed a"])
    #expect(refusal("<testsuite><testcase name=\"\u{0}\"/></testsuite>") != nil)
  }

  @Test(arguments: [
    "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/hostname\">]><testsuite name=\"&e;\"/>",
    "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><testsuite name=\"&b;\"/>",
    "<!DOCTYPE x [<!ENTITY % p SYSTEM \"http://127.0.0.1:1/x\"> %p;]><testsuite/>",
  ])
  func entitiesAreRefusedUnread(document: String) {
    #expect(refusal(document) != nil)
  }

  @Test func tenThousandLevelsAreRefused() {
    #expect(refusal(String(repeating: "<testsuite>", count: 10_000)) != nil)
  }

  @Test func surefiresFlakyTestPassedAfterFailing() throws {
    #expect(
      try read(
        "<testsuite><testcase name=\"a\"><flakyFailure/></testcase>"
          + "<testcase name=\"b\"><flakyError/></testcase>"
          + "<testcase name=\"c\"><failure/><rerunFailure/></testcase></testsuite>")
        == ["flaky a", "flaky b", "failed c"])
  }

  /// pytest adds a second case of the same name when the teardown fails.
  @Test func pytestsTeardownErrorFailsTheTestThatHadPassed() throws {
    #expect(
      try read(
        "<testsuite name=\"pytest\"><testcase classname=\"t\" name=\"a\"/>"
          + "<testcase classname=\"t\" name=\"a\"><error message=\"failed on teardown with x\"/>"
          + "</testcase></testsuite>") == ["failed t.a"])
  }

  /// A parent fails with its subtests, and would be counted twice; but one may fail by itself.
  @Test func goParentsAreCountedOnlyForFailuresOfTheirOwn() throws {
    func report(_ parent: String) -> String {
      "<testsuite name=\"p\"><testcase classname=\"p\" name=\"TestT/one\">\(parent)</testcase>"
        + "<testcase classname=\"p\" name=\"TestT\"><failure/></testcase></testsuite>"
    }
    #expect(try read(report("<failure/>")) == ["failed p.TestT/one"])
    #expect(try read(report("")) == ["passed p.TestT/one", "failed p.TestT"])
  }

  @Test func jestsTestsWithoutAClassAreKnownByTheirFile() throws {
    #expect(
      try read(
        "<testsuites><testsuite name=\"Cart\" file=\"a.test.js\"><testcase classname=\"\" "
          + "name=\"Cart adds\"/></testsuite><testsuite name=\"Tax\"><testcase classname=\"\" "
          + "name=\"rates\"/></testsuite></testsuites>")
        == ["passed a.test.js.Cart adds", "passed Tax.rates"])
  }

  /// Swift Testing counts issues as failures, and a test may have several.
  @Test func swiftTestingCountsIssuesAndATestFailsOnce() throws {
    let report = try JUnitReader.read(
      Array(
        """
        <testsuites><testsuite name="TestResults" tests="1" failures="2">
        <testcase classname="T" name="a()"><failure message="1"/><failure message="2"/></testcase>
        </testsuite></testsuites>
        """.utf8))
    #expect(report.summary.failed == 1)
    #expect(report.cases.map(\.message) == ["1"])
  }

  /// Raw identifiers are written unescaped: what can be told apart is read, what cannot is refused.
  @Test func swiftTestingWritesNamesUnescaped() throws {
    #expect(
      try read(
        "<testsuites><testsuite name=\"x\"><testcase classname=\"T\" name=\"`a < b && c`()\"/>"
          + "</testsuite></testsuites>") == ["passed T.`a < b && c`()"])
    #expect(
      refusal(
        "<testsuites><testsuite name=\"x\"><testcase classname=\"T\" name=\"`a \"b\"`()\"/>"
          + "</testsuite></testsuites>") != nil)
  }

  /// `swift test` writes XCTest's report even when all tests are of Swift Testing, without a case.
  @Test func xctestsReportWithoutACaseProvesNothing() {
    #expect(
      refusal("<testsuites><testsuite name=\"TestResults\" tests=\"0\"></testsuite></testsuites>")
        == .noTestCases(declared: 0))
  }

  @Test(arguments: [
    "", " \n", "<testsuites>", "<testsuites><testsuite><testcase name=\"a\"/>", "<testsuite><testc",
  ])
  func aCrashLeavesAReportThatIsRefused(text: String) {
    switch refusal(text) {
    case .empty, .truncated: break
    case let other: Issue.record(Comment(rawValue: other?.description ?? "it was read"))
    }
  }
}
