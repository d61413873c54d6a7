import ControlClient
import ControlProtocol
import Foundation
import SegueModel
import Testing

@testable import ControlServer

@Suite struct EndpointTests {
  @Test func everyQuestionArrivesAndItsAnswerComesBack() async throws {
    let api = FakeControlAPI()
    let experiment = ExperimentRequest(service: "web", environment: "production")
    try await withClient(api) { client in
      expectEqual(try await client.status(), Samples.status)
      expectEqual(try await client.history(limit: 7), [Samples.entry])
      expectEqual(try await client.receipt(nil), Samples.receipt)
      expectEqual(try await client.receipt("R 1/ä+&=?"), Samples.receipt)
      expectEqual(try await client.explain(nil), Samples.explanation)
      expectEqual(try await client.explain("1a2b"), Samples.explanation)
      expectEqual(try await client.diagnose(), [Samples.finding])
      let wanted = FactsRequest(service: "web", environment: "production")
      expectEqual(try await client.facts(wanted), [Samples.facts])
      expectEqual(try await client.facts(FactsRequest()), [Samples.facts])
      expectEqual(try await client.calendar("production").environments, [])
      expectEqual(
        try await client.calendarFeed(nil), "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")
      #expect(try await client.experiment(experiment).rollout == "R1")
      #expect(try await client.gates("1a2b").record.failing.map(\.gate) == ["tests"])
      #expect(
        try await client.tests(TestsRequest(question: .slow, limit: 3)).map(\.test) == ["a.b"])
      #expect(try await client.testDurations(DurationsRequest(limit: 4)).tests.isEmpty)
      #expect(try await client.testTimes().times == ["a.b": .seconds(1)])
    }
    #expect(
      api.questions == [
        "status", "history 7", "receipt last", "receipt R 1/ä+&=?", "explain newest",
        "explain 1a2b", "diagnose",
        "\(FactsRequest(service: "web", environment: "production"))", "\(FactsRequest())",
        "calendar production", "feed of all",
        "\(experiment)", "gates 1a2b", "tests slow 3", "durations 4", "times",
      ])
  }

  @Test func everyCommandArrivesWhole() async throws {
    let api = FakeControlAPI()
    let deploy = DeployRequest(revision: "v1.2", allowOlder: true, again: true, who: "ana")
    let rollback = RollbackRequest(
      service: "web", environment: "production", to: "r-1", who: "li", reason: "\"slow\"\n")
    let abort = AbortRequest(service: nil, who: "ana", reason: nil)
    let pause = PauseRequest(service: "web", environment: "staging", who: "ana", reason: "lunch")
    let resume = ResumeRequest(who: "li", reason: nil)
    let promote = PromoteRequest(service: "web", toTheEnd: true, who: "li", reason: "fine: 100 %")
    let release = PromoteReleaseRequest(environment: "production", release: "r-1", who: "li")
    let freeze = FreezeRequest(
      environment: "production", from: "now", until: "8h", reason: "“fair”", zone: "UTC", who: "ana"
    )
    let lift = LiftRequest(freeze: "freeze-1", who: "li")
    let approve = ApproveRequest(
      release: "r-1", environment: "production", word: .no, milestone: "beta", note: "n", who: "li")
    let goal = GoalRequest(
      service: "web", environment: "production", goal: "paid", unit: "ü=&", value: "12.50")
    let pushed = PushedRequest(branch: "main", commit: Samples.commit, who: "ana")
    try await withClient(api) { client in
      expectEqual(try await client.deploy(deploy), Samples.deployed)
      expectEqual(try await client.rollback(rollback), Samples.rollouts)
      expectEqual(try await client.abort(abort), Samples.rollouts)
      expectEqual(try await client.pause(pause), Samples.rollouts)
      expectEqual(try await client.resume(resume), Samples.rollouts)
      expectEqual(try await client.promote(promote), Samples.rollouts)
      expectEqual(try await client.promoteRelease(release), Samples.deployed)
      expectEqual(try await client.pushed(pushed), Samples.deployed)
      expectEqual(try await client.freeze(freeze).freeze, "freeze-1")
      expectEqual(try await client.lift(lift).message, "lifted")
      expectEqual(try await client.approve(approve).message, "recorded")
      expectEqual(try await client.reach(goal).message, "counted")
    }
    #expect(
      api.questions == [
        "\(deploy)", "\(rollback)", "\(abort)", "\(pause)", "\(resume)", "\(promote)", "\(release)",
        "\(pushed)", "\(freeze)", "\(lift)", "\(approve)", "\(goal)",
      ])
  }

  @Test func streamsArriveInOrderAndEnd() async throws {
    let api = FakeControlAPI()
    let request = LogsRequest(
      step: "test", commit: "1a2b", service: "web", environment: "staging",
      instance: "web-1", tail: 5, follow: true)
    try await withClient(api) { client in
      let items = try await client.feed(after: 40, follow: true, commit: Samples.commit).all()
      #expect(items == [Samples.item(1), Samples.item(2)])
      expectEqual(try await client.logs(request).all(), Samples.lines)
    }
    #expect(api.questions == ["feed 40 true \(Samples.commit)", "\(request)"])
  }

  @Test(arguments: [
    (ControlError.Kind.invalid, 400), (.notFound, 404), (.refused, 409), (.failed, 502),
    (.unreachable, 503),
  ])
  func errorsKeepTheirKindAndGetAFittingStatus(kind: ControlError.Kind, code: Int) async throws {
    let error = ControlError(kind, "No.", causes: ["a", "b"], nextStep: "Do c")
    try await withServer(FakeControlAPI(failure: error)) { path in
      try await ControlClient.with(socketPath: path) { client in
        await #expect(throws: error) { try await client.status() }
        await #expect(throws: error) {
          try await client.feed(after: 0, follow: false, commit: nil).all()
        }
      }
      let answer = try await RawSocket.ask(
        path, "GET", ControlWire.Path.status, until: "\"nextStep\"")
      #expect(answer.hasPrefix("HTTP/1.1 \(code) "))
      #expect(answer.contains("\(ControlWire.versionHeader): \(controlProtocolVersion)"))
    }
  }

  @Test(arguments: [
    ("GET", "/v1/nothing", RawSocket.versionHeader, "", "404", "there is no GET /v1/nothing"),
    ("GET", "/v1/history?limit=-1", RawSocket.versionHeader, "", "400", "limit must be"),
    ("GET", "/v1/feed?follow=maybe", RawSocket.versionHeader, "", "400", "follow must be"),
    ("POST", "/v1/deploy", RawSocket.versionHeader, "{", "400", "not as expected"),
    (
      "POST", "/v1/deploy", RawSocket.versionHeader, String(repeating: " ", count: 2_000), "400",
      "larger than 1000 bytes"
    ),
    ("GET", "/v1/status", [], "", "400", "the request names none"),
    ("GET", "/v1/status", ["segue-protocol: 99"], "", "400", "the request version 99"),
  ])
  func badRequestsAreToldWhatIsWrong(
    method: String, target: String, headers: [String], body: String, code: String, text: String
  ) async throws {
    try await withServer(FakeControlAPI(), .init(maximumBody: 1_000)) { path in
      let answer = try await RawSocket.ask(
        path, method, target, headers: headers, body: body, until: text)
      #expect(answer.hasPrefix("HTTP/1.1 \(code) "))
    }
  }
}

extension AsyncThrowingStream {
  func all() async throws -> [Element] {
    var elements: [Element] = []
    for try await element in self { elements.append(element) }
    return elements
  }
}
