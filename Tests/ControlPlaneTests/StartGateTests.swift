import ControlPlane
import ControlProtocol
import Ports
import SegueModel
import Synchronization
import Testing

/// A clock that a test puts forward; waiting takes real time.
final class ShiftedTime: TimeSource {
  private let offset = Mutex(Milliseconds.zero)
  private let system = SystemTime()

  /// - Parameter start: What it shows now.
  init(_ start: Instant) { set(start) }

  func set(_ moment: Instant) {
    let real = system.now()
    offset.withLock { $0 = moment - real }
  }
  func now() -> Instant { system.now() + offset.withLock { $0 } }
  func sleep(for span: Milliseconds) async throws { try await system.sleep(for: span) }
}

/// Windows, freezes and approvals hold what has not begun.
@Suite struct StartGateTests {
  /// 2026-11-24 12:00 UTC, a Tuesday.
  private static let noon = Instant(milliseconds: 1_795_521_600_000)
  private static func hours(_ count: Int64) -> Milliseconds { Milliseconds(count * 3_600_000) }

  private static func stage(
    windows: [String]? = nil, approval: ApprovalSpec? = nil, people: PeopleSpec? = nil
  ) -> Stage {
    var stage = Stage(
      services: [Stage.service("web")],
      environments: [
        EnvironmentSpec(name: "production", windows: windows, approval: approval)
      ])
    stage.spec.people = people
    stage.time = ShiftedTime(noon)
    return stage
  }

  private static let team = PeopleSpec(teams: [TeamSpec(name: "product", members: ["ana", "li"])])

  private func held(_ plane: ControlPlane) async throws -> HeldStartStatus {
    try await until("it is held") { try await plane.status().waiting?.isEmpty == false }
    return try #require(try await plane.status().waiting?.first)
  }

  private func isLive(_ plane: ControlPlane, _ release: ReleaseID = "r-1") async throws {
    try await until("\(release) is live") { try await plane.settled("web") == release }
    #expect(try await plane.status().waiting == nil)
  }

  @Test func aFreezeHoldsAReleaseUntilItIsLifted() async throws {
    let stage = Self.stage()
    try await stage.withControlPlane { plane in
      let reply = try await plane.freeze(FreezeRequest(reason: "moving the database", who: "ana"))
      #expect(reply.freeze == "freeze-1")
      let commit = stage.source.add(1)
      let waiting = try await held(plane)
      #expect(waiting.commit == commit.id)
      #expect(waiting.reason.contains("moving the database"))
      #expect(waiting.reason.contains("segue freeze --lift freeze-1"))
      #expect(waiting.next == nil)
      #expect(stage.platform.running.isEmpty)
      let explanation = try await plane.explain("r-1")
      #expect(explanation.verdict.contains("waits to start in production. Frozen"))
      #expect(explanation.answers.contains { $0.question == "calendar production" })
      _ = try await plane.lift(LiftRequest(freeze: "freeze-1", who: "li"))
      try await isLive(plane)
      #expect(try await plane.feedItems("startHeld").count == 1, "it is told once")
      #expect(try await plane.feedItems("freezeLifted").map(\.text) == ["li lifted freeze-1"])
    }
  }

  @Test func aFreezeOutlivesTheControlPlane() async throws {
    let stage = Self.stage()
    try await stage.withControlPlane { plane in
      _ = try await plane.freeze(
        FreezeRequest(environment: nil, until: "8h", reason: "fair", who: "ana"))
      _ = stage.source.add(1)
      _ = try await held(plane)
    }
    try await stage.withControlPlane { plane in
      let waiting = try await held(plane)
      #expect(waiting.reason.contains("fair"))
      #expect(waiting.next != nil)
      stage.time.set(Self.noon + Self.hours(9))
      try await isLive(plane)
      #expect(try await plane.feedItems("startHeld").count == 1)
    }
  }

  @Test func aWindowOpensByItself() async throws {
    let stage = Self.stage(windows: ["Mon-Fri 14:00-16:00 UTC"])
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      let waiting = try await held(plane)
      #expect(waiting.next == Self.noon + Self.hours(2))
      #expect(waiting.reason.contains("Next moment: 24 Nov 2026 14:00 UTC"))
      let calendar = try await plane.calendar(nil)
      #expect(calendar.environments.map(\.mayStart) == [false])
      #expect(calendar.waiting == [waiting])
      let feed = try await plane.calendarFeed(nil)
      #expect(feed.contains("SUMMARY:Planned:"))
      #expect(feed.contains("SUMMARY:Window: production"))
      stage.time.set(Self.noon + Self.hours(2))
      try await isLive(plane)
      try await until("the feed has it") {
        try await plane.calendarFeed("production").contains("SUMMARY:production/web: live")
      }
    }
  }

  @Test func whatHasBegunIsFinished() async throws {
    let stage = Self.stage()
    stage.platform.setUnready("r-1")
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("it has begun") { stage.journal.kinds.contains("rolloutStarted") }
      _ = try await plane.freeze(FreezeRequest(reason: "fair", who: "ana"))
      stage.platform.setReady("r-1")
      try await isLive(plane)
      #expect(!stage.journal.kinds.contains("startHeld"))
    }
  }

  @Test func aRollbackNeedsNobody() async throws {
    let stage = Self.stage()
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await isLive(plane)
      _ = stage.source.add(2)
      try await isLive(plane, "r-2")
      _ = try await plane.freeze(FreezeRequest(reason: "fair", who: "ana"))
      _ = try await plane.rollback(RollbackRequest(who: "li"))
      try await isLive(plane)
    }
  }

  @Test func anOverrideIsForOneCommitAndIsTold() async throws {
    let stage = Self.stage()
    try await stage.withControlPlane { plane in
      _ = try await plane.freeze(FreezeRequest(reason: "fair", who: "ana"))
      let commit = stage.source.add(1)
      _ = try await held(plane)
      await #expect(throws: ControlError.self) {
        try await plane.deploy(DeployRequest(override: "  ", who: "li"))
      }
      _ = try await plane.deploy(DeployRequest(override: "the shop is down", who: "li"))
      try await isLive(plane)
      let told = try await plane.feedItems("calendarOverridden")
      #expect(told.map(\.commit) == [commit.id])
      #expect(told.first?.text.contains("the shop is down") == true)
      #expect(try await plane.feedItems("startOverridden").first?.text.contains("li says") == true)
      let second = stage.source.add(2)
      #expect(try await held(plane).commit == second.id, "it was for the first one only")
    }
  }

  @Test func aNewerCommitTakesThePlaceOfOneThatWaits() async throws {
    let stage = Self.stage()
    try await stage.withControlPlane { plane in
      _ = try await plane.freeze(FreezeRequest(reason: "fair", who: "ana"))
      let first = stage.source.add(1)
      _ = try await held(plane)
      let second = stage.source.add(2)
      try await until("the second waits") {
        try await plane.status().waiting?.first?.commit == second.id
      }
      #expect(try await plane.fate(of: first.id)?.text.contains("superseded") == true)
      let reply = try await plane.abort(AbortRequest(who: "ana"))
      #expect(reply.message == "what waited does not start")
      #expect(try await plane.status().waiting == nil)
    }
  }

  @Test func anApprovalIsWaitedForGivenWithdrawnAndExpires() async throws {
    let stage = Self.stage(
      approval: ApprovalSpec(
        teams: ["product"], quorum: 1, excludesAuthors: true, expires: Self.hours(24)),
      people: Self.team)
    _ = stage.source.add(1)
    @Sendable func say(
      _ word: ApproveRequest.Word, _ who: String, _ plane: ControlPlane
    ) async throws -> String {
      try await plane.approve(ApproveRequest(word: word, who: who)).message
    }
    try await stage.withControlPlane { plane in
      _ = try await plane.freeze(FreezeRequest(reason: "fair", who: "mo"))
      #expect(try await held(plane).reason.contains("segue approve r-1 --environment production"))
      // Ana wrote every commit of these tests.
      await #expect(throws: ControlError.self) { try await say(.yes, "ana", plane) }
      await #expect(throws: ControlError.self) { try await say(.yes, "mo", plane) }
      await #expect(throws: ControlError.self) { try await say(.withdraw, "li", plane) }
      #expect(try await say(.yes, "li", plane).contains("Frozen"))
      try await until("only the freeze is left") {
        try await held(plane).reason.contains("waits for") == false
      }
      #expect(
        try await say(.withdraw, "li", plane).contains(
          "(2) r-1 waits for 1 of the team product (li)"))
      #expect(try await say(.no, "li", plane).contains("li said no"))
      #expect(try await plane.explain("r-1").answers.contains { $0.result == .fail })
      _ = try await say(.yes, "li", plane)
      stage.time.set(Self.noon + Self.hours(30))
      _ = try await plane.lift(LiftRequest(freeze: "freeze-1", who: "mo"))
      try await until("the approval has expired") {
        try await held(plane).reason.contains("has expired after 24")
      }
      _ = try await say(.yes, "li", plane)
      try await isLive(plane)
    }
  }

  @Test func anApprovalOutlivesTheControlPlane() async throws {
    let stage = Self.stage(approval: ApprovalSpec(teams: ["product"], quorum: 2), people: Self.team)
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      _ = try await held(plane)
      _ = try await plane.approve(ApproveRequest(who: "ana"))
    }
    try await stage.withControlPlane { plane in
      try await until("one is missing") {
        try await held(plane).reason.contains("1 more of the team product (li)")
      }
      _ = try await plane.approve(ApproveRequest(release: "r-1", who: "li"))
      try await isLive(plane)
    }
  }

  /// Cut off after any number of events, what was said still counts, and is told once.
  @Test(arguments: 1...16)
  func whatWaitsIsContinued(after events: Int) async throws {
    let stage = Self.stage(approval: ApprovalSpec(people: ["li"]))
    _ = stage.source.add(1)
    @Sendable func goOn(_ plane: ControlPlane) async throws {
      _ = try await held(plane)
      _ = try await plane.approve(ApproveRequest(who: "li"))
    }
    try await stage.withControlPlane { plane in
      try await until("\(events) events") {
        let kinds = stage.journal.kinds
        if kinds.contains("startHeld"), !kinds.contains("approvalSaid"), events > kinds.count {
          try await goOn(plane)
        }
        return kinds.count >= events || kinds.contains("receiptIssued")
      }
    }
    try await stage.withControlPlane { plane in
      if !stage.journal.kinds.contains("approvalSaid") { try await goOn(plane) }
      try await isLive(plane)
    }
    #expect(stage.journal.kinds.count { $0 == "startHeld" } == 1)
    #expect(stage.journal.kinds.count { $0 == "rolloutStarted" } == 1)
  }

  @Test func whoTakesARuleOutNeedsItsApproval() async throws {
    let stage = Self.stage(approval: ApprovalSpec(people: ["li"]))
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      _ = try await held(plane)
      _ = try await plane.approve(ApproveRequest(who: "li"))
      try await isLive(plane)
    }
    var lax = stage
    lax.spec.environments[0].approval = nil
    _ = lax.source.add(2)
    try await lax.withControlPlane { plane in
      #expect(try await held(plane).reason.contains("waits for li"))
      _ = try await plane.approve(ApproveRequest(who: "li"))
      try await isLive(plane, "r-2")
    }
  }

  @Test func whoWroteAnEarlierCommitOfThePushDoesNotCount() async throws {
    let approval = ApprovalSpec(people: ["li", "mo"], excludesAuthors: true)
    let stage = Self.stage(approval: approval)
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      _ = try await held(plane)
      _ = try await plane.approve(ApproveRequest(who: "li"))
      try await isLive(plane)
      stage.source.otherAuthors.withLock { $0 = ["Somebody <Li+git@example.com>"] }
      _ = stage.source.add(2)
      #expect(try await held(plane).reason.contains("waits for mo"))
      await #expect(throws: ControlError.self) {
        try await plane.approve(ApproveRequest(who: "li"))
      }
      _ = try await plane.approve(ApproveRequest(who: "mo"))
      try await isLive(plane, "r-2")
    }
  }

  @Test func aMilestoneLetsInWhomItsGatekeepersLetIn() async throws {
    let people = PeopleSpec(milestones: [
      MilestoneSpec(name: "beta", when: "2026-11-20 to 2026-11-30 UTC", people: ["mo"])
    ])
    let stage = Self.stage(people: people)
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      #expect(try await held(plane).reason.contains("segue approve r-1 --milestone beta"))
      await #expect(throws: ControlError.self) {
        try await plane.approve(ApproveRequest(milestone: "beta", who: "ana"))
      }
      _ = try await plane.approve(ApproveRequest(milestone: "beta", who: "mo"))
      try await isLive(plane)
    }
  }

  @Test func whoLetItStartStandsInTheReceiptAndTheExplanation() async throws {
    let stage = Self.stage(approval: ApprovalSpec(people: ["li", "mo"], quorum: 2))
    try await stage.withControlPlane { plane in
      _ = try await plane.freeze(FreezeRequest(reason: "fair", who: "ana"))
      let commit = stage.source.add(1)
      _ = try await held(plane)
      _ = try await plane.approve(ApproveRequest(note: "looks fine", who: "li"))
      _ = try await plane.approve(ApproveRequest(word: .no, who: "mo"))
      _ = try await plane.approve(ApproveRequest(word: .withdraw, who: "mo"))
      _ = try await plane.approve(ApproveRequest(who: "mo"))
      _ = try await plane.deploy(DeployRequest(override: "the shop is down", who: "ana"))
      try await isLive(plane)
      let words = try #require(try await plane.receipt(nil).words)
      #expect(words.map(\.by) == ["li", "mo", "ana"])
      #expect(words.map(\.kind) == [.approval, .approval, .override])
      #expect(
        words.map(\.gate) == [
          "approval production", "approval production", "calendar production",
        ])
      #expect(words.map(\.reason) == ["looks fine", nil, "the shop is down"])
      #expect(words.allSatisfy { $0.at >= Self.noon })
      let answers = try await plane.explain(commit.id.rawValue).answers
      let approval = try #require(answers.first { $0.question == "approval production" })
      // To the second, where the machine is busy.
      let day = "24 Nov 2026 12:0"
      let yes = try #require(approval.evidence.first)
      #expect(yes.hasPrefix("li said yes for approval production on \(day)"), "\(yes)")
      #expect(yes.hasSuffix(" UTC: looks fine"), "\(yes)")
      let override = try #require(answers.first { $0.question == "overrides production" })
      let no = try #require(override.evidence.first)
      #expect(no.hasPrefix("ana set aside calendar production on \(day)"), "\(no)")
      #expect(no.hasSuffix(" UTC: the shop is down"), "\(no)")
    }
  }

  @Test func impossibleFreezesAreRefused() async throws {
    let stage = Self.stage()
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await isLive(plane)
      let requests = [
        FreezeRequest(reason: "", who: "ana"),
        FreezeRequest(environment: "moon", reason: "fair", who: "ana"),
        FreezeRequest(from: "tomorrow", reason: "fair", who: "ana"),
        FreezeRequest(until: "2020-01-01", reason: "fair", who: "ana"),
        FreezeRequest(until: "8h", reason: "fair", zone: "Europe/Pari", who: "ana"),
      ]
      for request in requests {
        let error = await #expect(throws: ControlError.self) { try await plane.freeze(request) }
        #expect(error?.nextStep != nil || error?.message.contains(". ") == true, "\(request)")
      }
      await #expect(throws: ControlError.self) {
        try await plane.lift(LiftRequest(freeze: "freeze-9", who: "ana"))
      }
      #expect(!stage.journal.kinds.contains("freezeOrdered"))
    }
  }
}
