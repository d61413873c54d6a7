import Glibc
import Synchronization
import Testing

@testable import LoadGenerator

/// What is a failure, and what is not: each against a server that does exactly that.
@Suite(.timeLimit(.minutes(2)))
struct LoadRunTests {
  typealias Answer = ScriptedServer.Answer

  /// Sends `plan` (its URL is the server's) to a server with `script`.
  private func report(
    _ plan: LoadPlan = LoadPlan(url: "", connections: 1, requests: 10),
    script: @escaping @Sendable (ScriptedServer.Request) -> Answer
  ) async throws -> LoadReport {
    let server = try ScriptedServer(script)
    defer { server.stop() }
    var plan = plan
    plan.url = server.url
    let run = try LoadRun(plan)
    try run.start()
    return await run.finish()
  }

  @Test func countsRequestsThatAreAnswered() async throws {
    let plan = LoadPlan(url: "", connections: 4, postShare: 30, requests: 1_000)
    let report = try await report(plan) { request in
      .ok(request.body, fields: request.number < 500 ? "X-Version: 1\r\n" : "x-version:  2 \r\n")
    }
    #expect(report.finished)
    #expect(report.requests == 1_000)
    #expect(report.failed == 0, "\(report.failures)")
    #expect((report.gets, report.posts, report.acknowledgedPosts) == (700, 300, 300))
    #expect(report.connects == 4)
    #expect(report.statuses == [.init(status: 200, requests: 1_000)])
    #expect(report.versions.map(\.version) == ["1", "2"])
    #expect(report.versions.map(\.requests) == [500, 500])
    #expect(report.versions[0].lastSeenAt <= report.elapsedMicroseconds)
    #expect(report.latency.buckets.map(\.count).reduce(0, +) == 1_000)
    #expect(report.timeline.map(\.requests).reduce(0, +) == 1_000)
    #expect(report.latency.p50 <= report.latency.p99)
    #expect(report.latency.p99 <= report.latency.largest)
  }

  @Test func postsCarryIdsThatAreNeverRepeated() async throws {
    let ids = Mutex<[String]>([])
    let server = try ScriptedServer { request in
      ids.withLock { $0.append(request.id) }
      return .ok(request.body)
    }
    defer { server.stop() }
    let run = try LoadRun(
      LoadPlan(url: server.url, connections: 4, postShare: 100, postPadding: 100, requests: 200))
    try run.start()
    let report = await run.finish()
    #expect(report.failed == 0, "\(report.failures)")
    let seen = ids.withLock { $0 }
    #expect(Set(seen) == Set((1...200).map { "\(report.postIDPrefix)\($0)" }))
    #expect(seen.count == 200)
  }

  @Test func anAnnouncedCloseIsNoFailure() async throws {
    let report = try await report { _ in .ok(fields: "Connection: Close\r\n", closes: true) }
    #expect(report.failed == 0, "\(report.failures)")
    #expect(report.announcedCloses == 10)
    #expect(report.connects == 10)
  }

  @Test func aConnectionThatEndedWhileIdleIsNoFailure() async throws {
    // With a rate the end arrives well before the next request is due.
    let plan = LoadPlan(url: "", connections: 1, rate: 5, requests: 4)
    let report = try await report(plan) { _ in .ok(closes: true) }
    #expect(report.failed == 0, "\(report.failures)")
    #expect(report.closedWhileIdle == 3)
    #expect(report.connects == 4)
  }

  @Test func interimAndChunkedAnswersAreUnderstood() async throws {
    let report = try await report { _ in
      Answer(
        bytes: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n"
          + "Transfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n"
      )
    }
    #expect(report.failed == 0, "\(report.failures)")
    #expect(report.connects == 1)
  }

  @Test func aBodyMayEndWithItsConnection() async throws {
    let report = try await report { _ in
      Answer(bytes: "HTTP/1.1 200 OK\r\n\r\nall of it", closes: true)
    }
    #expect(report.failed == 0, "\(report.failures)")
    #expect(report.connects == 10)
  }

  struct FailureCase: Sendable, CustomTestStringConvertible {
    var name: String
    var kind: LoadReport.FailureKind
    var answer: @Sendable (ScriptedServer.Request) -> Answer
    var testDescription: String { name }
  }

  static let failureCases: [FailureCase] = [
    .init(name: "end without an answer", kind: .eof) { _ in Answer(bytes: "", closes: true) },
    .init(name: "end within the head", kind: .eof) { _ in
      Answer(bytes: "HTTP/1.1 200 OK\r\nContent-", closes: true)
    },
    .init(name: "end within the body", kind: .eof) { _ in
      Answer(bytes: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", closes: true)
    },
    .init(name: "end within a chunk", kind: .eof) { _ in
      Answer(
        bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", closes: true)
    },
    .init(name: "reset", kind: .reset) { _ in Answer(bytes: "", resets: true) },
    .init(name: "unexpected status", kind: .status) { _ in
      Answer(bytes: "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
    },
    .init(name: "no HTTP", kind: .malformed) { _ in Answer(bytes: "SSH-2.0-OpenSSH_9.6\r\n") },
    .init(name: "another id", kind: .echo) { _ in .ok("{\"id\":\"somebody else's\"}") },
    .init(name: "executed twice", kind: .duplicate) { request in
      .ok("\(request.body) duplicate")
    },
    .init(name: "never answered", kind: .timeout) { _ in Answer(bytes: "", hangs: true) },
  ]

  @Test(arguments: failureCases)
  func countsFailures(_ failure: FailureCase) async throws {
    var plan = LoadPlan(url: "", connections: 1, postShare: 100, requests: 3)
    if failure.kind == .timeout { plan.timeout = .milliseconds(20) }
    let report = try await report(plan, script: failure.answer)
    #expect(report.requests == 3)
    #expect(report.failed == 3)
    #expect(report.failureKinds == [.init(kind: failure.kind, requests: 3)], "\(report.failures)")
    #expect(report.failures.count == 3)
    #expect(report.acknowledgedPosts == 0)
    let first = try #require(report.failures.first)
    #expect(first.what.hasPrefix("POST / with id \(report.postIDPrefix)1: "), "\(first.what)")
  }

  @Test func refusedConnectionsAreFailures() async throws {
    let server = try ScriptedServer { _ in .ok() }
    // Served once, so that the listener is known to be gone afterwards.
    let warm = try LoadRun(LoadPlan(url: server.url, connections: 1, requests: 1))
    try warm.start()
    #expect(await warm.finish().failed == 0)
    server.stop()
    let run = try LoadRun(LoadPlan(url: server.url, connections: 2))
    try run.start()
    try await eventually { run.snapshot().failureKinds.contains { $0.kind == .refused } }
    let report = await run.stop()
    #expect(report.failed > 0)
    #expect(report.failures.count <= 20)
    #expect(report.longestStallMicroseconds > 0)
  }

  @Test func surplusBytesEndTheConnectionAndAreCounted() async throws {
    let report = try await report { _ in
      Answer(bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n")
    }
    #expect(report.failed == 0)
    #expect(report.unsolicited == 10)
    #expect(report.connects == 10)
  }

  @Test func expectedStatusesReplaceTheUsualOnes() async throws {
    let plan = LoadPlan(url: "", connections: 1, expectedStatuses: [200, 404], requests: 4)
    let report = try await report(plan) { request in
      switch request.number {
      case 0: .ok()
      case 1: Answer(bytes: "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
      default: Answer(bytes: "HTTP/1.1 204 No Content\r\n\r\n")
      }
    }
    #expect(report.failureKinds == [.init(kind: .status, requests: 2)])
    #expect(report.statuses.map(\.status) == [200, 204, 404])
  }

  @Test func runsUntilToldToStop() async throws {
    let server = try ScriptedServer { .ok($0.body) }
    defer { server.stop() }
    let run = try LoadRun(LoadPlan(url: server.url, connections: 3, postShare: 50))
    try run.start()
    try await eventually { run.snapshot().requests >= 100 }
    #expect(!run.snapshot().finished)
    let report = await run.stop()
    #expect(report.finished)
    #expect(report.failed == 0, "\(report.failures)")
    // What was sent was waited for: the two sides agree on how many there were.
    #expect(report.requests == server.requests)
    #expect(await run.finish() == report)
  }

  @Test func aStopMayAskForMoreFirst() async throws {
    let gate = Mutex(false)
    let server = try ScriptedServer { _ in
      // On the server's own thread: no request is answered before all stops were asked for.
      while !gate.withLock({ $0 }) { sched_yield() }
      return .ok()
    }
    defer { server.stop() }
    let run = try LoadRun(LoadPlan(url: server.url, connections: 2))
    try run.start()
    run.requestStop(atLeast: 300)
    run.requestStop(atLeast: 200)
    run.requestStop(atLeast: 250)
    gate.withLock { $0 = true }
    #expect(await run.finish().requests == 200)
  }

  @Test func aRunThatWasNeverStartedStopsAtOnce() async throws {
    let run = try LoadRun(LoadPlan(url: "http://127.0.0.1:9/"))
    let report = await run.stop()
    #expect(report.requests == 0)
    #expect(report.finished)
    try run.start()
    #expect(run.snapshot().requests == 0)
  }

  @Test func aDurationBoundsTheRun() async throws {
    let plan = LoadPlan(url: "", connections: 2, duration: .milliseconds(150))
    let report = try await report(plan) { _ in .ok() }
    #expect(report.elapsedMicroseconds >= 150_000)
    #expect(report.requests > 0)
    #expect(report.failed == 0, "\(report.failures)")
  }

  @Test func aRateIsNotExceeded() async throws {
    let plan = LoadPlan(url: "", connections: 4, rate: 200, requests: 40)
    let report = try await report(plan) { _ in .ok() }
    // 40 requests have 39 intervals of 5 ms between them.
    #expect(report.elapsedMicroseconds >= 195_000)
    #expect(report.failed == 0, "\(report.failures)")
  }

  private func eventually(_ condition: () -> Bool) async throws {
    let clock = ContinuousClock()
    let deadline = clock.now + .seconds(60)
    while !condition() {
      try #require(clock.now < deadline, "the condition was not met in time")
      try await Task.sleep(for: .milliseconds(2))
    }
  }
}
