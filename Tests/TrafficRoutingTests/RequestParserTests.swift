import Testing

@testable import TrafficRouting

/// What a parse came to, in words, so that whole and split parses can be compared.
enum Outcome: Equatable, CustomStringConvertible {
  case head(String)
  case fault(Int, String)
  case incomplete

  var description: String {
    switch self {
    case .head(let text): "head(\(text))"
    case .fault(let status, let reason): "fault(\(status), \(reason))"
    case .incomplete: "incomplete"
    }
  }

  var status: Int? {
    if case .fault(let status, _) = self { return status }
    return nil
  }
}

/// Feeds `bytes` in pieces that end at `cuts`, and says what came out.
func parseRequest(
  _ bytes: [UInt8], cuts: [Int] = [], limits: HeadLimits = HeadLimits()
) -> Outcome {
  var parser = RequestParser(limits: limits)
  for cut in cuts.sorted() + [bytes.count] {
    let part = Array(bytes[..<cut])
    do {
      if try parser.parse(part.span) {
        func text(_ range: Range<Int>) -> String { String(decoding: part[range], as: UTF8.self) }
        let fields = parser.block.fields.map { field in
          "\(text(field.name))=\(text(field.value))\(field.isNamedByConnection ? "!" : "")"
        }
        return .head(
          "\(text(parser.methodRange)) \(text(parser.path)) @\(text(parser.authority)) "
            + "1.\(parser.minorVersion) \(parser.bodyFraming) "
            + "\(parser.keepsAlive ? "keep" : "close") "
            + "[\(fields.joined(separator: ","))] \(parser.length)")
      }
    } catch {
      return .fault(error.status, error.reason)
    }
  }
  return .incomplete
}

struct RequestCase: Sendable, CustomTestStringConvertible {
  var text: String
  /// `nil`: good.
  var status: Int?
  var framing = BodyFraming.none
  var testDescription: String { String(text.prefix(80)).debugDescription }

  init(_ text: String, _ status: Int? = nil, framing: BodyFraming = .none) {
    self.text = text
    self.status = status
    self.framing = framing
  }

  /// A request that has nothing but these lines besides its Host.
  static func with(_ lines: String, _ status: Int? = nil, framing: BodyFraming = .none) -> Self {
    Self("POST /p HTTP/1.1\r\nHost: a.test\r\n\(lines)\r\n", status, framing: framing)
  }
}

@Suite struct RequestParserTests {
  static let good: [RequestCase] = [
    RequestCase("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    RequestCase("GET / HTTP/1.0\r\n\r\n"),
    RequestCase("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    RequestCase("GET /a?b=c#d HTTP/1.1\r\nHost: a\r\n\r\n"),
    RequestCase("GET /caf\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n"),
    RequestCase("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    RequestCase("GET http://b.test/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    RequestCase("GET http://b.test HTTP/1.1\r\nHost: a\r\n\r\n"),
    RequestCase("GET http://b.test?q HTTP/1.1\r\nHost: b.test\r\n\r\n"),
    RequestCase("GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    RequestCase("M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n"),
    RequestCase("GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    RequestCase("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"),
    RequestCase("GET / HTTP/1.1\r\nHOST: A.test\r\n\r\n"),
    .with("X-Empty:\r\n"),
    .with("X-Tabs:\t a \t\r\n"),
    .with("X-Bytes: \u{fc}\u{2028}\r\n"),
    .with("X-Colons: a:b::c\r\n"),
    .with("!#$%&'*+-.^_`|~09azAZ: token\r\n"),
    .with("Content-Length: 0\r\n"),
    .with("Content-Length: 5\r\n", framing: .length(5)),
    .with("content-length:0005 \r\n", framing: .length(5)),
    .with("Content-Length: 5\r\nContent-Length: 5\r\n", framing: .length(5)),
    .with("Content-Length: 999999999999999999\r\n", framing: .length(999_999_999_999_999_999)),
    .with("Transfer-Encoding: chunked\r\n", framing: .chunked),
    .with("transfer-ENCODING: \t Chunked \r\n", framing: .chunked),
    .with("Expect: 100-continue\r\nContent-Length: 3\r\n", framing: .length(3)),
    .with("Connection: close, X-Secret\r\nX-Secret: 1\r\n"),
    .with("Connection: Content-Length\r\nContent-Length: 3\r\n", framing: .length(3)),
  ]

  static let hostile: [RequestCase] = [
    .with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
    .with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
    .with("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", 400),
    .with("Content-Length: 5\r\nContent-Length: 6\r\n", 400),
    .with("Content-Length: 5, 5\r\n", 400),
    .with("Content-Length: +5\r\n", 400),
    .with("Content-Length: -5\r\n", 400),
    .with("Content-Length: 5 5\r\n", 400),
    .with("Content-Length: 0x5\r\n", 400),
    .with("Content-Length: 5.0\r\n", 400),
    .with("Content-Length:\r\n", 400),
    .with("Content-Length: 1000000000000000000000\r\n", 400),
    .with("Transfer-Encoding: identity\r\n", 400),
    .with("Transfer-Encoding: gzip, chunked\r\n", 400),
    .with("Transfer-Encoding: chunked, chunked\r\n", 400),
    .with("Transfer-Encoding: chunked, identity\r\n", 400),
    .with("Transfer-Encoding: xchunked\r\n", 400),
    .with("Transfer-Encoding: chunked;q=1\r\n", 400),
    .with("Transfer-Encoding: \u{b}chunked\r\n", 400),
    .with("Transfer-Encoding:\r\n", 400),
    .with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
    .with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 400),
    .with("Transfer-Encoding : chunked\r\n", 400),
    .with("Transfer-Encoding\t: chunked\r\n", 400),
    .with(" Transfer-Encoding: chunked\r\n", 400),
    .with("X: a\r\n folded\r\n", 400),
    .with("X: a\r\n\tfolded\r\n", 400),
    .with("X: a\nY: b\r\n", 400),
    .with("X: a\rY: b\r\n", 400),
    .with("X: a\0b\r\n", 400),
    .with("X: a\u{7f}b\r\n", 400),
    .with("X\0Y: a\r\n", 400),
    .with("X Y: a\r\n", 400),
    .with("X(Y): a\r\n", 400),
    .with("\u{e9}: a\r\n", 400),
    .with(": a\r\n", 400),
    .with("no colon\r\n", 400),
    .with("nocolon\r\n", 400),
    .with("Host: b.test\r\n", 400),
    .with("Host: a.test\r\n", 400),
    RequestCase("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    RequestCase("GET / HTTP/1.1\r\n\r\n", 400),
    RequestCase("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    RequestCase("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    RequestCase("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    RequestCase("GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    RequestCase("GET / HTTP/1.1\r\nHost: a\n\n", 400),
    RequestCase("GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    RequestCase("GET / HTTP/1.1\r\nHost: a\r\n\rX", 400),
    RequestCase("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    RequestCase("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    RequestCase("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    RequestCase(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    RequestCase("GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
    RequestCase("GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    RequestCase("GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    RequestCase("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    RequestCase("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    RequestCase("GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    RequestCase("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    RequestCase("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    RequestCase("GET /\r\nHost: a\r\n\r\n", 400),
    RequestCase("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    RequestCase("GET / HTTP/11\r\nHost: a\r\n\r\n\r\n", 400),
    RequestCase("GET / HTTP/1.x\r\nHost: a\r\n\r\n", 400),
    RequestCase("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    RequestCase("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    RequestCase("GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    RequestCase("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    RequestCase("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501),
    RequestCase("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    RequestCase("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n", 400),
    RequestCase("GET /" + String(repeating: "a", count: 8_192) + " HTTP/1.1\r\n", 414),
    RequestCase("GET /" + String(repeating: "a", count: 9_000), 414),
    .with(String(repeating: "X: y\r\n", count: 128), 431),
    .with("X: " + String(repeating: "y", count: 65_536) + "\r\n", 431),
    .with("X: " + String(repeating: "y", count: 65_536), 431),
  ]

  @Test(arguments: good) func takes(_ example: RequestCase) throws {
    let bytes = Array(example.text.utf8)
    var parser = RequestParser()
    #expect(try parser.parse(bytes.span))
    #expect(parser.bodyFraming == example.framing)
    #expect(parser.length == bytes.count)
  }

  @Test(arguments: hostile) func refuses(_ example: RequestCase) {
    #expect(parseRequest(Array(example.text.utf8)).status == example.status)
  }

  @Test(arguments: good + hostile) func readsTheSameInPieces(_ example: RequestCase) {
    let bytes = Array(example.text.utf8)
    let whole = parseRequest(bytes)
    var random = FastRandom(seed: 7)
    for _ in 0..<20 {
      let cuts = (0..<random.next(below: 6)).map { _ in random.next(below: bytes.count + 1) }
      let split = parseRequest(bytes, cuts: cuts)
      #expect(split.status == whole.status && (whole.status != nil || split == whole))
    }
    guard bytes.count < 2_000 else { return }
    let single = parseRequest(bytes, cuts: Array(0..<bytes.count))
    #expect(single.status == whole.status && (whole.status != nil || single == whole))
  }

  @Test func aHeadIsNotOverBeforeItsEmptyLine() {
    let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
    for count in 0..<bytes.count {
      #expect(parseRequest(Array(bytes[..<count])) == .incomplete)
    }
  }

  @Test func aRequestLineOfJustTheLimitIsTakenHoweverItComes() {
    let limits = HeadLimits(firstLine: 20)
    for (path, status) in [("/234567", nil), ("/2345678", 414)] as [(String, Int?)] {
      let bytes = Array("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
      for cut in 0...bytes.count {
        #expect(parseRequest(bytes, cuts: [cut], limits: limits).status == status, "cut at \(cut)")
      }
    }
  }

  @Test func whatFollowsTheHeadIsLeftAlone() throws {
    let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next".utf8)
    var parser = RequestParser()
    #expect(try parser.parse(bytes.span))
    #expect(parser.length == bytes.count - 9)
  }

  @Test func anAbsoluteTargetOverridesTheHost() {
    let text = "GET http://b.test:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n"
    #expect(
      parseRequest(Array(text.utf8))
        == .head("GET /x?y @b.test:81 1.1 none keep [Host=a] \(text.utf8.count)"))
  }

  @Test func aParserIsUsedAgain() throws {
    var parser = RequestParser()
    let first = Array("POST /a HTTP/1.0\r\nContent-Length: 7\r\nConnection: close\r\n\r\n".utf8)
    #expect(try parser.parse(first.span))
    parser.reset()
    let second = Array("GET /b HTTP/1.1\r\nHost: b\r\n\r\n".utf8)
    #expect(try parser.parse(second.span))
    #expect(parser.bodyFraming == .none && parser.keepsAlive && parser.method == .get)
    #expect(parser.block.fields.count == 1)
  }

  @Test func connectionStripsWhatItNamesButNotTheFraming() throws {
    let text =
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: X-Auth, Content-Length, Host, keep-alive\r\n"
      + "Content-Length: 3\r\nX-Auth: root\r\nKeep: 1\r\nKeep-Alive: timeout=9\r\nTE: trailers\r\n"
      + "X-Forwarded-For: 9.9.9.9\r\nX_Forwarded_For: 9.9.9.9\r\nContent_Length: 9\r\n"
      + "Upgrade: h2c\r\nLast: 2\r\n\r\n"
    let bytes = Array(text.utf8)
    var parser = RequestParser()
    #expect(try parser.parse(bytes.span))
    var kept = ""
    parser.block.forEachKeptRun(isRequest: true) {
      kept += String(decoding: bytes[$0], as: UTF8.self)
    }
    #expect(kept == "Keep: 1\r\nLast: 2\r\n")
    #expect(parser.bodyFraming == .length(3))
    #expect(parser.block.acceptsTrailers)
  }

  @Test func adjacentLinesAreOneRun() throws {
    let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n".utf8)
    var parser = RequestParser()
    #expect(try parser.parse(bytes.span))
    var runs = 0
    parser.block.forEachKeptRun(isRequest: true) { _ in runs += 1 }
    #expect(runs == 1)
  }

  @Test(arguments: [
    ("GET", RequestMethod.get, true), ("HEAD", .head, true), ("PUT", .put, true),
    ("DELETE", .delete, true), ("OPTIONS", .options, true), ("TRACE", .trace, true),
    ("POST", .post, false), ("PATCH", .other, false), ("get", .other, false),
  ])
  func knowsWhatMayBeRepeated(_ name: String, _ method: RequestMethod, _ repeats: Bool) throws {
    let bytes = Array("\(name) / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
    var parser = RequestParser()
    #expect(try parser.parse(bytes.span))
    #expect(parser.method == method)
    #expect(parser.method.isIdempotent == repeats)
  }

  @Test func noOctetsMakeItCrash() {
    var random = FastRandom(seed: 11)
    let seeds = Self.good.map { Array($0.text.utf8) }
    for round in 0..<20_000 {
      var bytes = seeds[round % seeds.count]
      for _ in 0...random.next(below: 4) {
        bytes[random.next(below: bytes.count)] = UInt8(random.next(below: 256))
      }
      let whole = parseRequest(bytes)
      let split = parseRequest(bytes, cuts: [random.next(below: bytes.count)])
      // Only an end that never came may hide a fault: octets behind the last line are not read twice.
      if split != .incomplete { #expect(whole.status == split.status) }
    }
  }
}
