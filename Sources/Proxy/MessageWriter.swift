import NIOCore
import TrafficRouting

/// Writes heads for the next hop: the lines that go on unchanged are copied in runs, the few the
/// router answers for are written anew.
enum MessageWriter {
  /// What a request head needs besides the client's own lines.
  struct RequestEdit {
    /// Lines of the router's own, each with its CRLF: where the request came from, and more.
    let lines: ByteBuffer
    /// The name that the router made for the request, which is written besides.
    var name: RequestWords?
    /// What of the client's those stand for.
    var replaced: ReplacedFields = []
    /// They name the host that the client asked for.
    var saysHost = false
    /// Host for a request that came without one (HTTP/1.0).
    let fallbackHost: String
    let upgrades: Bool
    let framing: BodyFraming
    /// The request goes to somebody else as well, whose answer counts.
    var isCopy = false
  }

  static func writeRequest(
    _ parser: RequestParser, head: ByteBuffer, edit: RequestEdit, to out: inout ByteBuffer
  ) {
    head.withUnsafeReadableBytes { bytes in
      if parser.path == parser.target {
        out.copy(parser.methodRange.lowerBound..<parser.target.upperBound, of: bytes)
      } else {
        out.copy(parser.methodRange, of: bytes)
        out.writeStaticString(" ")
        if parser.path.isEmpty || bytes[parser.path.lowerBound] != UInt8(ascii: "/") {
          out.writeStaticString("/")
        }
        out.copy(parser.path, of: bytes)
      }
      out.writeStaticString(" HTTP/1.1\r\nHost: ")
      if parser.authority.isEmpty {
        out.writeString(edit.fallbackHost)
      } else {
        out.copy(parser.authority, of: bytes)
      }
      out.writeStaticString("\r\n")
      parser.block.forEachKeptRun(isRequest: true, replaced: edit.replaced) {
        out.copy($0, of: bytes)
      }
      out.writeImmutableBuffer(edit.lines)
      if let name = edit.name { out.writeRequestID(name) }
      if !edit.saysHost, !parser.authority.isEmpty {
        out.writeStaticString("X-Forwarded-Host: ")
        out.copy(parser.authority, of: bytes)
        out.writeStaticString("\r\n")
      }
      if let length = parser.block.contentLength { out.writeLength(length) }
      if edit.framing == .chunked { out.writeStaticString("Transfer-Encoding: chunked\r\n") }
      if edit.isCopy {
        // A connection for each copy: one that went stale in a pool would look like a failed answer.
        out.writeStaticString("X-Segue-Shadow: 1\r\nConnection: close\r\n")
      } else if edit.upgrades, let upgrade = parser.block.upgrade {
        out.writeStaticString("Connection: Upgrade\r\nUpgrade: ")
        out.copy(upgrade, of: bytes)
        out.writeStaticString("\r\n")
      } else if parser.block.acceptsTrailers {
        out.writeStaticString("Connection: TE\r\nTE: trailers\r\n")
      }
      out.writeStaticString("\r\n")
    }
  }

  /// How the client is told where a response ends and what becomes of the connection.
  enum ResponseEnd {
    /// HTTP/1.1 keeps the connection open unless told otherwise.
    case keepAlive
    /// HTTP/1.0 closes it unless told otherwise.
    case keepAliveSaid
    case close
    case upgrade
    /// An interim response says nothing about it.
    case interim
  }

  /// - Parameter lines: lines of the router's own, each with its CRLF.
  static func writeResponse(
    _ parser: ResponseParser, head: ByteBuffer, framing: BodyFraming, end: ResponseEnd,
    lines: ByteBuffer? = nil, to out: inout ByteBuffer
  ) {
    head.withUnsafeReadableBytes { bytes in
      out.writeStaticString("HTTP/1.1 ")
      out.copy(parser.statusRange, of: bytes)
      out.writeStaticString("\r\n")
      parser.block.forEachKeptRun(isRequest: false) { out.copy($0, of: bytes) }
      if let lines { out.writeImmutableBuffer(lines) }
      switch framing {
      case .chunked: out.writeStaticString("Transfer-Encoding: chunked\r\n")
      case .length(let length): out.writeLength(length)
      case .none, .untilClose:
        // The length of a body that is not sent: HEAD, 304, or an empty one.
        let status = parser.status
        if status >= 200, status != 204 {
          if let length = parser.block.contentLength {
            out.writeLength(length)
          } else if parser.block.isChunked, framing == .none {
            out.writeStaticString("Transfer-Encoding: chunked\r\n")
          }
        }
      }
      switch end {
      case .keepAlive, .interim: break
      case .keepAliveSaid: out.writeStaticString("Connection: keep-alive\r\n")
      case .close: out.writeStaticString("Connection: close\r\n")
      case .upgrade:
        out.writeStaticString("Connection: Upgrade\r\nUpgrade: ")
        if let upgrade = parser.block.upgrade { out.copy(upgrade, of: bytes) }
        out.writeStaticString("\r\n")
      }
      out.writeStaticString("\r\n")
    }
  }

  /// A response of the router's own.
  struct LocalAnswer {
    var status: Int
    var reason: String
    var isHead: Bool
    var closes: Bool
    var saysKeepAlive: Bool
    var location: String?
    /// The request's name.
    var id: String?
    var form = ErrorPages.Form.text
    /// Instead of what the status and the reason say.
    var content: String?
  }

  static func writeLocal(_ answer: LocalAnswer, pages: ErrorPages, to out: inout ByteBuffer) {
    let phrase = phrase(of: answer.status)
    let body =
      answer.content.map { (type: "application/octet-stream", octets: $0) }
      ?? pages.body(
        answer.status, phrase, reason: answer.reason, id: answer.id, form: answer.form)
    out.writeString("HTTP/1.1 \(answer.status) \(phrase)\r\nContent-Type: \(body.type)\r\n")
    out.writeStaticString("Cache-Control: no-store\r\n")
    if answer.status == 503 { out.writeStaticString("Retry-After: 1\r\n") }
    if let location = answer.location { out.writeString("Location: \(location)\r\n") }
    if let id = answer.id { out.writeString("X-Request-Id: \(id)\r\n") }
    out.writeLength(UInt64(body.octets.utf8.count))
    if answer.closes {
      out.writeStaticString("Connection: close\r\n")
    } else if answer.saysKeepAlive {
      out.writeStaticString("Connection: keep-alive\r\n")
    }
    out.writeStaticString("\r\n")
    if !answer.isHead { out.writeString(body.octets) }
  }

  private static func phrase(of status: Int) -> String {
    switch status {
    case 200: "OK"
    case 308: "Permanent Redirect"
    case 400: "Bad Request"
    case 404: "Not Found"
    case 408: "Request Timeout"
    case 414: "URI Too Long"
    case 431: "Request Header Fields Too Large"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    default: "Error"
    }
  }
}

extension ByteBuffer {
  @inline(__always)
  fileprivate mutating func copy(_ range: Range<Int>, of bytes: UnsafeRawBufferPointer) {
    writeBytes(UnsafeRawBufferPointer(rebasing: bytes[range]))
  }

  /// `X-Request-Id` with its CRLF, in one piece.
  fileprivate mutating func writeRequestID(_ words: RequestWords) {
    writeStaticString("X-Request-Id: ")
    writeMultipleIntegers(
      Hexadecimal.digits(UInt32(truncatingIfNeeded: words.high >> 32)),
      Hexadecimal.digits(UInt32(truncatingIfNeeded: words.high)),
      Hexadecimal.digits(UInt32(truncatingIfNeeded: words.low >> 32)),
      Hexadecimal.digits(UInt32(truncatingIfNeeded: words.low)), UInt16(0x0D0A))
  }

  fileprivate mutating func writeLength(_ length: UInt64) {
    writeStaticString("Content-Length: ")
    writeDecimal(length)
    writeStaticString("\r\n")
  }

  /// Decimal digits without a String on the way.
  private mutating func writeDecimal(_ value: UInt64) {
    var divisor: UInt64 = 1
    while value / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      writeInteger(UInt8(48 + value / divisor % 10))
      divisor /= 10
    }
  }
}
