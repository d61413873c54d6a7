import ControlPlane
import ControlProtocol
import Evidence
import Ports
import SegueModel
import Synchronization
import Testing

/// What people are told, and which commits are taken.
@Suite struct OutreachTests {
  /// Takes everything that is promised to its channels, and remembers it.
  final class Postman: OutreachKeeping {
    private let got = Mutex<[String: [Notice]]>([:])
    /// Channels that nobody can reach.
    private let dead: Set<String>

    init(dead: Set<String> = []) { self.dead = dead }

    func notices(_ channel: String) -> [Notice] { got.withLock { $0[channel] ?? [] } }
    func kinds(_ channel: String) -> [Notice.Kind] { notices(channel).map(\.kind) }

    func want(_ wishes: OutreachWishes, from store: any NoticeStore) async {
      for spec in wishes.channels where !dead.contains(spec.name) {
        let channel = ChannelName(spec.name)
        guard let pending = try? await store.pending(on: channel, after: 0, limit: 100),
          !pending.isEmpty
        else { continue }
        got.withLock { $0[spec.name, default: []] += pending.map(\.notice) }
        try? await store.delivered(pending.map(\.sequence), on: channel)
      }
    }

    func problems() async -> [String: String] {
      Dictionary(uniqueKeysWithValues: dead.map { ($0, "it answered 500") })
    }

    func wake() async {}
  }

  private static func stage(
    _ channels: [ChannelSpec], _ postman: Postman, ready: Milliseconds = .seconds(60)
  ) -> Stage {
    var stage = Stage(ready: ready)
    stage.spec.outreach = OutreachSpec(channels: channels)
    stage.outreach = postman
    return stage
  }

  private static let chat = ChannelSpec(name: "chat", receiver: .slack(address: "CHAT"))
  private static let alarm = ChannelSpec(
    name: "alarm", receiver: .slack(address: "ALARM"), events: ["rolled-back", "gate-failed"])

  @Test func everyWordOfTheFileIsAKindOfNotice() {
    #expect(ChannelSpec.knownEvents == Notice.Kind.allCases.map(\.rawValue))
  }

  @Test func peopleAreToldInOrderAndWhatTheyAskedFor() async throws {
    let postman = Postman()
    let stage = Self.stage([Self.chat, Self.alarm], postman, ready: .seconds(10))
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("it is live") { try await plane.settled("web") == "r-1" }
      stage.platform.setUnready("r-2")
      let second = stage.source.add(2)
      try await until("it is told") { postman.kinds("alarm") == [.rolledBack] }
      #expect(
        postman.kinds("chat") == [.rolloutBegan, .rolloutFinished, .rolloutBegan, .rolledBack])
      let last = try #require(postman.notices("alarm").last)
      #expect(last.project == "shop")
      #expect(last.environment == "production")
      #expect(last.service == "web")
      #expect(last.release == "r-2")
      #expect(last.previousRelease == "r-1")
      #expect(last.commit == second.id)
      #expect(last.author == "Ana <ana@example.com>")
      #expect(last.text.contains("GET /up answered 503"))
      let third = stage.source.add(3)
      stage.pipeline.failing.withLock { _ = $0.insert(third.id) }
      try await until("it is refused") { postman.kinds("alarm").count == 2 }
      #expect(postman.notices("alarm").last?.text.contains("1 of 3 tests failed") == true)
    }
    #expect(Set(postman.notices("chat").map(\.id)).count == postman.notices("chat").count)
  }

  @Test func whoGoesBackSaysWhatGoes() async throws {
    let postman = Postman()
    var every = Self.chat
    every.events = ChannelSpec.knownEvents
    let stage = Self.stage([every], postman)
    let source = stage.source
    _ = source.add(1)
    try await stage.withControlPlane { plane in
      try await until("r-1 is live") { try await plane.settled("web") == "r-1" }
      let second = source.add(2)
      try await until("r-2 is live") { try await plane.settled("web") == "r-2" }
      _ = try await plane.rollback(RollbackRequest(who: "ana"))
      try await until("it is told") { postman.kinds("chat").last == .rolledBack }
      let last = try #require(postman.notices("chat").last)
      #expect(last.release == "r-2")
      #expect(last.previousRelease == "r-1")
      #expect(last.commit == second.id)
      #expect(last.text == "r-2 was taken back by ana; r-1 is live again")
      #expect(
        postman.kinds("chat") == [
          // Of the first commit nobody knows at first whom to tell.
          .releaseBuilt, .rolloutBegan, .rolloutFinished, .commitAccepted, .releaseBuilt,
          .rolloutBegan, .rolloutFinished, .rolloutBegan, .rolledBack,
        ])
    }
  }

  /// A freeze is told to everybody, and what waits for a team to that team.
  @Test func whoHasToSaySomethingIsTold() async throws {
    let postman = Postman()
    var product = ChannelSpec(name: "product", receiver: .slack(address: "A"))
    product.teams = ["product"]
    var security = ChannelSpec(name: "security", receiver: .slack(address: "B"))
    security.teams = ["security"]
    var stage = Stage(
      services: [Stage.service("web")],
      environments: [
        EnvironmentSpec(name: "production", approval: ApprovalSpec(teams: ["product"]))
      ])
    stage.spec.people = PeopleSpec(teams: [
      TeamSpec(name: "product", members: ["ana"]), TeamSpec(name: "security", members: ["mo"]),
    ])
    stage.spec.outreach = OutreachSpec(channels: [product, security])
    stage.outreach = postman
    let source = stage.source
    try await stage.withControlPlane { plane in
      _ = source.add(1)
      try await until("product is told") { postman.kinds("product") == [.waitingForApproval] }
      let notice = try #require(postman.notices("product").first)
      #expect(notice.environment == "production")
      #expect(notice.release == "r-1")
      #expect(notice.text.contains("may not start in production"))
      _ = try await plane.freeze(FreezeRequest(reason: "the fair", who: "ana"))
      try await until("more stands in the way") { postman.kinds("product").count == 2 }
      #expect(postman.notices("product").last?.text.contains("the fair") == true)
      #expect(postman.notices("security").isEmpty)
    }
  }

  @Test func aFreezeIsToldToEverybody() async throws {
    let postman = Postman()
    let stage = Self.stage([Self.chat], postman)
    let source = stage.source
    try await stage.withControlPlane { plane in
      _ = try await plane.freeze(FreezeRequest(reason: "the fair", who: "ana"))
      _ = source.add(1)
      try await until("it is told") { postman.kinds("chat") == [.frozen] }
      #expect(postman.notices("chat").first?.text.contains("the fair") == true)
    }
  }

  /// A team's own channel hears of its services, of what is asked of it, and of what concerns everybody.
  @Test func aTeamIsToldWhatConcernsIt() async throws {
    let postman = Postman()
    let channels = ["web", "api"].map { service in
      ChannelSpec(
        name: "team-\(service)", receiver: .slack(address: "A"), teams: [service],
        services: [ServiceName(service)])
    }
    var stage = Stage(services: [Stage.service("web"), Stage.service("api")])
    stage.spec.outreach = OutreachSpec(channels: channels)
    stage.outreach = postman
    let source = stage.source
    _ = source.add(1)
    try await stage.withControlPlane { plane in
      try await until("both are told") {
        postman.kinds("team-web").count == 2 && postman.kinds("team-api").count == 2
      }
      #expect(postman.notices("team-web").allSatisfy { $0.service == "web" })
      #expect(postman.notices("team-api").allSatisfy { $0.service == "api" })
      _ = try await plane.freeze(FreezeRequest(reason: "the fair", who: "ana"))
      _ = source.add(2)
      try await until("everybody is told") {
        postman.kinds("team-web").last == .frozen && postman.kinds("team-api").last == .frozen
      }
    }
  }

  /// Wherever it is cut off, nothing is lost, and nothing is promised twice.
  @Test(arguments: [1, 4, 8, 12, 16, 20, 24, 28])
  func aControlPlaneThatDiesLosesNoNotice(after events: Int) async throws {
    let postman = Postman()
    let stage = Self.stage([Self.chat], postman)
    _ = stage.source.add(1)
    try await stage.withControlPlane { _ in
      try await until("\(events) events") {
        stage.journal.kinds.count >= events || stage.journal.kinds.contains("receiptIssued")
      }
    }
    try await stage.withControlPlane { plane in
      try await until("it is told") { postman.kinds("chat").contains(.rolloutFinished) }
      try await until("all is taken") {
        stage.journal.kinds.count { $0 == "noticePromised" }
          <= stage.journal.kinds.count { $0 == "noticesDelivered" } * 100
      }
    }
    #expect(stage.journal.kinds.count { $0 == "noticePromised" } == 2)
    #expect(Set(postman.kinds("chat")) == [.rolloutBegan, .rolloutFinished])
  }

  /// Also after a restart, when the journal is read from where the reading was marked last.
  @Test func aNewChannelHearsNothingOfWhatWasBefore() async throws {
    let postman = Postman()
    var stage = Stage()
    stage.outreach = postman
    let source = stage.source
    _ = source.add(1)
    try await stage.withControlPlane { plane in
      try await until("it is live") { try await plane.settled("web") == "r-1" }
    }
    stage.spec.outreach = OutreachSpec(channels: [Self.chat])
    for number in [2, 3] {
      _ = source.add(number)
      try await stage.withControlPlane { plane in
        try await until("it is told") { postman.kinds("chat").count == (number - 1) * 2 }
      }
    }
    #expect(postman.notices("chat").map(\.release) == ["r-2", "r-2", "r-3", "r-3"])
  }

  @Test func aDeadChannelIsShownAndHoldsUpNothing() async throws {
    let postman = Postman(dead: ["chat"])
    let stage = Self.stage([Self.chat, Self.alarm], postman, ready: .seconds(10))
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("it is live") { try await plane.settled("web") == "r-1" }
      try await until("it is shown") {
        try await plane.status().problems.contains("channel chat: it answered 500")
      }
    }
  }

  // MARK: Policy

  private static let policy = PolicySpec(
    branchNames: "(feature|fix)/(?<issue>[A-Z]+-[0-9]+)", deniesDirectCommits: true,
    example: "feature/SHOP-1",
    issues: TrackerSpec(kind: .jira, url: "https://issues.example.com"))

  private static func origin(
    _ commit: Commit, merging branch: String?
  ) -> CommitOrigin {
    let parents: [CommitID] = branch == nil ? ["p1"] : ["p1", "p2"]
    return CommitOrigin(
      commit: commit.id, parents: parents,
      subject: branch.map { "Merge branch '\($0)'" } ?? "Direct")
  }

  @Test func aCommitAgainstThePolicyIsRefusedWithEveryReason() async throws {
    var stage = Stage()
    stage.spec.outreach = OutreachSpec(policy: Self.policy)
    stage.issue = { key, _ in key == "SHOP-1" ? .open : .closed }
    let (source, journal) = (stage.source, stage.journal)
    _ = source.add(1)
    try await stage.withControlPlane { plane in
      // The first of all can come from no branch.
      try await until("it is live") { try await plane.settled("web") == "r-1" }
      // Its receipt is written a moment later, and must not come between those that follow.
      try await until("a receipt") { journal.kinds.contains("receiptIssued") }
      for (number, branch, words) in [
        (2, nil, ["was made on main itself", "have it reviewed, and merge it"]),
        (3, "feature/none", ["is not called as branches are here"]),
        (4, "fix/SHOP-2", ["issue SHOP-2 is closed", "Open it again"]),
      ] as [(Int, String?, [String])] {
        let commit = source.add(number) { Self.origin($0, merging: branch) }
        try await until("commit \(number) is refused") {
          try await plane.history(limit: 1).first?.commit == commit.id
        }
        let reason = try await plane.receipt(nil).reason ?? ""
        for word in words { #expect(reason.contains(word), "\(reason)") }
      }
      #expect(try await plane.settled("web") == "r-1")
      _ = source.add(5) { Self.origin($0, merging: "feature/SHOP-1") }
      try await until("it is live") { try await plane.settled("web") == "r-5" }
    }
  }

  @Test func aTrackerThatIsDownIsWaitedFor() async throws {
    var stage = Stage()
    stage.spec.outreach = OutreachSpec(policy: Self.policy)
    let answer = Gate()
    stage.issue = { _, _ in await answer.isOpen ? .open : .unreachable("it answered 503") }
    let source = stage.source
    _ = source.add(1)
    try await stage.withControlPlane { plane in
      try await until("it is live") { try await plane.settled("web") == "r-1" }
      _ = source.add(2) { Self.origin($0, merging: "fix/SHOP-9") }
      try await until("it is shown") {
        try await plane.status().problems.contains {
          $0.hasPrefix("policy: commit 22222222") && $0.contains("it answered 503")
        }
      }
      await answer.open()
      try await until("it is live") { try await plane.settled("web") == "r-2" }
      try await until("nothing waits") {
        try await !plane.status().problems.contains { $0.hasPrefix("policy") }
      }
    }
  }

  // MARK: Reviews

  private static let forge = ForgeSpec(
    kind: .gitea, url: "https://git.example.com/api/v1", repository: "team/shop", token: "FORGE")

  /// What a forge squashed or rebased has one parent, as a commit that was made on the branch has.
  @Test func aCommitWithOneParentIsTakenWhenTheForgeKnowsItsReview() async throws {
    var stage = Stage()
    stage.spec.outreach = OutreachSpec(policy: Self.policy, forge: Self.forge)
    stage.issue = { _, _ in .open }
    stage.review = { commit, branch, _ in
      guard branch == "main" else { return .none }
      switch commit.rawValue.first {
      case "2": return .unapproved(request: "#12", branch: "fix/SHOP-1")
      case "4": return .approved(request: "#14", branch: "my-work")
      case "5": return .approved(request: "#15", branch: "fix/SHOP-1")
      default: return .none
      }
    }
    let (source, journal) = (stage.source, stage.journal)
    _ = source.add(1)
    try await stage.withControlPlane { plane in
      try await until("it is live") { try await plane.settled("web") == "r-1" }
      try await until("a receipt") { journal.kinds.contains("receiptIssued") }
      for (number, words) in [
        (2, "came by request #12, which nobody but its author had approved"),
        (3, "the forge knows no merged request that it belongs to"),
        (4, "the branch 'my-work' is not called as branches are here"),
      ] {
        let commit = source.add(number) { Self.origin($0, merging: nil) }
        try await until("commit \(number) is refused") {
          try await plane.history(limit: 1).first?.commit == commit.id
        }
        let reason = try await plane.receipt(nil).reason ?? ""
        #expect(reason.contains(words), "\(reason)")
      }
      let last = source.add(5) { Self.origin($0, merging: nil) }
      try await until("it is live") { try await plane.settled("web") == "r-5" }
      let answer = try await plane.gates(last.id.rawValue).record.answers.first
      #expect(
        answer?.evidence
          == ["555555555555 from fix/SHOP-1, request #15 approved, issue SHOP-1 is there"])
    }
  }

  @Test func aForgeThatIsDownIsWaitedFor() async throws {
    var stage = Stage()
    stage.spec.outreach = OutreachSpec(
      policy: PolicySpec(deniesDirectCommits: true), forge: Self.forge)
    let answer = Gate()
    stage.review = { _, _, _ in
      await answer.isOpen
        ? .approved(request: "#1", branch: "feature") : .unreachable("it answered 503")
    }
    let source = stage.source
    _ = source.add(1)
    try await stage.withControlPlane { plane in
      try await until("it is live") { try await plane.settled("web") == "r-1" }
      _ = source.add(2) { Self.origin($0, merging: nil) }
      try await until("it is shown") {
        try await plane.status().problems.contains {
          $0.contains("whether commit 222222222222 was reviewed is not known yet")
            && $0.contains("it answered 503")
        }
      }
      await answer.open()
      try await until("it is live") { try await plane.settled("web") == "r-2" }
    }
  }

  private actor Gate {
    private(set) var isOpen = false
    func open() { isOpen = true }
  }

  @Test func whoeverSaysThatTheSourceChangedNeedNotWait() async throws {
    var stage = Stage()
    stage.pollInterval = .minutes(60)
    let source = stage.source
    try await stage.withControlPlane { plane in
      try await until("the first look") { source.looks >= 1 }
      _ = source.add(1)
      await plane.sourceChanged()
      try await until("it is live") { try await plane.settled("web") == "r-1" }
    }
  }
}
