import ControlPlane
import ControlProtocol
import Ports
import SegueModel
import Testing

/// Changes of the database on the way of a release.
@Suite struct MigrationTests {
  private static let migrate = MigrateSpec(
    expand: "./expand", contract: "./contract", contractAfter: Milliseconds(1))

  private static func stage() -> Stage {
    Stage(services: [Stage.service("web", migrate: migrate)])
  }

  private static func run(_ step: MigrationStep, of release: ReleaseID) -> String {
    "production.web.\(release).\(step.rawValue).1"
  }

  @Test func expandComesFirstAndContractLast() async throws {
    let stage = Self.stage()
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("both have run") { stage.migrations.runs.count == 2 }
      try await until("both are recorded") {
        stage.journal.kinds.count { $0 == "migrationFinished" } == 2
      }
      #expect(
        stage.migrations.runs == [
          Self.run(.expand, of: "r-1"), Self.run(.contract, of: "r-1"),
        ])
      let kinds = stage.journal.kinds
      let expanded = try #require(kinds.firstIndex(of: "migrationFinished"))
      let started = try #require(kinds.firstIndex(of: "instanceOrdered"))
      #expect(expanded < started)
      #expect(try await plane.settled("web") == "r-1")
    }
  }

  @Test func aFailedExpandStartsNothing() async throws {
    let stage = Self.stage()
    stage.migrations.setFailing(.expand)
    let commit = stage.source.add(1)
    try await stage.withControlPlane { plane in
      let fate = try await plane.fate(of: commit.id)
      #expect(fate?.text.contains("the expand step exited with status 1") == true)
      #expect(stage.platform.running.isEmpty)
      let told = try await plane.feedItems("migrationFinished")
      #expect(told.first?.text.contains("no such table") == true, "its last line is told")
    }
  }

  /// Cut off after any number of events, each step is still run once, and the release is live.
  @Test(arguments: 1...26)
  func aMigrationIsContinued(after events: Int) async throws {
    let stage = Self.stage()
    _ = stage.source.add(1)
    try await stage.withControlPlane { _ in
      try await until("\(events) events") {
        stage.journal.kinds.count >= events
          || stage.journal.kinds.count { $0 == "migrationFinished" } == 2
      }
    }
    try await stage.withControlPlane { plane in
      try await until("both are recorded") {
        stage.journal.kinds.count { $0 == "migrationFinished" } == 2
      }
      #expect(try await plane.settled("web") == "r-1")
    }
    #expect(
      stage.migrations.runs == [Self.run(.expand, of: "r-1"), Self.run(.contract, of: "r-1")])
    #expect(stage.platform.startedTwice.isEmpty)
  }
}
