import Testing
import TrafficRouting

@testable import HTTP2Translation

/// The translation of heads on its own: it must hold even if the library below lets everything
/// pass.
@Suite struct RequestHeadTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    /// Replaces a field of the usual request, or is appended.
    var fields: [(String, String)]
    var endsHere = true
    var testDescription: String { name }
  }

  static func translate(
    _ fields: [(String, String)], endsHere: Bool = true, limits: HTTP2Limits = HTTP2Limits()
  ) -> RequestHead.Outcome {
    var head = RequestHead(limits: limits)
    for (name, value) in fields { head.add(Array(name.utf8).span, Array(value.utf8).span) }
    return head.finish(endsHere: endsHere)
  }

  /// The usual request with these instead; an empty name leaves the field out.
  static func request(_ changes: [(String, String)]) -> [(String, String)] {
    let usual = [
      (":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "shop.example"),
    ]
    let replaced = Set(changes.map(\.0))
    return usual.filter { !replaced.contains($0.0) && !replaced.contains("-" + $0.0) }
      + changes.filter { !$0.0.hasPrefix("-") }
  }

  static let malformed: [Case] = [
    Case(name: "CR in a value", fields: [("a", "b\rc")]),
    Case(name: "LF in a value", fields: [("a", "b\nc")]),
    Case(name: "a whole head in a value", fields: [("a", "b\r\n\r\nGET /x HTTP/1.1\r\nhost: y")]),
    Case(name: "NUL in a value", fields: [("a", "b\0c")]),
    Case(name: "DEL in a value", fields: [("a", "b\u{7f}")]),
    Case(name: "a space before a value", fields: [("a", " b")]),
    Case(name: "a tab behind a value", fields: [("a", "b\t")]),
    Case(name: "an upper-case name", fields: [("Accept", "x")]),
    Case(name: "a space in a name", fields: [("a b", "x")]),
    Case(name: "a colon in a name", fields: [("a:b", "x")]),
    Case(name: "a line break in a name", fields: [("a\r\nb", "x")]),
    Case(name: "no name", fields: [("", "x")]),
    Case(name: "connection", fields: [("connection", "close")]),
    Case(name: "keep-alive", fields: [("keep-alive", "timeout=5")]),
    Case(name: "proxy-connection", fields: [("proxy-connection", "keep-alive")]),
    Case(name: "transfer-encoding", fields: [("transfer-encoding", "chunked")]),
    Case(name: "upgrade", fields: [("upgrade", "h2c")]),
    Case(name: "TE other than trailers", fields: [("te", "gzip")]),
    Case(name: "TE more than trailers", fields: [("te", "trailers, gzip")]),
    Case(name: "an unknown pseudo-header field", fields: [(":status", "200")]),
    Case(name: "an extended CONNECT", fields: [(":protocol", "websocket")]),
    Case(name: "a pseudo-header field behind a field", fields: [("a", "b"), (":path", "/")]),
    Case(name: ":method twice", fields: [(":method", "GET"), (":method", "GET")]),
    Case(name: ":path twice", fields: [(":path", "/"), (":path", "/")]),
    Case(name: ":authority twice", fields: [(":authority", "a"), (":authority", "a")]),
    Case(name: "no :method", fields: [("-:method", "")]),
    Case(name: "no :scheme", fields: [("-:scheme", "")]),
    Case(name: "no :path", fields: [("-:path", "")]),
    Case(name: "no :authority and no Host", fields: [("-:authority", "")]),
    Case(name: "an empty :authority", fields: [(":authority", "")]),
    Case(name: "a space in :method", fields: [(":method", "GET /x")]),
    Case(name: "a line break in :method", fields: [(":method", "GET\r\n")]),
    Case(name: "a scheme that is not served", fields: [(":scheme", "ftp")]),
    Case(name: "a relative :path", fields: [(":path", "a")]),
    Case(name: "an absolute :path", fields: [(":path", "http://other.example/")]),
    Case(name: "an empty :path", fields: [(":path", "")]),
    Case(name: "a space in :path", fields: [(":path", "/ HTTP/1.1")]),
    Case(name: "a line break in :path", fields: [(":path", "/\r\na: b")]),
    Case(name: "a tab in :path", fields: [(":path", "/\ta")]),
    Case(name: "* with GET", fields: [(":path", "*")]),
    Case(name: "user information in :authority", fields: [(":authority", "me@shop.example")]),
    Case(name: "a slash in :authority", fields: [(":authority", "shop.example/x")]),
    Case(name: "a line break in :authority", fields: [(":authority", "a\r\nb: c")]),
    Case(name: "two Hosts", fields: [("host", "shop.example"), ("host", "shop.example")]),
    Case(name: "a Host that differs", fields: [("host", "other.example")]),
    Case(name: "an odd Host", fields: [("-:authority", ""), ("host", "a b")]),
    Case(name: "a negative Content-Length", fields: [("content-length", "-1")], endsHere: false),
    Case(name: "a signed Content-Length", fields: [("content-length", "+1")], endsHere: false),
    Case(name: "a list of lengths", fields: [("content-length", "1, 1")], endsHere: false),
    Case(
      name: "two lengths", fields: [("content-length", "1"), ("content-length", "1")],
      endsHere: false),
    Case(
      name: "a length beyond all bounds", fields: [("content-length", "1234567890123456789")],
      endsHere: false),
    Case(name: "a length without a body", fields: [("content-length", "5")]),
  ]

  @Test(arguments: malformed) func refusesWhatIsNoRequest(_ example: Case) {
    let outcome = Self.translate(Self.request(example.fields), endsHere: example.endsHere)
    guard case .malformed = outcome else {
      Issue.record("\(outcome)")
      return
    }
  }

  @Test(arguments: [
    ([(":method", "CONNECT")], 501),
    ([(":method", "CONNECT"), ("-:path", ""), ("-:scheme", "")], 501),
    ((0..<125).map { ("a\($0)", "b") }, 431),
    ([("a", String(repeating: "b", count: 66_000))], 431),
    ((0..<100).map { ("a\($0)", String(repeating: "b", count: 700)) }, 431),
  ])
  func answersAtOnceWhatItDoesNotServe(_ fields: [(String, String)], _ status: Int) {
    #expect(Self.translate(Self.request(fields)) == .refused(status))
  }

  @Test func countsFieldsAsTheyCameIn() {
    let exactly = Self.request((0..<124).map { ("a\($0)", "b") })
    guard case .request = Self.translate(exactly) else {
      Issue.record("128 fields are too many")
      return
    }
  }

  static let translated: [(fields: [(String, String)], endsHere: Bool, text: String)] = [
    ([], true, "GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n"),
    ([], false, "GET / HTTP/1.1\r\nhost: shop.example\r\ntransfer-encoding: chunked\r\n\r\n"),
    (
      [("content-length", "5")], false,
      "GET / HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 5\r\n\r\n"
    ),
    (
      [("content-length", "0")], true,
      "GET / HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 0\r\n\r\n"
    ),
    (
      [("cookie", "a=b"), ("accept", "*/*"), ("cookie", "c=d"), ("cookie", "e=f")], true,
      "GET / HTTP/1.1\r\nhost: shop.example\r\naccept: */*\r\ncookie: a=b; c=d; e=f\r\n\r\n"
    ),
    (
      [("te", "trailers"), ("expect", "100-continue")], false,
      "GET / HTTP/1.1\r\nhost: shop.example\r\nte: trailers\r\nexpect: 100-continue\r\n"
        + "transfer-encoding: chunked\r\n\r\n"
    ),
    (
      [("-:authority", ""), ("host", "other.example:8443")], true,
      "GET / HTTP/1.1\r\nhost: other.example:8443\r\n\r\n"
    ),
    ([("host", "SHOP.example")], true, "GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n"),
    (
      [(":method", "OPTIONS"), (":path", "*")], true,
      "OPTIONS * HTTP/1.1\r\nhost: shop.example\r\n\r\n"
    ),
    (
      [(":path", "/a%20b?c=d:e"), ("empty", ""), ("tabs", "a\tb c")], true,
      "GET /a%20b?c=d:e HTTP/1.1\r\nhost: shop.example\r\nempty: \r\ntabs: a\tb c\r\n\r\n"
    ),
  ]

  @Test(arguments: translated)
  func writesTheHeadOfAnHTTP1Request(
    _ fields: [(String, String)], _ endsHere: Bool, _ text: String
  ) throws {
    guard
      case .request(let octets, _, _) = Self.translate(Self.request(fields), endsHere: endsHere)
    else {
      Issue.record("refused")
      return
    }
    #expect(String(decoding: octets, as: UTF8.self) == text)
    var parser = RequestParser()
    let isComplete = try parser.parse(octets.span)
    #expect(isComplete)
  }

  /// Whatever comes in: either nothing goes out, or one head that the strict reader takes whole,
  /// with the very fields that came in.
  @Test func neverLetsAnythingSlipIntoTheText() throws {
    var random = SplitMix(seed: 20_240_607)
    let alphabet = Array("abz-:/ *\r\n\0\t;,=AZ09@\u{7f}é".utf8)
    var taken = 0
    for _ in 0..<20_000 {
      let extra = (0..<Int(random.next() % 4)).map { _ in
        (random.text(of: alphabet, upTo: 4), random.text(of: alphabet, upTo: 5))
      }
      let changed: [(String, String)] =
        switch random.next() % 6 {
        case 0: [(":path", "/" + random.text(of: alphabet, upTo: 6))]
        case 1: [(":method", random.text(of: alphabet, upTo: 5))]
        case 2: [(":authority", random.text(of: alphabet, upTo: 5))]
        default: []
        }
      let fields = Self.request(changed) + extra
      guard case .request(let octets, _, _) = Self.translate(fields) else { continue }
      taken += 1
      var parser = RequestParser()
      let isComplete = try parser.parse(octets.span)
      #expect(isComplete)
      #expect(parser.length == octets.count)
      #expect(parser.block.fields.count == extra.count + 1)
    }
    #expect(taken > 1_000)
  }
}

/// Steele, Lea and Flood's SplitMix64: the same numbers for the same seed.
struct SplitMix {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func text(of alphabet: [UInt8], upTo limit: UInt64) -> String {
    let count = next() % (limit + 1)
    // One octet in eight is any of the alphabet; the others are letters, so that some get through.
    let octets = (0..<count).map { _ in
      next() % 8 == 0 ? alphabet[Int(next() % UInt64(alphabet.count))] : UInt8(97 + next() % 26)
    }
    return String(decoding: octets, as: UTF8.self)
  }
}
