import ControlPlane
import ControlProtocol
import Ports
import SegueModel
import Testing

/// Pausing, resuming and promoting, and what is told about it afterwards.
@Suite struct SteeringTests {
  private static let canary = StrategySpec.canary(
    CanarySpec(steps: [
      .init(weight: Permille(50), hold: .promotion(limit: .minutes(60))),
      .init(weight: Permille(500), hold: .promotion(limit: .minutes(60))),
    ]))

  private static func rollout(_ plane: ControlPlane, _ service: Int = 0) async throws
    -> RolloutStatus?
  {
    let services = try await plane.status().services
    return service < services.count ? services[service].rollout : nil
  }

  /// Brings r-1 out, and r-2 as far as its first hold.
  private static func withCanaryAtItsFirstHold(
    _ stage: Stage, _ body: @escaping @Sendable (ControlPlane) async throws -> Void
  ) async throws {
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("r-1 is live") {
        let services = try await plane.status().services
        return services.count == stage.spec.services.count
          && services.allSatisfy { $0.live?.id == "r-1" && $0.rollout == nil }
      }
      _ = stage.source.add(2)
      try await until("every service holds") {
        try await plane.status().services.allSatisfy { $0.rollout?.wait?.kind == .promotion }
      }
      try await body(plane)
    }
  }

  @Test func eachHoldEndsWhenSomebodyPromotesIt() async throws {
    let stage = Stage(strategy: Self.canary)
    try await Self.withCanaryAtItsFirstHold(stage) { plane in
      let first = try #require(try await Self.rollout(plane))
      #expect(first.stageName == "5%")
      #expect(first.stage == 1)
      #expect(first.stages == 3)
      #expect(first.weight == Permille(50))
      #expect(first.phase == "5%: waiting for somebody to promote it")
      #expect(first.wait?.until != nil)
      let reply = try await plane.promote(PromoteRequest(who: "ana", reason: "looks fine"))
      #expect(reply.rollouts == [first.id])
      try await until("the second hold") {
        let rollout = try await Self.rollout(plane)
        return rollout?.stage == 2 && rollout?.wait?.isHold == true
      }
      _ = try await plane.promote(PromoteRequest(service: "web", who: "li"))
      try await until("a receipt") { try await plane.history(limit: 9).count == 2 }
      let receipt = try await plane.receipt(nil)
      #expect(receipt.outcome == .live)
      let holds = receipt.phases.filter { $0.name.hasSuffix(": holding") }
      #expect(holds.map(\.name) == ["5%: holding", "50%: holding"])
      #expect(holds.map(\.detail) == ["promoted by ana: looks fine", "promoted by li"])
    }
  }

  @Test func allTheHoldsEndAtOnce() async throws {
    let stage = Stage(strategy: Self.canary)
    try await Self.withCanaryAtItsFirstHold(stage) { plane in
      _ = try await plane.promote(PromoteRequest(toTheEnd: true, who: "ana"))
      try await until("a receipt") { try await plane.history(limit: 9).count == 2 }
      #expect(try await plane.receipt(nil).phases.count { $0.name.hasSuffix(": holding") } == 1)
    }
  }

  @Test func aPauseHoldsUntilItIsResumed() async throws {
    let stage = Stage(strategy: Self.canary)
    try await Self.withCanaryAtItsFirstHold(stage) { plane in
      _ = try await plane.pause(
        PauseRequest(environment: "production", who: "ana", reason: "lunch"))
      let paused = try await Self.rollout(plane)?.wait
      #expect(paused?.kind == .pause)
      #expect(paused?.by == "ana")
      #expect(paused?.reason == "lunch")
      let twice = await #expect(throws: ControlError.self) {
        try await plane.pause(PauseRequest(who: "li"))
      }
      #expect(twice?.message.contains("was paused by ana already") == true)
      #expect(twice?.nextStep?.contains("segue resume") == true)
      _ = try await plane.resume(ResumeRequest(who: "li", reason: "back"))
      #expect(try await Self.rollout(plane)?.wait?.kind == .promotion)
      let again = await #expect(throws: ControlError.self) {
        try await plane.resume(ResumeRequest(service: "web", who: "li"))
      }
      #expect(again?.kind == .refused)
      #expect(again?.nextStep?.contains("segue promote") == true)
      _ = try await plane.promote(PromoteRequest(toTheEnd: true, who: "ana"))
      try await until("a receipt") { try await plane.history(limit: 9).count == 2 }
      let pauses = try await plane.receipt(nil).pauses
      #expect(pauses?.map(\.by) == ["ana"])
      #expect(pauses?.map(\.reason) == ["lunch"])
      #expect(pauses?.map(\.resumedBy) == ["li"])
      #expect(pauses?.map(\.resumeReason) == ["back"])
      var texts: [String] = []
      for try await item in plane.feed(after: 0, follow: false, commit: nil) {
        texts.append(item.text)
      }
      #expect(texts.contains("waiting for somebody to promote it, for at most 1 h"))
      #expect(texts.contains("5% of the traffic is to go to r-2"))
      #expect(texts.contains("paused by ana: lunch; taken back unless it is resumed within 24 h"))
      #expect(texts.contains("resumed by li: back"))
    }
  }

  @Test func withNothingInProgressEachVerbIsRefusedInItsOwnWord() async throws {
    let stage = Stage()
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("a receipt") { try await !plane.history(limit: 9).isEmpty }
      func refusal(_ body: () async throws -> RolloutReply) async throws -> String {
        let error = await #expect(throws: ControlError.self) { _ = try await body() }
        #expect(error?.kind == .refused)
        #expect(error?.nextStep != nil)
        return try #require(error?.message)
      }
      let pause = try await refusal { try await plane.pause(PauseRequest(who: "ana")) }
      #expect(pause == "no rollout is in progress, so there is nothing to pause")
      let resume = try await refusal {
        try await plane.resume(ResumeRequest(service: "web", who: "ana"))
      }
      #expect(resume == "no rollout of web is in progress, so there is nothing to resume")
      let promote = try await refusal { try await plane.promote(PromoteRequest(who: "ana")) }
      #expect(promote == "no rollout is in progress, so there is nothing to promote")
      let unknown = await #expect(throws: ControlError.self) {
        try await plane.pause(PauseRequest(service: "api", who: "ana"))
      }
      #expect(unknown?.kind == .notFound)
      #expect(unknown?.nextStep == "There are: web")
      let elsewhere = await #expect(throws: ControlError.self) {
        try await plane.rollback(RollbackRequest(environment: "staging", who: "ana"))
      }
      #expect(elsewhere?.nextStep == "There are: production")
    }
  }

  @Test func severalRolloutsArePausedTogetherAndPromotedOneByOne() async throws {
    let stage = Stage(strategy: Self.canary, services: ["api", "web"])
    try await Self.withCanaryAtItsFirstHold(stage) { plane in
      let error = await #expect(throws: ControlError.self) {
        try await plane.promote(PromoteRequest(who: "ana"))
      }
      #expect(
        error?.message == "2 rollouts are in progress: production/api, production/web")
      #expect(error?.nextStep == "Say which with --service")
      let first = try await plane.pause(PauseRequest(service: "api", who: "ana"))
      // Only the other is left to pause.
      let second = try await plane.pause(PauseRequest(who: "ana"))
      let both = try await plane.resume(ResumeRequest(who: "ana"))
      #expect(first.rollouts + second.rollouts == both.rollouts)
      #expect(Set(both.rollouts).count == 2)
      let aborted = try await plane.abort(AbortRequest(service: "api", who: "ana"))
      #expect(aborted.rollouts == first.rollouts)
    }
  }

  @Test func aReceiptSaysWhatWasHeldCopiedAndPaid() async throws {
    let stage = Stage(strategy: .shadow(ShadowSpec()))
    stage.platform.count { report in
      report.held = HoldCounters(released: 5, expired: 1, longest: 900_000)
    }
    try await Self.withCanaryAtItsFirstHold(stage) { plane in
      let difference = MirrorDifference(
        method: "GET", path: "/", what: "status: 200 there, 500 here")
      stage.platform.count { report in
        report.held = HoldCounters(released: 7, expired: 1, waiting: 2, longest: 1_200_000)
        report.mirrored = MirrorReport(
          release: "r-2", compared: 10, equal: 9, status: 1, examples: [difference])
      }
      try await until("the counts are seen") {
        try await plane.status().services.first?.mirrored?.compared == 10
      }
      #expect(try await plane.status().services.first?.held?.waiting == 2)
      // The router forgets what it compared once no copies are made.
      stage.platform.count { report in
        report.held = HoldCounters(released: 7, expired: 1, longest: 1_200_000)
      }
      _ = try await plane.promote(PromoteRequest(who: "ana"))
      try await until("a receipt") { try await plane.history(limit: 9).count == 2 }
      let receipt = try await plane.receipt(nil)
      #expect(
        receipt.held
          == .init(released: 2, expired: 0, longest: 1_200_000, isUpperBound: false))
      #expect(receipt.mirror?.examples == [difference])
      #expect(receipt.mirror?.compared == 10)
      // One EUR for each second of an instance.
      #expect(receipt.extraInstanceTime > .zero)
      #expect(receipt.cost?.amount == receipt.extraInstanceTime.count * 1_000)
      #expect(receipt.cost?.currency == "EUR")
    }
  }

  @Test func aRollbackIsToldAsOne() async throws {
    let stage = Stage()
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("one receipt") { try await plane.history(limit: 9).count == 1 }
      let second = stage.source.add(2)
      try await until("two receipts") { try await plane.history(limit: 9).count == 2 }
      _ = try await plane.rollback(RollbackRequest(who: "ana", reason: "it is slow"))
      try await until("three receipts") { try await plane.history(limit: 9).count == 3 }
      let entry = try #require(try await plane.history(limit: 1).first)
      #expect(entry.kind == "rollback")
      #expect(entry.outcome == "live")
      #expect(entry.startedBy == "ana")
      #expect(entry.request == "it is slow")
      let explanation = try await plane.explain(second.id.rawValue)
      let answer = try #require(explanation.answers.last)
      #expect(answer.result == .fail)
      #expect(answer.why == "It was live, until ana rolled it back to r-1: it is slow.")
      #expect(answer.at == entry.endedAt)
      #expect(explanation.verdict.contains("ana rolled it back"))
      let first = try await plane.explain("r-1")
      #expect(first.verdict.hasSuffix("is live."))
    }
  }

  @Test func whatANewerReleaseReplacedWasLive() async throws {
    let stage = Stage()
    let first = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("one receipt") { try await plane.history(limit: 9).count == 1 }
      _ = stage.source.add(2)
      try await until("two receipts") { try await plane.history(limit: 9).count == 2 }
      let explanation = try await plane.explain(first.id.rawValue)
      #expect(explanation.verdict.hasSuffix("was live, and is not any more."))
      #expect(explanation.answers.last?.why == "It was live, until r-2 took its place.")
    }
  }

  @Test func factsAreMeasured() async throws {
    let stage = Stage()
    _ = stage.source.add(1)
    try await stage.withControlPlane { plane in
      try await until("a receipt") { try await plane.history(limit: 9).count == 1 }
      let facts = try #require(try await plane.facts(FactsRequest(service: "web")).first)
      #expect(facts.key == stage.key)
      #expect(facts.spec.instances == 2)
      #expect(facts.boot != nil)
      #expect(facts.cost?.currency == "EUR")
      // Nobody has watched for long enough.
      #expect(facts.traffic == nil)
    }
  }
}
