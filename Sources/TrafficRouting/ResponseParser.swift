/// Reads the head of a response (RFC 9112) into offsets; used like ``RequestParser``.
public struct ResponseParser: Sendable {
  public private(set) var status = 0
  /// The status line from the status code on, without its CRLF: `404 Not Found`.
  public private(set) var statusRange = 0..<0
  public private(set) var minorVersion = 1
  public private(set) var block = FieldBlock()
  public private(set) var length = 0

  private let limits: HeadLimits
  private var offset = 0
  private var searched = 0
  private var hasFirstLine = false

  public init(limits: HeadLimits = HeadLimits()) { self.limits = limits }

  public mutating func reset() {
    status = 0
    statusRange = 0..<0
    minorVersion = 1
    length = 0
    offset = 0
    searched = 0
    hasFirstLine = false
    block.reset()
  }

  /// - Returns: whether the head is complete.
  /// - Throws: a fault whose status means nothing; the router answers 502.
  public mutating func parse(_ bytes: Span<UInt8>) throws(HTTPFault) -> Bool {
    guard LineGate.mayHoldLine(bytes, offset: offset, searched: &searched, limits: limits) else {
      return false
    }
    if !hasFirstLine {
      guard try parseStatusLine(bytes) else {
        // The CR of a line that is just short enough may have come without its LF.
        guard bytes.count <= limits.firstLine + 1 else { throw lineTooLong }
        return false
      }
      hasFirstLine = true
    }
    while true {
      switch try block.readLine(bytes, &offset, limit: limits.fields) {
      case .field:
        guard offset <= limits.bytes else { throw tooLong }
      case .incomplete:
        guard bytes.count <= limits.bytes else { throw tooLong }
        return false
      case .end:
        guard offset <= limits.bytes else { throw tooLong }
        block.finish(bytes)
        length = offset
        guard !(block.hasTransferEncoding && block.contentLength != nil) else {
          throw HTTPFault(502, "both Content-Length and Transfer-Encoding")
        }
        guard block.isChunked == block.hasTransferEncoding else {
          throw HTTPFault(502, "a transfer coding other than chunked")
        }
        return true
      }
    }
  }

  private var lineTooLong: HTTPFault {
    HTTPFault(502, "status line longer than \(limits.firstLine) octets")
  }

  private var tooLong: HTTPFault { HTTPFault(502, "head longer than \(limits.bytes) octets") }

  private mutating func parseStatusLine(_ bytes: Span<UInt8>) throws(HTTPFault) -> Bool {
    let count = bytes.count
    guard count >= 13 else { return false }
    minorVersion = try HTTPVersion.parse(bytes, at: 0)
    guard bytes[8] == .space, bytes[9].isDigit, bytes[10].isDigit, bytes[11].isDigit else {
      throw HTTPFault(502, "malformed status line")
    }
    var index = 12
    guard bytes[index] == .space || bytes[index] == .carriageReturn else {
      throw HTTPFault(502, "malformed status line")
    }
    index = bytes.endOfFieldContent(from: index)
    guard index + 1 < count else { return false }
    guard bytes[index] == .carriageReturn, bytes[index + 1] == .lineFeed else {
      throw HTTPFault(502, "malformed end of the status line")
    }
    guard index <= limits.firstLine else { throw lineTooLong }
    status = Int(bytes[9] - 48) * 100 + Int(bytes[10] - 48) * 10 + Int(bytes[11] - 48)
    guard status >= 100 else { throw HTTPFault(502, "status below 100") }
    statusRange = 9..<index
    offset = index + 2
    return true
  }

  /// A head that comes before the final one (RFC 9110 section 15.2). 101 is final: what follows it is
  /// another protocol.
  public var isInterim: Bool { status < 200 && status != 101 }

  /// How the body is delimited (RFC 9112 section 6.3).
  public func bodyFraming(answering method: RequestMethod) -> BodyFraming {
    if method == .head || status < 200 || status == 204 || status == 304 { return .none }
    if block.isChunked { return .chunked }
    guard let length = block.contentLength else { return .untilClose }
    return length > 0 ? .length(length) : .none
  }

  /// Whether the instance keeps the connection open for another request.
  public var keepsAlive: Bool {
    if block.saysClose { return false }
    if minorVersion == 0 { return block.saysKeepAlive && !block.hasTransferEncoding }
    return true
  }
}
