import Dispatch
import Glibc
import Ports
import SegueModel
import Synchronization
import Testing

@testable import Proxy

/// What is under way while instances change or the router itself goes: rows of the catalogue of losses
/// in docs/losses.md.
@Suite struct TransitionLossTests {
  /// Row 7: the instance dies with the head read and the body on its way.
  @Test func aPostIsNotReplayedWhenItsInstanceResets() async throws {
    let ledger = Ledger()
    let backends = try (0..<2).map { _ in
      try Backend { socket in
        guard let head = try socket.read(through: "\r\n\r\n") else { return }
        ledger.note(SeenRequest(head: head, body: [], rawBody: "").path)
        socket.reset()
      }
    }
    defer { for backend in backends { backend.stop() } }
    try await withProxy { proxy in
      try await proxy.route(backends.map(\.port))
      try await onThread {
        for number in 0..<40 {
          let answer = try proxy.connect().post("/\(number)", body: "once")
          #expect(answer.status == 502)
        }
      }
      ledger.expect((0..<40).map { "/\($0)" })
    }
  }

  /// Row 8: nothing was sent, so also what must not be repeated goes to another one.
  @Test func aPostFindsAnotherInstanceWhenOneStopsListening() async throws {
    let ledger = Ledger()
    let (staying, dying) = (try ledger.backend(), try ledger.backend())
    defer {
      staying.stop()
      dying.stop()
    }
    try await withProxy { proxy in
      try await proxy.route([staying.port, dying.port])
      try await onThread {
        for number in 0..<80 {
          if number == 20 { dying.stop() }
          let answer = try proxy.connect().post("/\(number)", body: "once")
          #expect(answer.status == 200 && answer.text == "/\(number)")
        }
      }
      ledger.expect((0..<80).map { "/\($0)" })
      #expect(try await proxy.report().versions[0].failed == 0)
    }
  }

  /// Row 41, without its rate: the old instance gets all of it, and the new one nothing.
  @Test func anUploadAcrossASwitchStaysWithItsInstance() async throws {
    let size = 16 << 20
    let piece = [UInt8](repeating: 1, count: 65_536)
    let ledger = Ledger()
    let old = try Backend { socket in
      guard try socket.read(through: "\r\n\r\n") != nil else { return }
      ledger.note("old")
      var received = 0
      while received < size {
        let count = try socket.readSome().count
        guard count > 0 else { return }
        received += count
      }
      try socket.answer(body: "\(received)")
    }
    let new = try ledger.backend()
    defer {
      old.stop()
      new.stop()
    }
    try await withProxy { proxy in
      try await proxy.route([old.port])
      let client = try proxy.connect()
      try await onThread {
        try client.write("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: \(size)\r\n\r\n")
        for _ in 0..<size / piece.count / 2 { try client.write(piece) }
      }
      try await proxy.route([new.port], generation: 2)
      try await onThread {
        #expect(try proxy.connect().get("/new").text == "/new")
        for _ in 0..<size / piece.count / 2 { try client.write(piece) }
        #expect(try client.readResponse(to: "POST").text == "\(size)")
      }
      #expect(ledger.order == ["old", "/new"])
      try await eventually("the old one is drained") {
        try await proxy.report().inFlight[InstanceID("i-\(old.port)")] ?? 0 == 0
      }
    }
  }

  /// Row 33: the answers that are given come in order, the last one says so, and what was not
  /// answered was not executed.
  @Test func pipelinedRequestsAcrossADrainEndInOrder() async throws {
    let ledger = Ledger()
    let goOn = DispatchSemaphore(value: 0)
    let backend = try ledger.backend { if $0 == "/3" { goOn.wait() } }
    defer {
      goOn.signal()
      backend.stop()
    }
    var limits = ProxyLimits()
    limits.linger = Milliseconds(200)
    try await withProxy(limits: limits) { proxy in
      try await proxy.route([backend.port])
      let client = try proxy.connect()
      try client.write(
        (0..<10).map { "POST /\($0) HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nonce" }.joined()
      )
      try await eventually("the fourth is under way") { ledger.order.count == 4 }
      try await proxy.director.shutdown(deadline: .seconds(120))
      try await eventually("the router drains") {
        await (try? onThread { try proxy.connect().close() }) == nil
      }
      goOn.signal()
      let answers = try await onThread {
        var answers: [SeenResponse] = []
        while answers.last?.closes != true { answers.append(try client.readResponse()) }
        #expect(client.hasEnded())
        return answers
      }
      #expect(answers.map(\.text) == (0..<4).map { "/\($0)" })
      #expect(ledger.order == answers.map(\.text))
      await proxy.server.waitUntilClosed()
    }
  }
}

/// Connections that live longer than their instances' time in a table: rows 11, 12, 13 and 42.
@Suite struct LongConnectionLossTests {
  static func echo() throws -> Backend {
    try Backend { socket in
      guard let request = try socket.readRequest(), request.header("upgrade") != nil else { return }
      try socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
      while true {
        let bytes = try socket.readSome()
        guard !bytes.isEmpty else { return }
        try socket.write(bytes)
      }
    }
  }

  static let upgrade =
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

  @Test func aTunnelOutlivesASwitchAndADrain() async throws {
    let (old, new) = (try Self.echo(), try Backend.named("new"))
    defer {
      old.stop()
      new.stop()
    }
    try await withProxy { proxy in
      try await proxy.route([old.port])
      let client = try await onThread {
        let client = try proxy.connect()
        try client.write(Self.upgrade)
        #expect(try client.read(through: "\r\n\r\n")?.hasPrefix("HTTP/1.1 101") == true)
        return client
      }
      let echoes: @Sendable (String) throws -> Bool = { text in
        try client.write(text)
        return try client.readExactly(text.utf8.count) == Array(text.utf8)
      }
      try await proxy.route([new.port], generation: 2)
      #expect(try await onThread { try echoes("after the switch") })
      try await proxy.director.shutdown(deadline: .seconds(120))
      #expect(try await onThread { try echoes("in the drain") })
      client.closeOutput()
      #expect(try await onThread { client.hasEnded() })
      await proxy.server.waitUntilClosed()
    }
  }

  @Test func anUpgradeThatIsDeclinedIsOrdinary() async throws {
    let backend = try Backend.named("ordinary")
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      try await onThread {
        let client = try proxy.connect()
        for _ in 0..<3 {
          let answer = try client.ask(Self.upgrade)
          #expect(answer.status == 200 && answer.text == "ordinary" && !answer.closes)
        }
        #expect(try client.post(body: "and on it goes").text == "ordinary")
      }
    }
  }

  /// Events go on after the switch; the deadline of a drain cuts them so that the client sees it.
  @Test func anEventStreamOutlivesASwitchAndItsCutIsSeen() async throws {
    let event = DispatchSemaphore(value: 0)
    let isOver = Mutex(false)
    let old = try Backend { socket in
      guard try socket.readRequest() != nil else { return }
      try socket.write(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
      while !isOver.withLock({ $0 }) {
        try socket.write("9\r\ndata: x\n\n\r\n")
        event.wait()
      }
    }
    let new = try Backend.named("new")
    defer {
      isOver.withLock { $0 = true }
      event.signal()
      old.stop()
      new.stop()
    }
    try await withProxy { proxy in
      try await proxy.route([old.port])
      let client = try proxy.connect()
      let next: @Sendable () throws -> Void = { _ = try client.read(through: "data: x\n\n\r\n") }
      try await onThread {
        try client.write("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        try next()
      }
      try await proxy.route([new.port], generation: 2)
      event.signal()
      try await onThread { try next() }
      await proxy.server.shutdownGracefully(deadline: Milliseconds(100))
      let rest = try await onThread { try client.readToEnd() }
      #expect(rest == [], "no last chunk, by which a whole stream would end")
    }
  }

  /// A response that only the end of the connection delimits ends with a reset when it is cut.
  @Test func theCutOfAnUndelimitedAnswerIsSeen() async throws {
    let backend = try Backend { socket in
      guard try socket.readRequest() != nil else { return }
      try socket.write("HTTP/1.0 200 OK\r\n\r\nhalf")
      _ = try socket.readToEnd()
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      let client = try proxy.connect()
      try await onThread {
        try client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        _ = try client.read(through: "half")
      }
      await proxy.server.shutdownGracefully(deadline: Milliseconds(100))
      await #expect(throws: Socket.Failure.self) {
        try await onThread { _ = try client.readToEnd() }
      }
    }
  }
}
