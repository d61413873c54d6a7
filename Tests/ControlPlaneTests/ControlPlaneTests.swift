import ControlPlane
import ControlProtocol
import Ports
import SegueModel
import Synchronization
import Testing

@Suite struct ControlPlaneTests {
  private static func isLive(_ plane: ControlPlane, _ release: ReleaseID) async throws -> Bool {
    let service = try await plane.status().services.first
    return service?.live?.id == release && service?.rollout == nil
  }

  @Test func aCommitGoesLive() async throws {
    let stage = Stage()
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("r-1 is live") { try await Self.isLive(plane, "r-1") }
      #expect(stage.platform.table(stage.key)?.endpoints.count == 2)
      try await until("a receipt") { try await !plane.history(limit: 10).isEmpty }
      let receipt = try await plane.receipt(nil)
      #expect(receipt.outcome == .live)
      #expect(receipt.number == 1)
      #expect(receipt.overhead != nil)
    }
  }

  @Test func aRefusedCommitNeverRuns() async throws {
    let stage = Stage()
    let commit = stage.source.add(1)
    stage.pipeline.failing.withLock { _ = $0.insert(commit.id) }
    try await stage.withControlPlane { plane in
      try await until("a receipt") { try await !plane.history(limit: 10).isEmpty }
      #expect(try await plane.receipt(nil).outcome == .refused)
      #expect(stage.platform.running.isEmpty)
      let explanation = try await plane.explain(nil)
      #expect(explanation.verdict.contains("1 of 3 tests failed"))
      await #expect(throws: ControlError.self) {
        try await plane.deploy(DeployRequest(who: "ana"))
      }
    }
  }

  @Test func theFeedOfACommitEndsWithItsFate() async throws {
    let stage = Stage()
    let commit = stage.source.add(1)
    try await stage.withControlPlane { plane in
      var kinds: [String] = []
      var last: FeedItem?
      for try await item in plane.feed(after: 0, follow: true, commit: commit.id) {
        kinds.append(item.kind)
        last = item
      }
      #expect(kinds.contains("stepFinished"))
      #expect(kinds.contains("rolloutEnded"))
      #expect(last?.final == true)
      #expect(last?.text.contains("is live") == true)
    }
  }

  @Test func aReleaseThatIsNeverReadyIsTakenBackAndNotTriedAgain() async throws {
    let stage = Stage(ready: .seconds(10))
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("r-1 is live") { try await Self.isLive(plane, "r-1") }
      stage.platform.setUnready("r-2")
      _ = stage.source.add(2)
      try await until("r-2 is taken back") {
        try await plane.history(limit: 1).first?.outcome == "rolled back"
      }
      let receipt = try await plane.receipt(nil)
      #expect(receipt.reason?.contains("GET /up answered 503") == true)
      #expect(try await Self.isLive(plane, "r-1"))
      #expect(stage.platform.running.allSatisfy { $0.release == "r-1" })
    }
  }

  @Test func rollbackStaysRolledBack() async throws {
    let stage = Stage()
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("r-1 is live") { try await Self.isLive(plane, "r-1") }
      _ = stage.source.add(2)
      try await until("r-2 is live") { try await Self.isLive(plane, "r-2") }
      _ = try await plane.rollback(RollbackRequest(who: "ana"))
      try await until("r-1 is live again") { try await Self.isLive(plane, "r-1") }
      try await until("its receipt") { try await plane.history(limit: 10).count == 3 }
      #expect(
        try await Self.isLive(plane, "r-1"), "the newest release does not come back by itself")
    }
  }

  /// Cut off after any number of events, another control plane ends where the first would have.
  @Test(arguments: 1...40)
  func aControlPlaneThatDiesIsContinued(after events: Int) async throws {
    let stage = Stage()
    _ = stage.source.add(1)
    try await stage.withControlPlane { _ in
      try await until("\(events) events") {
        stage.journal.kinds.count >= events || stage.journal.kinds.contains("receiptIssued")
      }
    }
    try await stage.withControlPlane { plane in
      try await until("r-1 is live") { try await Self.isLive(plane, "r-1") }
      try await until("a receipt") { try await !plane.history(limit: 10).isEmpty }
      try await until("two instances") { stage.platform.running.count == 2 }
    }
    #expect(stage.platform.startedTwice.isEmpty)
    #expect(stage.journal.kinds.count { $0 == "receiptIssued" } == 1)
  }

  @Test func aDeadInstanceIsReplaced() async throws {
    let stage = Stage()
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("r-1 is live") { try await Self.isLive(plane, "r-1") }
      let victim = try #require(stage.platform.running.first)
      stage.platform.end(victim.instance)
      try await until("the table has two others") {
        let endpoints = stage.platform.table(stage.key)?.endpoints ?? []
        return endpoints.count == 2 && !endpoints.contains { $0.instance == victim.instance }
      }
    }
  }

  @Test func abortWithNothingToAbortIsRefused() async throws {
    let stage = Stage()
    try await stage.withControlPlane { plane in
      let error = await #expect(throws: ControlError.self) {
        try await plane.abort(AbortRequest(who: "ana"))
      }
      #expect(error?.kind == .refused)
      #expect(error?.nextStep?.contains("rollback") == true)
    }
  }
}
