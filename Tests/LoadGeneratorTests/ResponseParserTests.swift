import Testing

@testable import LoadGenerator

@Suite struct ResponseParserTests {
  /// Feeds `text` in pieces of `size` bytes; returns what was left over.
  private func parse(
    _ text: String, pieces size: Int = .max, parser: inout ResponseParser
  ) throws -> Int {
    let bytes = Array(text.utf8)
    var start = 0
    while start < bytes.count, !parser.isComplete {
      let end = min(bytes.count - start, size) + start
      start += try bytes[start..<end].withUnsafeBytes { input in try parser.consume(input) }
    }
    return bytes.count - start
  }

  struct Good: Sendable, CustomTestStringConvertible {
    var text: String
    var status: Int
    var body: String
    var closes = false
    var version = ""
    var testDescription: String { String(text.prefix(60)) }
  }

  static let good: [Good] = [
    Good(text: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", status: 200, body: "abc"),
    Good(text: "HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", status: 200, body: ""),
    Good(text: "HTTP/1.1 204 No\r\nConnection: close\r\n\r\n", status: 204, body: "", closes: true),
    Good(text: "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", status: 304, body: ""),
    Good(
      text: "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", status: 200, body: "x", closes: true),
    Good(
      text: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", status: 200,
      body: "x"),
    Good(
      text: "HTTP/1.1 200 OK\r\nX-Version: \t 2.0-rc \r\nConnection: X-A, CLOSE\r\n"
        + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
      status: 200, body: "ok", closes: true, version: "2.0-rc"),
    Good(
      text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
        + "2\r\nab\r\n0a;q=\"1\"\r\n0123456789\r\n000\r\nA: b\r\n\r\n",
      status: 200, body: "ab0123456789"),
    Good(
      text: "HTTP/1.1 100 Continue\r\nX-Version: 0\r\n\r\nHTTP/1.1 103 H\r\nConnection: close\r\n"
        + "\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\n-",
      status: 404, body: "-"),
  ]

  @Test(arguments: good, [1, 2, 7, Int.max])
  func readsResponses(_ good: Good, pieces: Int) throws {
    var parser = ResponseParser()
    // Twice, and with something behind: one parser serves a whole connection.
    for _ in 0..<2 {
      parser.reset(keepsBody: true)
      let left = try parse(good.text + "HTTP", pieces: pieces, parser: &parser)
      #expect(parser.isComplete)
      #expect(left == 4)
      #expect(parser.status == good.status)
      #expect(parser.closes == good.closes)
      #expect(String(decoding: parser.body, as: UTF8.self) == good.body)
      #expect(String(decoding: parser.version, as: UTF8.self) == good.version)
      #expect(parser.received == good.text.utf8.count)
      let endedIt = parser.endOfInput()
      #expect(!endedIt)
    }
  }

  @Test func aBodyWithoutALengthEndsWithTheConnection() throws {
    var parser = ResponseParser()
    parser.reset(keepsBody: true)
    let left = try parse("HTTP/1.1 200 OK\r\n\r\nabc", parser: &parser)
    #expect(left == 0)
    #expect(!parser.isComplete)
    let endedIt = parser.endOfInput()
    #expect(endedIt)
    #expect(parser.isComplete && parser.closes)
  }

  static let bad = [
    "HTTP/2 200 OK\r\n", "HTTP/1.1 20 OK\r\n", "HTTP/1.1 2xx OK\r\n", "HTTP/1.1 099 OK\r\n",
    "HTTP/1.1  200 OK\r\n", "HTTP/1.1 2000 OK\r\n", "\r\n", "HTTP/1.1 200 OK\n",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n", "HTTP/1.1 200 OK\r\nno field\r\n",
    "HTTP/1.1 200 OK\r\nA : b\r\n", "HTTP/1.1 200 OK\r\n A: b\r\n", "HTTP/1.1 200 OK\r\n: b\r\n",
    "HTTP/1.1 200 OK\r\nA: b\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n", "HTTP/1.1 200 OK\r\nContent-Length:\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n123456789\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
  ]

  @Test(arguments: bad, [1, Int.max])
  func refusesWhatIsNotHTTP(_ text: String, pieces: Int) {
    var parser = ResponseParser()
    parser.reset(keepsBody: true)
    #expect(throws: ResponseParser.Failure.self) {
      _ = try parse(text, pieces: pieces, parser: &parser)
    }
  }

  @Test func refusesHeadsWithoutEnd() {
    for (field, count) in [("a", ResponseParser.longestLine + 1), ("A: bcdefghij\r\n", 5_000)] {
      var parser = ResponseParser()
      parser.reset(keepsBody: true)
      let text = "HTTP/1.1 200 OK\r\n" + String(repeating: field, count: count)
      #expect(throws: ResponseParser.Failure.self) {
        _ = try parse(text, pieces: 1_000, parser: &parser)
      }
    }
  }
}
