import HTTPProbe
import Ports
import SegueModel
import Testing

@Suite struct HTTPProbeTests {
  private let up = HealthSpec(path: "/up", timeout: .seconds(60))
  private let hasty = HealthSpec(path: "/up", timeout: Milliseconds(200))

  private func response(_ status: String, _ rest: String = "Content-Length: 2\r\n\r\nok") -> String
  {
    "HTTP/1.1 \(status)\r\n\(rest)"
  }

  @Test(arguments: ["200 OK", "204 No Content", "299 Whatever"])
  func passes(status: String) async throws {
    let rest = status.hasPrefix("204") ? "\r\n" : "Content-Length: 2\r\n\r\nok"
    try await withServer(.answer(response(status, rest))) { endpoint, log in
      #expect(await HTTPProbe().check(endpoint, health: up) == .pass)
      let request = try #require(log.all.first)
      #expect(request.hasPrefix("GET /up HTTP/1.1\r\n"))
      #expect(request.contains("\r\nUser-Agent: segue-health/1\r\n"))
      #expect(request.contains("\r\nHost: 127.0.0.1:\(endpoint.port)\r\n"))
    }
  }

  @Test(arguments: [
    ("301 Moved", "GET /up answered 301 (redirects are not followed)"),
    ("302 Found", "GET /up answered 302 (redirects are not followed)"),
    ("404 Not Found", "GET /up answered 404"),
    ("503 Service Unavailable", "GET /up answered 503"),
  ])
  func failsByStatus(status: String, reason: String) async throws {
    let rest = "Location: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    try await withServer(.answer(response(status, rest))) { endpoint, log in
      #expect(await HTTPProbe().check(endpoint, health: up) == .fail(reason))
      #expect(log.all.count == 1)
    }
  }

  @Test func failsWithoutAnAnswer() async throws {
    try await withServer(.close) { endpoint, _ in
      #expect(
        await HTTPProbe().check(endpoint, health: up)
          == .fail("GET /up: the connection was closed without an answer"))
    }
    try await withServer(.silence) { endpoint, _ in
      #expect(
        await HTTPProbe().check(endpoint, health: hasty)
          == .fail("GET /up was not answered within 200 ms"))
    }
  }

  @Test func theTimeoutCoversTheBody() async throws {
    try await withServer(.answer(response("200 OK", "Content-Length: 9\r\n\r\nok"))) {
      endpoint, _ in
      #expect(
        await HTTPProbe().check(endpoint, health: hasty)
          == .fail("GET /up was not answered within 200 ms"))
    }
  }

  @Test func aBodyCutShortIsNoPass() async throws {
    try await withServer(.answerAndClose(response("200 OK", "Content-Length: 9\r\n\r\nok"))) {
      endpoint, _ in
      #expect(
        await HTTPProbe().check(endpoint, health: up)
          == .fail("GET /up answered 200 but its body was cut short"))
    }
  }

  @Test func anEndlessBodyDoesNotHoldTheProbe() async throws {
    try await withServer(.flood) { endpoint, _ in
      #expect(await HTTPProbe().check(endpoint, health: up) == .pass)
    }
  }

  @Test(arguments: ["garbage\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\u{16}\u{3}\u{1}\r\n\r\n"])
  func whatIsNotHTTPFails(answer: String) async throws {
    try await withServer(.answer(answer)) { endpoint, _ in
      #expect(
        await HTTPProbe().check(endpoint, health: up)
          == .fail("GET /up got an answer that is not HTTP/1.1"))
    }
  }

  @Test(arguments: ["/up", nil])
  func refused(path: String?) async throws {
    var free: Endpoint?
    try await withServer(.silence) { endpoint, _ in free = endpoint }
    let endpoint = try #require(free)
    #expect(
      await HTTPProbe().check(endpoint, health: HealthSpec(path: path, timeout: .seconds(60)))
        == .fail("connection refused on port \(endpoint.port)"))
  }

  @Test func withoutAPathAConnectionPasses() async throws {
    try await withServer(.silence) { endpoint, log in
      #expect(await HTTPProbe().check(endpoint, health: HealthSpec()) == .pass)
      #expect(log.all.isEmpty)
    }
  }

  @Test func eachCheckOpensItsOwnConnection() async throws {
    try await withServer(.answer(response("200 OK"))) { endpoint, log in
      for _ in 0..<3 { #expect(await HTTPProbe().check(endpoint, health: up) == .pass) }
      // The log has one entry per connection: a second request on one would be added to the first.
      #expect(log.all.count == 3)
      #expect(Set(log.all).count == 1)
    }
  }

  @Test func cancellationEndsTheCheck() async throws {
    try await withServer(.silence) { endpoint, log in
      let check = Task { await HTTPProbe().check(endpoint, health: up) }
      let end = ContinuousClock.now + .seconds(60)
      while log.all.isEmpty && ContinuousClock.now < end { await Task.yield() }
      check.cancel()
      #expect(await check.value == .fail("the check was cancelled"))
    }
  }

  @Test(arguments: ["up", "/a b", "/a\r\nHost: x", ""])
  func aPathThatCouldEndTheRequestLineIsNotSent(path: String) async throws {
    try await withServer(.answer(response("200 OK"))) { endpoint, log in
      let answer = await HTTPProbe().check(
        endpoint, health: HealthSpec(path: path, timeout: .seconds(60)))
      #expect(answer == .fail("the health path \(path) is not a valid request target"))
      #expect(log.all.isEmpty)
    }
  }

  @Test func asksOnAUnixSocket() async throws {
    try await withServer(.answer(response("200 OK")), onSocket: true) { endpoint, log in
      #expect(await HTTPProbe().check(endpoint, health: up) == .pass)
      #expect(await HTTPProbe().check(endpoint, health: HealthSpec()) == .pass)
      #expect(log.all.first?.contains("\r\nHost: localhost\r\n") == true)
    }
  }

  @Test func aSocketThatIsNotThereFails() async {
    let path = "/nonexistent/web.sock"
    #expect(
      await HTTPProbe().check(Endpoint(instance: "web-1", socket: path), health: up)
        == .fail("there is no socket \(path) yet"))
    let long = "/" + String(repeating: "s", count: 200)
    #expect(
      await HTTPProbe().check(Endpoint(instance: "web-1", socket: long), health: up)
        == .fail("\(long) is too long for a socket's path"))
  }

  @Test func namesAreNotLookedUp() async {
    let endpoint = Endpoint(instance: "web-1", host: "localhost", port: 1)
    #expect(
      await HTTPProbe().check(endpoint, health: up) == .fail("localhost is not an IP address"))
  }
}
