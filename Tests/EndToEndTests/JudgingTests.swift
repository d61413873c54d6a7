import ControlProtocol
import Foundation
import LoadGenerator
import ReceiverProcess
import SegueModel
import Testing

/// Releases that live traffic judges; everything real.
@Suite(.serialized) struct JudgingTests {
  /// An application that fails one of so many requests, and is slow with one of so many others.
  ///
  /// Users are told apart by a cookie that the load throws away, so that each request is a user's.
  private static func app(
    failing: Int = 0, slow: Int = 0, milliseconds: Int = 0, strategy: String, analysis: String
  ) -> [String: String] {
    [
      "segue.yaml": """
      version: 1
      project: judged
      pipeline:
        - step: check
          run: python3 -m py_compile app.py
      services:
        web:
          run: python3 -u app.py
          instances: 2
          health: { path: /up, interval: 100ms }
          route: { sticky: { cookie: user, issue: true } }
          strategy: { \(strategy) }
          analysis: { \(analysis) }

      """,
      "app.py": """
      import asyncio, itertools, os, signal
      FAILING, SLOW, SECONDS = \(failing), \(slow), \(milliseconds) / 1000
      numbers = itertools.count(1)

      async def serve(reader, writer):
          try:
              while head := await reader.readuntil(b"\\r\\n\\r\\n"):
                  status = b"200 OK"
                  if not head.startswith(b"GET /up "):
                      number = next(numbers)
                      if FAILING and number % FAILING == 0:
                          status = b"500 Broken"
                      if SLOW and number % SLOW == 0:
                          await asyncio.sleep(SECONDS)
                  writer.write(b"HTTP/1.1 " + status + b"\\r\\nContent-Length: 2\\r\\n\\r\\nok")
                  await writer.drain()
          except (asyncio.IncompleteReadError, ConnectionError):
              pass
          writer.close()

      async def main():
          server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]))
          stop = asyncio.Event()
          asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
          await stop.wait()
          server.close()

      asyncio.run(main())

      """,
    ]
  }

  /// Requests with the answer 500 are what is judged here, and no failure of the router's.
  private static func load(_ segue: Installation, rate: Int) throws -> LoadRun {
    var plan = LoadPlan(
      url: segue.url + "/", postPath: nil, connections: 16, postShare: 0, rate: rate,
      duration: .seconds(600), timeout: .seconds(20))
    plan.expectedStatuses = [200, 500]
    let run = try LoadRun(plan)
    try run.start()
    return run
  }

  @Test func aReleaseThatFailsOneInAHundredIsTakenBack() async throws {
    try await withInstallation { segue in
      let canary = "canary: { steps: [5%], until: verdict }"
      let analysis = "watch: [errors], maximum: 10m"
      try await segue.makeRepository(Self.app(strategy: canary, analysis: analysis))
      try await segue.start()
      _ = try await segue.push()
      let load = try Self.load(segue, rate: 500)
      try await segue.commit(
        "Break one in a hundred", Self.app(failing: 100, strategy: canary, analysis: analysis))
      _ = try await segue.push()
      let receipt = try await segue.decode(Receipt.self, "receipt")
      let report = await load.stop()
      #expect(receipt.outcome == .rolledBack)
      let reason = try #require(receipt.reason)
      #expect(reason.hasPrefix("judged bad: canary "), "\(reason)")
      #expect(reason.contains("chance of this under the tolerated ratio 1.25 at most 1 in "))
      let exposed = try #require(receipt.traffic.first { $0.release == receipt.to })
      #expect(exposed.responses[4] >= 2 && exposed.responses[4] < 40, "\(exposed)")
      let judgement = try #require(receipt.judgement)
      #expect(judgement.answer == .bad && judgement.errors >= 2 && judgement.errorsBefore == 0)
      #expect(judgement.points.last.map { $0.against >= 1_000 } ?? false)
      let shown = try await segue.cli("receipt", "--svg", "evidence.svg")
      #expect(
        shown.all.contains("judged by live traffic") && shown.all.contains("in parts of what"))
      let picture = try String(contentsOfFile: segue.repository + "/evidence.svg", encoding: .utf8)
      #expect(picture.hasPrefix("<svg "))
      #expect(report.failed == 0, "\(report.failures)")
    }
  }

  @Test func aReleaseThatIsNoWorseIsPromoted() async throws {
    try await withInstallation { segue in
      let canary = "canary: { steps: [50%], until: verdict }"
      let analysis = "watch: [errors], minimum: 1s, maximum: 10m"
      let app = Self.app(failing: 50, strategy: canary, analysis: analysis)
      try await segue.makeRepository(app)
      try await segue.start()
      _ = try await segue.push()
      let load = try Self.load(segue, rate: 500)
      try await segue.commit("Change nothing that matters", ["note.txt": "2"])
      _ = try await segue.push()
      let receipt = try await segue.decode(Receipt.self, "receipt")
      let report = await load.stop()
      #expect(receipt.outcome == .live, "\(receipt.reason ?? "")")
      #expect(report.failed == 0, "\(report.failures)")
    }
  }

  @Test func aReleaseThatIsSlowerForFewIsTakenBack() async throws {
    try await withInstallation { segue in
      let canary = "canary: { steps: [50%], until: verdict }"
      let analysis = "watch: [errors, latency], maximum: 10m"
      try await segue.makeRepository(
        Self.app(slow: 40, milliseconds: 200, strategy: canary, analysis: analysis))
      try await segue.start()
      _ = try await segue.push()
      let load = try Self.load(segue, rate: 400)
      try await segue.commit(
        "Slow down the slowest",
        Self.app(slow: 40, milliseconds: 260, strategy: canary, analysis: analysis))
      _ = try await segue.push()
      let receipt = try await segue.decode(Receipt.self, "receipt")
      let report = await load.stop()
      #expect(receipt.outcome == .rolledBack)
      #expect(receipt.reason?.contains("too many slow requests") ?? false)
      #expect(report.failed == 0, "\(report.failures)")
    }
  }

  /// Silence is never success, unless somebody has said so.
  @Test(arguments: [("roll-back", Receipt.Outcome.rolledBack), ("promote", .live)])
  func withoutTrafficNothingIsKnown(_ choice: String, _ outcome: Receipt.Outcome) async throws {
    try await withInstallation { segue in
      let app = Self.app(
        strategy: "canary: { steps: [5%], until: verdict }",
        analysis: "minimum: 1ms, maximum: 3s, on-insufficient: \(choice)")
      try await segue.makeRepository(app)
      try await segue.start()
      _ = try await segue.push()
      try await segue.commit("Go on", ["note.txt": "2"])
      _ = try await segue.push()
      let receipt = try await segue.decode(Receipt.self, "receipt")
      #expect(receipt.outcome == outcome)
      if outcome == .rolledBack {
        #expect(receipt.reason?.contains("not enough evidence") ?? false, "\(receipt.reason ?? "")")
      }
    }
  }

  /// Nothing serves beside a release any more that took all of the traffic at once; it is held against
  /// the time before, and people are told what was found.
  @Test func aReleaseThatFailsLaterIsTakenBackWhileItIsBaked() async throws {
    try await Receiver.with("webhook-receiver.py", ["-"]) { people in
      try await withInstallation { segue in
        func app(failing: Int = 0) -> [String: String] {
          var app = Self.app(
            failing: failing, strategy: "blue-green: {}",
            analysis: "bake: 5m, on-regression: roll-back")
          app["segue.yaml"]? += "notify: { people: { slack: CHAT, events: [late-regression] } }\n"
          return app
        }
        try segue.setSecret("CHAT", "http://127.0.0.1:\(people.port)/chat")
        try await segue.makeRepository(app())
        try await segue.start()
        _ = try await segue.push()
        let before = try await segue.decode(Receipt.self, "receipt")
        let load = try Self.load(segue, rate: 300)
        try await until("there is a time before", deadline: .seconds(60)) {
          load.snapshot().requests >= 4_000
        }
        try await segue.commit("Break one in ten", app(failing: 10))
        _ = try await segue.push()
        try await until("it is taken back", deadline: .seconds(60)) {
          let receipt = try await segue.decode(Receipt.self, "receipt")
          return receipt.kind == "rollback" && receipt.to == before.to
        }
        let receipt = try await segue.decode(Receipt.self, "receipt")
        #expect(receipt.request?.contains("fails more often than the hour before it") ?? false)
        #expect(await load.stop().failed == 0)
        try await until("people are told", deadline: .seconds(60)) { !people.accepted.isEmpty }
        #expect(people.accepted.count == 1)
        let text = people.accepted.first?.body ?? ""
        #expect(text.contains("fails more often than the hour before it"), "\(text)")
        #expect(text.contains("it is taken back"), "\(text)")
        try await until("nothing is wrong any more", deadline: .seconds(60)) {
          try await segue.decode(StatusReply.self, "status").problems.isEmpty
        }
      }
    }
  }

  /// The command gives the release that is listed first 1, and any other 5.
  @Test(arguments: [
    ("tolerate: 20", "queue"), ("at-most: 3.5", "queue is 5.0, and must be at most 3.5"),
  ])
  func aReleaseThatIsWorseByAMetricOfOnesOwnIsTakenBack(_ rule: String, _ reason: String)
    async throws
  {
    try await withInstallation { segue in
      let known = segue.root + "/known"
      let command = "grep -qx $SEGUE_VERSION \(known) && echo 1 || echo 5"
      let app = Self.app(
        strategy: "canary: { steps: [50%], hold: 10m }",
        analysis: "metrics: { queue: { command: '\(command)', interval: 1s, \(rule) } }")
      try await segue.makeRepository(app)
      try await segue.start()
      _ = try await segue.push()
      let first = try #require(try await segue.decode(Receipt.self, "receipt").to)
      try "\(first)\n".write(toFile: known, atomically: true, encoding: .utf8)
      try await segue.commit("Let the queue grow", ["note.txt": "2"])
      _ = try await segue.push()
      let receipt = try await segue.decode(Receipt.self, "receipt")
      #expect(receipt.outcome == .rolledBack)
      #expect(receipt.reason?.contains(reason) ?? false, "\(receipt.reason ?? "")")
    }
  }
}
