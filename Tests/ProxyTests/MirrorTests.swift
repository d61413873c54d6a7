import Ports
import SegueModel
import Synchronization
import Testing

@testable import Proxy

/// Copies of requests: compared, bounded, and never noticed.
@Suite struct MirrorTests {
  static func report(_ proxy: Fixture) async throws -> MirrorReport {
    try await proxy.report().mirrored ?? MirrorReport(release: "r-none")
  }

  /// Answers with what the path stands for.
  static func instance(isNew: Bool) throws -> Backend {
    try Backend.http { request, socket in
      let json = "Content-Type: application/json\r\n"
      switch (String(request.path.prefix { $0 != "?" }), isNew) {
      case ("/order", false): try socket.answer(headers: json, body: #"{"a":1,"b":[2.0]}"#)
      case ("/order", true): try socket.answer(headers: json, body: #"{ "b":[2], "a":1 }"#)
      case ("/price", _):
        try socket.answer(
          headers: json, body: #"{"items":[0,1,{"price":\#(isNew ? 4 : 3)}]}"#)
      case ("/status", _): try socket.answer(isNew ? "500 Oops" : "200 OK")
      case ("/type", _):
        try socket.answer(headers: "Content-Type: text/\(isNew ? "html" : "plain")\r\n", body: "x")
      case ("/binary", _): try socket.answer(body: isNew ? "abXd" : "abcd")
      case ("/chunked", _):
        let body = isNew ? "1\r\na\r\n1\r\nb\r\n" : "2\r\nab\r\n"
        try socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(body)0\r\n\r\n")
      case ("/large", _): try socket.answer(body: String(repeating: "x", count: 300_000))
      default: try socket.answer(body: "same")
      }
    }
  }

  static func withMirror(
    _ spec: MirrorSpec = MirrorSpec(), limits: ProxyLimits? = nil,
    shadow: Backend? = nil, _ body: (Fixture) async throws -> Void
  ) async throws {
    var patient = ProxyLimits()
    patient.mirrorAnswer = .minutes(10)
    let limits = limits ?? patient
    let primary = try instance(isNew: false)
    let shadow = try shadow ?? instance(isNew: true)
    defer {
      primary.stop()
      shadow.stop()
    }
    try await withProxy(limits: limits) { proxy in
      try await proxy.director.apply(
        Fixture.pair(primary.port, shadow.port, role: .mirror(spec)))
      try await body(proxy)
      #expect(try await proxy.counters("r-a")?.failed == 0)
      #expect(try await proxy.counters("r-b")?.requests == 0, "nobody was answered by the mirror")
    }
  }

  @Test(arguments: [
    ("/order", nil), ("/chunked", nil), ("/same?token=secret", nil),
    ("/price?token=secret", "body: $.items[2].price is 3 there, 4 here"),
    ("/status", "status: 200 there, 500 here"),
    ("/type", "header content-type: text/plain there, text/html here"),
    ("/binary", "body: differs from octet 2 on; 4 octets there, 4 here"),
  ])
  func differencesAreCounted(_ path: String, _ what: String?) async throws {
    try await Self.withMirror { proxy in
      let response = try await onThread { try proxy.connect().get(path) }
      #expect(response.status == 200)
      try await eventually("it is compared") { try await Self.report(proxy).compared == 1 }
      let report = try await Self.report(proxy)
      #expect(report.release == "r-b" && report.failed == 0 && report.skipped == 0)
      #expect(report.equal == (what == nil ? 1 : 0))
      #expect(report.status == (path == "/status" ? 1 : 0))
      #expect(report.headers == (path == "/type" ? 1 : 0))
      #expect(report.body == (path.hasPrefix("/price") || path == "/binary" ? 1 : 0))
      #expect(report.examples.map(\.what) == (what.map { [$0] } ?? []))
      #expect(report.examples.allSatisfy { $0.method == "GET" && !$0.path.contains("?") })
      try await eventually("nothing is in flight") {
        try await proxy.report().inFlight.values.allSatisfy { $0 == 0 }
      }
    }
  }

  @Test func onlyTheLatestExamplesAreKept() async throws {
    try await Self.withMirror { proxy in
      try await onThread {
        let client = try proxy.connect()
        for _ in 0..<30 { _ = try client.get("/status") }
      }
      try await eventually("all are compared") { try await Self.report(proxy).compared == 30 }
      let report = try await Self.report(proxy)
      #expect(report.status == 30 && report.examples.count == MirrorReport.exampleLimit)
    }
  }

  @Test(arguments: ["hang", "refuse", "garbage", "reset", "truncate", "endless head", "upgrade"])
  func aClientNeverNoticesTheMirror(_ mischief: String) async throws {
    let isOver = Mutex(false)
    let shadow = try Backend { socket in
      guard try socket.readRequest() != nil else { return }
      switch mischief {
      case "garbage": try socket.write("220 mail.example.com ESMTP\r\n\r\n")
      case "reset": socket.reset()
      case "truncate": try socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
      case "endless head":
        try socket.write("HTTP/1.1 200 OK\r\n")
        while true { try socket.write("X-More: \(String(repeating: "x", count: 1_000))\r\n") }
      case "upgrade":
        try socket.write("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
      default: while !isOver.withLock({ $0 }) { usleepMicroseconds(1_000) }
      }
    }
    if mischief == "refuse" { shadow.stopListening() }
    defer { isOver.withLock { $0 = true } }
    var limits = ProxyLimits()
    // Whatever fails does not fail by the deadline.
    limits.mirrorAnswer = .minutes(10)
    try await Self.withMirror(limits: limits, shadow: shadow) { proxy in
      try await onThread {
        let client = try proxy.connect()
        for _ in 0..<20 {
          let response = try client.get("/same")
          #expect(response.status == 200 && response.text == "same" && !response.closes)
        }
      }
      if mischief == "hang" {
        #expect(try await Self.report(proxy).failed == 0)
        let inFlight = try await proxy.report().inFlight.values.reduce(0, +)
        #expect(inFlight == 20, "a drain waits for copies")
        isOver.withLock { $0 = true }
      }
      try await eventually("all have failed") { try await Self.report(proxy).failed == 20 }
      #expect(try await Self.report(proxy).compared == 0)
      #expect(try await proxy.report().inFlight.values.allSatisfy { $0 == 0 })
    }
  }

  @Test func aMirrorThatHangsHasFailedAtItsDeadline() async throws {
    let isOver = Mutex(false)
    let shadow = try Backend { socket in
      guard try socket.readRequest() != nil else { return }
      while !isOver.withLock({ $0 }) { usleepMicroseconds(1_000) }
    }
    defer { isOver.withLock { $0 = true } }
    var limits = ProxyLimits()
    limits.mirrorAnswer = Milliseconds(100)
    try await Self.withMirror(limits: limits, shadow: shadow) { proxy in
      #expect(try await onThread { try proxy.connect().get("/same").status } == 200)
      try await eventually("it has failed") { try await Self.report(proxy).failed == 1 }
      #expect(try await proxy.report().inFlight.values.allSatisfy { $0 == 0 })
    }
  }

  @Test func aSlowMirrorIsComparedAllTheSame() async throws {
    let go = Mutex(false)
    let shadow = try Backend.http { _, socket in
      while !go.withLock({ $0 }) { usleepMicroseconds(1_000) }
      try socket.answer(body: "same")
    }
    defer { go.withLock { $0 = true } }
    try await Self.withMirror(MirrorSpec(headers: []), shadow: shadow) { proxy in
      let response = try await onThread { try proxy.connect().get("/same") }
      #expect(response.text == "same")
      go.withLock { $0 = true }
      try await eventually("it is compared") { try await Self.report(proxy).equal == 1 }
    }
  }

  @Test func copiesAreBoundedInNumber() async throws {
    let go = Mutex(false)
    let shadow = try Backend.http { _, socket in
      while !go.withLock({ $0 }) { usleepMicroseconds(1_000) }
      try socket.answer(body: "same")
    }
    defer { go.withLock { $0 = true } }
    var limits = ProxyLimits()
    limits.mirrorAnswer = .minutes(10)
    limits.mirroredRequests = 3
    try await Self.withMirror(limits: limits, shadow: shadow) { proxy in
      try await onThread {
        // One connection, and so one event loop.
        let client = try proxy.connect()
        for _ in 0..<10 { #expect(try client.get("/same").status == 200) }
      }
      #expect(try await Self.report(proxy).skipped == 7)
      go.withLock { $0 = true }
      try await eventually("the others are compared") {
        try await Self.report(proxy).compared == 3
      }
    }
  }

  @Test func largeAnswersAreNotCompared() async throws {
    try await Self.withMirror { proxy in
      let response = try await onThread { try proxy.connect().get("/large") }
      #expect(response.body.count == 300_000)
      try await eventually("it is skipped") { try await Self.report(proxy).skipped == 1 }
    }
  }

  @Test(arguments: [false, true])
  func onlySafeMethodsAreCopiedUnlessAllAreMeant(_ allMethods: Bool) async throws {
    let seen = Mutex<[SeenRequest]>([])
    let shadow = try Backend.http { request, socket in
      seen.withLock { $0.append(request) }
      try socket.answer(body: "same")
    }
    var limits = ProxyLimits()
    limits.mirrorAnswer = .minutes(10)
    limits.replayableBody = 1_000
    try await Self.withMirror(
      MirrorSpec(allMethods: allMethods), limits: limits, shadow: shadow
    ) { proxy in
      try await onThread {
        let client = try proxy.connect()
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
          let response = try client.ask(
            "\(method) /m HTTP/1.1\r\nHost: a\r\nX-Segue-Shadow: 0\r\n\r\n", method: method)
          #expect(response.status == 200)
        }
        #expect(try client.post("/small", body: "hello").status == 200)
        let chunked = "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        #expect(try client.ask("POST /c HTTP/1.1\r\nHost: a\r\n\(chunked)").status == 200)
        let large = String(repeating: "x", count: 2_000)
        #expect(try client.post("/large", body: large).status == 200)
      }
      let expected = allMethods ? 7 : 3
      try await eventually("they are copied") { seen.withLock { $0.count } == expected }
      try await eventually("they are compared") {
        try await Self.report(proxy).compared == UInt64(expected)
      }
      #expect(try await Self.report(proxy).skipped == (allMethods ? 1 : 0))
      let all = seen.withLock { $0 }
      #expect(all.allSatisfy { $0.header("x-segue-shadow") == "1" })
      #expect(
        all.filter { $0.method == "POST" }.map { String(decoding: $0.body, as: UTF8.self) }
          == (allMethods ? ["hello", "hello"] : []))
    }
  }

  @Test func theRequestItselfIsNotMarked() async throws {
    let seen = Mutex<[SeenRequest]>([])
    let primary = try Backend.http { request, socket in
      seen.withLock { $0.append(request) }
      try socket.answer()
    }
    let shadow = try Backend.named("b")
    defer {
      primary.stop()
      shadow.stop()
    }
    try await withProxy { proxy in
      try await proxy.director.apply(
        Fixture.pair(primary.port, shadow.port, role: .mirror(MirrorSpec())))
      _ = try await onThread { try proxy.connect().get(headers: "X-Segue-Shadow: 1\r\n") }
      #expect(seen.withLock { $0.count } == 1)
      #expect(seen.withLock { $0[0].header("x-segue-shadow") } == nil)
    }
  }

  @Test func aShareOfTheRequestsIsCopied() async throws {
    let count = Mutex(0)
    let shadow = try Backend.http { _, socket in
      count.withLock { $0 += 1 }
      try socket.answer(body: "same")
    }
    var limits = ProxyLimits()
    limits.mirrorAnswer = .minutes(10)
    limits.mirroredRequests = 1_000
    try await Self.withMirror(
      MirrorSpec(share: Permille(200)), limits: limits, shadow: shadow
    ) { proxy in
      try await onThread {
        let client = try proxy.connect()
        for _ in 0..<500 { _ = try client.get("/same") }
      }
      try await eventually("all copies are compared") {
        try await proxy.report().inFlight.values.allSatisfy { $0 == 0 }
      }
      // Five standard deviations of 500 draws of a fifth.
      #expect((55...145).contains(count.withLock { $0 }))
    }
  }

  @Test func aReleaseThatBecomesTheMirrorAgainBeginsAnew() async throws {
    try await withPair { proxy, first, second in
      func apply(_ generation: UInt64, _ role: SideRole?) async throws {
        try await proxy.director.apply(
          Fixture.pair(first.port, second.port, role: role, generation: generation))
      }
      let mirror = SideRole.mirror(MirrorSpec())
      try await apply(1, mirror)
      _ = try await onThread { try proxy.connect().get() }
      try await eventually("it is compared") { try await Self.report(proxy).compared == 1 }
      try await apply(2, mirror)
      #expect(try await Self.report(proxy).compared == 1, "the next table goes on with it")
      try await apply(3, nil)
      #expect(try await Self.report(proxy).compared == 1, "it can still be read")
      try await apply(4, mirror)
      #expect(try await proxy.report().mirrored == nil)
    }
  }
}
