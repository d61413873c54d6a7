import Foundation
import Ports
import SegueModel
import Synchronization
import Testing

@testable import Proxy

/// Requests that wait while a service has no instance.
@Suite struct HoldTests {
  /// Sends requests that are held, each from a client of its own and after the one before it.
  static func send(_ paths: [String], to proxy: Fixture, held: Int = 0) async throws -> [Socket] {
    var clients: [Socket] = []
    for (index, path) in paths.enumerated() {
      let client = try proxy.connect()
      try client.write("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
      clients.append(client)
      try await proxy.untilHeld(held + index + 1)
    }
    return clients
  }

  static func answers(_ clients: [Socket]) async throws -> [SeenResponse] {
    try await onThread { try clients.map { try $0.readResponse() } }
  }

  @Test func requestsWaitAndAreAnsweredInTheirOrder() async throws {
    let ledger = Ledger()
    let backend = try ledger.backend()
    defer { backend.stop() }
    var limits = ProxyLimits()
    limits.releasedPerInstance = 1
    try await withProxy(limits: limits, threads: 1) { proxy in
      try await proxy.director.apply(Fixture.holding())
      let paths = (0..<20).map { "/\($0)" }
      let clients = try await Self.send(paths, to: proxy)
      let before = try await proxy.report()
      #expect(before.inFlight.isEmpty && before.unavailable == 0)
      try await proxy.route([backend.port], generation: 2)
      let responses = try await Self.answers(clients)
      #expect(responses.map(\.text) == paths)
      #expect(responses.allSatisfy { $0.status == 200 && !$0.closes })
      #expect(ledger.order == paths)
      #expect(ledger.most == 1)
      let held = try await proxy.report().held
      #expect(held?.released == 20 && held?.expired == 0 && held?.waiting == 0)
      #expect(held?.longest ?? 0 > 0)
    }
  }

  @Test func nobodyOvertakesThoseWhoWait() async throws {
    let go = Mutex(false)
    let ledger = Ledger()
    let backend = try ledger.backend { path in
      while path == "/0", !go.withLock({ $0 }) { usleepMicroseconds(1_000) }
    }
    defer {
      go.withLock { $0 = true }
      backend.stop()
    }
    var limits = ProxyLimits()
    limits.releasedPerInstance = 1
    limits.releaseGrace = .seconds(60)
    try await withProxy(limits: limits, threads: 1) { proxy in
      try await proxy.director.apply(Fixture.holding())
      var clients = try await Self.send(["/0", "/1"], to: proxy)
      try await proxy.route([backend.port], generation: 2)
      try await proxy.untilHeld(1)
      clients += try await Self.send(["/2"], to: proxy, held: 1)
      go.withLock { $0 = true }
      #expect(try await Self.answers(clients).map(\.status) == [200, 200, 200])
      #expect(ledger.order == ["/0", "/1", "/2"])
      // Nobody waits any more, and so nobody has to.
      #expect(try await onThread { try proxy.connect().get("/3").status } == 200)
      #expect(try await proxy.report().held?.released == 3)
    }
  }

  @Test func aHoldEndsAtItsLimit() async throws {
    try await withProxy { proxy in
      try await proxy.director.apply(Fixture.holding(Milliseconds(150)))
      let client = try proxy.connect()
      let response = try await onThread { try client.get() }
      #expect(response.status == 503 && response.header("retry-after") == "1")
      #expect(!response.closes)
      let report = try await proxy.report()
      #expect(report.held?.expired == 1 && report.held?.waiting == 0 && report.unavailable == 0)
      #expect(report.held?.longest ?? 0 >= 150_000)
      #expect(try await onThread { try client.get().status } == 503, "the client lives on")
    }
  }

  @Test func onlySoManyWait() async throws {
    var limits = ProxyLimits()
    limits.heldRequests = 3
    try await withProxy(limits: limits, threads: 1) { proxy in
      try await proxy.director.apply(Fixture.holding())
      let clients = try await Self.send(["/0", "/1", "/2"], to: proxy)
      let response = try await onThread { try proxy.connect().get() }
      #expect(response.status == 503 && response.header("retry-after") == "1")
      #expect(try await proxy.report().held?.expired == 1)
      let backend = try Backend.named("x")
      defer { backend.stop() }
      try await proxy.route([backend.port], generation: 2)
      #expect(try await Self.answers(clients).map(\.status) == [200, 200, 200])
    }
  }

  @Test(arguments: ["reset", "close"])
  func whoHasGoneIsNeverSent(_ way: String) async throws {
    let ledger = Ledger()
    let backend = try ledger.backend()
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.director.apply(Fixture.holding())
      let clients = try await Self.send(["/gone", "/stays"], to: proxy)
      if way == "reset" { clients[0].reset() } else { clients[0].close() }
      try await proxy.untilHeld(1)
      try await proxy.route([backend.port], generation: 2)
      #expect(try await Self.answers([clients[1]]).map(\.text) == ["/stays"])
      #expect(ledger.order == ["/stays"])
    }
  }

  @Test func aHalfClosedClientIsStillAnswered() async throws {
    let backend = try Backend.named("x")
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.director.apply(Fixture.holding())
      let early = try proxy.connect()
      try early.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      early.closeOutput()
      let late = try proxy.connect()
      try late.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      try await proxy.untilHeld(2)
      late.closeOutput()
      // Whoever was taken for gone would have been dropped by the time the probe has come.
      #expect(try await onThread { try early.read(through: "\r\n\r\n") }?.contains("100") == true)
      #expect(try await onThread { try late.read(through: "\r\n\r\n") }?.contains("100") == true)
      try await proxy.route([backend.port], generation: 2)
      #expect(try await Self.answers([early, late]).map(\.text) == ["x", "x"])
    }
  }

  /// Catalogue of losses, row 15: all that waited comes at once to instances that are cold.
  @Test func aThousandHeldRequestsDoNotStampede() async throws {
    let ledger = Ledger()
    let backend = try ledger.backend { _ in
      // pause: work, so that requests meet one another.
      usleepMicroseconds(2_000)
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.director.apply(Fixture.holding())
      let clients = try await onThread {
        try (0..<1_000).map { number in
          let client = try proxy.connect()
          try client.write("GET /\(number) HTTP/1.1\r\nHost: a\r\n\r\n")
          return client
        }
      }
      try await proxy.untilHeld(1_000)
      // Every tenth leaves; they must not be sent, and must not hold up the others.
      for number in stride(from: 0, to: 1_000, by: 10) { clients[number].reset() }
      try await proxy.untilHeld(900)
      try await proxy.route([backend.port], generation: 2)
      let stayed = clients.indices.filter { $0 % 10 != 0 }
      let responses = try await Self.answers(stayed.map { clients[$0] })
      #expect(responses.map(\.text) == stayed.map { "/\($0)" })
      #expect(ledger.order.count == 900 && Set(ledger.order).count == 900)
      #expect(ledger.most <= ProxyLimits().releasedPerInstance)
      #expect(ledger.most > 1)
    }
  }

  @Test func whatTakesLongHoldsNobodyUp() async throws {
    let go = Mutex(false)
    let backend = try Ledger().backend { path in
      while path == "/stream", !go.withLock({ $0 }) { usleepMicroseconds(1_000) }
    }
    defer {
      go.withLock { $0 = true }
      backend.stop()
    }
    var limits = ProxyLimits()
    limits.releasedPerInstance = 1
    limits.releaseGrace = Milliseconds(50)
    try await withProxy(limits: limits, threads: 1) { proxy in
      try await proxy.director.apply(Fixture.holding())
      let clients = try await Self.send(["/stream", "/1", "/2"], to: proxy)
      try await proxy.route([backend.port], generation: 2)
      #expect(try await Self.answers(Array(clients[1...])).map(\.status) == [200, 200])
      go.withLock { $0 = true }
      #expect(try await Self.answers([clients[0]]).map(\.status) == [200])
    }
  }

  @Test func anInstanceThatRefusesDoesNotDrawTheOthersThroughIt() async throws {
    let ledger = Ledger()
    let backend = try ledger.backend { _ in
      // pause: work, so that requests meet one another.
      usleepMicroseconds(2_000)
    }
    let dead = try RefusingPort()
    defer {
      backend.stop()
      dead.release()
    }
    var limits = ProxyLimits()
    limits.releasedPerInstance = 4
    try await withProxy(limits: limits, threads: 1) { proxy in
      try await proxy.director.apply(Fixture.holding())
      let paths = (0..<24).map { "/\($0)" }
      let clients = try await Self.send(paths, to: proxy)
      try await proxy.route([dead.port, backend.port], generation: 2)
      #expect(try await Self.answers(clients).map(\.text) == paths)
      #expect(ledger.most <= 8, "what was let go for both comes to one")
    }
  }

  /// Catalogue of losses, row 14: a request was let go, and its instance is stopped before it gets
  /// there.
  @Test(arguments: ["GET", "POST"])
  func aRequestBetweenGateAndInstanceWaitsAgain(_ method: String) async throws {
    let ledger = Ledger()
    let backend = try ledger.backend()
    let full = try FullPort()
    defer { backend.stop() }
    var limits = ProxyLimits()
    limits.connect = .seconds(15)
    try await withProxy(limits: limits) { proxy in
      try await proxy.director.apply(Fixture.holding())
      let client = try proxy.connect()
      try client.write("\(method) /once HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
      try await proxy.untilHeld(1)
      try await proxy.route([full.port], generation: 2)
      try await proxy.untilHeld(0)
      try await proxy.director.apply(Fixture.holding(generation: 3))
      // The kernel asks again after a second, and is refused.
      full.release()
      try await proxy.untilHeld(1)
      try await proxy.route([backend.port], generation: 4)
      #expect(try await Self.answers([client]).map(\.status) == [200])
      #expect(ledger.order == ["/once"])
      #expect(try await proxy.report().held?.released == 2)
    }
  }

  /// The same race a little later: the request was sent, and may be sent again.
  @Test func aRequestThatMayBeRepeatedWaitsAgain() async throws {
    let dies = Mutex(false)
    let old = try Backend { socket in
      guard try socket.readRequest() != nil else { return }
      while !dies.withLock({ $0 }) { usleepMicroseconds(1_000) }
      socket.reset()
    }
    let ledger = Ledger()
    let new = try ledger.backend()
    defer {
      dies.withLock { $0 = true }
      old.stop()
      new.stop()
    }
    try await withProxy { proxy in
      try await proxy.route([old.port])
      let get = try proxy.connect()
      try get.write("GET /get HTTP/1.1\r\nHost: a\r\n\r\n")
      let post = try proxy.connect()
      try post.write("POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
      try await eventually("both have come") {
        try await proxy.report().inFlight.values.reduce(0, +) == 2
      }
      try await eventually("both are there") { old.accepted == 2 }
      try await proxy.director.apply(Fixture.holding(generation: 2))
      dies.withLock { $0 = true }
      #expect(try await Self.answers([post]).map(\.status) == [502], "it may have been done")
      try await proxy.untilHeld(1)
      try await proxy.route([new.port], generation: 3)
      #expect(try await Self.answers([get]).map(\.status) == [200])
      #expect(ledger.order == ["/get"])
    }
  }

  @Test func aBodyWaitsWithItsRequest() async throws {
    let size = 3_000_000
    let backend = try Backend.http { request, socket in
      try socket.answer(body: "\(request.body.count)")
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.director.apply(Fixture.holding())
      let client = try proxy.connect()
      async let upload: Void = onThread {
        try client.write("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: \(size)\r\n\r\n")
        try client.write([UInt8](repeating: 120, count: size))
      }
      try await proxy.untilHeld(1)
      try await proxy.route([backend.port], generation: 2)
      #expect(try await Self.answers([client]).map(\.text) == ["\(size)"])
      try await upload
    }
  }

  @Test func whoeverWaitsForNothingIsTold() async throws {
    try await withProxy { proxy in
      try await proxy.director.apply(Fixture.holding())
      let clients = try await Self.send(["/0", "/1"], to: proxy)
      try await proxy.route([], generation: 2)
      #expect(try await Self.answers(clients).map(\.status) == [503, 503])
      #expect(try await proxy.report().held?.expired == 2)
      try await proxy.director.apply(Fixture.holding(generation: 3))
      let last = try await Self.send(["/2"], to: proxy)
      try await proxy.director.remove(Fixture.key, generation: Generation(4))
      #expect(try await Self.answers(last).map(\.status) == [503])
    }
  }

  @Test func aShutdownKeepsNobodyWaiting() async throws {
    try await withProxy { proxy in
      try await proxy.director.apply(Fixture.holding())
      let clients = try await Self.send(["/0", "/1"], to: proxy)
      async let end: Void = proxy.server.shutdownGracefully(deadline: .seconds(60))
      let responses = try await Self.answers(clients)
      #expect(responses.allSatisfy { $0.status == 503 && $0.closes })
      for client in clients { client.close() }
      await end
    }
  }

  @Test func pipelinedRequestsWaitOneByOne() async throws {
    let ledger = Ledger()
    let backend = try ledger.backend()
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.director.apply(Fixture.holding())
      let client = try proxy.connect()
      try client.write((0..<5).map { "GET /\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
      try await proxy.untilHeld(1)
      try await proxy.route([backend.port], generation: 2)
      let texts = try await onThread { try (0..<5).map { _ in try client.readResponse().text } }
      #expect(texts == (0..<5).map { "/\($0)" })
      #expect(ledger.order == texts)
    }
  }
}
