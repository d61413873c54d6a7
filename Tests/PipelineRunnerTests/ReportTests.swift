import Evidence
import Foundation
import Ports
import SegueModel
import Testing

@testable import PipelineRunner

@Suite struct ReportTests {
  static let passing = #"<testsuite name="s"><testcase name="a" classname="C"/></testsuite>"#
  static let mended = failing.replacing("<failure message=\"no\"/>", with: "")
  static let failing =
    #"<testsuite name="s"><testcase name="a" classname="C"/><testcase name="b" classname="C">"#
    + #"<failure message="no"/></testcase></testsuite>"#

  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var run: String
    var patterns: [String]
    var refusal: String?
  }

  @Test(arguments: [
    Case(
      testDescription: "passing", run: "mkdir -p out/a/b; echo '\(passing)' > out/a/b/r.xml",
      patterns: ["out/**/*.xml"], refusal: nil),
    Case(
      testDescription: "failing", run: "echo '\(failing)' > r.xml", patterns: ["*.xml"],
      refusal: "1 of 2 tests failed: C.b"),
    Case(
      testDescription: "missing", run: "true", patterns: ["out/*.xml"],
      refusal: "the report out/*.xml is missing"),
    Case(
      testDescription: "empty", run: ": > r.xml", patterns: ["r.xml"],
      refusal: "the report r.xml is empty"),
    Case(
      testDescription: "truncated", run: "printf '<testsuite>\\n<testcase na' > r.xml",
      patterns: ["r.xml"], refusal: "the report r.xml is truncated at line 2"),
    Case(
      testDescription: "without cases", run: "echo '<testsuites/>' > r.xml", patterns: ["r.xml"],
      refusal: "the report r.xml lists no test cases"),
    Case(
      testDescription: "one without cases beside one with",
      run: "echo '<testsuites/>' > r.xml; echo '\(passing)' > s.xml", patterns: ["?.xml"],
      refusal: nil),
    Case(
      testDescription: "stale", run: "true", patterns: ["old/*.xml"],
      refusal: "the report old/*.xml is there but was not written by this step"),
    Case(
      testDescription: "outside", run: "true", patterns: ["../*.xml"],
      refusal: "the report ../*.xml lies outside of the checkout"),
    Case(
      testDescription: "through a link", run: "ln -s /etc here; ln -s /etc/passwd r.xml",
      patterns: ["here/*", "r.xml"],
      refusal: "the report here/* is missing; the report r.xml is missing"),
  ])
  func judges(_ example: Case) async throws {
    var bench = try Bench()
    bench.source = FolderSource(files: ["old/r.xml": Self.passing])
    let result = try await bench.run(
      StepSpec(name: "test", run: example.run, reports: ReportSpec(junit: example.patterns)))
    let expected = example.refusal.map { StepResult.Outcome.refused($0) } ?? .passed
    #expect(result.steps["test"]?.outcome == expected)
  }

  /// The file is sparse: it takes no room, and no memory, because it is not read.
  @Test func aReportOfAGigabyteIsRefusedUnread() async throws {
    let bench = try Bench()
    let result = try await bench.run(
      StepSpec(
        name: "test", run: "truncate -s 1G r.xml", reports: ReportSpec(junit: ["r.xml"])))
    #expect(
      result.steps["test"]?.outcome
        == .refused("the report r.xml has 1073741824 bytes, more than 268435456"))
  }

  /// XCTest's half of a Swift run without a case is no failure beside Swift Testing's with some.
  @Test func swiftsTwoReportsAreOneRun() async throws {
    let bench = try Bench()
    let result = try await bench.run(
      StepSpec(
        name: "test",
        run: "echo '<testsuites><testsuite tests=\"0\"/></testsuites>' > x.xml; "
          + "echo '\(Self.passing)' > x-swift-testing.xml",
        reports: ReportSpec(junit: ["x*.xml"])))
    #expect(result.steps["test"]?.outcome == .passed)
    #expect(result.steps["test"]?.tests?.passed == 1)
  }

  @Test func aFailedCommandStillNamesItsTestsWithoutSecrets() async throws {
    var bench = try Bench()
    bench.secrets.values["TOKEN"] = "s3cret"
    let report = Self.failing.replacing("\"no\"", with: "\"wanted s3cret\"")
    let result = try await bench.run(
      StepSpec(
        name: "test", run: "echo '\(report)' > r.xml; exit 2", secrets: ["TOKEN"],
        reports: ReportSpec(junit: ["r.xml"])))
    #expect(result.steps["test"]?.outcome == .failed(status: 2))
    #expect(
      result.steps["test"]?.tests
        == TestSummary(
          passed: 1, failed: 1, failures: [TestFailure(test: "C.b", message: "wanted ***")]))
  }

  @Test(arguments: [
    (ReportSpec(coverage: ["lcov.info"]), "the report lcov.info is missing"),
    (ReportSpec(sarif: ["a.sarif"]), "the report a.sarif is missing"),
    (ReportSpec(sbom: ["b.json"]), "the report b.json is missing"),
  ])
  func aPromiseOfAnyKindIsKept(reports: ReportSpec, refusal: String) async throws {
    let bench = try Bench()
    let result = try await bench.run(StepSpec(name: "s", run: "true", reports: reports))
    #expect(result.steps["s"]?.outcome == .refused(refusal))
  }

  @Test func aStepWhoseTestsFailedRunsAgainWhenItMayAndBothAttemptsAreKept() async throws {
    var bench = try Bench()
    try await shell(
      "git init -q -b main shop; cd shop; echo 1 > a; git add -A; git commit -qm one",
      in: bench.directory.path)
    let repository = "\(bench.directory.path)/shop"
    let source = LocalSource(
      path: repository, cacheDirectory: "\(bench.directory.path)/cache",
      environment: testEnvironment)
    bench.source = source
    let command =
      "if [ -e once ]; then echo '\(Self.mended)' > r.xml; else touch once; "
      + "echo '\(Self.failing)' > r.xml; exit 1; fi"
    var run = bench.pipeline([
      StepSpec(name: "s", run: command, reports: ReportSpec(junit: ["r.xml"]))
    ])
    run.spec.gates = GatesSpec(tests: TestsGateSpec(retries: 1))
    run.commit = try await source.resolve("main")
    let result = try await bench.run(run)
    #expect(result.steps["s"]?.outcome == .passed)
    #expect(result.steps["s"]?.tests?.flaky == 1)
    let evidence = try await BuildEvidence(environment: testEnvironment)
      .evidence(of: run, comparedWith: [])
    #expect(evidence.tests["s"]?.map(\.cases.count) == [2, 2])
    #expect(evidence.base == nil)
    #expect(evidence.diff.files.map(\.newPath) == ["a"], "all of it is new")
  }

  @Test(arguments: [
    ("*.xml", "a.xml", true), ("*.xml", "a/b.xml", false), ("**/*.xml", "a.xml", true),
    ("**/*.xml", "a/b/c.xml", true), ("a/**/c.xml", "a/c.xml", true),
    ("a/**/c.xml", "b/c.xml", false), ("a?c", "abc", true), ("a?c", "ac", false),
    ("a/**", "a/b/c", true), ("**", "a/b", true), ("*a*b*", "xxaxxbxx", true),
    ("*a*b*", "xxbxxaxx", false), ("./a", "a", true), ("a*", "b", false),
  ])
  func globs(pattern: String, path: String, matches: Bool) {
    let names = Array(path.utf8).split(separator: UInt8(ascii: "/"))
    #expect(Glob(pattern).matches(names) == matches)
  }
}
