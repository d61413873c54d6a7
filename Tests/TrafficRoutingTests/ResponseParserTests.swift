import Testing

@testable import TrafficRouting

@Suite struct ResponseParserTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var text: String
    var method = RequestMethod.get
    var framing: BodyFraming?
    var keeps = true
    var testDescription: String { "\(method) \(text.debugDescription)" }
  }

  static let good: [Case] = [
    Case(text: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", framing: .length(4)),
    Case(text: "HTTP/1.1 200\r\nContent-Length: 4\r\n\r\n", framing: .length(4)),
    Case(text: "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", framing: BodyFraming.none),
    Case(text: "HTTP/1.1 200 \u{e9}\r\n\r\n", framing: .untilClose),
    Case(text: "HTTP/1.1 204 No Content\r\n\r\n", framing: BodyFraming.none),
    Case(text: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", framing: BodyFraming.none),
    Case(text: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", framing: BodyFraming.none),
    Case(
      text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", method: .head,
      framing: BodyFraming.none),
    Case(
      text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", method: .head,
      framing: BodyFraming.none),
    Case(text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", framing: .chunked),
    Case(text: "HTTP/1.1 100 Continue\r\n\r\n", framing: BodyFraming.none),
    Case(text: "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", framing: BodyFraming.none),
    Case(
      text: "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\n", framing: .length(4), keeps: false),
    Case(
      text: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\n",
      framing: .length(4)),
    Case(
      text: "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 4\r\n\r\n",
      framing: .length(4), keeps: false),
  ]

  @Test(arguments: good) func takes(_ example: Case) throws {
    let bytes = Array(example.text.utf8)
    for cut in 0...bytes.count {
      var parser = ResponseParser()
      var complete = try parser.parse(Array(bytes[..<cut]).span)
      if !complete { complete = try parser.parse(bytes.span) }
      #expect(complete)
      #expect(parser.bodyFraming(answering: example.method) == example.framing)
      #expect(parser.keepsAlive == example.keeps)
      #expect(parser.length == bytes.count)
    }
  }

  @Test(arguments: [
    "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n",
    "HTTP/2.0 200 OK\r\n\r\n", "ICY 200 OK\r\n\r\n\r\n", "HTTP/1.1 099 Low\r\n\r\n",
    "HTTP/1.1 200 OK\nA: b\n\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "<html>hello, this is not HTTP</html>",
  ])
  func refuses(_ text: String) {
    var parser = ResponseParser()
    #expect(throws: HTTPFault.self) { _ = try parser.parse(Array(text.utf8).span) }
  }

  @Test func aLongStatusLineIsRefusedHoweverItComes() throws {
    let limits = HeadLimits(firstLine: 20)
    for (reason, isTaken) in [("1234567", true), ("12345678", false)] {
      let bytes = Array("HTTP/1.1 200 \(reason)\r\nContent-Length: 0\r\n\r\n".utf8)
      for cut in [0, 20, 21, 22, bytes.count] {
        var parser = ResponseParser(limits: limits)
        let complete = Result {
          try parser.parse(Array(bytes[..<cut]).span) || parser.parse(bytes.span)
        }
        #expect((try? complete.get()) == (isTaken ? true : nil), "\(reason) cut at \(cut)")
      }
    }
  }

  @Test(arguments: [
    ("timeout=5, max=100", 5), ("max=1, TIMEOUT=2", 2), ("timeout=x", nil), ("", nil),
  ])
  func readsTheIdleTimeout(_ value: String, _ seconds: UInt32?) throws {
    var parser = ResponseParser()
    let text = "HTTP/1.1 200 OK\r\nKeep-Alive: \(value)\r\nContent-Length: 0\r\n\r\n"
    #expect(try parser.parse(Array(text.utf8).span))
    #expect(parser.block.keepAliveTimeout == seconds)
  }
}
