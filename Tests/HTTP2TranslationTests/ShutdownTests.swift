import Testing

@testable import HTTP2Translation

@Suite struct ShutdownTests {
  @Test func theFirstGoawayTakesEveryStreamAndTheSecondNamesTheLast() {
    let client = RawClient()
    client.write(.headers(HostileClientTests.get, on: 1))
    client.session.beginShutdown()
    client.read()
    #expect(client.frames.last { $0.type == 7 }?.payload == [0x7F, 255, 255, 255, 0, 0, 0, 0])
    client.write(.headers(HostileClientTests.get, on: 3))
    #expect(client.engine.opened == [1, 3])
    client.session.finishShutdown()
    client.read()
    #expect(client.frames.last { $0.type == 7 }?.payload == [0, 0, 0, 3, 0, 0, 0, 0])
    client.write(.headers(HostileClientTests.get, on: 5))
    #expect(client.engine.opened == [1, 3])
    #expect(!client.session.isOver)
    for stream: Int32 in [1, 3] {
      client.session.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", on: stream)
    }
    client.read()
    #expect(client.session.isOver)
    #expect(client.fault == nil)
  }

  @Test func anIdleConnectionIsOverAfterBothSteps() {
    let client = RawClient()
    client.session.beginShutdown()
    client.read()
    #expect(!client.session.isOver)
    client.session.finishShutdown()
    #expect(!client.session.isOver)
    client.read()
    #expect(client.session.isOver)
    #expect(client.frames.filter { $0.type == 7 }.map(\.code) == [0, 0])
  }

  @Test func aClientMayLeaveFirst() {
    let client = RawClient()
    client.write(.headers(HostileClientTests.get, on: 1))
    client.write(RawClient.Frame(type: 7, payload: [0, 0, 0, 0, 0, 0, 0, 0]))
    #expect(!client.session.isOver)
    client.session.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", on: 1)
    client.read()
    #expect(client.session.isOver)
    #expect(client.fault == nil)
  }

  @Test func aFreshSessionIsNotOverAndIntroducesItself() {
    let client = RawClient()
    #expect(!client.session.isOver)
    let settings = client.frames.first { $0.type == 4 && $0.flags == 0 }?.payload ?? []
    let pairs: [[UInt8]] = stride(from: 0, to: settings.count, by: 6).map { index in
      Array(settings[(index + 1)..<(index + 6)])
    }
    #expect(pairs.contains([3, 0, 0, 0, 128]))
    #expect(pairs.contains([4, 0, 1, 0, 0]))
    #expect(pairs.contains([5, 0, 0, 64, 0]))
    #expect(pairs.contains([6, 0, 1, 0, 0]))
    let update = client.frames.first { $0.type == 8 && $0.stream == 0 }
    #expect(update?.code == 983_041)
  }

  @Test func thePrefaceTellsHTTP2Apart() {
    let preface = RawClient.preface
    for count in 0..<preface.count {
      let match = Array(preface[..<count]).withUnsafeBytes { HTTP2Session.isPreface($0) }
      #expect(match == .needMore)
      var other = Array(preface[...count])
      other[count] ^= 1
      #expect(other.withUnsafeBytes { HTTP2Session.isPreface($0) } == .no)
    }
    #expect(preface.withUnsafeBytes { HTTP2Session.isPreface($0) } == .yes)
    #expect((preface + [0]).withUnsafeBytes { HTTP2Session.isPreface($0) } == .yes)
  }

  @Test func theSessionDoesNotKeepItsEngineAlive() {
    weak var engine: RecordingEngine?
    let session: HTTP2Session
    do {
      let made = RecordingEngine()
      engine = made
      session = HTTP2Session(delegate: made)
    }
    #expect(engine == nil)
    #expect(!session.isOver)
  }
}
