import Evidence
import Ports
import SegueModel
import Testing

@Suite struct TestsGateTests {
  static let now = Instant(milliseconds: 1_767_225_600_000)

  static func attempt(_ outcomes: [(String, TestCase.Status)], message: String = "boom at 7")
    -> TestsGate.Attempt
  {
    TestsGate.Attempt(
      cases: outcomes.map { name, status in
        TestCase(
          suite: "", className: "", name: name, status: status,
          message: status == .failed ? message : "")
      })
  }

  static func record(
    contradicted: Int = 2, inARow: Int = 0, signature: String = "boom at #"
  ) -> TestRecord {
    var statistics = FlakyModel.Statistics()
    statistics.add(FlakyModel.Attempts(failures: 1, passes: 1), count: contradicted)
    statistics.add(FlakyModel.Attempts(failures: 0, passes: 1), count: 50)
    return TestRecord(
      test: "t", firstSeen: now, firstCommit: "a", lastSeen: now, lastCommit: "b",
      failingInARow: inARow, lastSignature: signature, statistics: statistics)
  }

  static func quarantine(days: Int64 = 30, ofThisCommit: Bool = false) -> Quarantine {
    Quarantine(
      test: "t", owner: "the shop team", issue: "SHOP-17",
      expires: now + Milliseconds(days * 86_400_000), isOfThisCommit: ofThisCommit)
  }

  static func gate(_ quarantine: Quarantine, _ record: TestRecord?) -> TestsGate {
    TestsGate(quarantines: [quarantine], records: record.map { ["t": $0] } ?? [:])
  }

  @Test func aPromisedReportThatIsMissingFails() {
    var attempt = Self.attempt([("t", .passed)])
    attempt.problems = ["the report b.xml is missing"]
    let answer = TestsGate().answer([attempt], at: Self.now)
    #expect(answer.verdict == .fail)
    #expect(answer.reason.contains("the report b.xml is missing"))
    #expect(!answer.remedies.isEmpty)
  }

  @Test func aRunWithoutTestsFails() {
    #expect(TestsGate().answer([TestsGate.Attempt()], at: Self.now).verdict == .fail)
    #expect(TestsGate().answer([], at: Self.now).verdict == .wait)
  }

  @Test func retriesWhatFailedOnlyAndAtMostTwice() {
    let first = Self.attempt([("a", .passed), ("t", .failed), ("u", .failed)])
    let second = Self.attempt([("t", .failed), ("u", .passed)])
    let gate = TestsGate(retries: 9)
    #expect(gate.retries == 2)
    #expect(gate.retry(after: [first]) == ["t", "u"])
    #expect(gate.answer([first], at: Self.now).verdict == .wait)
    #expect(gate.retry(after: [first, second]) == ["t"])
    #expect(gate.retry(after: [first, second, second]).isEmpty)
    #expect(gate.answer([first, second, second], at: Self.now).verdict == .fail)
    #expect(
      gate.answer([first, second, second, second], at: Self.now).reason
        == "the tests were run 4 times, and 3 are allowed")
  }

  @Test func aRetryThatPassesStaysVisible() {
    let gate = TestsGate(retries: 1)
    let answer = gate.answer(
      [Self.attempt([("t", .failed)]), Self.attempt([("t", .passed)])], at: Self.now)
    #expect(answer.verdict == .pass)
    #expect(answer.warnings == ["t failed first and passed when run again"])
    let own = gate.answer([Self.attempt([("t", .flaky)])], at: Self.now)
    #expect(own.warnings == answer.warnings)
  }

  @Test func aRetryThatLeavesTheTestOutDoesNotMendIt() {
    let answer = TestsGate(retries: 1).answer(
      [Self.attempt([("t", .failed)]), Self.attempt([("a", .passed)])], at: Self.now)
    #expect(answer.verdict == .fail)
  }

  /// A retry of what failed only tells of nothing else; the first attempt tells the rest.
  @Test func attemptsAreAddedUpTestByTest() {
    let attempts = [
      Self.attempt([("a", .passed), ("s", .skipped), ("t", .failed), ("u", .failed)]),
      Self.attempt([("t", .passed), ("u", .failed)]),
    ]
    let summary = TestsGate.summary(of: attempts)
    #expect(
      [summary.passed, summary.failed, summary.skipped, summary.flaky] == [2, 1, 1, 1])
    #expect(summary.failures.map(\.test) == ["u"])
    #expect(TestsGate.failures(in: attempts) == ["u": "boom at 7"])
  }

  @Test func whatIsExcusedIsKnownBeforehand() {
    let holds = Self.quarantine()
    #expect(holds.excusedSignature(record: Self.record(), at: Self.now) == "boom at #")
    #expect(holds.excusedSignature(record: nil, at: Self.now) == nil)
    #expect(holds.excusedSignature(record: Self.record(inARow: 2), at: Self.now) == nil)
    #expect(
      Self.quarantine(ofThisCommit: true).excusedSignature(record: Self.record(), at: Self.now)
        == nil)
  }

  @Test func twoCasesOfOneNameAreNoRetry() {
    let answer = TestsGate().answer(
      [Self.attempt([("t", .failed), ("t", .passed)])], at: Self.now)
    #expect(answer.verdict == .fail)
  }

  @Test func aBrokenBuildIsNotRetried() {
    let many = (0..<21).map { ("t\($0)", TestCase.Status.failed) }
    #expect(TestsGate(retries: 2).retry(after: [Self.attempt(many)]).isEmpty)
  }

  @Test func quarantineExcusesAKnownFlakyFailureAndSaysSo() {
    let gate = Self.gate(Self.quarantine(), Self.record())
    let answer = gate.answer([Self.attempt([("t", .failed)])], at: Self.now)
    #expect(answer.verdict == .pass)
    #expect(
      answer.warnings == [
        "t failed in quarantine until 2026-01-31; the shop team has it in SHOP-17"
      ])
    let soon = Self.gate(Self.quarantine(days: 3), nil)
      .answer([Self.attempt([("t", .passed)])], at: Self.now)
    #expect(soon.warnings == ["the quarantine of t ends on 2026-01-04; the shop team has it"])
  }

  @Test(arguments: [
    (Self.quarantine(days: 0), Self.record(), "has expired"),
    (Self.quarantine(ofThisCommit: true), Self.record(), "the very commit"),
    (Self.quarantine(), nil, "never seen to fail without cause"),
    (Self.quarantine(), Self.record(contradicted: 0), "never seen to fail without cause"),
    (Self.quarantine(), Self.record(inARow: 2), "3 times in a row"),
    (Self.quarantine(), Self.record(signature: "timed out"), "fails in another way"),
    (
      Quarantine(test: "t", owner: "", issue: "X-1", expires: now + .minutes(1)), Self.record(),
      "names no owner"
    ),
  ])
  func quarantineDoesNotHideARegression(
    quarantine: Quarantine, record: TestRecord?, objection: String
  ) {
    let answer = Self.gate(quarantine, record)
      .answer([Self.attempt([("t", .failed)])], at: Self.now)
    #expect(answer.verdict == .fail)
    #expect(answer.evidence.first?.contains(objection) == true, "\(answer.evidence)")
  }

  @Test func aTestInQuarantineKeepsRunning() {
    let gate = TestsGate(
      retries: 2, quarantines: [Self.quarantine()], records: ["t": Self.record()])
    #expect(gate.retry(after: [Self.attempt([("t", .failed)])]) == ["t"])
  }

  @Test func failuresThatAlwaysComeTogetherAreOne() {
    let gate = TestsGate(failingRuns: ["a": [1, 2], "b": [1, 2], "c": [2], "d": [2]])
    let failed = ["a", "b", "c", "d"].map { ($0, TestCase.Status.failed) }
    let answer = gate.answer([Self.attempt(failed)], at: Self.now)
    #expect(
      answer.evidence == [
        "a, b, which always fail together: boom at 7", "c: boom at 7", "d: boom at 7",
      ])
    #expect(answer.reason == "4 of 4 tests failed: a, c, d")
  }

  @Test func signaturesLeaveOutWhatDiffersFromRunToRun() {
    #expect(
      FailureSignature.of("timeout after 31ms at 0x7ffe12 in worker-8f3a1c\n x")
        == "timeout after # at # in worker-# x")
    #expect(FailureSignature.of("expected foo") != FailureSignature.of("expected bar"))
    #expect(FailureSignature.of("").isEmpty)
    #expect(FailureSignature.of(String(repeating: "long ", count: 900)).count == 200)
  }

  @Test func historyNamesTellParametersApart() {
    func name(_ suite: String, _ className: String, _ name: String) -> String {
      TestCase(suite: suite, className: className, name: name, status: .passed).historyName
    }
    #expect(name("pytest", "tests.a", "test[1]") == "pytest > tests.a.test[1]")
    #expect(name("Suite", "Suite", "x()") == "Suite.x()")
    let flaky = TestCase(
      suite: "", className: "", name: "x", status: .flaky, time: Milliseconds(5))
    let results = TestBatch.results(of: [[flaky], [flaky]])
    #expect(results.map(\.attempt) == [1, 2, 3, 4])
    #expect(results.map(\.status) == [.failed, .passed, .failed, .passed])
  }
}

@Suite struct GateReportTests {
  @Test func listsEveryObstacleAtOnce() {
    let report = GateReport([
      GateAnswer(gate: "people", verdict: .wait, reason: "one approval is missing"),
      GateAnswer(
        gate: "tests", verdict: .fail, reason: "1 of 2 tests failed: t",
        evidence: (1...12).map { "fact \($0)" }, remedies: ["Run t"], warnings: ["look at u"]),
      GateAnswer(gate: "branch", verdict: .pass, reason: "main is fine"),
      CoverageAnswer(passes: false, reason: "tests run 1 of 4 lines").answer(of: "coverage"),
    ])
    #expect(report.verdict == .fail)
    #expect(report.obstacles.map(\.gate) == ["tests", "coverage", "people"])
    let lines = report.description.split(separator: "\n").map(String.init)
    #expect(lines.count == 18)
    #expect(lines[0] == "wait  people: one approval is missing")
    #expect(lines.contains("        and 2 more"))
    #expect(lines.contains("      > Run t"))
    #expect(GateReport().verdict == .pass)
    #expect(GateReport([report.answers[0], report.answers[2]]).verdict == .wait)
  }
}
