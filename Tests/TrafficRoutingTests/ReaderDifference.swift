import ParserInvariants
import Testing

/// Where we take a message that llhttp refuses, or reads otherwise, and why we are right to.
///
/// None of them lets octets through that a server behind the router could divide differently: the router
/// writes the framing of what it passes on itself.
struct ReaderDifference: Sendable, CustomTestStringConvertible {
  /// What a message that is read differently is judged by.
  struct Case {
    var message: WireMessage
    /// The message before it on the connection.
    var previous: WireMessage?
    /// Its octets as they came.
    var octets: [UInt8]
    var error: String?
  }

  var name: String
  /// What justifies us.
  var section: String
  /// Octets that show it, on the side that it shows on.
  var side: ConnectionReader.Side
  var example: String
  var explains: @Sendable (Case) -> Bool

  var testDescription: String { name }

  static let all = requests + responses

  private static let requests: [ReaderDifference] = [
    ReaderDifference(
      name: "any token is a method", section: "RFC 9110 section 9.1", side: .requests,
      example: "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"
    ) {
      $0.error == "invalid HTTP method"
        && !MessageGenerator.methods.contains(String(decoding: $0.message.start[0], as: UTF8.self))
    },
    // To answer 400 is a recommendation. A router does not read the path, and changes none of it.
    ReaderDifference(
      name: "octets beyond ASCII in a target are passed on", section: "RFC 9112 section 3",
      side: .requests, example: "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n"
    ) { $0.error == "invalid URL" && $0.message.start[1].contains { $0 > 127 } },
    ReaderDifference(
      name: "blanks before a chunk extension", section: "RFC 9112 section 7.1.1",
      side: .requests,
      example: "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        + "1 ;a\r\nb\r\n0\r\n\r\n"
    ) { $0.error == "invalid character in chunk size header" && $0.octets.contains(.semicolon) },
    ReaderDifference(
      name: "whatever a chunk extension says is ignored", section: "RFC 9112 section 7.1.1",
      side: .requests,
      example: "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        + "1;\r\nb\r\n0\r\n\r\n"
    ) { $0.error == "strict mode assertion" && $0.octets.contains(.semicolon) },
  ]

  private static let responses: [ReaderDifference] = [
    ReaderDifference(
      name: "a later minor version is read as 1.1", section: "RFC 9110 section 2.5",
      side: .responses(to: []), example: "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n"
    ) { $0.error == "invalid HTTP version" },
    ReaderDifference(
      name: "a length may be said twice", section: "RFC 9110 section 8.6", side: .responses(to: []),
      example: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"
    ) {
      $0.error == "unexpected content-length header"
        && values("content-length", in: $0.message).count > 1
    },
    ReaderDifference(
      name: "a tab behind a value is no part of it", section: "RFC 9112 section 5.1",
      side: .responses(to: []),
      example: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n"
    ) { endsInTab($0) },
    ReaderDifference(
      name: "only a final response closes", section: "RFC 9112 section 9.6",
      side: .responses(to: []),
      example: "HTTP/1.1 103 Hints\r\nConnection: close\r\n\r\nHTTP/1.1 204 None\r\n\r\n"
    ) { difference in
      guard let previous = difference.previous, previous.start[0].first == 49 else { return false }
      return difference.error == "data received after completed connection: close message"
    },
    ReaderDifference(
      name: "nothing of HTTP/1 follows a 101", section: "RFC 9110 section 15.2.2",
      side: .responses(to: []),
      example: "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nHTTP/1.1 204 None\r\n\r\n"
    ) { $0.message.start[0] == Array("101".utf8) },
    ReaderDifference(
      name: "close outweighs keep-alive in HTTP/1.0", section: "RFC 9112 section 9.3",
      side: .responses(to: []),
      example: "HTTP/1.0 204 None\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n"
        + "HTTP/1.0 204 None\r\n\r\n"
    ) { $0.message.minorVersion == 0 && values("connection", in: $0.message).count > 1 },
  ]

  private static func values(_ name: String, in message: WireMessage) -> [[UInt8]] {
    message.fields.filter {
      String(decoding: $0.name, as: UTF8.self).lowercased() == name
    }.map(\.value)
  }

  private static func endsInTab(_ difference: Case) -> Bool {
    difference.octets.split(separator: .lineFeed).contains { line in
      let text = String(decoding: line.dropLast(), as: UTF8.self).lowercased()
      return text.reversed().first { $0 != " " } == "\t"
        && ["content-length:", "transfer-encoding:", "connection:"].contains { text.hasPrefix($0) }
    }
  }
}

extension UInt8 {
  fileprivate static let lineFeed: UInt8 = 10
  fileprivate static let semicolon: UInt8 = 59
}
