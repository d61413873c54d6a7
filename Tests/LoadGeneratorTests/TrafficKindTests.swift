import Synchronization
import Testing

@testable import LoadGenerator

/// Each kind of traffic against a server that does exactly what a script says.
@Suite(.timeLimit(.minutes(2)))
struct TrafficKindTests {
  typealias Answer = ScriptedServer.Answer

  private func report(
    _ kind: TrafficKind, requests: Int = 10, pace: Duration? = nil, timeout: Duration? = nil,
    script: @escaping @Sendable (ScriptedServer.Request) -> Answer
  ) async throws -> LoadReport {
    let server = try ScriptedServer(script)
    defer { server.stop() }
    var plan = LoadPlan(url: server.url, connections: 1, requests: requests)
    plan.kinds = [kind]
    plan.pace = pace
    if let timeout { plan.timeout = timeout }
    let run = try LoadRun(plan)
    try run.start()
    return await run.finish()
  }

  private static let confirmed =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    + "Sec-WebSocket-Accept: \(WebsocketFrames.accept)\r\n\r\n"

  @Test func chunkedPostsCarryTheirId() async throws {
    let bodies = Mutex<[String]>([])
    let report = try await report(.chunkedPost, requests: 3) { request in
      bodies.withLock { $0.append(request.body) }
      return .ok(request.body)
    }
    #expect(report.failed == 0, "\(report.failures)")
    #expect(report.kinds.map(\.kind) == [.chunkedPost])
    #expect((report.gets, report.posts, report.acknowledgedPosts) == (0, 3, 3))
    #expect(
      bodies.withLock { $0 } == (1...3).map { "{\"id\":\"\(report.postIDPrefix)\($0)\"}" })
  }

  @Test func anUpgradeThatIsRefusedIsAFailure() async throws {
    let report = try await report(.websocket) { _ in .ok() }
    #expect(report.failureKinds == [.init(kind: .status, requests: 10)], "\(report.failures)")
  }

  @Test func anUpgradeHasToBeConfirmed() async throws {
    let report = try await report(.websocket) { _ in
      Answer(bytes: "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n\r\n")
    }
    #expect(report.failureKinds == [.init(kind: .malformed, requests: 10)], "\(report.failures)")
  }

  @Test func aSwitchThatNobodyAskedForIsMalformed() async throws {
    let report = try await report(.get) { _ in Answer(bytes: Self.confirmed) }
    #expect(report.failureKinds == [.init(kind: .malformed, requests: 10)], "\(report.failures)")
  }

  @Test func aWebsocketThatIsCutIsAFailure() async throws {
    // With a pace the end arrives before the next message is due.
    for pace in [nil, Duration.milliseconds(50)] {
      let report = try await report(.websocket, requests: 2, pace: pace) { _ in
        Answer(bytes: Self.confirmed, closes: true)
      }
      #expect(report.requests == 2)
      #expect(report.failed == 1, "the upgrade succeeded, and the message after it did not")
      let what = report.failures.first?.what ?? ""
      #expect(what.contains("websocket"), "\(what)")
    }
  }

  @Test(arguments: [
    // 1001, 1002 and 1012: their second octets, after the 0x03 that all begin with.
    (UInt8(0xe9), true), (UInt8(0xea), false), (UInt8(0xf4), true),
  ])
  func aCloseFrameSaysWhetherItIsAFailure(_ second: UInt8, _ isPolite: Bool) async throws {
    var frames = WebsocketFrames()
    [UInt8](arrayLiteral: 0x88, 2, 3, second).withUnsafeBytes { frames.append($0) }
    let frame = try frames.next()
    #expect(frame == .close(768 + Int(second)))
    #expect(WebsocketFrames.politeCloses.contains(768 + Int(second)) == isPolite)
    #expect(try frames.next() == nil)
  }

  @Test func framesAreReadInPieces() throws {
    let payload = Array(repeating: UInt8(ascii: "a"), count: 300)
    let bytes: [UInt8] = [0x89, 1, 7, 0x81, 126, 1, 44] + payload
    var frames = WebsocketFrames()
    var read: [WebsocketFrames.Frame] = []
    for byte in bytes {
      [byte].withUnsafeBytes { frames.append($0) }
      while let frame = try frames.next() { read.append(frame) }
    }
    #expect(read == [.ping([7]), .text(payload)])
  }

  @Test(arguments: [[0x81, 0x80], [0x01, 0], [0xc1, 0], [0x83, 0], [0x81, 127]] as [[UInt8]])
  func framesThatNoServerMaySendAreMalformed(_ bytes: [UInt8]) {
    var frames = WebsocketFrames()
    bytes.withUnsafeBytes { frames.append($0) }
    #expect(throws: ResponseParser.Failure.self) { try frames.next() }
  }

  @Test func framesOfAClientAreMasked() {
    var output: [UInt8] = []
    WebsocketFrames.write(.text, Array("Hello".utf8), mask: 0x37fa_213d, into: &output)
    // The example of RFC 6455 section 5.7.
    #expect(
      output == [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58])
  }

  @Test func aPeriodTellsOfItsOwnRequestsOnly() throws {
    var tally = Tally()
    func add(_ connection: Int, at: Int64, failure: LoadReport.FailureKind? = nil) {
      let ending = Tally.Ending(
        kind: .get, connection: connection, failure: failure, microseconds: 5, at: at)
      tally.add(ending, version: []) { "" }
    }
    add(1, at: 1_000)
    add(2, at: 2_000)
    add(1, at: 9_000)
    let first = tally.endPeriod(at: 10_000)
    add(2, at: 30_000, failure: .reset)
    add(1, at: 31_000)
    add(2, at: 40_000)
    let second = tally.endPeriod(at: 50_000)
    #expect((first.requests, first.failed) == (3, 0))
    #expect(first.longestStall == LoadStall(microseconds: 8_000, endedAt: 9_000, connection: 1))
    #expect((second.beganAt, second.requests, second.failed) == (10_000, 3, 1))
    #expect(second.longestStall == LoadStall(microseconds: 38_000, endedAt: 40_000, connection: 2))
    let report = tally.report(url: "", startedAt: 0, prefix: "", now: 50_000)
    #expect(report.periods == [first, second])
    #expect(report.longestConnectionStall == second.longestStall)
  }

  @Test func aPaceIsNotExceeded() async throws {
    let report = try await report(.get, requests: 10, pace: .milliseconds(10)) { _ in .ok() }
    // Ten requests have nine intervals between them, and each may be a millisecond early.
    #expect(report.elapsedMicroseconds >= 88_000)
    #expect(report.failed == 0, "\(report.failures)")
  }
}
