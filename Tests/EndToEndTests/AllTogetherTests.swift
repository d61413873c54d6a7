import ControlProtocol
import Foundation
import ReceiverProcess
import SegueModel
import Testing

/// Everything that can stop a commit, each alone and all in one: real steps, a real tracker, real people.
@Suite(.serialized) struct AllTogetherTests {
  private struct Fault: Sendable {
    var name: String
    /// What the commit brings.
    var files: [String: String] = [:]
    /// The branch that it is merged from.
    var branch = "feature/1-fine"
    var isFrozen = false
    /// What the commit asks for in `segue.yaml`.
    var asksForApproval = false
    /// What whoever wrote it reads: the reason, and what to do.
    var words: [String]
  }

  private static let faults = [
    Fault(
      name: "a failing test", files: GateTests.badTest,
      words: ["1 of 2 tests failed: lib.adds", "Run lib.adds at this commit"]),
    Fault(
      name: "a new high finding", files: GateTests.badScan,
      words: ["1 of 1 findings blocks: SQL1", "add a waiver with a reason, an owner and an end"]),
    Fault(
      name: "coverage of changed lines", files: GateTests.badCoverage,
      words: ["tests run 0 of 1 lines (0.0 %) of those changed", "not run: lib.py:2"]),
    Fault(
      name: "a wrong branch name", branch: "my-work",
      words: [
        "the branch 'my-work' is not called as branches are here",
        "git branch -m feature/1-faster-checkout",
      ]),
    Fault(
      name: "a closed issue", branch: "fix/2-closed",
      words: ["issue 2 is closed", "Open it again if the work goes on"]),
    Fault(
      name: "a freeze", isFrozen: true,
      words: ["Frozen, with no end set: “the trade fair is on”", "segue freeze --lift freeze-"]),
    Fault(
      name: "a missing approval", asksForApproval: true,
      words: ["waits for 1 of the team product (li or mo)", "segue approve"]),
  ]

  private static func app(
    _ tracker: Int, _ files: [String: String] = [:], asksForApproval: Bool = false
  ) -> [String: String] {
    var app = GateTests.app(files)
    app["segue.yaml"]? += """
      policy:
        branch-names: "(feature|fix)/(?<issue>[0-9]+)-[a-z-]+"
        direct-commits: deny
        example: feature/1-faster-checkout
        issues: { tracker: gitea, url: "http://127.0.0.1:\(tracker)/gitea/api/v1", repository: acme/shop, token: TRACKER }
      teams: { product: { members: [li, mo] } }
      environments:
        production:\(asksForApproval ? " { approval: { team: product } }" : " {}")

      """
    return app
  }

  /// Puts `main` where it was at first, with these merged into it.
  private func merge(
    _ branches: [String], _ files: [String: String], onto first: String, _ segue: Installation
  ) async throws -> CommitID {
    try await segue.git("checkout", "--quiet", "main")
    try await segue.git("reset", "--quiet", "--hard", first)
    for (number, branch) in branches.enumerated() {
      try await segue.git("checkout", "--quiet", "-B", branch)
      let new = number == branches.count - 1 ? files : [:]
      try await segue.commit(branch, new.merging(["note-\(number).txt": branch]) { $1 })
      try await segue.git("checkout", "--quiet", "main")
      try await segue.git("merge", "--quiet", "--no-ff", "--no-edit", branch)
    }
    return CommitID(try await head(segue))
  }

  private func head(_ segue: Installation) async throws -> String {
    try await segue.git("rev-parse", "HEAD").standardOutput.trimmingCharacters(in: .newlines)
  }

  @Test func eachFaultAloneStopsACommitAndAllAreListedTogether() async throws {
    try await Receiver.with("forge-api.py", []) { tracker in
      try await withInstallation { segue in
        try segue.setSecret("TRACKER", "token-of-tests")
        try await segue.makeRepository(Self.app(tracker.port))
        let first = try await head(segue)
        // Nothing is taken up by itself after the first commit.
        try await segue.start(
          source: segue.repository, arguments: ["--poll-interval", "60m"])
        try await until("the first is live", deadline: .seconds(120)) {
          try await segue.decode(StatusReply.self, "status").services.first?.live != nil
        }
        for fault in Self.faults {
          let files = Self.app(tracker.port, fault.files, asksForApproval: fault.asksForApproval)
          let commit = try await merge([fault.branch], files, onto: first, segue)
          if fault.isFrozen { try await freeze(segue) }
          let reply = try await segue.decode(GateReply.self, "gate", "--commit", commit.rawValue)
          if fault.isFrozen { try await lift(segue) }
          let said = Self.sentences(reply)
          #expect(!reply.passes, "\(fault.name): \(said)")
          for words in fault.words {
            #expect(said.contains { $0.contains(words) }, "\(fault.name): \(words): \(said)")
          }
          let families = Set(Self.stops(reply).map { $0.gate.split(separator: ".").first ?? "" })
          #expect(families.count == 1, "\(fault.name) alone: \(Self.stops(reply).map(\.gate))")
        }
        try await allInOne(segue, tracker.port, onto: first)
        try await aside(segue, tracker.port, onto: first)
        let status = try await segue.decode(StatusReply.self, "status")
        #expect(status.services.first?.live?.commit.rawValue == first, "nothing was deployed")
      }
    }
  }

  private func allInOne(_ segue: Installation, _ tracker: Int, onto first: String) async throws {
    var files: [String: String] = [:]
    for fault in Self.faults { files.merge(fault.files) { $1 } }
    let commit = try await merge(
      ["my-work", "fix/2-closed"], Self.app(tracker, files, asksForApproval: true), onto: first,
      segue)
    try await freeze(segue)
    let gate = try await segue.cli("gate", "--commit", commit.short)
    #expect(gate.status == 1)
    let explained = try await segue.cli("explain", commit.short)
    for fault in Self.faults {
      for words in fault.words {
        #expect(gate.all.contains(words), "\(fault.name): \(words): \(gate.all)")
        #expect(explained.all.contains(words), "\(fault.name): \(words): \(explained.all)")
      }
    }
    // It is on the deploy branch, and is refused there, for the policy alone: nothing of it is run.
    let deploy = try await segue.cli("deploy")
    #expect(deploy.status == 1)
    #expect(deploy.all.contains("the branch 'my-work' is not called"), "\(deploy.all)")
    #expect(deploy.all.contains("issue 2 is closed"), "\(deploy.all)")
    #expect(!deploy.all.contains("lib.adds"), "\(deploy.all)")
  }

  /// Branches can be asked about before anybody merges them.
  private func aside(_ segue: Installation, _ tracker: Int, onto first: String) async throws {
    try await lift(segue)
    for (branch, isFine) in [("feature/1-good", true), ("fix/2-shut", false)] {
      try await segue.git("checkout", "--quiet", "-B", branch, first)
      try await segue.commit(branch, Self.app(tracker, ["note.txt": branch]))
      let gate = try await segue.cli("gate", "--commit", branch)
      #expect(gate.status == (isFine ? 0 : 1), "\(gate.all)")
      #expect(gate.all.contains(isFine ? "Nothing stops" : "issue 2 is closed"), "\(gate.all)")
      #expect(!gate.all.contains("was made on main itself"), "\(gate.all)")
    }
  }

  private func freeze(_ segue: Installation) async throws {
    let frozen = try await segue.cli("freeze", "--reason", "the trade fair is on")
    #expect(frozen.status == 0, "\(frozen.all)")
  }

  private func lift(_ segue: Installation) async throws {
    let calendar = try await segue.decode(CalendarReply.self, "calendar")
    for freeze in calendar.freezes {
      #expect(try await segue.cli("freeze", "--lift", freeze.id).status == 0)
    }
  }

  private static func stops(_ reply: GateReply) -> [GateResult] {
    reply.record.failing + (reply.starts ?? []).filter { $0.verdict != .pass }
  }

  private static func sentences(_ reply: GateReply) -> [String] {
    stops(reply).flatMap { [$0.reason] + $0.evidence + $0.remedies }
  }
}
