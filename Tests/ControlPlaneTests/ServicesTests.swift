import ControlPlane
import ControlProtocol
import Ports
import SegueModel
import Testing

/// Several services in one release: their order, and the way back when one fails.
@Suite struct ServicesTests {
  /// `web` needs `db`; `mail` stands alone.
  private static func stage() -> Stage {
    Stage(services: [
      Stage.service("db"),
      Stage.service("web", needs: ["db"]),
      Stage.service("mail", independent: true),
    ])
  }

  @Test func aFailureTakesTheOthersBackInReverseOrder() async throws {
    let stage = Self.stage()
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("r-1 is live") { try await plane.settled("web") == "r-1" }
      stage.platform.setBroken("r-2", of: "web")
      let commit = stage.source.add(2)
      let fate = try await plane.fate(of: commit.id)
      #expect(fate?.level == .failure)
      let text = try #require(fate?.text)
      #expect(text.contains("web: "), "\(text)")
      #expect(text.contains("db is back at r-1"), "\(text)")
      #expect(text.contains("mail is live"), "\(text)")
      #expect(try await plane.settled("db") == "r-1")
      #expect(try await plane.settled("web") == "r-1")
      #expect(try await plane.settled("mail") == "r-2", "it is independent")
    }
  }

  @Test func whatNeedsOthersGoesBackBeforeThem() async throws {
    let stage = Stage(services: [
      Stage.service("db"),
      Stage.service("api", needs: ["db"]),
      Stage.service("web", needs: ["api"]),
    ])
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("r-1 is live") { try await plane.settled("web") == "r-1" }
      stage.platform.setBroken("r-2", of: "web")
      _ = try await plane.fate(of: stage.source.add(2).id)
      let rollbacks = try await plane.feedItems("rolloutStarted").filter {
        $0.text.hasPrefix("rollback")
      }
      #expect(rollbacks.map(\.subject) == ["production/api", "production/db"])
      let ends = try await plane.feedItems("rolloutEnded")
      let apiIsBack = try #require(ends.last { $0.subject == "production/api" }?.sequence)
      let dbGoesBack = try #require(rollbacks.last?.sequence)
      #expect(apiIsBack < dbGoesBack, "each waits for those that need it")
    }
  }

  @Test func whatHasNotBegunIsNotStarted() async throws {
    let stage = Self.stage()
    stage.platform.setBroken("r-1", of: "db")
    let commit = stage.source.add(1)
    try await stage.withControlPlane { plane in
      let text = try #require(try await plane.fate(of: commit.id)?.text)
      #expect(text.contains("web was not started"), "\(text)")
      #expect(stage.platform.running.allSatisfy { $0.key.service == "mail" })
    }
  }

  @Test func anIndependentServiceTakesNobodyAlong() async throws {
    let stage = Self.stage()
    stage.platform.setBroken("r-1", of: "mail")
    let commit = stage.source.add(1)
    try await stage.withControlPlane { plane in
      let fate = try await plane.fate(of: commit.id)
      #expect(fate?.level == .failure)
      #expect(try await plane.settled("web") == "r-1")
      #expect(fate?.text.contains("mail: ") == true)
    }
  }

  /// Cut off after any number of events, another control plane takes back what the first had moved.
  @Test(arguments: 38...84)
  func takingBackIsContinued(after events: Int) async throws {
    let stage = Stage(services: [
      Stage.service("db"),
      Stage.service("web", needs: ["db"]),
    ])
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("r-1 is live") { try await plane.settled("web") == "r-1" }
      stage.platform.setBroken("r-2", of: "web")
      _ = stage.source.add(2)
      try await until("\(events) events") {
        stage.journal.kinds.count >= events
          || stage.journal.kinds.count { $0 == "commitSettled" } == 2
      }
    }
    try await stage.withControlPlane { plane in
      try await until("its fate is told") {
        try await plane.feedItems("commitSettled").count == 2
      }
      #expect(try await plane.settled("db") == "r-1")
      #expect(try await plane.settled("web") == "r-1")
      let last = try await plane.feedItems("commitSettled").last
      #expect(last?.text.contains("web: ") == true)
      try await until("only r-1 runs") {
        stage.platform.running.count == 2
          && stage.platform.running.allSatisfy { $0.release == "r-1" }
      }
    }
    #expect(stage.platform.startedTwice.isEmpty)
  }

  private static func supersedingStage() -> Stage {
    var stage = Stage(services: [Stage.service("web")])
    stage.spec.supersedes = true
    return stage
  }

  @Test func aNewerCommitTakesThePlaceOfAnOlderOneWhenTheSpecSaysSo() async throws {
    let stage = Self.supersedingStage()
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("r-1 is live") { try await plane.settled("web") == "r-1" }
      stage.platform.setUnready("r-2")
      let second = stage.source.add(2)
      try await until("r-2 is under way") {
        try await plane.status().services.first?.rollout?.to == "r-2"
      }
      _ = stage.source.add(3)
      try await until("r-3 is live") { try await plane.settled("web") == "r-3" }
      #expect(try await plane.fate(of: second.id)?.text.contains("superseded") == true)
    }
  }
}
