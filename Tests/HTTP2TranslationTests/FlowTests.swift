import Testing

@testable import HTTP2Translation

/// Nothing grows without bound when one side is slower than the other.
@Suite struct FlowTests {
  @Test func anUploadWaitsUntilTheEngineHasTakenIt() {
    let client = TestClient()
    let stream = client.request(TestClient.post, body: String(repeating: "x", count: 300_000))
    client.exchange()
    let window = 65_536
    #expect(client.waiting(stream) == 300_000 - window)
    var taken = 0
    while client.engine.connections[stream]?.hasEnded == false, taken < 400_000 {
      let given = client.engine.input(stream).utf8.count - taken
      #expect(given <= window + 1_000)
      client.session.consumed(given, on: stream)
      taken += given
      client.exchange()
    }
    #expect(client.waiting(stream) == 0)
    #expect(client.engine.connections[stream]?.hasEnded == true)
  }

  @Test func manyUploadsTogetherAreHeldToTheConnectionsWindow() {
    var limits = HTTP2Limits()
    limits.connectionWindow = 100_000
    let client = TestClient(limits: limits)
    let streams = (0..<10).map { _ in
      client.request(TestClient.post, body: String(repeating: "x", count: 60_000))
    }
    client.exchange()
    let waiting = streams.map(client.waiting).reduce(0, +)
    #expect(waiting == 600_000 - 100_000)
  }

  /// Credit for what nobody will take any more comes back, or the connection would run dry.
  @Test(arguments: ["client resets", "engine resets", "engine answers", "engine breaks off"])
  func creditOfAGoneStreamComesBack(_ end: String) {
    var limits = HTTP2Limits()
    limits.connectionWindow = 100_000
    let client = TestClient(limits: limits)
    for _ in 0..<20 {
      let stream = client.request(
        TestClient.post, body: String(repeating: "x", count: 50_000), ends: false)
      client.exchange()
      #expect(client.waiting(stream) == 0)
      switch end {
      case "client resets": client.reset(stream)
      case "engine resets": client.session.reset(stream, .cancel)
      case "engine answers":
        client.session.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", on: stream)
        client.session.endOutput(stream, isWhole: true)
      default: client.session.endOutput(stream, isWhole: false)
      }
      client.exchange()
      #expect(client.session.openStreams == 0)
    }
  }

  /// The answer waits for a reader, and nobody is there for the rest of the request: it is thrown
  /// away, but it is not left to stop up the connection.
  @Test func anUploadThatNobodyTakesDoesNotStopTheConnection() {
    let client = TestClient(window: 1_000)
    client.reads = false
    let stream = client.request(
      TestClient.post, body: String(repeating: "x", count: 3_000_000), ends: false)
    client.engine.onOpened = { [unowned client] stream in
      client.session.send(
        "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + String(repeating: "y", count: 5_000),
        on: stream)
      client.session.endOutput(stream, isWhole: true)
    }
    client.exchange()
    #expect(client.responses[stream]?.body.count == 1_000)
    #expect(client.waiting(stream) == 0)
    #expect(client.session.openStreams == 1)
  }

  @Test func aReaderThatStallsHoldsTheEngineBack() {
    let client = TestClient()
    client.reads = false
    let stream = client.request()
    client.exchange()
    client.session.send("HTTP/1.1 200 OK\r\n\r\n", on: stream)
    let piece = [UInt8](repeating: 120, count: 10_000)
    var sent = 0
    while client.session.pendingOctets(stream) <= client.session.limits.pendingHighWater {
      piece.withUnsafeBytes { client.session.send($0, on: stream) }
      sent += piece.count
      client.exchange()
    }
    let window = 65_535
    #expect(sent <= window + 65_536 + 2 * piece.count)
    #expect(client.engine.connections[stream]?.maySend == 0)
    client.credit(window, on: stream)
    client.exchange()
    #expect(client.engine.connections[stream]?.maySend == 1)
    #expect(client.session.pendingOctets(stream) <= client.session.limits.pendingLowWater)
  }

  /// A window as large as the client likes does not make the output grow.
  @Test func theOutputIsBoundedWhenNobodyTakesIt() {
    let client = TestClient(window: 100_000_000)
    let streams = (0..<20).map { _ in client.request() }
    client.exchange()
    let piece = [UInt8](repeating: 120, count: 100_000)
    for stream in streams {
      client.session.send("HTTP/1.1 200 OK\r\n\r\n", on: stream)
      piece.withUnsafeBytes { client.session.send($0, on: stream) }
    }
    for _ in 0..<10 { client.session.withOutput { _ in 0 } }
    let limits = client.session.limits
    #expect(client.session.outputCount >= limits.outputMark)
    #expect(client.session.outputCount <= limits.outputMark + Int(limits.frameOctets) + 9)
    client.exchange()
    #expect(streams.allSatisfy { client.responses[$0]?.body == piece })
  }

  @Test func headsThatNobodyTakesAreNotMadeEither() {
    let client = TestClient()
    let streams = (0..<100).map { _ in client.request() }
    client.exchange()
    let field = String(repeating: "x", count: 30_000)
    for stream in streams {
      client.session.send(
        "HTTP/1.1 200 OK\r\nX-Long: \(field)\r\nContent-Length: 0\r\n\r\n", on: stream)
    }
    for _ in 0..<200 { client.session.withOutput { _ in 0 } }
    #expect(client.session.outputCount <= client.session.limits.outputMark + 31_000)
    client.exchange()
    #expect(streams.allSatisfy { client.responses[$0]?.hasEnded == true })
  }

  @Test func anEngineThatAlwaysHasMoreIsAskedOnlyAsFarAsTheOutputGoes() {
    let client = TestClient(window: 100_000_000)
    let stream = client.request()
    client.exchange()
    let piece = [UInt8](repeating: 120, count: 100_000)
    var sent = 0
    let send: (Int32) -> Void = { [unowned client] stream in
      piece.withUnsafeBytes { client.session.send($0, on: stream) }
      sent += piece.count
    }
    client.engine.onMaySend = send
    client.session.send("HTTP/1.1 200 OK\r\n\r\n", on: stream)
    send(stream)
    for _ in 0..<100 { client.session.withOutput { _ in 0 } }
    #expect(sent <= 300_000)
    for _ in 0..<100 { client.session.withOutput { $0.count } }
    #expect(sent > 3_000_000)
  }

  @Test func streamsTakeTurns() {
    let client = TestClient(window: 100_000_000)
    let streams = [client.request(), client.request()]
    client.exchange()
    for stream in streams {
      client.session.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", on: stream)
      let piece = [UInt8](repeating: 120, count: 1_000_000)
      piece.withUnsafeBytes { client.session.send($0, on: stream) }
    }
    var octets: [UInt8] = []
    while octets.count < 500_000 {
      client.session.withOutput {
        octets += $0
        return $0.count
      }
    }
    let pending = streams.map(client.session.pendingOctets)
    #expect(abs(pending[0] - pending[1]) <= 16_384)
  }

  @Test(arguments: [1, 2, 100, 9_999]) func outputGoesOutInAnyPieces(_ size: Int) {
    let client = RawClient()
    client.write(.headers(HostileClientTests.get))
    client.session.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", on: 1)
    var octets: [UInt8] = []
    while client.session.wantsWrite {
      client.session.withOutput {
        octets += $0.prefix(size)
        return min(size, $0.count)
      }
    }
    #expect(Array(octets.suffix(14)) == [0, 0, 5, 0, 1, 0, 0, 0, 1] + Array("hello".utf8))
  }

  @Test func requestsArriveInAnyPieces() throws {
    let source = TestClient()
    let stream = source.request(TestClient.post, body: "hello", trailers: [("x-sum", "1")])
    let engine = RecordingEngine()
    let session = HTTP2Session(delegate: engine)
    for octet in source.takeOutput() { try session.receive([octet]) }
    #expect(engine.connections[stream]?.hasEnded == true)
    #expect(engine.input(stream).hasSuffix("\r\n0\r\nx-sum: 1\r\n\r\n"))
  }

  @Test func creditIsNeverEarlyAndNeverLost() {
    var random = SplitMix(seed: 3)
    for _ in 0..<500 {
      var credit = FlowCredit()
      var delivered = 0
      var body = 0
      var taken = 0
      var returned = 0
      for _ in 0..<20 {
        let overhead = Int(random.next() % 10)
        let count = Int(random.next() % 100)
        credit.deliver(overhead, ofBody: 0)
        credit.deliver(count, ofBody: count)
        delivered += overhead + count
        body += count
        let some = Int(random.next() % UInt64(delivered - taken + 1))
        returned += credit.take(some)
        taken += some
        #expect(returned <= taken)
        #expect(returned <= body)
        #expect(body - returned <= delivered - taken || returned == body)
      }
      returned += credit.take(delivered - taken)
      #expect(returned == body)
    }
  }
}
