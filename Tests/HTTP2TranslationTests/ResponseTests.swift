import Testing

@testable import HTTP2Translation

@Suite struct ResponseTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var text: String
    var method = "GET"
    /// Whether the engine then closes the connection, and finds the response whole.
    var closes: Bool?
    var blocks: [[String]]
    var body = ""
    var testDescription: String { name }
  }

  static let whole: [Case] = [
    Case(
      name: "a body of known length",
      text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello",
      blocks: [[":status: 200", "x-a: b", "content-length: 5"]], body: "hello"),
    Case(
      name: "hop-by-hop fields",
      text: "HTTP/1.1 200 OK\r\nConnection: X-Mine, keep-alive\r\nX-Mine: 1\r\nKeep-Alive: a\r\n"
        + "Proxy-Connection: b\r\nUpgrade: h2c\r\nX-Other: 2\r\nContent-Length: 0\r\n\r\n",
      blocks: [[":status: 200", "x-other: 2", "content-length: 0"]]),
    Case(
      name: "a chunked body",
      text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n"
        + "0\r\n\r\n",
      blocks: [[":status: 200"]], body: "abcde"),
    Case(
      name: "a chunked body with trailers",
      text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n"
        + "0\r\nX-Sum: 1 2 \r\nX-Empty:\r\n\r\n",
      blocks: [[":status: 200", "trailer: X-Sum"], ["x-sum: 1 2", "x-empty: "]], body: "abc"),
    Case(
      name: "extensions that look like trailers",
      text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"a:b\"\r\nabc\r\n"
        + "2;x=\"c:d\"\r\nde\r\n0;x=\"e:f\"\r\nX-Sum: 1\r\n\r\n",
      blocks: [[":status: 200"], ["x-sum: 1"]], body: "abcde"),
    Case(
      name: "trailers without a body",
      text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n",
      blocks: [[":status: 200"], ["x-sum: 1"]]),
    Case(
      name: "interim heads",
      text: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        + "HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx",
      blocks: [
        [":status: 100"], [":status: 103", "link: </a>"], [":status: 404", "content-length: 1"],
      ], body: "x"),
    Case(
      name: "an answer to HEAD", text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
      method: "HEAD", blocks: [[":status: 200", "content-length: 5"]]),
    Case(
      name: "a chunked answer to HEAD",
      text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
      method: "HEAD", blocks: [[":status: 200"]]),
    Case(
      name: "204 with a length", text: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
      blocks: [[":status: 204"]]),
    Case(
      name: "304 with a length", text: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
      blocks: [[":status: 304", "content-length: 5"]]),
    Case(
      name: "a length said twice",
      text: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
      blocks: [[":status: 200", "content-length: 1"]], body: "x"),
    Case(
      name: "a body that the close delimits", text: "HTTP/1.0 200 OK\r\n\r\nhello", closes: true,
      blocks: [[":status: 200"]], body: "hello"),
    Case(
      name: "octets behind the end", text: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxyz",
      blocks: [[":status: 200", "content-length: 1"]], body: "x"),
    Case(
      name: "two cookies",
      text: "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
      blocks: [[":status: 200", "set-cookie: a", "set-cookie: b", "content-length: 0"]]),
  ]

  /// In one piece, in two at every place, and octet by octet.
  @Test(arguments: whole) func aResponseIsTranslatedHoweverItIsCut(_ example: Case) {
    let octets = Array(example.text.utf8)
    let cuts =
      [[octets]] + (1..<octets.count).map { [Array(octets[..<$0]), Array(octets[$0...])] }
      + [octets.map { [$0] }]
    for pieces in cuts {
      let client = TestClient()
      var fields = TestClient.get
      fields[0].1 = example.method
      let stream = client.request(fields)
      client.exchange()
      for piece in pieces {
        piece.withUnsafeBytes { client.session.send($0, on: stream) }
        client.exchange()
      }
      if let isWhole = example.closes {
        #expect(client.responses[stream]?.hasEnded == false)
        client.session.endOutput(stream, isWhole: isWhole)
        client.exchange()
      }
      let response = client.responses[stream]
      #expect(response?.blocks == example.blocks)
      #expect(response?.text == example.body)
      #expect(response?.hasEnded == true)
      #expect(response?.code == 0)
      #expect(client.session.openStreams == 0)
      #expect(client.engine.connections[stream]?.isClosed == (example.closes == nil))
    }
  }

  @Test(arguments: [
    ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", true),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", true),
    ("HTTP/1.0 200 OK\r\n\r\nhello", false),
    ("HTTP/1.1 200 OK\r\nContent-", true),
    ("HTTP/1.1 103 Early\r\n\r\n", true),
    ("", true),
  ])
  func aTruncatedResponseIsResetSoThatTheClientCanTell(_ text: String, _ isWhole: Bool) {
    let client = TestClient()
    let stream = client.request()
    client.exchange()
    client.session.send(text, on: stream)
    client.exchange()
    client.session.endOutput(stream, isWhole: isWhole)
    client.exchange()
    #expect(client.responses[stream]?.code == HTTP2ErrorCode.internalError.rawValue)
    #expect(client.responses[stream]?.hasEnded == false)
    #expect(client.engine.connections[stream]?.isClosed == false)
    #expect(client.session.openStreams == 0)
  }

  @Test(arguments: [
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0_1\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: a\r\n\r\n",
    "ICY 200 OK\r\n\r\n",
  ])
  func whatIsNoResponseIsNotPassedOn(_ text: String) {
    let client = TestClient()
    let stream = client.request()
    client.exchange()
    client.session.send(text, on: stream)
    client.session.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", on: stream)
    #expect(client.session.pendingOctets(stream) == 0)
    client.exchange()
    #expect(client.responses[stream]?.code == HTTP2ErrorCode.internalError.rawValue)
    #expect(client.engine.connections[stream]?.isClosed == true)
    #expect(client.session.fault == nil)
  }

  @Test func anEarlyAnswerStopsTheUploadWithoutAnError() {
    let client = TestClient()
    let stream = client.request(TestClient.post, body: "hello", ends: false)
    client.exchange()
    client.session.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno", on: stream)
    client.exchange()
    #expect(client.responses[stream]?.hasEnded == true)
    #expect(client.responses[stream]?.code == nil)
    client.session.endOutput(stream, isWhole: true)
    client.exchange()
    #expect(client.responses[stream]?.code == HTTP2ErrorCode.noError.rawValue)
    #expect(client.responses[stream]?.text == "no")
    #expect(client.session.openStreams == 0)
  }

  /// The client cannot know yet that nobody wants the rest.
  @Test func whatIsOnItsWayWhenTheUploadIsStoppedDoesNoHarm() {
    let client = RawClient()
    for stream in stride(from: Int32(1), to: 500, by: 2) {
      client.write(.headers(HostileClientTests.post, on: stream, ends: false))
      client.session.send("HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n", on: stream)
      client.session.endOutput(stream, isWhole: true)
      client.read()
      #expect(client.resetCode(stream) == HTTP2ErrorCode.noError.rawValue)
      client.write(.data("hello", on: stream), .headers([("x-sum", "1")], on: stream))
      #expect(client.fault == nil)
    }
    #expect(client.session.openStreams == 0)
  }

  @Test func theAnswerIsOutBeforeTheUploadIsStopped() {
    let client = TestClient()
    let stream = client.request(TestClient.post, body: "hello", ends: false)
    client.exchange()
    let body = String(repeating: "x", count: 300_000)
    client.session.send("HTTP/1.1 413 X\r\nContent-Length: 300000\r\n\r\n" + body, on: stream)
    client.session.endOutput(stream, isWhole: true)
    client.exchange()
    #expect(client.responses[stream]?.body.count == 300_000)
    #expect(client.responses[stream]?.hasEnded == true)
    #expect(client.responses[stream]?.code == HTTP2ErrorCode.noError.rawValue)
  }

  /// As large a head as the reader takes: many fields, or long ones.
  @Test(arguments: [(126, 505), (2, 32_000), (1, 65_000)])
  func aHeadOfAnySizeIsPassedOn(_ fields: Int, _ length: Int) {
    let client = TestClient()
    let stream = client.request()
    client.exchange()
    // Octets whose Huffman code is longer than they are.
    let value = String(repeating: "\\", count: length)
    let lines = (0..<fields).map { "X-\($0): \(value)\r\n" }.joined()
    client.session.send("HTTP/1.1 200 OK\r\n\(lines)Content-Length: 2\r\n\r\nok", on: stream)
    client.exchange()
    #expect(client.responses[stream]?.blocks.first?.count == fields + 2)
    #expect(client.responses[stream]?.text == "ok")
    #expect(client.responses[stream]?.code == 0)
  }

  @Test func interimHeadsWithoutEndAreNotPassedOn() {
    let client = TestClient()
    let stream = client.request()
    client.exchange()
    for _ in 0..<100 { client.session.send("HTTP/1.1 103 Early\r\n\r\n", on: stream) }
    client.session.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", on: stream)
    client.exchange()
    #expect(client.responses[stream]?.blocks.count == ResponseReader.interimLimit + 1)
    #expect(client.responses[stream]?.status == ":status: 200")
  }

  @Test func theEngineChoosesTheCodeOfAReset() {
    let client = TestClient()
    let stream = client.request()
    client.exchange()
    client.session.reset(stream, .refusedStream)
    client.exchange()
    #expect(client.responses[stream]?.code == HTTP2ErrorCode.refusedStream.rawValue)
    #expect(client.engine.connections[stream]?.isClosed == false)
  }
}
