import Evidence
import Foundation
import Ports
import SegueModel
import Testing

@testable import PipelineRunner

/// Retries of what failed only, steps in shards, ready-made scanners, and failures that are excused.
@Suite struct RerunTests {
  /// A report of tests `a`, `b` and so on of the class `C`; those in upper case fail.
  static func report(_ tests: String) -> String {
    let cases = tests.map { letter in
      let failure = letter.isUppercase ? "<failure message=\"no\"/>" : ""
      return "<testcase name=\"\(letter.lowercased())\" classname=\"C\">\(failure)</testcase>"
    }
    return "echo '<testsuite name=\"C\">\(cases.joined())</testsuite>' > r.xml"
  }

  private func bench() async throws -> (Bench, LocalSource) {
    var bench = try Bench()
    try await shell(
      "git init -q -b main shop; cd shop; echo 1 > a; git add -A; git commit -qm one",
      in: bench.directory.path)
    let source = LocalSource(
      path: "\(bench.directory.path)/shop", cacheDirectory: "\(bench.directory.path)/cache",
      environment: testEnvironment)
    bench.source = source
    return (bench, source)
  }

  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var retries = 2
    var first: String
    /// By attempt: the second, the third.
    var again: [String]
    var outcome: StepResult.Outcome
    /// Passed, failed, flaky.
    var counts: [Int]
    /// What each retry was asked to run.
    var asked: [String]
  }

  @Test(arguments: [
    Case(
      testDescription: "passes the second time", first: "aBC", again: ["bc"], outcome: .passed,
      counts: [3, 0, 2], asked: ["C.b C.c"]),
    Case(
      testDescription: "fails in part, and is asked less", first: "aBC", again: ["bC", "c"],
      outcome: .passed, counts: [3, 0, 2], asked: ["C.b C.c", "C.c"]),
    Case(
      testDescription: "fails for good", first: "aB", again: ["B", "B"],
      outcome: .failed(status: 1), counts: [1, 1, 0], asked: ["C.b", "C.b"]),
    Case(
      testDescription: "leaves out what failed", retries: 1, first: "aB", again: ["a"],
      outcome: .refused("1 of 2 tests failed: C.b"), counts: [1, 1, 0], asked: ["C.b"]),
    Case(
      testDescription: "is not run again", retries: 0, first: "aB", again: [],
      outcome: .failed(status: 1), counts: [1, 1, 0], asked: []),
  ])
  func onlyWhatFailedRunsAgain(_ example: Case) async throws {
    let (bench, source) = try await bench()
    let again = example.again.enumerated().map {
      "if [ $SEGUE_ATTEMPT = \($0 + 2) ]; then \(Self.report($1)); fi"
    }
    let end = "! grep -q '<failure' r.xml"
    var run = bench.pipeline([
      StepSpec(
        name: "s",
        run: "test -z \"${SEGUE_FAILED_TESTS:-}\"; echo SF:a > l.info; echo DA:1,1 >> l.info; "
          + "echo end_of_record >> l.info; \(Self.report(example.first)); \(end)",
        reports: ReportSpec(junit: ["r.xml"], coverage: ["l.info"]),
        rerun: RerunSpec(
          run: (["xargs < \"$SEGUE_FAILED_TESTS\" >> asked"] + again + [end])
            .joined(separator: "; ")))
    ])
    run.spec.gates = GatesSpec(tests: TestsGateSpec(retries: example.retries))
    run.commit = try await source.resolve("main")
    let result = try #require(try await bench.run(run).steps["s"])
    #expect(result.outcome == example.outcome)
    let tests = try #require(result.tests)
    #expect([tests.passed, tests.failed, tests.flaky] == example.counts)
    let asked = text(of: "\(bench.checkout)/asked") ?? ""
    #expect(asked.split(separator: "\n").map(String.init) == example.asked)
    let evidence = try await BuildEvidence(environment: testEnvironment)
      .evidence(of: run, comparedWith: [])
    #expect(evidence.tests["s"]?.count == 1 + example.asked.count, "every attempt is kept")
    #expect(evidence.coverage?.count == CoverageCount(covered: 1, coverable: 1))
    #expect(evidence.problems.isEmpty, "\(evidence.problems)")
    let results = TestBatch.results(of: evidence.tests["s"]?.map(\.cases) ?? [])
    #expect(
      results.filter { $0.test == "C.b" }.map(\.attempt).max() == 1 + example.asked.count
        || example.testDescription.contains("less") || example.testDescription.contains("leaves"))
  }

  @Test func stepsWhoseOnlyFailuresAreExcusedLetOthersRun() async throws {
    let bench = try Bench()
    let failing = StepSpec(
      name: "test", run: Self.report("aB") + "; exit 1", reports: ReportSpec(junit: ["r.xml"]))
    let after = StepSpec(name: "after", run: "touch ran", needs: ["test"])
    var run = bench.pipeline([failing, after])
    run.excused = ["C.b": FailureSignature.of("no"), "C.z": ""]
    let result = try await bench.run(run)
    #expect(result.steps["test"]?.outcome == .failed(status: 1))
    #expect(result.steps["test"]?.excused == ["C.b"])
    #expect(result.steps["after"]?.outcome == .passed)
  }

  /// Another failure, another way to fail, or nothing to go by.
  @Test(arguments: [
    (report("AB") + "; exit 1", "no"), (report("aB") + "; exit 1", "another"),
    (report("aB") + "; kill -9 $$", "no"), ("exit 1", "no"), (report("ab") + "; exit 1", "no"),
  ])
  func anyOtherFailureKeepsOthersFromRunning(command: String, known: String) async throws {
    let bench = try Bench()
    var run = bench.pipeline([
      StepSpec(name: "test", run: command, reports: ReportSpec(junit: ["r.xml"])),
      StepSpec(name: "after", run: "touch ran", needs: ["test"]),
    ])
    run.excused = ["C.b": FailureSignature.of(known)]
    let result = try await bench.run(run)
    #expect(result.steps["test"]?.excused == nil)
    #expect(result.steps["after"]?.outcome == .skipped)
  }

  @Test func aShardKnowsItsNumberAndWhatTestsTook() async throws {
    let bench = try Bench()
    let steps = (1...2).map { number in
      StepSpec(
        name: StepName("test-\(number)"),
        run: "echo $SEGUE_SHARD of $SEGUE_SHARDS; cat $SEGUE_TEST_TIMES; test -x $SEGUE_PROGRAM",
        shard: StepShard(step: "test", number: number, count: 2))
    }
    var run = bench.pipeline(steps + [StepSpec(name: "other", run: "test -z \"$SEGUE_SHARD\"")])
    run.testTimes = ["C.a": .seconds(2), "C.b": Milliseconds(7)]
    let result = try await bench.run(run)
    #expect(result.allPassed)
    #expect(bench.log("test-2") == "2 of 2\n2000\tC.a\n7\tC.b\n")
  }
}

@Suite struct ScannerStepTests {
  static func step(_ scanner: SecurityScanner, path: String) -> StepSpec {
    let report = scanner.report(of: "scan")
    return StepSpec(
      name: "scan", run: scanner.command(report: report),
      environment: ["PATH": "\(path):/usr/bin:/bin"], reports: ReportSpec(sarif: [report]),
      scanner: scanner.rawValue)
  }

  @Test func aScannerThatIsNotInstalledSaysHowToGetIt() async throws {
    let bench = try Bench()
    var step = Self.step(.grype, path: "/nowhere")
    step.environment["PATH"] = "/nowhere"
    let result = try await bench.run(step)
    #expect(result.steps["scan"]?.outcome == .refused(SecurityScanner.grype.absence))
  }

  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String { "\(scanner), status \(status)" }
    var scanner: SecurityScanner
    /// What stands in for it prints or writes this, where it was told to.
    var status = 0
    var passes = true
  }

  static let sarif = """
    {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": []}]}
    """

  /// What is found is for the gate; what could not be scanned fails the step.
  @Test(arguments: [
    Case(scanner: .osvScanner), Case(scanner: .osvScanner, status: 1),
    Case(scanner: .osvScanner, status: 127, passes: false), Case(scanner: .trivy),
    Case(scanner: .trivy, status: 1, passes: false), Case(scanner: .grype),
    Case(scanner: .grype, status: 1, passes: false), Case(scanner: .semgrep),
    Case(scanner: .semgrep, status: 2, passes: false), Case(scanner: .gitleaks),
    Case(scanner: .gitleaks, status: 1, passes: false),
  ])
  func theCommandPutsTheReportWhereItIsRead(_ example: Case) async throws {
    let bench = try Bench()
    let tools = try TemporaryDirectory()
    try tools.write(
      """
      #!/bin/sh
      to=/dev/stdout
      while [ $# -gt 0 ]; do
        case "$1" in --output|--report-path) case "$2" in sarif) ;; *) to="$2" ;; esac ;; esac
        shift
      done
      echo '\(Self.sarif)' > "$to"
      exit \(example.status)
      """, to: example.scanner.program, mode: 0o755)
    let result = try await bench.run(Self.step(example.scanner, path: tools.path))
    #expect((result.steps["scan"]?.outcome == .passed) == example.passes)
  }

  /// What debsecan prints becomes SARIF.
  @Test(arguments: [
    (
      "CVE-2030-1 libfoo1 (fixed, remotely exploitable, high urgency)\nCVE-2030-2 bar\n"
        + "CVE-2030-1 libfoo++ (low urgency)\n",
      [Severity.high, .medium, .high], true
    ),
    ("", [], true), ("CVE-2030-1\n", [], false),
  ])
  func debsecanIsReadAsItPrints(output: String, severities: [Severity], passes: Bool) async throws {
    let bench = try Bench()
    let tools = try TemporaryDirectory()
    try tools.write(output, to: "output")
    try tools.write(
      "#!/bin/sh\ncat \(tools.path)/output\n", to: "debsecan", mode: 0o755)
    let result = try await bench.run(Self.step(.debsecan, path: tools.path))
    #expect((result.steps["scan"]?.outcome == .passed) == passes)
    guard passes else { return }
    let bytes = try #require(
      SmallFile.read("\(bench.checkout)/.segue-scan/scan.sarif", limit: 1 << 20))
    let findings = try SARIFReport.read(bytes).findings.compactMap { SecurityFinding($0) }
    #expect(findings.map { $0.severity ?? .none } == severities)
    #expect(
      findings.first?.title
        == (severities.isEmpty
          ? nil
          : "the package libfoo1 is vulnerable; an update mends it"))
  }
}
