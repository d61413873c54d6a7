import ControlProtocol
import Foundation
import SegueModel
import Synchronization
import Testing

@testable import Commands

@Suite struct SteeringTests {
  @Test(arguments: [
    (
      ["pause", "--service", "web", "-e", "production", "--reason", "lunch"],
      "\(PauseRequest(service: "web", environment: "production", who: "ana", reason: "lunch"))"
    ),
    (["pause"], "\(PauseRequest(who: "ana"))"),
    (["resume", "--service", "web"], "\(ResumeRequest(service: "web", who: "ana"))"),
    (["promote", "--no-wait"], "\(PromoteRequest(who: "ana"))"),
    (
      ["promote", "--all", "--service", "web", "--reason", "fine", "--no-wait"],
      "\(PromoteRequest(service: "web", toTheEnd: true, who: "ana", reason: "fine"))"
    ),
    (
      ["promote", "--to", "production", "--no-wait"],
      "\(PromoteReleaseRequest(environment: "production", who: "ana"))"
    ),
    (
      ["promote", "--to", "production", "r-1", "--reason", "fine", "--no-wait"],
      "\(PromoteReleaseRequest(environment: "production", release: "r-1", who: "ana", reason: "fine"))"
    ),
    (
      ["rollback", "r-1", "-e", "staging", "--no-wait"],
      "\(RollbackRequest(environment: "staging", to: "r-1", who: "ana"))"
    ),
    (
      ["freeze", "-e", "production", "--until", "8h", "--reason", "fair"],
      "\(FreezeRequest(environment: "production", until: "8h", reason: "fair", zone: "Asia/Tokyo", who: "ana"))"
    ),
    (["freeze", "--lift", "freeze-3"], "\(LiftRequest(freeze: "freeze-3", who: "ana"))"),
    (["approve"], "\(ApproveRequest(who: "ana"))"),
    (
      ["goal", "paid", "u-7", "--value", "12.50", "-e", "production"],
      "\(GoalRequest(environment: "production", goal: "paid", unit: "u-7", value: "12.50"))"
    ),
    (
      ["approve", "r-1", "-e", "production", "--no", "--note", "wrong tax"],
      "\(ApproveRequest(release: "r-1", environment: "production", word: .no, note: "wrong tax", who: "ana"))"
    ),
    (["approve", "--withdraw"], "\(ApproveRequest(word: .withdraw, who: "ana"))"),
    (["approve", "--milestone", "beta"], "\(ApproveRequest(milestone: "beta", who: "ana"))"),
    (
      ["abort", "-e", "staging", "--no-wait"], "\(AbortRequest(environment: "staging", who: "ana"))"
    ),
  ])
  func everyVerbAsksForWhatItWasTold(arguments: [String], request: String) async throws {
    let asked = Mutex<[String]>([])
    let api = ScriptedAPI(onRequest: { request in asked.withLock { $0.append(request) } })
    let outcome = try await segue(arguments, api: api)
    #expect(outcome.status == .success)
    #expect(asked.withLock { $0 } == [request])
    let json = try await segue(arguments + ["--json"], api: api)
    #expect(json.status == .success)
    #expect(json.output.hasPrefix("{\""))
  }

  @Test(arguments: ["pause", "resume", "promote", "advise", "approve", "freeze", "calendar"])
  func refusalsEndAsDocumented(verb: String) async throws {
    let error = ControlError(.refused, "R1 is not paused", nextStep: "`segue promote`")
    let outcome = try await segue(verb, api: ScriptedAPI(failure: error))
    #expect(outcome.status == .refused)
    #expect(outcome.errors == "segue: R1 is not paused\n  next: `segue promote`\n")
  }

  @Test(arguments: [
    ["freeze", "--lift", "freeze-1", "--reason", "x"], ["freeze", "--until", "8h"],
    ["approve", "--no", "--withdraw"], ["approve", "--milestone", "beta", "--no"],
    ["calendar", "--ics", "-", "--json"],
    ["promote", "r-1"], ["promote", "--to", "production", "--all"],
    ["promote", "--to", "production", "--service", "web"], ["pause", "web"],
    ["advise", "--rate", "-1"], ["advise", "--bad-ratio", "1"], ["advise", "--errors", "0"],
    ["advise", "--price", "cheap"], ["advise", "--instances", "0"],
    ["logs", "--step", "a", "-e", "production"],
  ])
  func whatMakesNoSenseIsTwo(arguments: [String]) async throws {
    #expect(try await segue(arguments).status == .usage)
  }

  private static func holding(_ kind: WaitStatus.Kind) -> RolloutStatus {
    var rollout = Samples.canary
    rollout.wait = WaitStatus(kind, until: moment(200), by: "li", reason: "lunch")
    return rollout
  }

  @Test(arguments: [WaitStatus.Kind.time, .promotion, .verdict, .decision, .pause])
  func promoteWaitsUntilTheNextHold(kind: WaitStatus.Kind) async throws {
    let polls = Mutex(0)
    let api = ScriptedAPI(
      statusReply: {
        let poll = polls.withLock {
          $0 += 1
          return $0
        }
        var rollout = Self.holding(kind)
        if poll < 3 { rollout.wait = WaitStatus(.instances, ready: 0, wanted: 1) }
        return Samples.status(services: [Samples.service(rollout: rollout)], sequence: 4)
      }, items: { _ in .open([Samples.item(4)]) })
    let outcome = try await segue("promote", api: api)
    #expect(outcome.status == .success)
    #expect(outcome.output.contains("production/web: stage 2 of 5: "))
  }

  @Test(arguments: [("live", ExitStatus.success), ("rolled back", .negative)])
  func promoteEndsAsTheRolloutDid(result: String, status: ExitStatus) async throws {
    var api = ScriptedAPI(items: { _ in .open([Samples.item(4)]) })
    api.statusReply = { Samples.status(sequence: 4) }
    api.entries = [
      HistoryEntry(
        outcome: result, commit: Samples.commit.id, subject: "", author: "", rollout: "R1",
        release: nil, key: Samples.key, startedAt: moment(0), endedAt: moment(1), reason: nil)
    ]
    #expect(try await segue("promote", api: api).status == status)
  }

  @Test func aRollbackSaysWhatIsLiveAgain() async throws {
    var api = ScriptedAPI(items: { _ in .open([Samples.item(4)]) })
    api.statusReply = { Samples.status(sequence: 4) }
    api.entries = [
      HistoryEntry(
        outcome: "live", commit: Samples.commit.id, subject: "", author: "", rollout: "R1",
        release: Samples.old, key: Samples.key, startedAt: moment(0), endedAt: moment(1),
        reason: nil, kind: "rollback", startedBy: "ana")
    ]
    let outcome = try await segue("rollback", api: api)
    #expect(outcome.status == .success)
    #expect(
      outcome.output.hasSuffix("production/web: rolled back, \(Samples.old) is live again\n"))
  }

  @Test(arguments: [("production", ExitStatus.success), ("staging", .usage)])
  func statusOfOneEnvironment(environment: String, status: ExitStatus) async throws {
    let api = ScriptedAPI(statusReply: { Samples.status(services: [Samples.service()]) })
    let outcome = try await segue("status", "-e", environment, api: api)
    #expect(outcome.status == status)
    #expect(outcome.output.contains("production/web") == (status == .success))
  }

  // MARK: Advise

  private static let facts = ServiceFacts(
    key: Samples.key,
    spec: ServiceSpec(name: "web", run: "serve", instances: 3),
    cost: CostSpec(instanceHour: 40_000, currency: "EUR"),
    traffic: .init(requests: 30_000, failures: 30, over: .minutes(5)), boot: .seconds(4),
    drain: .seconds(2))

  @Test func theAdviceAsItIsPrinted() throws {
    let text = AdviceText(glyphs: .unicode)
    try expectGolden("advice", text.lines(AdviceReport(Self.facts, .init())))
    var exclusive = Self.facts
    exclusive.spec.strategy = .recreate(RecreateSpec())
    exclusive.boot = .seconds(40)
    exclusive.traffic = nil
    exclusive.cost = nil
    try expectGolden(
      "advice-exclusive", text.lines(AdviceReport(exclusive, .init(rate: 20, badRatio: 2.5))))
  }

  @Test func whatIsSaidGoesBeforeWhatWasMeasured() async throws {
    var api = ScriptedAPI()
    api.facts = [Self.facts]
    let outcome = try await segue(
      "advise", "web", "--rate", "7", "--boot", "9s", "--instances", "5", "--bad-ratio", "3",
      "--price", "1.5 USD", "--json", api: api)
    #expect(outcome.status == .success)
    let document = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    let report = try #require((document as? [[String: Any]])?.first)
    let facts = try #require(report["facts"] as? [String: Any])
    #expect(facts["requestRate"] as? Double == 7)
    #expect(facts["boot"] as? Int == 9_000)
    #expect(facts["badRatio"] as? Double == 3)
    #expect((facts["cost"] as? [String: Any])?["instanceHour"] as? Int == 1_500_000)
    #expect((facts["spec"] as? [String: Any])?["instances"] as? Int == 5)
    let advice = try #require(report["advice"] as? [String: Any])
    #expect((advice["rows"] as? [Any])?.count == 7)
    #expect(advice["recommended"] is String)
  }

  @Test(arguments: [ControlError.Kind.unreachable, .notFound])
  func withoutAControlPlaneTheFileIsEnough(kind: ControlError.Kind) async throws {
    try await withDirectory { directory in
      try FileManager.default.createDirectory(
        atPath: directory + "/.git", withIntermediateDirectories: true)
      let file = """
        version: 1
        project: shop
        services:
          web:
            run: ./serve --port $PORT
            instances: 4
          mail:
            run: ./mail
            worker: true
        """
      try Data(file.utf8).write(to: URL(filePath: directory + "/segue.yaml"))
      let api = ScriptedAPI(failure: ControlError(kind, "not there"))
      let one = try await segue("advise", "web", "--rate", "50", api: api, directory: directory)
      #expect(one.status == .success)
      #expect(one.output.hasPrefix("web\n"))
      let facts = one.output.split(separator: "\n").map {
        $0.split(separator: " ").joined(separator: " ")
      }
      #expect(facts.contains("instances 4 segue.yaml"))
      #expect(facts.contains("requests 50 a second as you say"))
      let both = try await segue("advise", api: api, directory: directory)
      #expect(both.output.contains("\nmail\n"))
      let unknown = try await segue("advise", "api", api: api, directory: directory)
      #expect(unknown.status == ExitStatus(kind))
    }
  }
}

@Suite struct RolloutTextTests {
  private let text = RolloutText(zone: utc)

  private func sentence(
    _ wait: WaitStatus, _ change: (inout RolloutStatus) -> Void = { _ in }
  ) -> String {
    var rollout = Samples.canary
    rollout.wait = wait
    change(&rollout)
    return text.sentence(rollout, now: moment(0))
  }

  @Test func everyWaitInPlainWords() {
    let soon = moment(200)
    let late = moment(50 * 3_600)
    #expect(
      sentence(.init(.time, until: soon))
        == "stage 2 of 5: holding at 5% for another 3 m 20 s")
    #expect(
      sentence(.init(.promotion, until: late))
        == "stage 2 of 5: holding at 5%, waiting for somebody to promote it, until Thu 14:03")
    #expect(
      sentence(.init(.verdict, until: soon))
        == "stage 2 of 5: holding at 5%, waiting for a verdict, at most another 3 m 20 s")
    #expect(
      sentence(.init(.decision, until: soon))
        == "stage 2 of 5: holding at 5%, not enough evidence: waiting for somebody to promote it, "
        + "until 12:06")
    #expect(
      sentence(.init(.pause, until: late, by: "ana", reason: "lunch"))
        == "stage 2 of 5: paused at 5% by ana: lunch, until Thu 14:03")
    #expect(
      sentence(.init(.instances, until: soon, ready: 1, wanted: 3))
        == "stage 2 of 5, 5%: waiting for 2 of 3 instances to become ready, at most another "
        + "3 m 20 s")
    #expect(
      sentence(.init(.router, until: soon))
        == "stage 2 of 5, 5%: waiting for the router to switch, at most another 3 m 20 s")
    #expect(
      sentence(.init(.drain))
        == "stage 2 of 5, 5%: finishing the requests of what left the table")
    #expect(
      sentence(.init(.database, until: soon))
        == "stage 2 of 5, 5%: the expand step runs, at most another 3 m 20 s")
  }

  @Test func stagesHaveTheirNames() {
    #expect(
      sentence(.init(.promotion, until: moment(60))) {
        $0.stageName = "shadow"
        $0.weight = Permille.none
        ($0.stage, $0.stages) = (1, 2)
      } == "stage 1 of 2, shadow: holding, waiting for somebody to promote it, until 12:04")
    #expect(
      sentence(.init(.instances, ready: 0, wanted: 1)) { $0.stageName = "batch 2 of 3" }
        == "batch 2 of 3: waiting for 1 of 1 instance to become ready")
    #expect(
      sentence(.init(.instances, ready: 1, wanted: 2)) {
        $0.stageName = "way back"
        $0.direction = "back"
        ($0.stage, $0.stages) = (1, 1)
      } == "way back: waiting for 1 of 2 instances of the earlier release to become ready")
    // A control plane of before says it itself.
    #expect(text.sentence(Samples.rollout(), now: moment(0)) == Samples.rollout().phase)
  }

  @Test(arguments: [
    (moment(0), "12:03"), (moment(40_000), "23:09"), (moment(43_200), "Wed 00:03"),
    (moment(6 * 86_400), "Mon 12:03"), (moment(7 * 86_400), "2026-12-01 12:03"),
    (moment(-86_400), "2026-11-23 12:03"),
  ])
  func momentsAsPeopleSayThem(instant: Instant, words: String) {
    #expect(Words.moment(instant, now: moment(0), in: utc) == words)
  }

  @Test(arguments: [
    (Int64(3_100), "0.0031 EUR"), (0, "0.00 EUR"), (99, "less than 0.0001 EUR"),
    (100, "0.0001 EUR"), (40_000, "0.04 EUR"), (999_960, "1.00 EUR"), (-1_500, "-0.0015 EUR"),
    (12_400_000, "12.40 EUR"), (1_234_567_890_000, "1,234,567.89 EUR"),
  ])
  func money(amount: Int64, words: String) { #expect(Words.money(amount, "EUR") == words) }
}
