import ControlPlane
import ControlProtocol
import Ports
import SegueModel
import Synchronization
import Testing

/// What the world does by itself: machines restart, processes vanish, disks fill.
@Suite struct WorldTests {
  // MARK: Reboot

  @Test func afterARebootTheLiveReleaseComesBackBeforeANewOneBegins() async throws {
    let stage = Stage()
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("r-1 is live") { try await plane.settled("web") == "r-1" }
      try await until("its receipt") { try await plane.history(limit: 1).count == 1 }
    }
    stage.platform.reboot()
    stage.platform.setUnready("r-1")
    _ = stage.source.add(2)
    try await stage.withControlPlane { plane in
      try await until("r-2 waits") { stage.journal.kinds.contains("deployQueued") }
      #expect(stage.journal.kinds.count { $0 == "rolloutStarted" } == 1)
      #expect(!stage.journal.kinds.contains("instanceDied"), "nobody is to blame")
      #expect(stage.journal.kinds.count { $0 == "instanceVanished" } == 2)
      stage.platform.setReady("r-1")
      try await until("r-2 is live") { try await plane.settled("web") == "r-2" }
      let kinds = stage.journal.kinds
      let restored = try #require(kinds.firstIndex(of: "restored"))
      let second = try #require(kinds.lastIndex(of: "rolloutStarted"))
      #expect(restored < second)
      #expect(try await plane.feedItems("machineStarted").count == 1)
    }
  }

  @Test func aRestartOfSegueAloneIsNoReboot() async throws {
    let stage = Stage()
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("r-1 is live") { try await plane.settled("web") == "r-1" }
    }
    let victim = try #require(stage.platform.running.first)
    stage.platform.end(victim.instance)
    try await stage.withControlPlane { plane in
      try await until("it is replaced") { stage.platform.running.count == 2 }
      #expect(stage.journal.kinds.contains("instanceDied"))
      #expect(try await plane.feedItems("machineStarted").isEmpty)
    }
  }

  // MARK: Drift

  private static func live(_ stage: Stage, _ plane: ControlPlane) async throws {
    _ = stage.source.add(1)
    try await until("r-1 is live") { try await plane.settled("web") == "r-1" }
  }

  /// It was told, it stood among the problems until it was put right, and then that was told.
  private static func expectDrift(_ plane: ControlPlane, _ subject: String) async throws {
    try await until("it is told") {
      try await plane.feedItems("drift").contains { $0.subject == subject && $0.level == .warning }
    }
    try await until("it is put right") {
      try await plane.feedItems("driftEnded").contains { $0.subject == subject }
    }
    #expect(try await !plane.status().problems.contains { $0.hasPrefix(subject) })
  }

  @Test func anInstanceThatNobodyAccountsForIsStopped() async throws {
    let stage = Stage()
    try await stage.withControlPlane { plane in
      try await Self.live(stage, plane)
      stage.platform.add(
        RunningInstance(
          instance: "by-hand", key: stage.key, release: "r-1",
          endpoint: Endpoint(instance: "by-hand", port: 9),
          process: ProcessIdentity(pid: 9, startTime: 1, bootID: "boot")))
      stage.platform.add(
        RunningInstance(
          instance: "elsewhere", key: ServiceKey(environment: "old", service: "gone"),
          release: "r-1", endpoint: Endpoint(instance: "elsewhere", port: 10),
          process: ProcessIdentity(pid: 10, startTime: 1, bootID: "boot")))
      try await Self.expectDrift(plane, "instance by-hand")
      try await Self.expectDrift(plane, "instance elsewhere")
      #expect(stage.platform.running.count == 2)
    }
  }

  @Test func anInstanceThatVanishedUnseenIsReplaced() async throws {
    let stage = Stage()
    try await stage.withControlPlane { plane in
      try await Self.live(stage, plane)
      let victim = try #require(stage.platform.running.first?.instance)
      stage.platform.vanish(victim)
      try await Self.expectDrift(plane, "instance \(victim)")
      try await until("the table has two others") {
        let endpoints = stage.platform.table(stage.key)?.endpoints ?? []
        return endpoints.count == 2 && !endpoints.contains { $0.instance == victim }
      }
    }
  }

  @Test func theRoutersTablesAreMended() async throws {
    let stage = Stage()
    try await stage.withControlPlane { plane in
      try await Self.live(stage, plane)
      stage.platform.lose(stage.key)
      try await until("it has it again") { stage.platform.table(stage.key) != nil }
      try await Self.expectDrift(plane, "table production/web")
      var stray = try #require(stage.platform.table(stage.key))
      stray.key = ServiceKey(environment: "old", service: "gone")
      try await stage.platform.apply(stray)
      try await Self.expectDrift(plane, "table old/gone")
      #expect(stage.platform.table(stray.key) == nil)
    }
  }

  @Test func changedFilesAreTold() async throws {
    let stage = Stage()
    try await stage.withControlPlane { plane in
      try await Self.live(stage, plane)
      stage.pipeline.changed.withLock { _ = $0.insert("r-1") }
      try await until("it is a problem") {
        try await plane.status().problems.contains { $0.hasPrefix("release r-1: ") }
      }
      stage.pipeline.changed.withLock { $0 = [] }
      try await Self.expectDrift(plane, "release r-1")
    }
  }

  @Test func aReleaseWhoseFilesChangedIsNotRolledOut() async throws {
    let stage = Stage()
    try await stage.withControlPlane { plane in
      try await Self.live(stage, plane)
      stage.pipeline.changed.withLock { _ = $0.insert("r-2") }
      let fate = try await plane.fate(of: stage.source.add(2).id)
      #expect(fate?.text.contains("not those that were built") == true)
      #expect(try await plane.settled("web") == "r-1")
      #expect(stage.journal.kinds.count { $0 == "rolloutStarted" } == 1)
    }
  }

  // MARK: Warm-up

  @Test func anInstanceIsWarmedUpBeforeItTakesTraffic() async throws {
    let stage = Stage(services: [
      Stage.service("web", warmUp: WarmUpSpec(path: "/warm", requests: 3))
    ])
    try await stage.withControlPlane { plane in
      try await Self.live(stage, plane)
      let probed = stage.platform.probed
      let first = try #require(probed.firstIndex(of: "/warm"))
      #expect(probed[..<first].count { $0 == "/up" } >= 2, "its checks come first")
      #expect(probed.count { $0 == "/warm" } == 3)
    }
  }

  // MARK: A journal that refuses

  @Test(arguments: Array(stride(from: 0, through: 24, by: 2)))
  func aJournalThatRefusesForAWhileLosesNothing(after events: Int) async throws {
    let stage = Stage()
    let commit = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("\(events) events") {
        stage.journal.kinds.count >= events || stage.journal.kinds.contains("receiptIssued")
      }
      stage.journal.refuse(next: 6)
      try await until("it refused") {
        stage.journal.refused == 6 || stage.journal.kinds.contains("receiptIssued")
      }
      try await until("r-1 is live") { try await plane.settled("web") == "r-1" }
      try await until("a receipt") { stage.journal.kinds.contains("receiptIssued") }
      let fate = try await plane.fate(of: commit.id)
      #expect(fate?.text.contains("is live") == true)
    }
    #expect(stage.platform.startedTwice.isEmpty)
  }

  @Test func anInstanceThatDiesWhileTheDiskIsFullIsReplacedAfterwards() async throws {
    let stage = Stage()
    try await stage.withControlPlane { plane in
      try await Self.live(stage, plane)
      try await until("a receipt") { stage.journal.kinds.contains("receiptIssued") }
      let victim = try #require(stage.platform.running.first?.instance)
      stage.journal.refuse(next: 5)
      stage.platform.end(victim)
      try await until("it is replaced") {
        let endpoints = stage.platform.table(stage.key)?.endpoints ?? []
        return endpoints.count == 2 && !endpoints.contains { $0.instance == victim }
      }
    }
  }
}

/// Room on the disk.
@Suite struct RetentionTests {
  @Test func oldReleasesGoAndAreNotGoneBackTo() async throws {
    let stage = Stage(services: [Stage.service("web")])
    try await stage.withControlPlane { plane in
      for number in 1...13 {
        _ = stage.source.add(number)
        try await until("r-\(number) is live") {
          try await plane.settled("web") == ReleaseID("r-\(number)")
        }
      }
      try await until("the oldest are gone") {
        stage.pipeline.removed.withLock { $0 } == ["r-1", "r-2", "r-3"]
      }
      try await until("that is recorded") {
        stage.journal.kinds.count { $0 == "releaseRemoved" } == 3
      }
      let error = await #expect(throws: ControlError.self) {
        try await plane.rollback(RollbackRequest(to: "r-2", who: "ana"))
      }
      #expect(error?.message.contains("removed") == true)
      _ = try await plane.rollback(RollbackRequest(to: "r-5", who: "ana"))
      try await until("r-5 is live") { try await plane.settled("web") == "r-5" }
    }
  }
}
