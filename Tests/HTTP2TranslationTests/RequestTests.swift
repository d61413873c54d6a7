import Testing

@testable import HTTP2Translation

@Suite struct RequestTests {
  static let head = "POST /a?b=c HTTP/1.1\r\nhost: shop.example\r\n"

  @Test func aRequestBecomesAClientConnection() {
    let client = TestClient()
    let first = client.request()
    let second = client.request()
    client.exchange()
    #expect(client.engine.opened == [first, second])
    #expect(client.engine.input(first) == "GET /a?b=c HTTP/1.1\r\nhost: shop.example\r\n\r\n")
    #expect(client.engine.connections[first]?.hasEnded == true)
    #expect(client.engine.connections[first]?.isClosed == false)
    #expect(client.session.openStreams == 2)
  }

  @Test func aBodyOfUnknownLengthIsChunked() {
    let client = TestClient()
    let stream = client.request(TestClient.post, body: "hello", ends: false)
    client.exchange()
    let begun = Self.head + "transfer-encoding: chunked\r\n\r\n5\r\nhello"
    #expect(client.engine.input(stream) == begun)
    #expect(client.engine.connections[stream]?.hasEnded == false)
    client.upload(Array(repeating: 120, count: 26), on: stream, ends: true)
    client.exchange()
    #expect(
      client.engine.input(stream) == begun + "\r\n1a\r\n" + String(repeating: "x", count: 26)
        + "\r\n0\r\n\r\n")
    #expect(client.engine.connections[stream]?.hasEnded == true)
  }

  @Test func aBodyOfKnownLengthKeepsIt() {
    let client = TestClient()
    let stream = client.request(TestClient.post + [("content-length", "5")], body: "hello")
    client.exchange()
    #expect(client.engine.input(stream) == Self.head + "content-length: 5\r\n\r\nhello")
    #expect(client.engine.connections[stream]?.hasEnded == true)
  }

  @Test func anEmptyBodyOfUnknownLengthEndsProperly() {
    let client = TestClient()
    let stream = client.request(TestClient.post, body: "")
    client.exchange()
    #expect(
      client.engine.input(stream) == Self.head + "transfer-encoding: chunked\r\n\r\n0\r\n\r\n")
  }

  @Test(arguments: [
    ([("x-sum", "1"), ("x-two", "b c")], "x-sum: 1\r\nx-two: b c\r\n"),
    // What a head decides is left out; its reader would refuse the whole request for it.
    ([("host", "evil.example"), ("x-sum", "1")], "x-sum: 1\r\n"),
    ([("x-forwarded-for", "1.2.3.4"), ("expect", "a")], ""),
  ])
  func trailersFollowTheLastChunk(_ trailers: [(String, String)], _ lines: String) {
    let client = TestClient()
    let stream = client.request(TestClient.post, body: "hello", trailers: trailers)
    client.exchange()
    #expect(
      client.engine.input(stream) == Self.head
        + "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\(lines)\r\n")
    #expect(client.engine.connections[stream]?.hasEnded == true)
  }

  @Test func cookiesAndExpectationsPass() {
    let client = TestClient()
    let stream = client.request(
      TestClient.post
        + [("cookie", "a=b"), ("cookie", "c=d"), ("te", "trailers"), ("expect", "100-continue")],
      body: "", ends: false)
    client.exchange()
    let text = client.engine.input(stream)
    #expect(text.contains("\r\ncookie: a=b; c=d\r\n"))
    #expect(text.contains("\r\nte: trailers\r\n"))
    #expect(text.contains("\r\nexpect: 100-continue\r\n"))
  }

  @Test func connectIsAnsweredWithoutTheEngine() {
    let client = TestClient()
    let stream = client.request(
      [(":method", "CONNECT"), (":authority", "shop.example:443")], body: "", ends: false)
    client.exchange()
    #expect(client.responses[stream]?.blocks == [[":status: 501", "content-length: 0"]])
    #expect(client.responses[stream]?.hasEnded == true)
    #expect(client.engine.opened.isEmpty)
    #expect(client.session.openStreams == 0)
  }

  @Test func anOversizedHeadIsAnsweredWith431() {
    let client = TestClient()
    let stream = client.request(TestClient.get + (0..<130).map { ("a\($0)", "b") })
    client.exchange()
    #expect(client.responses[stream]?.status == ":status: 431")
    #expect(client.engine.opened.isEmpty)
    let next = client.request()
    client.exchange()
    #expect(client.engine.opened == [next])
  }

  @Test func aResetClosesTheConnection() {
    let client = TestClient()
    let stream = client.request()
    client.exchange()
    client.reset(stream)
    client.exchange()
    #expect(client.engine.connections[stream]?.isClosed == true)
    #expect(client.session.openStreams == 0)
    client.session.send("HTTP/1.1 200 OK\r\n\r\n", on: stream)
    client.session.consumed(10, on: stream)
    client.session.endOutput(stream, isWhole: true)
    #expect(client.session.pendingOctets(stream) == 0)
  }

  /// The engine may answer, reset or end a stream while it is being told about it.
  ///
  /// - Parameter moment: 0 when the stream opens, 1 to 4 with the head, the size of the chunk, the
  ///   chunk and what is behind it, 5 at the end of the input.
  @Test(arguments: 0...5)
  func theEngineMayActFromWithinACall(_ moment: Int) {
    for action in ["send", "reset", "end"] {
      let client = TestClient()
      var calls = 0
      var pieces = 0
      var told: RecordingEngine.Connection?
      let act: (Int32) -> Void = { [unowned client] stream in
        calls += 1
        defer { if calls == 1 { told = client.engine.connections[stream] } }
        guard calls == 1 else { return }
        switch action {
        case "send":
          client.session.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", on: stream)
          client.session.consumed(1_000, on: stream)
        case "reset": client.session.reset(stream, .refusedStream)
        default: client.session.endOutput(stream, isWhole: true)
        }
      }
      switch moment {
      case 0: client.engine.onOpened = act
      case 5: client.engine.onEnded = act
      default:
        client.engine.onReceived = { stream in
          pieces += 1
          if pieces >= moment { act(stream) }
        }
      }
      let stream = client.request(TestClient.post, body: "hello")
      client.exchange()
      #expect(calls > 0)
      switch action {
      case "send":
        #expect(client.responses[stream]?.text == "ok")
        #expect(client.engine.connections[stream]?.isClosed == true)
      case "reset": #expect(client.responses[stream]?.code == 7)
      default: #expect(client.responses[stream]?.code == 2)
      }
      // Whom it has let go it hears no more of.
      if action != "send" { #expect(client.engine.connections[stream] == told) }
      #expect(client.session.openStreams == 0)
    }
  }
}
