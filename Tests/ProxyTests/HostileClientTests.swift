import Ports
import SegueModel
import Testing

@testable import Proxy

/// Clients that are wrong, slow or malicious.
@Suite struct HostileClientTests {
  @Test(arguments: [
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 400),
    ("GET / HTTP/1.1\nHost: a\n\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET /" + String(repeating: "x", count: 9_000) + " HTTP/1.1\r\n\r\n", 414),
    ("GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: y\r\n", count: 200) + "\r\n", 431),
    ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501),
  ])
  func whatCanBeMisreadIsRefused(_ request: String, _ status: Int) async throws {
    let backend = try Backend.named("reached")
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      try await onThread {
        let client = try proxy.connect()
        try client.write(request + "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        let response = try client.readResponse()
        #expect(response.status == status && response.closes)
        #expect(client.hasEnded())
      }
      #expect(backend.accepted == 0)
    }
  }

  @Test(arguments: ["0_2e\r\n", "+1\r\nx\r\n", "1\nx\n", "1;\nx\r\n", "0\r\nHost: b\r\n\r\n"])
  func badChunksAreRefused(_ body: String) async throws {
    let backend = try Backend { socket in
      guard try socket.read(through: "\r\n\r\n") != nil else { return }
      _ = try socket.readToEnd()
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      try await onThread {
        let client = try proxy.connect()
        try client.write(
          "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n" + body)
        let response = try client.readResponse()
        #expect(response.status == 400 && response.closes)
      }
      #expect(try await proxy.report().versions[0].failed == 0, "it is the client's fault")
    }
  }

  @Test func aSlowHeadIsNotWaitedFor() async throws {
    var limits = ProxyLimits()
    limits.readHead = Milliseconds(200)
    try await withProxy(limits: limits) { proxy in
      try await onThread {
        let client = try proxy.connect()
        try client.write("GET / HTTP/1.1\r\nHo")
        #expect(try client.readResponse().status == 408)
        #expect(client.hasEnded())
      }
    }
  }

  @Test func anIdleClientIsClosed() async throws {
    var limits = ProxyLimits()
    limits.clientIdle = Milliseconds(200)
    try await withProxy(limits: limits) { proxy in
      try await onThread {
        let client = try proxy.connect()
        #expect(try client.get().status == 404)
        #expect(client.hasEnded())
      }
    }
  }

  @Test func anUploadThatStopsIsNotWaitedFor() async throws {
    var limits = ProxyLimits()
    limits.bodyProgress = Milliseconds(200)
    let backend = try Backend { socket in
      guard try socket.read(through: "\r\n\r\n") != nil else { return }
      _ = try socket.readToEnd()
    }
    defer { backend.stop() }
    try await withProxy(limits: limits) { proxy in
      try await proxy.route([backend.port])
      let response = try await onThread {
        try proxy.connect().ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
      }
      #expect(response.status == 408)
      #expect(try await proxy.report().versions[0].failed == 0)
    }
  }

  @Test func aClientThatLeavesFreesItsInstance() async throws {
    let backend = try Backend { socket in
      guard try socket.readRequest() != nil else { return }
      _ = try socket.readToEnd()
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      let client = try proxy.connect()
      try client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      try await eventually("it is in flight") {
        try await proxy.report().inFlight.values.reduce(0, +) == 1
      }
      client.reset()
      try await eventually("nothing is in flight") {
        try await proxy.report().inFlight.values.reduce(0, +) == 0
      }
      #expect(try await proxy.report().versions[0].failed == 0)
    }
  }

  @Test func noRouteAndNoInstanceAreDifferentAnswers() async throws {
    try await withProxy { proxy in
      try await proxy.director.apply(
        Fixture.table([], route: RouteSpec(host: "shop.test", pathPrefix: "/")))
      try await onThread {
        let client = try proxy.connect()
        let unavailable = try client.get()
        #expect(unavailable.status == 503 && unavailable.text.contains("production/web"))
        #expect(unavailable.header("retry-after") == "1")
        let missing = try client.ask("GET / HTTP/1.1\r\nHost: other.test\r\n\r\n")
        #expect(missing.status == 404 && missing.text.hasPrefix("Segue: 404"))
        let head = try client.ask("HEAD / HTTP/1.1\r\nHost: other.test\r\n\r\n", method: "HEAD")
        #expect(head.status == 404)
        #expect(try client.post(body: "a small body is read and thrown away").status == 503)
        #expect(try client.get().status == 503, "the connection lives on")
      }
      #expect(try await proxy.report().unavailable == 3)
    }
  }
}
