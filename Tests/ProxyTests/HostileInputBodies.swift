// MARK: How long a body is

extension HostileCase {
  private static func post(_ fields: String, _ body: String) -> String {
    "POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n\(body)"
  }

  static let lengths: [HostileCase] =
    [
      "", "+3", "-3", "-0", "0x3", "3 3", "3,3", "3, 3", "3;3", "3.0", "3e0", "3a", "a3", "3_0",
      "\"3\"", "three", "NaN", "Infinity", "\u{B3}", "3\t3", ",3", "3,", "0,3", "3\0", "\u{0B}3",
      "9223372036854775808", "18446744073709551619", "99999999999999999999",
      "000000000000000000000000000003",
    ].map {
      .refused(
        "length '\($0.debugDescription.dropFirst().dropLast())'",
        post("Content-Length: \($0)", "abc"))
    }
    + [
      ("two lengths", "Content-Length: 3\r\nContent-Length: 4"),
      ("a length and none", "Content-Length: 3\r\nContent-Length:"),
      ("none and a length", "Content-Length: 0\r\nContent-Length: 3"),
      ("two lengths apart", "Content-Length: 3\r\nX: y\r\ncontent-length: 5"),
      ("three lengths", "Content-Length: 3\r\nContent-Length: 3\r\nContent-Length: 0"),
    ].map { .refused($0.0, post($0.1, "abc")) }
    + [
      HostileCase(
        "the same length twice", post("Content-Length: 3\r\nContent-Length: 3", "abc"),
        .taken(["POST / abc"])),
      HostileCase("a leading zero", post("Content-Length: 03", "abc"), .taken(["POST / abc"])),
      HostileCase(
        "blanks around it", post("Content-Length: \t 3 \t", "abc"), .taken(["POST / abc"])),
      HostileCase("in capitals", post("CONTENT-LENGTH: 3", "abc"), .taken(["POST / abc"])),
      HostileCase("zero", post("Content-Length: 0", ""), .taken(["POST / "])),
      HostileCase("no length", post("X: y", ""), .taken(["POST / "])),
      HostileCase(
        "an underscore for the hyphen", post("Content_Length: 9", ""), .taken(["POST / "])),
      HostileCase(
        "a length with an imitation",
        post("Content-Length: 3\r\nContent_Length: 0", "abc"), .taken(["POST / abc"])),
      HostileCase(
        "a request as a body",
        post("Content-Length: 26", "GET /x HTTP/1.1\r\nHost: a\r\n"),
        .taken(["POST / GET /x HTTP/1.1\r\nHost: a\r\n"])),
    ]

  static let codings: [HostileCase] =
    [
      "", "xchunked", "chunkedx", "chunk", "chunked, chunked", "gzip, chunked", "chunked, gzip",
      "gzip", "deflate", "compress", "identity", "identity, chunked", "chunked, identity",
      "chunked;q=1", "chunked; x", "\"chunked\"", "'chunked'", "chunked chunked", "x, chunked",
      "chunked,", ",chunked", "chunked\0", "\u{0B}chunked", "chunked\u{0C}", "chunked\u{A0}",
      "\u{A0}chunked", "chu nked", "chunked\u{00}x", "chun\u{6B}ed:", "c\u{E9}hunked", "(x)chunked",
      "=chunked", "chunked\\",
    ].map {
      .refused(
        "coding '\($0.debugDescription.dropFirst().dropLast())'",
        post("Transfer-Encoding: \($0)", "0\r\n\r\n"))
    }
    + [
      ("two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
      ("two different codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
      ("another one first", "Transfer-Encoding: x\r\nTransfer-Encoding: chunked"),
      ("two codings apart", "Transfer-Encoding: chunked\r\nX: y\r\ntransfer-encoding: chunked"),
    ].map { .refused($0.0, post($0.1, "0\r\n\r\n")) }
    + ["CHUNKED", "Chunked", " chunked ", "\tchunked\t"].map {
      HostileCase(
        "coding '\($0.debugDescription.dropFirst().dropLast())'",
        post("Transfer-Encoding: \($0)", "3\r\nabc\r\n0\r\n\r\n"), .taken(["POST / abc"]))
    }
    + [
      .refused(
        "chunked in HTTP/1.0",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      HostileCase(
        "an underscore in a coding", post("Transfer_Encoding: chunked", ""), .taken(["POST / "])),
      HostileCase(
        "an imitated coding beside a length",
        post("Transfer_Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"),
        .taken(["POST / 0\r\n\r\n"])),
    ]

  /// Every order, spelling and method.
  static let lengthAndCoding: [HostileCase] = ["POST", "GET", "PUT"].flatMap { method in
    ["Content-Length: 5", "content-length: 0", "CONTENT-LENGTH: 5"].flatMap { length in
      ["Transfer-Encoding: chunked", "transfer-encoding: CHUNKED", "Transfer-Encoding: identity"]
        .flatMap { coding in
          ["\(length)\r\n\(coding)", "\(coding)\r\n\(length)"].map { fields in
            HostileCase.refused(
              "\(method) with \(fields.replacing("\r\n", with: ", "))",
              "\(method) / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n0\r\n\r\n")
          }
        }
    }
  }
}

// MARK: Chunks

extension HostileCase {
  private static func chunked(_ body: String) -> String {
    post("Transfer-Encoding: chunked", body)
  }

  static let chunkSizes: [HostileCase] =
    [
      "0_3", "+3", "-3", "0x3", " 3", "3 ", "\t3", "3\t", " ", "", "g", "3g", "3,3", "3:", "3\"",
      "3 3", "3\0", "3\u{0B}", "3 x", "3.", "\u{B3}", "0000000000000003", "ffffffffffffffff",
      "10000000000000003", "8000000000000000", "-0", "0x", "3;\0", "3;a\u{7F}", "3;a\u{01}=b",
      "3h", "\"3\"", "(3)", "3=",
    ].map {
      .refused(
        "size '\($0.debugDescription.dropFirst().dropLast())'",
        chunked("\($0)\r\nabc\r\n0\r\n\r\n"))
    }
    + [
      ("LF behind a size", "3\nabc\r\n0\r\n\r\n"), ("CR behind a size", "3\rabc\r\n0\r\n\r\n"),
      ("CR CR LF behind a size", "3\r\r\nabc\r\n0\r\n\r\n"),
      ("LF in an extension", "3;a\nabc\r\n0\r\n\r\n"),
      ("CR in an extension", "3;a\rb\r\nabc\r\n0\r\n\r\n"),
      ("LF behind the last size", "3\r\nabc\r\n0\n\r\n"),
      ("an endless extension", "3;" + String(repeating: "x", count: 5_000) + "\r\nabc\r\n"),
      ("endless digits", String(repeating: "0", count: 5_000) + "3\r\nabc\r\n"),
    ].map { .refused($0.0, chunked($0.1)) }
    + ["3;a=b", "3;a", "3 ;a", "3;a=\"b c\"", "03", "000000000000003", "3;a;b=c"].map {
      HostileCase("size '\($0)'", chunked("\($0)\r\nabc\r\n0\r\n\r\n"), .taken(["POST / abc"]))
    }
    + [
      HostileCase(
        "a size in capitals", chunked("A\r\n0123456789\r\n0\r\n\r\n"), .taken(["POST / 0123456789"])
      ),
      HostileCase(
        "many zeros at the end", chunked("3\r\nabc\r\n0000\r\n\r\n"), .taken(["POST / abc"])),
    ]

  static let chunkData: [HostileCase] =
    [
      ("longer than its size", "3\r\nabcd\r\n0\r\n\r\n"), ("no line end", "3\r\nabc0\r\n\r\n"),
      ("LF alone", "3\r\nabc\n0\r\n\r\n"), ("CR alone", "3\r\nabc\r0\r\n\r\n"),
      ("CR CR LF", "3\r\nabc\r\r\n0\r\n\r\n"), ("LF CR", "3\r\nabc\n\r0\r\n\r\n"),
      ("an empty line more", "3\r\nabc\r\n\r\n0\r\n\r\n"),
      ("a blank before the next size", "3\r\nabc\r\n 0\r\n\r\n"),
      ("a request instead of a size", "3\r\nabc\r\nGET /x HTTP/1.1\r\n"),
    ].map { .refused("chunk: \($0.0)", chunked($0.1)) }
    + [
      HostileCase(
        "a request as a chunk", chunked("11\r\nGET /x HTTP/1.1\r\n\r\n0\r\n\r\n"),
        .taken(["POST / GET /x HTTP/1.1\r\n"])),
      HostileCase(
        "an end within a chunk", chunked("5\r\n0\r\n\r\n\r\n0\r\n\r\n"),
        .taken(["POST / 0\r\n\r\n"])),
    ]

  static let trailers: [HostileCase] =
    [
      "Content-Length: 3", "content-length: 0", "Transfer-Encoding: chunked", "Host: b",
      "Connection: close", "Content_Length: 3", "Transfer_Encoding: chunked", "X-Forwarded-For: b",
      "X_Forwarded_For: b", "Keep-Alive: timeout=1", "TE: trailers", "Upgrade: h2c", "X : y",
      " X: y", "\tX: y", ": y", "X", "X\0: y", "X: \0", "X: y\u{7F}", "(X): y", "X: y\r\n z",
      "Expect: 100-continue", "GET /x HTTP/1.1",
    ].map {
      .refused(
        "trailer '\($0.debugDescription.dropFirst().dropLast())'",
        chunked("3\r\nabc\r\n0\r\n\($0)\r\n\r\n"))
    }
    + [
      ("LF behind a trailer", "0\r\nX: y\n\r\n"),
      ("CR behind a trailer", "0\r\nX: y\rZ: a\r\n\r\n"),
      ("LF for the end", "0\r\n\n"), ("CR for the end", "0\r\n\rX"),
      ("LF CR for the end", "0\r\n\n\r"),
    ].map { .refused($0.0, chunked($0.1)) }
    + [
      .refused(
        "20 KB of trailers",
        chunked("0\r\n" + String(repeating: "X: 0123456789\r\n", count: 1_400) + "\r\n"), 431),
      .refused(
        "a trailer without end", chunked("0\r\nX: " + String(repeating: "x", count: 20_000)), 431),
      HostileCase(
        "a good trailer", chunked("3\r\nabc\r\n0\r\nX: y\r\n\r\n"), .taken(["POST / abc"])),
      HostileCase("two good trailers", chunked("0\r\nX: y\r\nZ:\r\n\r\n"), .taken(["POST / "])),
    ]
}

// MARK: The connection, and what else has a body

extension HostileCase {
  private static func get(_ name: String, _ fields: String, unseen: [String]) -> HostileCase {
    HostileCase(
      name, "GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n", .taken(["GET / "]), unseen: unseen)
  }

  static let hopByHop: [HostileCase] =
    [
      "X-Forwarded-For: 6.6.6.6", "X-Forwarded-Host: evil", "X-Forwarded-Proto: evil",
      "X_Forwarded_For: 6.6.6.6", "X-Real-IP: 6.6.6.6", "X_Real_IP: 6.6.6.6",
      "Forwarded: for=6.6.6.6",
      "Proxy-Connection: evil", "Keep-Alive: evil", "X-Segue-Shadow: evil", "TE: evil",
      "Upgrade: evil", "Connection: evil",
    ].map { get("a client's \($0)", $0, unseen: ["evil", "6.6.6.6"]) }
    + [
      get("a named field", "Connection: X-Auth\r\nX-Auth: 1", unseen: ["x-auth"]),
      get("a field named before", "X-Auth: 1\r\nConnection: x-auth", unseen: ["x-auth"]),
      get("a field in a list", "Connection: keep-alive, X-Auth\r\nX-Auth: 1", unseen: ["x-auth"]),
      get(
        "a field named in a second line", "Connection: a\r\nConnection: X-Auth\r\nX-Auth: 1",
        unseen: ["x-auth"]),
      get(
        "an upgrade to HTTP/2",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk",
        unseen: ["h2c", "http2-settings"]),
    ]
    + ["Content-Length", "content-length, Host", "close-not, CONTENT-LENGTH"].map {
      HostileCase(
        "a length named by Connection: \($0)",
        post("Connection: \($0)\r\nContent-Length: 3", "abc"),
        .taken(["POST / abc"]))
    }
    + ["Transfer-Encoding", "transfer-encoding, X", "Host, TRANSFER-ENCODING"].map {
      HostileCase(
        "a coding named by Connection: \($0)",
        post("Connection: \($0)\r\nTransfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n"),
        .taken(["POST / abc"]))
    }
    + [
      HostileCase(
        "the end of a connection", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        .last(["GET / "])),
      HostileCase(
        "the end in a list", "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n",
        .last(["GET / "])),
      HostileCase("HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", .last(["GET / "])),
      HostileCase(
        "HTTP/1.0 kept alive", "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
        .taken(["GET / "])),
    ]

  static let bodies: [HostileCase] =
    ["GET", "DELETE", "OPTIONS", "PUT", "PATCH", "TRACE", "BREW"].flatMap { method in
      [
        HostileCase(
          "\(method) with a length",
          "\(method) / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
          .taken(["\(method) / abc"])),
        HostileCase(
          "\(method) with chunks",
          "\(method) / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "3\r\nabc\r\n0\r\n\r\n",
          .taken(["\(method) / abc"])),
      ]
    }
    + [
      HostileCase(
        "three in one",
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
          + "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
          + "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n", .taken(["GET /1 ", "POST /2 x", "GET /3 "])),
      HostileCase(
        "an empty line behind a body",
        "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx\r\n"
          + "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
        .taken(["POST /1 x", "GET /2 "])),
      HostileCase(
        "an unknown expectation", post("Expect: 200-maybe\r\nContent-Length: 3", "abc"),
        .taken(["POST / abc"])),
    ]
}
