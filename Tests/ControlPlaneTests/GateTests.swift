import ControlPlane
import ControlProtocol
import Evidence
import Ports
import SegueModel
import Synchronization
import Testing

/// What the gates make of evidence, and what becomes of the commit.
@Suite struct GateTests {
  static func stage() -> Stage {
    var stage = Stage()
    stage.evidence = ScriptedEvidence()
    stage.spec.pipeline[0].reports = ReportSpec(
      junit: ["a.xml"], coverage: ["lcov.info"], sarif: ["a.sarif"])
    stage.spec.gates = GatesSpec(
      tests: TestsGateSpec(quarantine: ".segue/quarantine.yaml"),
      coverage: CoverageGateSpec(changedLines: Permille(800), neverFalls: true),
      security: SecurityGateSpec(waivers: ".segue/waivers.yaml", advisories: "/advisories"))
    return stage
  }

  private static func test(_ name: String, _ status: TestCase.Status) -> TestCase {
    TestCase(
      suite: "", className: "lib", name: name, status: status,
      message: status == .failed ? "expected 2" : "")
  }

  static let sound: CommitEvidence = {
    var evidence = CommitEvidence()
    evidence.tests["test"] = [TestsGate.Attempt(cases: [test("adds", .passed)])]
    evidence.coverage = CoverageReport(files: ["a": .init(hits: [1: 1, 2: 1])])
    return evidence
  }()

  enum Fault: CaseIterable {
    case test, coverage, finding, advisory, missing

    func apply(to evidence: inout CommitEvidence) {
      switch self {
      case .test:
        evidence.tests["test"] = [TestsGate.Attempt(cases: [GateTests.test("adds", .failed)])]
      case .coverage:
        evidence.coverage = CoverageReport(files: ["a": .init(hits: [1: 1, 2: 0])])
        evidence.diff = UnifiedDiff(files: [.init(oldPath: "a", newPath: "a", added: [2])])
      case .finding:
        evidence.findings = [SecurityFinding(id: "SQL1", severity: .high, place: "a:2")]
      case .advisory:
        evidence.components.components = [
          Component(name: "left", version: "1.0", package: PackageURL("pkg:npm/left@1.0"))
        ]
      case .missing: evidence.problems[.sarif] = ["the report a.sarif is missing"]
      }
    }

    var words: String {
      switch self {
      case .test: "1 of 1 test failed: lib.adds"
      case .coverage: "not run: a:2"
      case .finding: "SQL1"
      case .advisory: "MAL-1"
      case .missing: "the report a.sarif is missing"
      }
    }
  }

  static let malicious = try? Advisory.read(
    Array(
      #"{"id":"MAL-1","modified":"2026-01-01T00:00:00Z","affected":[{"package":"#.utf8)
      + Array(#"{"ecosystem":"npm","name":"left"},"versions":["1.0"]}]}"#.utf8))

  /// Each fault alone, and those together that can be.
  @Test(arguments: Fault.allCases.map { [$0] } + [[.test, .coverage, .finding, .advisory]])
  func eachFaultStopsACommitAndAllAreListedTogether(faults: [Fault]) async throws {
    let stage = Self.stage()
    let evidence = try #require(stage.evidence)
    evidence.add(try #require(Self.malicious))
    evidence.set(Self.sound)
    let first = stage.source.add(1)
    try await stage.withControlPlane { plane in
      #expect(try await plane.fate(of: first.id)?.text.contains("is live") == true)
      var bad = Self.sound
      for fault in faults { fault.apply(to: &bad) }
      evidence.set(bad)
      let commit = stage.source.add(2)
      let fate = try await plane.fate(of: commit.id)
      let text = try #require(fate?.text)
      for fault in faults { #expect(text.contains(fault.words), "\(text)") }
      let reply = try await plane.gates(nil)
      #expect(reply.commit.id == commit.id)
      #expect(!reply.passes)
      let explained = try await plane.explain(nil)
      let failed = explained.answers.filter { $0.question.hasPrefix("gate ") && $0.result == .fail }
      #expect(failed.allSatisfy { !$0.remedies.isEmpty })
      #expect(failed.count == reply.record.failing.count)
      evidence.set(Self.sound)
      let clean = stage.source.add(3)
      #expect(try await plane.fate(of: clean.id)?.text.contains("is live") == true)
      #expect(evidence.bases == [first.id], "the refused commit is nothing to compare with")
      #expect(evidence.batches.count == 3)
    }
    #expect(stage.journal.kinds.count { $0 == "gatesJudged" } == 3)
  }

  @Test func aWaiverExcusesAFindingUntilItEnds() async throws {
    let stage = Self.stage()
    let evidence = try #require(stage.evidence)
    var bad = Self.sound
    Fault.finding.apply(to: &bad)
    evidence.set(bad)
    let later = Instant(milliseconds: SystemTime().now().milliseconds + 60_000)
    evidence.set([Waiver(id: "SQL1", reason: "not reachable", owner: "ana", expires: later)])
    let commit = stage.source.add(1)
    try await stage.withControlPlane { plane in
      #expect(try await plane.fate(of: commit.id)?.text.contains("is live") == true)
      let security = try await plane.gates(nil).record.answers.first { $0.gate == "security" }
      #expect(security?.warnings.count == 1, "it ends soon: \(String(describing: security))")
      try await until("a receipt") { try await !plane.history(limit: 1).isEmpty }
      #expect(
        try await plane.receipt(nil).excused
          == ["security: SQL1 (high) in a:2; waived by ana: not reachable"])
      evidence.set([
        Waiver(
          id: "SQL1", reason: "not reachable", owner: "ana", expires: Instant(milliseconds: 1))
      ])
      let next = stage.source.add(2)
      #expect(try await plane.fate(of: next.id)?.text.contains("SQL1") == true)
    }
  }

  /// The step fails with its test, and counts as passed all the same.
  @Test(arguments: [(true, "is live"), (false, "1 of 1 test failed: lib.adds")])
  func aTestInQuarantineIsExcusedOnlyWhenItIsKnownToBeFlaky(isFlaky: Bool, words: String)
    async throws
  {
    let stage = Self.stage()
    let evidence = try #require(stage.evidence)
    evidence.set(Self.sound)
    let first = stage.source.add(1)
    try await stage.withControlPlane { plane in
      _ = try await plane.fate(of: first.id)
      var bad = Self.sound
      Fault.test.apply(to: &bad)
      evidence.set(bad)
      let now = SystemTime().now()
      let later = Instant(milliseconds: now.milliseconds + 60_000)
      evidence.set([
        Quarantine(test: "lib.adds", owner: "ana", issue: "SHOP-1", expires: later)
      ])
      var statistics = FlakyModel.Statistics()
      statistics.add(FlakyModel.Attempts(failures: isFlaky ? 1 : 0, passes: 1))
      evidence.set(
        TestRecord(
          test: "lib.adds", firstSeen: now, firstCommit: first.id, lastSeen: now,
          lastCommit: first.id, lastSignature: FailureSignature.of("expected 2"),
          statistics: statistics))
      let commit = stage.source.add(2)
      stage.pipeline.failing.withLock { _ = $0.insert(commit.id) }
      let fate = try await plane.fate(of: commit.id)
      #expect(fate?.text.contains(words) == true, "\(fate?.text ?? "")")
      let evidence = try await plane.gates(nil).record.failing.flatMap(\.evidence)
      #expect(
        evidence.allSatisfy { $0.contains("it was never seen to fail without cause") },
        "\(evidence)")
      #expect(evidence.isEmpty == isFlaky)
    }
  }

  @Test func whatIsLiveIsMatchedAgainWhenAdvisoriesChange() async throws {
    let stage = Self.stage()
    let evidence = try #require(stage.evidence)
    var vulnerable = Self.sound
    Fault.advisory.apply(to: &vulnerable)
    evidence.set(vulnerable)
    let commit = stage.source.add(1)
    try await stage.withControlPlane { plane in
      #expect(try await plane.fate(of: commit.id)?.text.contains("is live") == true)
      #expect(try await plane.status().problems == [])
      evidence.add(try #require(Self.malicious))
      try await until("the live release is named") {
        try await plane.status().problems.contains {
          $0.contains("components of r-1") && $0.contains("MAL-1 in left 1.0")
            && $0.contains("live in production/web")
        }
      }
      #expect(try await plane.feedItems("advisoryMatched").count == 1)
    }
  }

  /// Its place may be gone together with its files.
  @Test func aReleaseThatIsNotBelievedIsSettledAlsoWhereNoPaperCanBeWritten() async throws {
    let stage = Self.stage()
    let evidence = try #require(stage.evidence)
    evidence.set(Self.sound)
    evidence.object("its provenance is gone")
    evidence.fill()
    let commit = stage.source.add(1)
    try await stage.withControlPlane { plane in
      let fate = try await plane.fate(of: commit.id)
      #expect(fate?.text.contains("is not live: its provenance is gone") == true)
    }
  }

  /// The paper is signed before the first service begins, and the receipt and the explanation say where.
  @Test func whatWasVerifiedBeforeARolloutIsSigned() async throws {
    let stage = Self.stage()
    let evidence = try #require(stage.evidence)
    evidence.set(Self.sound)
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("a receipt") { try await !plane.history(limit: 1).isEmpty }
      #expect(evidence.attested == ["r-1 passed"])
      #expect(try await plane.receipt(nil).papers == ["/papers/r-1"])
      let answer = try await plane.explain(nil).answers.first { $0.question == "provenance" }
      #expect(answer?.evidence == ["/papers/r-1"])
    }
  }

  @Test func nothingIsAskedWhereNothingIsPromised() async throws {
    var stage = Stage()
    stage.evidence = ScriptedEvidence()
    let commit = stage.source.add(1)
    try await stage.withControlPlane { plane in
      let fate = try await plane.fate(of: commit.id)
      #expect(fate?.text.contains("is live") == true)
      await #expect(throws: ControlError.self) { try await plane.gates(nil) }
      #expect(try await plane.gates(commit.id.rawValue).verdict == "Nothing stops 111111111111.")
    }
    #expect(!stage.journal.kinds.contains("gatesJudged"))
  }

  @Test func aReleaseWhosePaperIsNotBelievedIsNotRolledOut() async throws {
    let stage = Self.stage()
    let evidence = try #require(stage.evidence)
    evidence.set(Self.sound)
    evidence.object("the provenance of the release was changed")
    let commit = stage.source.add(1)
    try await stage.withControlPlane { plane in
      let fate = try await plane.fate(of: commit.id)
      #expect(
        fate?.text.contains("is not live: the provenance of the release was changed") == true)
      #expect(stage.platform.running.isEmpty)
      #expect(evidence.attested == ["r-1 the provenance of the release was changed"])
      let answers = try await plane.explain(nil).answers
      #expect(answers.first { $0.question == "provenance" }?.result == .fail)
    }
  }

  /// Steps that need one of which nothing but that failed may run: the pipeline is told beforehand.
  @Test func thePipelineIsToldWhichFailuresAreExcused() async throws {
    let stage = Self.stage()
    let evidence = try #require(stage.evidence)
    evidence.set(Self.sound)
    let now = SystemTime().now()
    var statistics = FlakyModel.Statistics()
    statistics.add(FlakyModel.Attempts(failures: 1, passes: 1))
    for test in ["lib.adds", "lib.other"] {
      evidence.set(
        TestRecord(
          test: test, firstSeen: now, firstCommit: "a", lastSeen: now, lastCommit: "b",
          lastSignature: "expected #",
          statistics: test == "lib.adds" ? statistics : FlakyModel.Statistics()))
    }
    let later = now + .minutes(10)
    evidence.set(
      ["lib.adds", "lib.other", "lib.unknown"].map {
        Quarantine(test: $0, owner: "ana", issue: "SHOP-1", expires: later)
      })
    let first = stage.source.add(1)
    try await stage.withControlPlane { plane in
      _ = try await plane.fate(of: first.id)
      let second = stage.source.add(2)
      _ = try await plane.fate(of: second.id)
    }
    let excused = stage.pipeline.runs.withLock { $0.map(\.excused) }
    #expect(excused.first == [:], "there is nothing that the entries were in before")
    #expect(excused.last == ["lib.adds": "expected #"])
  }

  @Test func whatIsLiveStaysKnown() async throws {
    let stage = Self.stage()
    let evidence = try #require(stage.evidence)
    evidence.set(Self.sound)
    let commit = stage.source.add(1)
    try await stage.withControlPlane { plane in
      _ = try await plane.fate(of: commit.id)
      try await until("the history is told what is live") { evidence.kept.contains("r-1") }
    }
  }

  /// Which shard a test ran on is no environment of its own.
  @Test func theShardsOfAStepAreOneHistory() async throws {
    var stage = Self.stage()
    stage.spec.pipeline = (1...2).map { number in
      StepSpec(
        name: StepName("test-\(number)"), run: "true",
        reports: ReportSpec(
          junit: ["\(number).xml"], coverage: ["lcov.info"], sarif: ["a.sarif"]),
        shard: StepShard(step: "test", number: number, count: 2))
    }
    let evidence = try #require(stage.evidence)
    var both = Self.sound
    both.tests = [
      "test-1": [
        TestsGate.Attempt(cases: [Self.test("adds", .failed)]),
        TestsGate.Attempt(cases: [Self.test("adds", .passed)]),
      ],
      "test-2": [TestsGate.Attempt(cases: [Self.test("subtracts", .passed)])],
    ]
    evidence.set(both)
    let commit = stage.source.add(1)
    try await stage.withControlPlane { plane in _ = try await plane.fate(of: commit.id) }
    #expect(evidence.batches.map(\.environment) == ["test"])
    let results = evidence.batches.flatMap(\.results)
    #expect(results.map(\.test) == ["lib.adds", "lib.subtracts", "lib.adds"])
    #expect(results.map(\.attempt) == [1, 1, 2])
  }

  /// A statement of the commit excuses; one that cannot be read stops it.
  @Test(arguments: [
    ("not_affected", "component_not_present", "is live"), ("affected", "", "CVE-1"),
    ("nonsense", "", "has no vulnerability or no known status"),
  ])
  func aStatementInOpenVEXExcuses(status: String, justification: String, words: String)
    async throws
  {
    var stage = Self.stage()
    stage.spec.gates?.security?.statements = [".segue/vex.json"]
    let evidence = try #require(stage.evidence)
    var bad = Self.sound
    bad.findings = [
      SecurityFinding(
        id: "CVE-1", severity: .high, place: "left 1.0", package: PackageURL("pkg:npm/left@1.0"))
    ]
    evidence.set(bad)
    let commit = stage.source.add(1)
    stage.source.set(
      Array(
        """
        {"@context": "https://openvex.dev/ns/v0.2.0", "timestamp": "2026-01-01T00:00:00Z",
         "statements": [{"vulnerability": {"name": "CVE-1"}, "status": "\(status)",
         "justification": "\(justification)", "products": [{"@id": "pkg:npm/left@1.0"}]}]}
        """.utf8), at: ".segue/vex.json")
    try await stage.withControlPlane { plane in
      let fate = try await plane.fate(of: commit.id)
      #expect(fate?.text.contains(words) == true, "\(fate?.text ?? "")")
    }
  }

  @Test func aTrendIsToldWithTheCommitOfItsJump() async throws {
    let stage = Self.stage()
    let evidence = try #require(stage.evidence)
    func series(_ subject: String, _ slow: Int64) -> DurationSeries {
      DurationSeries(
        subject: subject,
        points: (0..<20).map { run in
          DurationSeries.Point(
            commit: CommitID("c\(run)"), at: Instant(milliseconds: Int64(run)),
            duration: Milliseconds((run < 12 ? 500 : slow) + Int64(run % 3)))
        })
    }
    evidence.set(
      DurationHistory(
        steps: [series("test", 500)],
        tests: [series("a", 500), series("b", 2_000), series("c", 900)]))
    try await stage.withControlPlane { plane in
      let reply = try await plane.testDurations(DurationsRequest())
      #expect(reply.steps.map(\.isChange) == [false])
      #expect(reply.tests.map(\.subject) == ["b", "c"])
      #expect(reply.tests.first?.jumps.map(\.commit) == ["c12"])
      #expect(reply.tests.first?.jumps.map(\.previous) == ["c11"])
      #expect(reply.tests.first?.growth.count == 1_500)
      #expect(try await plane.testDurations(DurationsRequest(limit: 1)).tests.count == 1)
    }
  }
}
