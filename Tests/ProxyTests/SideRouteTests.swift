import Ports
import SegueModel
import Synchronization
import Testing

@testable import Proxy

/// Requests that reach a release by another way than its share.
@Suite struct SideRouteTests {
  @Test func aHeaderLeadsToTheVariant() async throws {
    try await withPair { proxy, first, second in
      try await proxy.director.apply(
        Fixture.pair(
          first.port, second.port, role: .requests(.header(name: "X-Variant", value: "b"))))
      try await onThread {
        let client = try proxy.connect()
        for _ in 0..<10 {
          #expect(try client.get(headers: "x-variant: b\r\n").text == "b")
          #expect(try client.get(headers: "X-Variant: B\r\n").text == "a")
          #expect(try client.get().text == "a")
        }
      }
      #expect(try await proxy.counters("r-a")?.responses[1] == 20)
      #expect(try await proxy.counters("r-b")?.responses[1] == 10)
    }
  }

  @Test func aCookieLeadsToTheVariant() async throws {
    try await withPair { proxy, first, second in
      try await proxy.director.apply(
        Fixture.pair(
          first.port, second.port, role: .requests(.cookie(name: "variant", value: "b"))))
      try await onThread {
        let client = try proxy.connect()
        #expect(try client.get(headers: "Cookie: x=y; variant=b\r\n").text == "b")
        #expect(try client.get(headers: "Cookie: variant=a\r\n").text == "a")
        #expect(try client.get().text == "a")
      }
    }
  }

  @Test func aVariantIsReachedWhileTheOthersWait() async throws {
    try await withPair { proxy, first, second in
      var table = Fixture.pair(
        first.port, second.port, role: .requests(.header(name: "x-b", value: "1")))
      table.versions = []
      table.holdLimit = .minutes(10)
      try await proxy.director.apply(table)
      let waiting = try proxy.connect()
      try waiting.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      try await proxy.untilHeld(1)
      #expect(try await onThread { try proxy.connect().get(headers: "X-B: 1\r\n").text } == "b")
      second.stop()
      let other = try proxy.connect()
      try other.write("GET / HTTP/1.1\r\nHost: a\r\nX-B: 1\r\n\r\n")
      try await proxy.untilHeld(2)
      try await proxy.route([first.port], generation: 2)
      #expect(try await onThread { try waiting.readResponse().text } == "a")
      #expect(try await onThread { try other.readResponse().text } == "a")
    }
  }

  @Test func aVariantThatIsDownCostsNothing() async throws {
    let good = try Backend.named("a")
    let dead = try RefusingPort()
    defer {
      good.stop()
      dead.release()
    }
    try await withProxy { proxy in
      try await proxy.director.apply(
        Fixture.pair(good.port, dead.port, role: .requests(.header(name: "x-b", value: "1"))))
      try await onThread {
        let client = try proxy.connect()
        for _ in 0..<10 {
          let response = try client.get(headers: "X-B: 1\r\n")
          #expect(response.status == 200 && response.text == "a")
        }
      }
    }
  }

  @Test func aPreviewHasItsOwnHost() async throws {
    try await withPair { proxy, first, second in
      try await proxy.director.apply(
        Fixture.pair(
          first.port, second.port, role: .host("preview.test"), host: "shop.test", prefix: "/app"))
      func status(_ host: String, _ path: String) async throws -> (Int, String) {
        try await onThread {
          let response = try proxy.connect().ask("GET \(path) HTTP/1.1\r\nHost: \(host)\r\n\r\n")
          return (response.status, response.text)
        }
      }
      #expect(try await status("shop.test", "/app/x") == (200, "a"))
      #expect(try await status("preview.test", "/app") == (200, "b"))
      #expect(try await status("PREVIEW.test:8080", "/app?q") == (200, "b"))
      #expect(try await status("preview.test", "/other").0 == 404)
      let switched = Fixture.table(
        [second.port], generation: 2, release: "r-b",
        route: RouteSpec(host: "shop.test", pathPrefix: "/app"))
      try await proxy.director.apply(switched)
      #expect(try await status("preview.test", "/app").0 == 404, "the preview is over")
      #expect(try await status("shop.test", "/app") == (200, "b"))
    }
  }

  @Test func aPreviewShowsNothingElse() async throws {
    let good = try Backend.named("a")
    let dead = try RefusingPort()
    defer {
      good.stop()
      dead.release()
    }
    try await withProxy { proxy in
      try await proxy.director.apply(
        Fixture.pair(good.port, dead.port, role: .host("preview.test")))
      let response = try await onThread {
        try proxy.connect().ask("GET / HTTP/1.1\r\nHost: preview.test\r\n\r\n")
      }
      #expect(response.status == 502)
    }
  }

  @Test func whatLeavesTheSideIsDrained() async throws {
    let go = Mutex(false)
    let first = try Backend.named("a")
    let slow = try Backend.http { _, socket in
      while !go.withLock({ $0 }) { usleepMicroseconds(1_000) }
      try socket.answer(body: "b")
    }
    defer {
      go.withLock { $0 = true }
      first.stop()
      slow.stop()
    }
    try await withProxy { proxy in
      let role = SideRole.requests(.header(name: "x-b", value: "1"))
      try await proxy.director.apply(Fixture.pair(first.port, slow.port, role: role))
      async let answer = onThread { try proxy.connect().get(headers: "X-B: 1\r\n") }
      let instance = InstanceID("i-\(slow.port)")
      try await eventually("it is in flight") {
        try await proxy.report().inFlight[instance] == 1
      }
      #expect(try await proxy.counters("r-b")?.inFlight == 1)
      try await proxy.director.apply(Fixture.pair(first.port, slow.port, generation: 2))
      #expect(try await proxy.report().inFlight[instance] == 1, "also after it left the table")
      #expect(try await onThread { try proxy.connect().get(headers: "X-B: 1\r\n").text } == "a")
      go.withLock { $0 = true }
      #expect(try await answer.text == "b")
      try await eventually("it has left") { try await proxy.report().inFlight[instance] ?? 0 == 0 }
    }
  }

  /// The same instances go from the preview into the traffic and keep what is in flight.
  @Test func aPreviewThatIsPromotedKeepsItsInstances() async throws {
    try await withPair { proxy, first, second in
      try await proxy.director.apply(
        Fixture.pair(first.port, second.port, role: .host("preview.test")))
      try await onThread {
        let response = try proxy.connect().ask("GET / HTTP/1.1\r\nHost: preview.test\r\n\r\n")
        #expect(response.text == "b")
      }
      try await proxy.director.apply(
        Fixture.table([second.port], generation: 2, release: "r-b"))
      #expect(try await onThread { try proxy.connect().get().text } == "b")
      #expect(try await proxy.counters("r-b")?.responses[1] == 2)
    }
  }
}
