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
    let authority = parser.authority.count + edit.fallbackHost.utf8.count
    let bound =
      head.readableBytes + 2 * authority + (parser.block.upgrade?.count ?? 0)
      + edit.lines.readableBytes + ownLineLimit
    out.writeHead(atMost: bound) { out in
      head.withUnsafeReadableBytes { writeRequest(parser, $0, edit, to: &out) }
    }
  }

  /// More than all that is written here of the router's own together.
  private static let ownLineLimit = 512

  private static func writeRequest(
    _ parser: RequestParser, _ bytes: UnsafeRawBufferPointer, _ edit: RequestEdit,
    to out: inout HeadWriter
  ) {
    if parser.path == parser.target {
      out.copy(parser.methodRange.lowerBound..<parser.target.upperBound, of: bytes)
    } else {
      out.copy(parser.methodRange, of: bytes)
      out.write(" ")
      if parser.path.isEmpty || bytes[parser.path.lowerBound] != UInt8(ascii: "/") {
        out.write("/")
      }
      out.copy(parser.path, of: bytes)
    }
    out.write(" HTTP/1.1\r\nHost: ")
    if parser.authority.isEmpty {
      out.write(text: edit.fallbackHost)
    } else {
      out.copy(parser.authority, of: bytes)
    }
    out.write("\r\n")
    parser.block.forEachKeptRun(isRequest: true, replaced: edit.replaced) {
      out.copy($0, of: bytes)
    }
    out.write(buffer: edit.lines)
    if let name = edit.name { out.writeRequestID(name) }
    if !edit.saysHost, !parser.authority.isEmpty {
      out.write("X-Forwarded-Host: ")
      out.copy(parser.authority, of: bytes)
      out.write("\r\n")
    }
    if let length = parser.block.contentLength { out.writeLength(length) }
    if edit.framing == .chunked { out.write("Transfer-Encoding: chunked\r\n") }
    if edit.isCopy {
      // A connection for each copy: one that went stale in a pool would look like a failed answer.
      out.write("X-Segue-Shadow: 1\r\nConnection: close\r\n")
    } else if edit.upgrades, let upgrade = parser.block.upgrade {
      out.write("Connection: Upgrade\r\nUpgrade: ")
      out.copy(upgrade, of: bytes)
      out.write("\r\n")
    } else if parser.block.acceptsTrailers {
      out.write("Connection: TE\r\nTE: trailers\r\n")
    }
    out.write("\r\n")
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
    let bound =
      head.readableBytes + (parser.block.upgrade?.count ?? 0) + (lines?.readableBytes ?? 0)
      + ownLineLimit
    out.writeHead(atMost: bound) { out in
      head.withUnsafeReadableBytes { bytes in
        out.write("HTTP/1.1 ")
        out.copy(parser.statusRange, of: bytes)
        out.write("\r\n")
        parser.block.forEachKeptRun(isRequest: false) { out.copy($0, of: bytes) }
        if let lines { out.write(buffer: lines) }
        writeFraming(framing, of: parser, to: &out)
        writeEnd(end, of: parser, bytes, to: &out)
        out.write("\r\n")
      }
    }
  }

  private static func writeFraming(
    _ framing: BodyFraming, of parser: ResponseParser, to out: inout HeadWriter
  ) {
    switch framing {
    case .chunked: out.write("Transfer-Encoding: chunked\r\n")
    case .length(let length): out.writeLength(length)
    case .none, .untilClose:
      // The length of a body that is not sent: HEAD, 304, or an empty one.
      let status = parser.status
      guard status >= 200, status != 204 else { return }
      if let length = parser.block.contentLength {
        out.writeLength(length)
      } else if parser.block.isChunked, framing == .none {
        out.write("Transfer-Encoding: chunked\r\n")
      }
    }
  }

  private static func writeEnd(
    _ end: ResponseEnd, of parser: ResponseParser, _ bytes: UnsafeRawBufferPointer,
    to out: inout HeadWriter
  ) {
    switch end {
    case .keepAlive, .interim: break
    case .keepAliveSaid: out.write("Connection: keep-alive\r\n")
    case .close: out.write("Connection: close\r\n")
    case .upgrade:
      out.write("Connection: Upgrade\r\nUpgrade: ")
      if let upgrade = parser.block.upgrade { out.copy(upgrade, of: bytes) }
      out.write("\r\n")
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
    var head = "HTTP/1.1 \(answer.status) \(phrase)\r\nContent-Type: \(body.type)\r\n"
    head += "Cache-Control: no-store\r\n"
    if answer.status == 503 { head += "Retry-After: 1\r\n" }
    if let location = answer.location { head += "Location: \(location)\r\n" }
    if let id = answer.id { head += "X-Request-Id: \(id)\r\n" }
    head += "Content-Length: \(body.octets.utf8.count)\r\n"
    if answer.closes {
      head += "Connection: close\r\n"
    } else if answer.saysKeepAlive {
      head += "Connection: keep-alive\r\n"
    }
    out.writeString(head + "\r\n")
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
