/// What somebody sends to be misread, and what must come of it.
struct HostileCase: Sendable {
  enum Outcome: Sendable {
    /// One answer with this status, the end of the connection, and nothing for any instance.
    case refused(Int)
    /// The instance gets these requests, and what is sent behind them is a request of its own.
    case taken([String])
    /// The instance gets these requests, and the connection ends behind them.
    case last([String])
  }

  let name: String
  let octets: [UInt8]
  let outcome: Outcome
  /// What must not stand in any head that the instance gets, in lower case.
  let unseen: [String]

  /// - Parameter text: each of its characters is one octet, by its number.
  init(_ name: String, _ text: String, _ outcome: Outcome, unseen: [String] = []) {
    self.name = name
    octets = text.unicodeScalars.map { UInt8($0.value) }
    self.outcome = outcome
    self.unseen = unseen
  }

  static func refused(_ name: String, _ text: String, _ status: Int = 400) -> HostileCase {
    HostileCase(name, text, .refused(status))
  }

  /// `%00` for what cannot be read.
  static func spelled(_ octet: UInt8) -> String {
    (33...126).contains(octet)
      ? String(UnicodeScalar(octet)) : "%" + (octet < 16 ? "0" : "") + String(octet, radix: 16)
  }

  static func character(_ octet: UInt8) -> String { String(UnicodeScalar(octet)) }

  static let groups: [(name: String, cases: [HostileCase])] = [
    ("request lines", requestLines), ("targets", targets), ("field names", fieldNames),
    ("field values", fieldValues), ("line ends", lineEnds), ("hosts", hosts), ("limits", limits),
    ("lengths", lengths), ("codings", codings), ("length and coding", lengthAndCoding),
    ("chunk sizes", chunkSizes), ("chunk data", chunkData), ("trailers", trailers),
    ("hop by hop", hopByHop), ("bodies", bodies),
  ]

  static let all = groups.flatMap(\.cases)

  static func group(_ name: String) -> [HostileCase] {
    groups.first { $0.name == name }?.cases ?? []
  }
}

// MARK: The first line

extension HostileCase {
  /// What is no `tchar` (RFC 9110 section 5.6.2) and has no other meaning where the test puts it.
  static let noTokens: [UInt8] =
    Array("\"(),/;<=>?@[\\]{}".utf8) + [0, 1, 11, 12, 27, 127, 128, 160, 255]

  static let requestLines: [HostileCase] =
    noTokens.map {
      .refused("method with \(spelled($0))", "G\(character($0))T / HTTP/1.1\r\nHost: a\r\n\r\n")
    }
    + [
      ("blank before the method", " GET / HTTP/1.1"), ("no method", " / HTTP/1.1"),
      ("tab after the method", "GET\t/ HTTP/1.1"),
      ("two blanks after the method", "GET  / HTTP/1.1"),
      ("two blanks before the version", "GET /  HTTP/1.1"), ("tab before it", "GET /\tHTTP/1.1"),
      ("blank behind the version", "GET / HTTP/1.1 "), ("a fourth word", "GET / HTTP/1.1 x"),
      ("no version", "GET /"), ("no target", "GET HTTP/1.1"), ("method alone", "GET"),
      ("bare CR in the line", "GET /\rHTTP/1.1"), ("bare CR behind it", "GET / HTTP/1.1\r"),
      ("version in lower case", "GET / http/1.1"), ("version without minor", "GET / HTTP/1."),
      ("version without a dot", "GET / HTTP/11"), ("version of two dots", "GET / HTTP/1.1."),
      ("version with a leading zero", "GET / HTTP/01.1"),
      ("version with a comma", "GET / HTTP/1,1"),
      ("version of two digits", "GET / HTTP/1.10"), ("another protocol", "GET / HTTX/1.1"),
      ("version with a sign", "GET / HTTP/+1.1"), ("version without a slash", "GET / HTTP 1.1"),
      ("a status line", "HTTP/1.1 200 OK"), ("a version with a NUL", "GET / HTTP/1.1\0"),
    ].map { .refused($0.0, "\($0.1)\r\nHost: a\r\n\r\n") }
    + ["0.9", "2.0", "3.0", "9.9"].map {
      .refused("version \($0)", "GET / HTTP/\($0)\r\nHost: a\r\n\r\n", 505)
    }
    + [
      .refused("the first line of HTTP/2 alone", "PRI * HTTP/2.0\r\nHost: a\r\n\r\n", 505),
      HostileCase("version 1.9", "GET / HTTP/1.9\r\nHost: a\r\n\r\n", .taken(["GET / "])),
      HostileCase("method in lower case", "get / HTTP/1.1\r\nHost: a\r\n\r\n", .taken(["get / "])),
      HostileCase(
        "empty lines before it", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .taken(["GET / "])),
      .refused("bare LF before it", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
      .refused("bare CR before it", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
      .refused(
        "many empty lines before it", String(repeating: "\r\n", count: 99) + "GET / HTTP/1.1\r\n"),
    ]

  static let targets: [HostileCase] =
    ([0, 1, 9, 11, 12, 13, 27, 31, 127] as [UInt8]).map {
      .refused("target with \(spelled($0))", "GET /\(character($0))x HTTP/1.1\r\nHost: a\r\n\r\n")
    }
    + [
      "a", "*", "?x", "#x", "a:80", "http:", "http:/", "http:/a", "http://", "http:///x",
      "http://a@b/", "http://a b/", "http://a\\b/", "http://a#b", "ftp://a/", "file:///etc/passwd",
      "javascript:x", "\\a", "http//a",
    ].map { .refused("target \($0)", "GET \($0) HTTP/1.1\r\nHost: a\r\n\r\n") }
    + ["a:1", "/", "*", "http://a/", "[::1]:80", "/x?y", "a"].map {
      .refused("CONNECT \($0)", "CONNECT \($0) HTTP/1.1\r\nHost: a\r\n\r\n", 501)
    }
    + [
      HostileCase("no path", "GET http://a HTTP/1.1\r\nHost: b\r\n\r\n", .taken(["GET / "])),
      HostileCase(
        "query alone", "GET http://a?q HTTP/1.1\r\nHost: b\r\n\r\n", .taken(["GET /?q "])),
      HostileCase(
        "another host than Host", "GET http://a/x HTTP/1.1\r\nHost: b\r\n\r\n", .taken(["GET /x "]),
        unseen: ["host: b"]),
      HostileCase(
        "OPTIONS of all", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", .taken(["OPTIONS * "])),
    ]
    + ["//evil/x", "/../x", "/%2e%2e/", "/%00", "/%0d%0aHost:%20b", "/a;b", "/\"<>", "/@b"].map {
      HostileCase("target \($0)", "GET \($0) HTTP/1.1\r\nHost: a\r\n\r\n", .taken(["GET \($0) "]))
    }
}

// MARK: Fields

extension HostileCase {
  private static func field(_ text: String) -> String {
    "GET / HTTP/1.1\r\nHost: a\r\n\(text)\r\n\r\n"
  }

  static let fieldNames: [HostileCase] =
    (noTokens + [9, 32]).map {
      .refused("name with \(spelled($0))", field("X\(character($0))Y: z"))
    }
    + [
      ("no name", ": z"), ("no colon", "X"), ("blank before the colon", "X : z"),
      ("tab before the colon", "X\t: z"), ("blank before the name", " X: z"),
      ("folded with a blank", "X: y\r\n z"), ("folded with a tab", "X: y\r\n\tz"),
      ("folded to nothing", "X: y\r\n "), ("a request line as a field", "GET /x HTTP/1.1"),
      ("blank before the colon of a length", "Content-Length : 3"),
      ("blank before the colon of a coding", "Transfer-Encoding : chunked"),
      ("folded coding", "Transfer-Encoding:\r\n chunked"),
      ("folded length", "Content-Length:\r\n 3"),
      ("NUL in a coding's name", "Transfer\0-Encoding: chunked"),
      ("soft hyphen in a coding's name", "Transfer\u{AD}Encoding: chunked"),
      ("name in quotes", "\"Content-Length\": 3"), ("name with a comment", "(x)Content-Length: 3"),
    ].map { .refused($0.0, field($0.1)) }
    + [
      .refused("first field folded", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
      HostileCase("two colons", field("X:Y: z"), .taken(["GET / "])),
      HostileCase("empty value", field("X:"), .taken(["GET / "])),
      HostileCase("every mark of a token", field("!#$%&'*+-.^_`|~: z"), .taken(["GET / "])),
    ]

  static let fieldValues: [HostileCase] =
    (Array(0...8) + Array(10...31) + [127]).map { (octet: UInt8) in
      .refused("value with \(spelled(octet))", field("X: a\(character(octet))b"))
    }
    + ([9, 128, 160, 255] as [UInt8]).map {
      HostileCase("value with \(spelled($0))", field("X: a\(character($0))b"), .taken(["GET / "]))
    }

  static let lineEnds: [HostileCase] = [
    ("LF alone everywhere", "GET / HTTP/1.1\nHost: a\n\n"),
    ("LF behind the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"),
    ("LF behind a field", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
    ("LF for the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
    ("LF and CRLF for the end", "GET / HTTP/1.1\r\nHost: a\n\r\n"),
    ("CR behind a field", "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n"),
    ("CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
    ("CR for the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n"),
    ("CR CR LF for the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n"),
    ("LF CR", "GET / HTTP/1.1\n\rHost: a\n\r\n\r"),
    ("a coding behind LF", "GET / HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n"),
    ("a coding behind CR", "GET / HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n"),
    ("a length behind LF", "POST / HTTP/1.1\r\nHost: a\nContent-Length: 3\r\n\r\nabc"),
    ("a form feed for an end", "GET / HTTP/1.1\r\nHost: a\u{0C}\r\n\r\n"),
    ("a next line for an end", "GET / HTTP/1.1\u{85}Host: a\r\n\r\n"),
  ].map { .refused($0.0, $0.1) }

  static let hosts: [HostileCase] =
    ["a b", "a/b", "a@b", "a\\b", "a?b", "a#b", "a\"b", "<a>", "a{b", "a\tb", "a\0b", "\u{E4}"].map
  {
    .refused("Host \(spelledAll($0))", "GET / HTTP/1.1\r\nHost: \($0)\r\n\r\n")
  }
    + [
      .refused("no Host", "GET / HTTP/1.1\r\nX: y\r\n\r\n"),
      .refused("two of the same", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
      .refused("two different ones", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
      .refused("another in capitals", "GET / HTTP/1.1\r\nHost: a\r\nHOST: b\r\n\r\n"),
      .refused("two in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
      .refused("two with a whole target", "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
      .refused("a blank before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
      HostileCase("HTTP/1.0 without", "GET / HTTP/1.0\r\n\r\n", .last(["GET / "])),
      HostileCase("an empty one", "GET / HTTP/1.1\r\nHost:\r\n\r\n", .taken(["GET / "])),
    ]

  private static func spelledAll(_ text: String) -> String {
    text.unicodeScalars.map { spelled(UInt8($0.value)) }.joined()
  }

  static let limits: [HostileCase] = [
    .refused("a request line of 9 KB", "GET /\(x(9_000)) HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    .refused("a method of 9 KB", "\(x(9_000)) / HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    .refused("a request line without end", x(20_000), 414),
    .refused("a field of 70 KB", field("X: \(x(70_000))"), 431),
    .refused("a name of 70 KB", field("\(x(70_000)): y"), 431),
    .refused(
      "70 KB of fields",
      field(Array(repeating: "X: \(x(699))", count: 100).joined(separator: "\r\n")), 431),
    .refused(
      "129 fields", field(Array(repeating: "X: y", count: 128).joined(separator: "\r\n")), 431),
    .refused(
      "10,000 fields", field(Array(repeating: "X:", count: 10_000).joined(separator: "\r\n")), 431),
    HostileCase(
      "128 fields", field(Array(repeating: "X: y", count: 127).joined(separator: "\r\n")),
      .taken(["GET / "])),
    HostileCase(
      "a request line of 8 KB", "GET /\(x(8_000)) HTTP/1.1\r\nHost: a\r\n\r\n",
      .taken(["GET /\(x(8_000)) "])),
  ]

  private static func x(_ count: Int) -> String { String(repeating: "x", count: count) }
}
