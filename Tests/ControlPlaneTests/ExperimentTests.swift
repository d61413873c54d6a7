import ControlProtocol
import RolloutEngine
import SegueModel
import Testing

@testable import ControlPlane

/// Rollouts that end by what users do, or by how answers to copies differ.
@Suite struct ExperimentTests {
  private static let goals = [
    GoalSpec(name: "checkout", source: .posted),
    GoalSpec(name: "complaint", source: .posted, better: .lower),
  ]

  private static func ab(
    hold: HoldSpec = .verdict(VerdictHold(onInsufficient: .rollBack))
  ) -> Stage {
    Stage(strategy: .ab(ABSpec(hold: hold, goals: goals)))
  }

  /// The router has counted so many users, and so many of them with each goal.
  private static func count(_ stage: Stage, _ arms: [(units: UInt64, goals: [Double])]) {
    guard let target = stage.platform.table(stage.key)?.experiment else { return }
    stage.platform.count { report in
      report.experiment = ExperimentReport(
        rollout: target.rollout,
        arms: zip([target.control, target.variant], arms).map { release, arm in
          ExperimentReport.Arm(
            release: release, units: arm.units, sums: arm.goals, squares: arm.goals)
        }, crossed: 1)
    }
  }

  private static func withExperiment(
    _ stage: Stage, _ body: @escaping @Sendable (ControlPlane) async throws -> Void
  ) async throws {
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("the first is live") { try await plane.history(limit: 9).count == 1 }
      _ = stage.source.add(2)
      try await until("it waits") {
        try await plane.status().services.first?.rollout?.wait?.isHold ?? false
      }
      try await body(plane)
    }
  }

  private static func receipt(_ plane: ControlPlane) async throws -> Receipt {
    try await until("a receipt") { try await plane.history(limit: 9).count == 2 }
    return try await plane.receipt(nil)
  }

  @Test(arguments: [
    (800.0, 50.0, Receipt.Outcome.live, "judged good: new wins: checkout of new is 0.16"),
    (250.0, 50.0, .rolledBack, "judged bad: old wins: checkout of new is 0.05"),
  ])
  func aWinnerEndsIt(
    _ goal: Double, _ complaints: Double, _ outcome: Receipt.Outcome, _ words: String
  ) async throws {
    let stage = Self.ab()
    try await Self.withExperiment(stage) { plane in
      let key = try #require(stage.platform.table(stage.key)?.experiment)
      #expect(key.goals == Self.goals && key.control == "r-1" && key.variant == "r-2")
      Self.count(stage, [(5_000, [500, 50]), (5_000, [goal, complaints])])
      let receipt = try await Self.receipt(plane)
      #expect(receipt.outcome == outcome)
      let said = [receipt.reason ?? ""] + receipt.phases.compactMap(\.detail)
      #expect(said.contains { $0.contains(words) }, "\(said)")
      let experiment = try #require(receipt.experiment)
      #expect(experiment.state == .winner && experiment.end == .verdict)
      #expect(experiment.winner == (outcome == .live ? "new" : "old"))
      #expect(experiment.variants.map(\.units) == [5_000, 5_000] && experiment.crossed == 1)
      let row = try #require(experiment.rows.first { $0.variant == "new" })
      #expect(row.goal == "checkout" && row.difference == Int64((goal / 500 - 1) * 1_000_000))
      #expect(stage.platform.table(stage.key)?.experiment == nil)
      let shown = try await plane.experiment(ExperimentRequest())
      #expect(!shown.isRunning && shown.result == experiment)
    }
  }

  private struct Standing: Sendable {
    var units: [UInt64]
    var goals: [[Double]]
    var state: ExperimentLine.State
  }

  @Test(arguments: [
    Standing(units: [5_000, 5_000], goals: [[500, 50], [510, 50]], state: .undecided),
    Standing(units: [5_000, 4_000], goals: [[500, 50], [800, 50]], state: .splitBroken),
    Standing(units: [0, 0], goals: [[0, 0], [0, 0]], state: .noData),
  ])
  private func withoutAWinnerItGoesOn(_ standing: Standing) async throws {
    let stage = Self.ab()
    try await Self.withExperiment(stage) { plane in
      Self.count(stage, zip(standing.units, standing.goals).map { ($0, $1) })
      try await until("it is seen") {
        let reply = try await plane.experiment(ExperimentRequest(service: "web"))
        return reply.isRunning && reply.endsAt != nil && reply.result.state == standing.state
          && reply.result.variants.map(\.units) == standing.units
      }
      let status = try await plane.status()
      #expect(status.services.first?.rollout?.wait?.kind == .verdict)
      _ = try await plane.abort(AbortRequest(who: "ana"))
      let receipt = try await Self.receipt(plane)
      #expect(receipt.experiment?.end == .person)
      #expect(receipt.experiment?.winner == nil)
    }
  }

  @Test func aPersonDecidesWhereNoVerdictIsWaitedFor() async throws {
    let stage = Self.ab(hold: .promotion(limit: ABSpec.standardLimit))
    try await Self.withExperiment(stage) { plane in
      Self.count(stage, [(5_000, [500, 50]), (5_000, [800, 50])])
      try await until("it is seen") {
        try await plane.experiment(ExperimentRequest()).result.winner == "new"
      }
      #expect(try await plane.status().services.first?.rollout?.wait?.kind == .promotion)
      _ = try await plane.promote(PromoteRequest(who: "ana"))
      let receipt = try await Self.receipt(plane)
      #expect(receipt.outcome == .live && receipt.experiment?.end == .person)
    }
  }

  @Test func aGoalIsCountedOrRefusedInWords() async throws {
    let stage = Self.ab()
    try await Self.withExperiment(stage) { plane in
      let known = GoalRequest(goal: "checkout", unit: "ana")
      let reply = try await plane.reach(known)
      #expect(reply.message == "checkout was counted for ana")
      for (request, kind) in [
        (GoalRequest(goal: "checkout", unit: "nobody"), ControlError.Kind.notFound),
        (GoalRequest(goal: "other", unit: "ana"), .notFound),
        (GoalRequest(goal: "checkout", unit: "ana", value: "x"), .invalid),
        (GoalRequest(goal: "checkout", unit: ""), .invalid),
        (GoalRequest(service: "mail", goal: "checkout", unit: "ana"), .notFound),
      ] {
        let error = await #expect(throws: ControlError.self) { try await plane.reach(request) }
        #expect(error?.kind == kind && error?.nextStep != nil, "\(request)")
      }
    }
  }

  @Test(arguments: [
    (9_000 as UInt64, Receipt.Outcome.rolledBack), (10_000, .live),
  ])
  func copiesDecide(_ equal: UInt64, _ outcome: Receipt.Outcome) async throws {
    let stage = Stage(
      strategy: .shadow(
        ShadowSpec(
          hold: .verdict(VerdictHold(onInsufficient: .rollBack)), tolerated: Permille(5))))
    try await Self.withExperiment(stage) { plane in
      stage.platform.count { report in
        report.mirrored = MirrorReport(
          release: "r-2", compared: 10_000, equal: equal, status: 10_000 - equal,
          groups: [
            MirrorGroup(
              request: "GET /price/{n}", what: "status: 200 there, 500 here", count: 1_000)
          ])
      }
      let receipt = try await Self.receipt(plane)
      #expect(receipt.outcome == outcome)
      let copies = try #require(receipt.copies)
      #expect(copies.answer == (outcome == .live ? .good : .bad))
      #expect(copies.compared == 10_000 && copies.differing == 10_000 - equal)
      #expect(copies.tolerated == 5_000 && copies.atLeast < copies.atMost)
      guard outcome == .rolledBack else { return }
      let reason = try #require(receipt.reason)
      #expect(reason.contains("1,000 of 10,000 answers differ"))
      #expect(reason.contains("1,000 times GET /price/{n} (status: 200 there, 500 here)"))
      let explanation = try await plane.explain(nil)
      #expect(explanation.verdict.contains("GET /price/{n}"))
    }
  }

  @Test func tooFewCopiesDecideNothing() async throws {
    let stage = Stage(
      strategy: .shadow(
        ShadowSpec(hold: .verdict(VerdictHold(onInsufficient: .rollBack)))))
    try await Self.withExperiment(stage) { plane in
      stage.platform.count { report in
        report.mirrored = MirrorReport(
          release: "r-2", compared: 100, equal: 99, body: 1,
          groups: [MirrorGroup(request: "GET /a", what: "body", count: 1)])
      }
      try await until("it says so") {
        let words = try await plane.status().services.first?.rollout?.judgement
        return words?.hasSuffix("so there is not enough evidence yet") ?? false
      }
      let answer = try #require(try await plane.explain(nil).answers.last)
      #expect(answer.result == .wait && answer.evidence == ["once GET /a (body)"])
    }
  }
}
