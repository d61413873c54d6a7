import ControlProtocol
import Evidence
import Ports
import SegueModel
import Testing

@testable import ControlPlane

/// What people are told of releases that were live already when something was found.
@Suite struct LateNoticeTests {
  private static func stage(_ postman: OutreachTests.Postman) throws -> Stage {
    var stage = GateTests.stage()
    stage.spec.people = PeopleSpec(teams: [
      TeamSpec(name: "product", members: ["li", "mo"], services: ["web"]),
      TeamSpec(name: "data", members: ["bo"], services: ["store"]),
    ])
    stage.spec.outreach = OutreachSpec(channels: [
      ChannelSpec(
        name: "late", receiver: .slack(address: "A"), events: ["advisory-hit", "late-regression"])
    ])
    stage.outreach = postman
    return stage
  }

  @Test func anAdvisoryAboutALiveReleaseNamesThePeopleAndTheFix() async throws {
    let postman = OutreachTests.Postman()
    let stage = try Self.stage(postman)
    let evidence = try #require(stage.evidence)
    var vulnerable = GateTests.sound
    GateTests.Fault.advisory.apply(to: &vulnerable)
    evidence.set(vulnerable)
    let commit = stage.source.add(1)
    let record =
      #"{"id":"CVE-1","modified":"2026-01-01T00:00:00Z","severity":[{"type":"CVSS_V3","#
      + #""score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],"affected":[{"package":"#
      + #"{"ecosystem":"npm","name":"left"},"ranges":[{"type":"SEMVER","events":"#
      + #"[{"introduced":"0"},{"fixed":"1.1.0"}]}]}]}"#
    let advisory = try Advisory.read(Array(record.utf8))
    try await stage.withControlPlane { plane in
      #expect(try await plane.fate(of: commit.id)?.text.contains("is live") == true)
      evidence.add(advisory)
      try await until("it is told") { !postman.notices("late").isEmpty }
      let notice = try #require(postman.notices("late").first)
      #expect(notice.kind == .advisoryHit)
      #expect(notice.release == "r-1")
      #expect(notice.commit == commit.id)
      #expect(notice.environment == "production")
      #expect(notice.service == "web")
      for words in [
        "r-1 is live in production/web", "CVE-1 in left 1.0 (update it to 1.1.0)",
        "Ana <ana@example.com>", "li, mo of the team product",
      ] {
        #expect(notice.text.contains(words), "\(notice.text)")
      }
      #expect(!notice.text.contains("bo of"))
    }
    #expect(postman.kinds("late") == [.advisoryHit], "each is told once")
  }

  @Test func aLateRegressionIsToldOnceAndShownUntilTheReleaseIsGone() async throws {
    let postman = OutreachTests.Postman()
    let stage = try Self.stage(postman)
    try #require(stage.evidence).set(GateTests.sound)
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("r-1 is live") { try await plane.settled("web") == "r-1" }
      for _ in 1...2 {
        await plane.keepRegression(of: "r-1", in: stage.key, "r-1 fails more often than before")
      }
      try await until("it is told") { !postman.notices("late").isEmpty }
      let notice = try #require(postman.notices("late").first)
      #expect(notice.kind == .lateRegression)
      #expect(notice.release == "r-1")
      #expect(notice.service == "web")
      #expect(notice.author == "Ana <ana@example.com>")
    }
    // Also after a restart.
    try await stage.withControlPlane { plane in
      try await until("it is shown") {
        try await plane.status().problems.contains {
          $0 == "regression of production/web: r-1 fails more often than before"
        }
      }
      _ = stage.source.add(2)
      try await until("r-2 is live") { try await plane.settled("web") == "r-2" }
      try await until("it is gone") { try await plane.status().problems.isEmpty }
    }
    #expect(postman.kinds("late") == [.lateRegression])
  }
}
