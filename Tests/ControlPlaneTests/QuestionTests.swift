import ControlPlane
import ControlProtocol
import Evidence
import Ports
import SegueModel
import Synchronization
import Testing

/// What would stop a commit, asked without deploying it.
@Suite struct QuestionTests {
  enum Fault: CaseIterable {
    case test, finding, coverage, branchName, closedIssue, freeze, approval

    /// What whoever wrote the commit reads.
    var words: String {
      switch self {
      case .test: "1 of 1 test failed: lib.adds"
      case .finding: "SQL1"
      case .coverage: "not run: a:2"
      case .branchName: "the branch 'my-work' is not called as branches are here"
      case .closedIssue: "issue SHOP-2 is closed"
      case .freeze: "moving the database"
      case .approval: "waits for li"
      }
    }

    func apply(to evidence: inout CommitEvidence) {
      switch self {
      case .test: GateTests.Fault.test.apply(to: &evidence)
      case .finding: GateTests.Fault.finding.apply(to: &evidence)
      case .coverage: GateTests.Fault.coverage.apply(to: &evidence)
      case .branchName, .closedIssue, .freeze, .approval: break
      }
    }

    /// The branch that a merge since the newest release comes from.
    var branch: String? {
      switch self {
      case .branchName: "my-work"
      case .closedIssue: "fix/SHOP-2"
      case .test, .finding, .coverage, .freeze, .approval: nil
      }
    }
  }

  private static func merge(_ commit: Commit, of branch: String) -> CommitOrigin {
    CommitOrigin(
      commit: commit.id, parents: ["p1", "p2"], subject: "Merge branch '\(branch)'")
  }

  /// Nothing is taken up by itself.
  private static func stage() throws -> Stage {
    var stage = GateTests.stage()
    stage.spec.outreach = OutreachSpec(
      policy: PolicySpec(
        branchNames: "(feature|fix)/(?<issue>[A-Z]+-[0-9]+)", deniesDirectCommits: true,
        example: "feature/SHOP-1",
        issues: TrackerSpec(kind: .jira, url: "https://issues.example.com")))
    stage.issue = { key, _ in key == "SHOP-2" ? .closed : .open }
    stage.pollInterval = .minutes(60)
    try #require(stage.evidence).set(GateTests.sound)
    return stage
  }

  private func deployFirst(_ stage: Stage, _ plane: ControlPlane) async throws {
    let first = stage.source.add(1)
    await plane.sourceChanged()
    if stage.spec.environments.first?.approval != nil {
      try await until("it waits") { try await plane.status().waiting?.isEmpty == false }
      _ = try await plane.approve(ApproveRequest(who: "li"))
    }
    #expect(try await plane.fate(of: first.id)?.text.contains("is live") == true)
  }

  private func ask(_ commit: Commit, _ plane: ControlPlane) async throws -> GateReply {
    let asked = try await plane.deploy(
      DeployRequest(revision: commit.id.rawValue, asks: true, who: "ana"))
    #expect(asked.accepted)
    _ = try await plane.fate(of: commit.id, after: asked.sequence)
    return try await plane.gates(commit.id.rawValue)
  }

  /// Each alone, and all of them in one commit.
  @Test(arguments: Fault.allCases.map { [$0] } + [Fault.allCases])
  func whatStopsACommitIsListedTogetherAndNothingIsDeployed(faults: [Fault]) async throws {
    var stage = try Self.stage()
    if faults.contains(.approval) {
      stage.spec.environments[0].approval = ApprovalSpec(people: ["li"])
    }
    let given = stage
    let evidence = try #require(stage.evidence)
    try await stage.withControlPlane { plane in
      try await deployFirst(given, plane)
      var bad = GateTests.sound
      for fault in faults { fault.apply(to: &bad) }
      evidence.set(bad)
      let commit = given.source.add(2) { Self.merge($0, of: "fix/SHOP-1") }
      given.source.earlierOrigins.withLock {
        $0 = faults.compactMap(\.branch).map { Self.merge(commit, of: $0) }
      }
      if faults.contains(.freeze) {
        _ = try await plane.freeze(FreezeRequest(reason: "moving the database", who: "mo"))
      }
      let reply = try await ask(commit, plane)
      #expect(!reply.passes)
      let stops = reply.record.failing + (reply.starts ?? []).filter { $0.verdict != .pass }
      for fault in faults {
        let stop = try #require(
          stops.first { ([$0.reason] + $0.evidence).contains { $0.contains(fault.words) } },
          "\(fault): \(stops)")
        #expect(
          !stop.remedies.isEmpty || stop.reason.contains("segue "), "what to do: \(stop.reason)")
        #expect(reply.verdict.contains(stop.gate))
      }
      let explained = try await plane.explain(commit.id.rawValue)
      for stop in stops {
        #expect(
          explained.answers.contains { $0.question.hasSuffix(stop.gate) && $0.result != .pass },
          "\(stop.gate)")
      }
      if faults.count > 1 { #expect(stops.count >= faults.count) }
      #expect(given.platform.running.allSatisfy { $0.release == "r-1" })
      #expect(evidence.batches.count == 1, "the history learns nothing from a question")
    }
    #expect(!stage.journal.kinds.contains("commitRefused"))
    #expect(stage.journal.kinds.count { $0 == "questionAnswered" } == 1)
    #expect(stage.journal.kinds.count { $0 == "receiptIssued" } == 1)
  }

  @Test func aCommitThatWasOnlyAskedAboutCanBeDeployed() async throws {
    let stage = try Self.stage()
    try await stage.withControlPlane { plane in
      try await deployFirst(stage, plane)
      let commit = stage.source.add(2) { Self.merge($0, of: "fix/SHOP-1") }
      let reply = try await ask(commit, plane)
      #expect(reply.passes)
      #expect(reply.verdict == "Nothing stops 222222222222.")
      let policy = try #require(reply.record.answers.first { $0.gate == "policy" })
      #expect(policy.evidence == ["222222222222 from fix/SHOP-1, issue SHOP-1 is there"])
      #expect(
        try await plane.explain(commit.id.rawValue).verdict.contains("it is not deployed"))
      #expect(try await plane.settled("web") == "r-1")
      await plane.sourceChanged()
      try await until("it is live") { try await plane.settled("web") == "r-2" }
      #expect(try await plane.explain(commit.id.rawValue).verdict == "222222222222 is live.")
    }
  }

  /// Nothing of a commit against the policy is run, unless somebody asks about it by name.
  @Test func whatThePolicyRefusesIsNotRunUntilSomebodyAsks() async throws {
    let stage = try Self.stage()
    try await stage.withControlPlane { plane in
      try await deployFirst(stage, plane)
      let commit = stage.source.add(2) { Self.merge($0, of: "my-work") }
      await plane.sourceChanged()
      try await until("it is refused") {
        try await plane.history(limit: 1).first?.commit == commit.id
      }
      let known = try await plane.gates(commit.id.rawValue)
      #expect(known.isComplete == false)
      #expect(known.record.answers.map(\.gate) == ["policy.branch-name", "pipeline"])
      #expect(
        known.record.waiting.contains {
          $0.remedies.contains { $0.contains("segue gate --commit 222222222222") }
        })
      let reply = try await ask(commit, plane)
      #expect(reply.isComplete == true)
      #expect(reply.record.failing.map(\.gate) == ["policy.branch-name"])
      #expect(reply.record.answers.contains { $0.gate == "tests" && $0.verdict == .pass })
    }
  }

  /// Whoever asks is answered at once, and not kept waiting.
  @Test func aTrackerThatIsDownIsAnAnswerToAQuestion() async throws {
    var stage = try Self.stage()
    stage.issue = { _, _ in .unreachable("it answered 503") }
    let given = stage
    try await stage.withControlPlane { plane in
      try await deployFirst(given, plane)
      let commit = given.source.add(2) { Self.merge($0, of: "fix/SHOP-1") }
      let reply = try await ask(commit, plane)
      #expect(!reply.passes)
      #expect(reply.verdict == "222222222222 is stopped by policy.tracker-unreachable.")
      #expect(reply.record.waiting.first?.reason.contains("it answered 503") == true)
    }
  }

  @Test func aQuestionOutlivesTheControlPlane() async throws {
    let stage = try Self.stage()
    let commit = try await stage.withControlPlane { plane in
      try await deployFirst(stage, plane)
      let commit = stage.source.add(2) { Self.merge($0, of: "fix/SHOP-1") }
      _ = try await plane.deploy(
        DeployRequest(revision: commit.id.rawValue, asks: true, who: "ana"))
      return commit
    }
    try await stage.withControlPlane { plane in
      try await until("it is answered") {
        (try? await plane.gates(commit.id.rawValue))?.passes == true
      }
    }
    #expect(stage.journal.kinds.count { $0 == "questionAnswered" } == 1)
  }
}
