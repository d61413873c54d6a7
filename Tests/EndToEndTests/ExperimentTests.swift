import ControlProtocol
import Foundation
import LoadGenerator
import SegueModel
import Testing

/// Experiments, and releases that are judged by copies of requests; everything real.
@Suite(.serialized) struct ExperimentTests {
  /// An application whose users buy with a chance, that hangs up on some requests without an answer,
  /// and that has a price of its own.
  ///
  /// Users are told apart by a cookie that the load throws away, so that each request is a user's.
  private static func app(
    buying: Double = 0, hangingUp: Double = 0, price: Int = 3, strategy: String,
    analysis: String = "minimum: 1s"
  ) -> [String: String] {
    [
      "segue.yaml": """
      version: 1
      project: tried
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
      import asyncio, os, random, signal
      BUYING, HANGING_UP, PRICE = \(buying), \(hangingUp), \(price)

      async def serve(reader, writer):
          try:
              while head := await reader.readuntil(b"\\r\\n\\r\\n"):
                  path = head.split(b" ")[1]
                  lines, body = b"", b"ok"
                  if path.startswith(b"/price/"):
                      lines, body = b"Content-Type: application/json\\r\\n", b'{"price": %d}' % PRICE
                  elif path != b"/up":
                      if random.random() < HANGING_UP:
                          break
                      if random.random() < BUYING:
                          lines = b"Segue-Goal: checkout\\r\\n"
                  writer.write(b"HTTP/1.1 200 OK\\r\\n" + lines
                      + b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body)
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

  private static func ab(limit: String) -> String {
    "ab: { until: verdict, limit: \(limit), goals: { checkout: { header: Segue-Goal }, "
      + "paid: { posted: true, count: sum } } }"
  }

  private static func load(_ segue: Installation, _ path: String = "/", rate: Int = 400)
    throws -> LoadRun
  {
    let plan = LoadPlan(
      url: segue.url + path, postPath: nil, connections: 16, postShare: 0, rate: rate,
      duration: .seconds(600), timeout: .seconds(20))
    let run = try LoadRun(plan)
    try run.start()
    return run
  }

  /// Rolls out one application after another one under load.
  private static func receipt(
    _ segue: Installation, from: [String: String], to: [String: String],
    paths: [(path: String, rate: Int)] = [("/", 400)]
  ) async throws -> Receipt {
    try await segue.makeRepository(from)
    try await segue.start()
    _ = try await segue.push()
    let loads = try paths.map { try load(segue, $0.path, rate: $0.rate) }
    try await segue.commit("Try something", to.merging(["note.txt": "2"]) { new, _ in new })
    _ = try await segue.push()
    let receipt = try await segue.decode(Receipt.self, "receipt")
    for load in loads {
      let report = await load.stop()
      #expect(report.failed == 0, "\(report.failures)")
    }
    return receipt
  }

  @Test(arguments: [(0.3, Receipt.Outcome.live, "new"), (0.03, .rolledBack, "old")])
  func theBetterReleaseWins(
    _ buying: Double, _ outcome: Receipt.Outcome, _ winner: String
  ) async throws {
    try await withInstallation { segue in
      let strategy = Self.ab(limit: "10m")
      let receipt = try await Self.receipt(
        segue, from: Self.app(buying: 0.1, strategy: strategy),
        to: Self.app(buying: buying, strategy: strategy))
      #expect(receipt.outcome == outcome, "\(receipt.reason ?? "")")
      let experiment = try #require(receipt.experiment)
      #expect(experiment.state == .winner && experiment.winner == winner)
      #expect(experiment.end == .verdict)
      #expect(experiment.variants.allSatisfy { $0.units >= 100 })
      #expect(experiment.crossed == 0 && experiment.unreadable == 0)
      let row = try #require(experiment.rows.first { $0.difference != nil })
      #expect(row.goal == "checkout" && row.variant == "new")
      #expect(row.difference.map { $0 > 0 } == (winner == "new"))
      let shown = try await segue.cli("experiment")
      #expect(shown.status == 0)
      #expect(shown.all.contains("\(winner) wins: checkout of new is "), "\(shown.all)")
      #expect(shown.all.contains("between "))
      #expect(try await segue.cli("receipt").all.contains("what users did"))
    }
  }

  /// A person's word counts, too, and the experiment ends by its date.
  @Test func equalReleasesHaveNoWinner() async throws {
    try await withInstallation { segue in
      let app = Self.app(buying: 0.1, strategy: Self.ab(limit: "20s"))
      async let finished = Self.receipt(segue, from: app, to: app)
      try await until("users are counted", deadline: .seconds(120)) {
        let reply = try? await segue.decode(ExperimentReply.self, "experiment")
        return reply.map { $0.isRunning && $0.result.variants.allSatisfy { $0.units > 100 } }
          ?? false
      }
      let curl = ["curl", "-sS", "-m", "5", "-H", "Cookie: user=ana", segue.url]
      #expect(try await segue.run(curl).standardOutput == "ok")
      let counted = try await segue.cli("goal", "paid", "ana", "--value", "12.50")
      #expect(counted.status == 0, "\(counted.all)")
      let posted = try await segue.run([
        "curl", "-sS", "-m", "5", "--unix-socket", segue.state + "/control.sock", "-H",
        "segue-protocol: 1", "-d", #"{"goal": "paid", "unit": "ana"}"#, "http://segue/v1/goal",
      ])
      #expect(posted.standardOutput.contains("paid was counted for ana"), "\(posted.all)")
      let refused = try await segue.cli("goal", "paid", "nobody")
      #expect(refused.status != 0 && refused.all.contains("no user nobody"))
      let receipt = try await finished
      #expect(receipt.outcome == .rolledBack)
      #expect(receipt.reason?.contains("not enough evidence within 20 s") ?? false)
      let experiment = try #require(receipt.experiment)
      #expect(experiment.state == .undecided && experiment.end == .date)
      #expect(experiment.rows.filter { $0.goal == "paid" }.contains { $0.perUnit > 0 })
    }
  }

  /// The new release loses users before they are counted, so that those who are left prove nothing.
  @Test func aSplitThatIsNotAsIntendedHasNoVerdict() async throws {
    try await withInstallation { segue in
      let strategy = Self.ab(limit: "15s")
      let receipt = try await Self.receipt(
        segue, from: Self.app(buying: 0.1, strategy: strategy),
        to: Self.app(buying: 0.5, hangingUp: 0.4, strategy: strategy, analysis: "watch: []"))
      #expect(receipt.outcome == .rolledBack)
      let experiment = try #require(receipt.experiment)
      #expect(experiment.state == .splitBroken && experiment.winner == nil)
      #expect(experiment.sentence.hasPrefix("the units were not split as intended"))
      #expect(try await segue.cli("experiment").all.contains("so the result proves nothing"))
    }
  }

  @Test func aShadowWhoseAnswersDifferIsRefusedByName() async throws {
    try await withInstallation { segue in
      let strategy = "shadow: { until: verdict, tolerate: 1% }"
      let receipt = try await Self.receipt(
        segue, from: Self.app(strategy: strategy), to: Self.app(price: 4, strategy: strategy),
        paths: [("/", 200), ("/price/17?token=secret", 40)])
      #expect(receipt.outcome == .rolledBack)
      let reason = try #require(receipt.reason)
      #expect(reason.contains("GET /price/{n} (body: $.price)"), "\(reason)")
      #expect(!reason.contains("secret"))
      let group = try #require(receipt.mirror?.groups?.first)
      #expect(group.request == "GET /price/{n}" && group.count >= 3)
      #expect(receipt.mirror?.groups?.count == 1)
      #expect(try await segue.cli("explain").all.contains("GET /price/{n}"))
      #expect(try await segue.cli("receipt").all.contains("GET /price/{n}"))
    }
  }

  @Test func aShadowThatAnswersTheSameIsPromoted() async throws {
    try await withInstallation { segue in
      let app = Self.app(strategy: "shadow: { until: verdict, tolerate: 1% }")
      let receipt = try await Self.receipt(
        segue, from: app, to: app, paths: [("/", 300), ("/price/17", 100)])
      #expect(receipt.outcome == .live, "\(receipt.reason ?? "")")
      #expect(receipt.mirror.map { $0.compared >= 500 && $0.equal == $0.compared } ?? false)
      let ended = receipt.phases.compactMap(\.detail)
      #expect(ended.contains { $0.hasPrefix("judged good: 0 of ") }, "\(ended)")
    }
  }
}
