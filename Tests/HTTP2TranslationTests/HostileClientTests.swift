import Testing

@testable import HTTP2Translation

@Suite struct HostileClientTests {
  private typealias Frame = RawClient.Frame

  static let get: [(String, String)] = [
    (":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "shop.example"),
  ]

  static let post: [(String, String)] = [(":method", "POST")] + get.dropFirst()

  /// What the table of the translation refuses is a stream error on the wire as well, and another
  /// request on the same connection is served.
  @Test(arguments: RequestHeadTests.malformed)
  func aMalformedRequestIsAStreamError(_ example: RequestHeadTests.Case) {
    let client = RawClient()
    let fields = RequestHeadTests.request(example.fields)
    client.write(.headers(fields, ends: example.endsHere))
    #expect(client.resetCode() == HTTP2ErrorCode.protocolError.rawValue)
    #expect(client.engine.opened.isEmpty)
    #expect(client.fault == nil)
    client.write(.headers(Self.get, on: 3))
    #expect(client.engine.opened == [3])
  }

  struct Bodies: Sendable, CustomTestStringConvertible {
    var name: String
    var length: String?
    var frames: [RawClient.Frame]
    /// The octets of the body that may have been passed on before it was noticed.
    var passed: String
    var testDescription: String { name }
  }

  static let wrongBodies: [Bodies] = [
    Bodies(
      name: "more than declared", length: "3", frames: [.data("hello", ends: true)], passed: ""),
    Bodies(
      name: "more, later", length: "3", frames: [.data("he"), .data("llo", ends: true)],
      passed: "he"),
    Bodies(
      name: "less than declared", length: "9", frames: [.data("hello", ends: true)],
      passed: "hello"),
    Bodies(
      name: "less, and trailers", length: "9",
      frames: [.data("hello"), .headers([("x-sum", "1")])], passed: "hello"),
    Bodies(
      name: "a pseudo-header field in the trailers",
      frames: [.data("hello"), .headers([(":path", "/")])], passed: "5\r\nhello"),
    Bodies(
      name: "a line break in the trailers",
      frames: [.data("hello"), .headers([("a", "b\r\nc: d")])], passed: "5\r\nhello"),
    Bodies(
      name: "capitals in the trailers",
      frames: [.data("hello"), .headers([("X-Sum", "1")])], passed: "5\r\nhello"),
    Bodies(
      name: "a connection-specific trailer",
      frames: [.data("hello"), .headers([("connection", "x")])], passed: "5\r\nhello"),
    Bodies(
      name: "trailers that do not end the stream",
      frames: [.data("hello"), .headers([("x-sum", "1")], ends: false)], passed: "5\r\nhello"),
    Bodies(
      name: "trailers beyond all bounds",
      frames: [.data("hello"), .headers([("a", String(repeating: "b", count: 16_100))])],
      passed: "5\r\nhello"),
  ]

  @Test(arguments: wrongBodies)
  func aBodyThatIsNotWhatWasDeclaredIsNeverWhole(_ example: Bodies) {
    let client = RawClient()
    var fields = Self.post
    if let length = example.length { fields.append(("content-length", length)) }
    client.write(.headers(fields, ends: false))
    #expect(client.engine.opened == [1])
    let head = client.engine.input(1)
    client.write(example.frames.flatMap(\.octets))
    #expect(client.resetCode() == HTTP2ErrorCode.protocolError.rawValue)
    #expect(client.engine.input(1) == head + example.passed)
    #expect(client.engine.connections[1]?.hasEnded == false)
    #expect(client.engine.connections[1]?.isClosed == true)
    #expect(client.fault == nil)
  }

  struct Flood: Sendable, CustomTestStringConvertible {
    var name: String
    /// One round of it; the stream's number differs from round to round.
    var round: @Sendable (Int32) -> [RawClient.Frame]
    var testDescription: String { name }
  }

  static let floods: [Flood] = [
    Flood(name: "rapid reset") { [.headers(get, on: $0), .reset($0)] },
    Flood(name: "requests reset for what they are") {
      [.headers(get + [("connection", "x")], on: $0)]
    },
    Flood(name: "requests reset by a bad window update") {
      [
        .headers(get, on: $0),
        Frame(type: 8, stream: $0, payload: RawClient.word(0x7FFF_FFFF)),
      ]
    },
    Flood(name: "settings") { _ in [.settings] },
    Flood(name: "pings") { _ in [.ping] },
    Flood(name: "answers to pings") { _ in
      [Frame(type: 6, flags: 1, payload: .init(repeating: 0, count: 8))]
    },
    Flood(name: "empty data") {
      $0 == 3 ? [.headers(post, on: 3, ends: false)] : [.data("", on: 3)]
    },
    Flood(name: "padding without data") {
      $0 == 3
        ? [.headers(post, on: 3, ends: false)]
        : [Frame(type: 0, flags: 8, stream: 3, payload: [9] + .init(repeating: 0, count: 9))]
    },
    Flood(name: "window updates") { _ in [Frame(type: 8, payload: RawClient.word(1))] },
  ]

  @Test(arguments: floods) func aFloodEndsTheConnection(_ flood: Flood) {
    let client = RawClient()
    var rounds: Int32 = 0
    while client.fault == nil, rounds < 400 {
      client.write(flood.round(rounds * 2 + 3).flatMap(\.octets))
      rounds += 1
    }
    #expect(client.fault?.code == .enhanceYourCalm)
    #expect(client.goawayCode == HTTP2ErrorCode.enhanceYourCalm.rawValue)
    #expect((90...205).contains(rounds))
    #expect(client.session.isOver)
    #expect(client.session.openStreams == 0)
    #expect(client.engine.openConnections.isEmpty)
  }

  @Test(arguments: floods) func aFloodInOneWriteEndsTheConnection(_ flood: Flood) {
    let client = RawClient()
    client.write((0..<1_500).flatMap { flood.round($0 * 2 + 3).flatMap(\.octets) })
    #expect(client.goawayCode == HTTP2ErrorCode.enhanceYourCalm.rawValue)
    #expect(client.session.isOver)
    #expect(client.engine.opened.count <= 128)
    #expect(client.engine.openConnections.isEmpty)
  }

  @Test func aFloodOfContinuationsEndsTheConnection() {
    let client = RawClient()
    client.write(.headers(Self.get, ready: false))
    for index in 0..<100 where client.fault == nil {
      client.write(Frame(type: 9, stream: 1, payload: RawClient.compress([("a\(index)", "b")])))
    }
    #expect(client.goawayCode == HTTP2ErrorCode.enhanceYourCalm.rawValue)
    #expect(client.session.isOver)
    #expect(client.engine.opened.isEmpty)
  }

  @Test func fewContinuationsAreTakenInTheSmallestPieces() {
    let client = RawClient()
    client.write(.headers(Self.get, ready: false))
    for index in 1...8 {
      let payload = RawClient.compress([("a\(index)", "b")])
      let frame = Frame(type: 9, flags: index == 8 ? 4 : 0, stream: 1, payload: payload)
      for octet in frame.octets { client.write([octet]) }
    }
    #expect(client.fault == nil)
    #expect(client.engine.connections[1]?.hasEnded == true)
    #expect(client.engine.input(1).contains("a8: b"))
  }

  @Test func theAllowanceGrowsBackWithTime() {
    let client = RawClient()
    for second in 0..<30 {
      client.session.tick(now: .seconds(second))
      for _ in 0..<20 { client.write(.ping) }
    }
    #expect(client.fault == nil)
    for _ in 0..<120 where client.fault == nil { client.write(.ping) }
    #expect(client.fault?.code == .enhanceYourCalm)
  }

  @Test func toLeaveInTheMiddleOfAResponseCostsNothing() {
    let client = RawClient()
    for index in 0..<500 {
      let stream = Int32(index * 2 + 1)
      client.write(.headers(Self.get, on: stream))
      client.session.send("HTTP/1.1 200 OK\r\n\r\n", on: stream)
      client.read()
      client.write(.reset(stream))
    }
    #expect(client.fault == nil)
    #expect(client.engine.opened.count == 500)
  }

  @Test func streamsAboveTheLimitAreRefusedAndMayBeRetried() {
    var limits = HTTP2Limits()
    limits.concurrentStreams = 2
    let client = RawClient(limits: limits)
    for stream: Int32 in [1, 3, 5] { client.write(.headers(Self.get, on: stream)) }
    #expect(client.engine.opened == [1, 3])
    #expect(client.resetCode(5) == HTTP2ErrorCode.refusedStream.rawValue)
    #expect(client.fault == nil)
  }

  @Test func theReasonIsWrittenBeforeTheSessionIsOver() {
    let session = HTTP2Session(delegate: RecordingEngine())
    #expect(throws: HTTP2Fault.self) { try session.receive(Array("GET / HTTP/1.1\r\n".utf8)) }
    #expect(!session.isOver)
    #expect(session.wantsWrite)
    #expect(!session.takeOutput().isEmpty)
    #expect(session.isOver)
  }

  /// A client may send a burst of requests before it hears of the limit.
  @Test func refusalsAreNotHeldAgainstTheClient() {
    let client = RawClient()
    client.write((0..<400).flatMap { Frame.headers(Self.get, on: $0 * 2 + 1).octets })
    #expect(client.fault == nil)
    #expect(client.engine.opened.count == 128)
    #expect(client.frames.filter { $0.type == 3 && $0.code == 7 }.count == 272)
  }

  /// A reader that credits every frame of a download at once is no flood.
  @Test func windowUpdatesForWhatWasSentCostNothing() {
    let client = RawClient()
    client.write(.headers(Self.get))
    client.session.send("HTTP/1.1 200 OK\r\n\r\n", on: 1)
    for _ in 0..<1_000 {
      client.session.send("x", on: 1)
      client.read()
      let credit = RawClient.word(1)
      client.write(
        Frame(type: 8, stream: 1, payload: credit), Frame(type: 8, stream: 0, payload: credit))
    }
    #expect(client.fault == nil)
  }

  @Test(
    arguments: [
      ("HTTP/1.1 on the wire", Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8), 1),
      ("another preface", Array("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".utf8), 1),
      ("no settings", RawClient.preface + Frame.ping.octets, 1),
      (
        "data on an idle stream",
        RawClient.preface + Frame.settings.octets + Frame.data("x", on: 7).octets, 1
      ),
      (
        "an even stream",
        RawClient.preface + Frame.settings.octets + Frame.headers(get, on: 2).octets, 1
      ),
      (
        "broken compression",
        RawClient.preface + Frame.settings.octets
          + Frame(type: 1, flags: 5, stream: 1, payload: [0xFF, 0xFF, 0xFF, 0xFF, 0xFF]).octets, 9
      ),
      (
        "a frame beyond the limit",
        RawClient.preface + Frame.settings.octets
          + Frame(type: 0, stream: 1, payload: .init(repeating: 0, count: 16_385)).octets, 6
      ),
      (
        "a window update of nothing",
        RawClient.preface + Frame.settings.octets
          + Frame(type: 8, payload: [0, 0, 0, 0]).octets, 1
      ),
      (
        "a push",
        RawClient.preface + Frame.settings.octets
          + Frame(type: 5, flags: 4, stream: 1, payload: [0, 0, 0, 2]).octets, 1
      ),
    ] as [(String, [UInt8], UInt32)])
  func whatBreaksTheConnectionEndsIt(_ name: String, _ octets: [UInt8], _ code: UInt32) {
    let client = RawClient(opening: octets)
    #expect(client.fault?.code.rawValue == code)
    #expect(client.session.fault == client.fault)
    #expect(client.goawayCode == code)
    #expect(client.session.isOver)
    client.fault = nil
    client.write(.ping)
    #expect(client.fault?.code.rawValue == code)
  }

  /// What must be ignored (RFC 9113 sections 4.1 and 5.3.2) has no effect, however much of it
  /// comes.
  @Test(arguments: [
    Frame(type: 200, flags: 255, stream: 9, payload: [1, 2, 3]),
    Frame(type: 2, stream: 9, payload: [0, 0, 0, 0, 1]),
  ])
  private func whatMustBeIgnoredHasNoEffect(_ frame: Frame) {
    let client = RawClient()
    for _ in 0..<1_000 { client.write(frame) }
    client.write(.headers(Self.get))
    #expect(client.fault == nil)
    #expect(client.engine.opened == [1])
  }

  /// Octets at random behind a good beginning: whatever happens, nothing traps and the session ends
  /// properly or goes on.
  @Test func noiseIsSurvived() {
    var random = SplitMix(seed: 7)
    for _ in 0..<2_000 {
      let client = RawClient()
      client.engine.onReceived = { [unowned client] stream in
        client.session.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", on: stream)
      }
      for _ in 0..<6 where client.fault == nil {
        var frame = Frame.headers(Self.post, on: Int32(random.next() % 4 * 2 + 1), ends: false)
        if random.next() % 2 == 0 {
          frame.type = UInt8(random.next() % 11)
          frame.flags = UInt8(random.next() & 255)
        }
        if random.next() % 3 == 0 {
          for _ in 0..<3 {
            frame.payload[Int(random.next() % UInt64(frame.payload.count))] = UInt8(
              random.next() & 255)
          }
        }
        client.write(frame.octets)
      }
      #expect(client.fault == nil || client.session.isOver)
    }
  }
}
