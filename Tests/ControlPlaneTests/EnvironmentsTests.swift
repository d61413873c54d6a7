import ControlPlane
import ControlProtocol
import Ports
import SegueModel
import Testing

/// One release on its way through several environments.
@Suite struct EnvironmentsTests {
  private static func stage(byHand: Bool = false) -> Stage {
    Stage(
      services: [Stage.service("web")],
      environments: [
        EnvironmentSpec(name: "staging"),
        EnvironmentSpec(
          name: "production", after: "staging", isPromotedByHand: byHand,
          services: ["web": ServiceChange(instances: 2)]),
      ])
  }

  @Test func theSameReleaseGoesFromOneEnvironmentToTheNext() async throws {
    let stage = Self.stage()
    let commit = stage.source.add(1)
    try await stage.withControlPlane { plane in
      let fate = try await plane.fate(of: commit.id)
      #expect(fate?.text.contains("is live in production") == true)
      #expect(try await plane.settled("web", in: "staging") == "r-1")
      #expect(try await plane.settled("web", in: "production") == "r-1")
      let places = stage.platform.running.map(\.key.environment)
      #expect(places.count { $0 == "staging" } == 1)
      #expect(places.count { $0 == "production" } == 2, "as the environment says")
      #expect(stage.journal.kinds.count { $0 == "releaseSealed" } == 1, "it is built once")
      let settled = try await plane.feedItems("commitSettled")
      #expect(settled.map(\.final) == [false, true])
    }
  }

  @Test func aFailureInTheFirstEnvironmentStopsThere() async throws {
    let stage = Self.stage()
    stage.platform.setBroken("r-1")
    let commit = stage.source.add(1)
    try await stage.withControlPlane { plane in
      let fate = try await plane.fate(of: commit.id)
      #expect(fate?.text.contains("is not live in staging") == true)
      #expect(stage.platform.running.allSatisfy { $0.key.environment == "staging" })
    }
  }

  @Test func aPersonPromotes() async throws {
    let stage = Self.stage(byHand: true)
    let commit = stage.source.add(1)
    try await stage.withControlPlane { plane in
      let fate = try await plane.fate(of: commit.id)
      #expect(fate?.text.contains("waits for promotion to production") == true)
      #expect(try await plane.settled("web", in: "production") == nil)
      let reply = try await plane.promoteRelease(
        PromoteReleaseRequest(environment: "production", who: "ana"))
      #expect(reply.accepted)
      let end = try await plane.fate(of: commit.id, after: reply.sequence)
      #expect(end?.text.contains("is live in production") == true)
      #expect(try await plane.settled("web", in: "production") == "r-1")
    }
  }

  @Test func anImpossiblePromotionIsRefusedAndMovesNothing() async throws {
    let stage = Self.stage(byHand: true)
    try await stage.withControlPlane { plane in
      func refusal(_ environment: EnvironmentName, _ release: String? = nil) async -> String {
        let error = await #expect(throws: ControlError.self) {
          try await plane.promoteRelease(
            PromoteReleaseRequest(environment: environment, release: release, who: "ana"))
        }
        return error?.message ?? ""
      }
      #expect(await refusal("production").contains("no environment production"))
      let commit = stage.source.add(1)
      _ = try await plane.fate(of: commit.id)
      #expect(await refusal("moon").contains("no environment moon"))
      #expect(await refusal("staging").contains("by itself"))
      #expect(await refusal("production", "r-9").contains("no release"))
      _ = try await plane.promoteRelease(
        PromoteReleaseRequest(environment: "production", who: "ana"))
      try await until("it is there") { try await plane.settled("web", in: "production") == "r-1" }
      #expect(await refusal("production").contains("already"))
      let second = stage.source.add(2)
      _ = try await plane.fate(of: second.id)
      #expect(await refusal("production", "r-1").contains("not live in staging"))
      #expect(try await plane.settled("web", in: "production") == "r-1")
    }
  }

  /// Cut off after any number of events, the release still arrives everywhere, once.
  @Test(arguments: 1...36)
  func promotionIsContinued(after events: Int) async throws {
    let stage = Self.stage()
    _ = stage.source.add(1)
    try await stage.withControlPlane { _ in
      try await until("\(events) events") {
        stage.journal.kinds.count >= events
          || stage.journal.kinds.count { $0 == "receiptIssued" } == 2
      }
    }
    try await stage.withControlPlane { plane in
      try await until("it is live in production") {
        try await plane.settled("web", in: "production") == "r-1"
      }
      try await until("both receipts") { try await plane.history(limit: 10).count == 2 }
    }
    #expect(stage.platform.startedTwice.isEmpty)
    #expect(stage.journal.kinds.count { $0 == "targetSet" } == 2)
    #expect(stage.journal.kinds.count { $0 == "releaseSealed" } == 1)
  }
}
