/// What a request method promises (RFC 9110 section 9.2).
public enum RequestMethod: UInt8, Hashable, Sendable {
  case get, head, options, put, delete, trace
  case post, connect
  case other

  /// Doing it twice is the same as doing it once, so a router may send it again.
  public var isIdempotent: Bool {
    switch self {
    case .get, .head, .options, .put, .delete, .trace: true
    case .post, .connect, .other: false
    }
  }

  static func recognise(_ bytes: Span<UInt8>, _ range: Range<Int>) -> RequestMethod {
    // Methods are case-sensitive (RFC 9110 section 9.1).
    func spells(_ text: StaticString) -> Bool {
      let pointer = text.utf8Start
      for index in 0..<range.count where bytes[range.lowerBound + index] != pointer[index] {
        return false
      }
      return true
    }
    switch range.count {
    case 3: return spells("GET") ? .get : spells("PUT") ? .put : .other
    case 4: return spells("POST") ? .post : spells("HEAD") ? .head : .other
    case 5: return spells("TRACE") ? .trace : .other
    case 6: return spells("DELETE") ? .delete : .other
    case 7: return spells("OPTIONS") ? .options : spells("CONNECT") ? .connect : .other
    default: return .other
    }
  }
}

/// Reads the head of a request (RFC 9112) into offsets, allocating nothing after the first.
///
/// Feed it the same bytes from the start of the message, with more behind them each time, until it
/// says that the head is complete.
public struct RequestParser: Sendable {
  public private(set) var method = RequestMethod.other
  public private(set) var methodRange = 0..<0
  /// The request target as it was sent.
  public private(set) var target = 0..<0
  /// The part of the target from the path on: what an origin server is asked for.
  public private(set) var path = 0..<0
  /// Host and port: from an absolute target, else from Host (RFC 9112 section 3.2.2).
  public private(set) var authority = 0..<0
  /// 1 for HTTP/1.1 and anything later in HTTP/1, 0 for HTTP/1.0.
  public private(set) var minorVersion = 1
  public private(set) var block = FieldBlock()
  /// Octets of the head, its empty line and any empty lines before it included.
  public private(set) var length = 0

  private let limits: HeadLimits
  private var offset = 0
  private var searched = 0
  private var hasFirstLine = false

  public init(limits: HeadLimits = HeadLimits()) { self.limits = limits }

  /// Whether at least one octet of a head has been seen since the last reset.
  public var hasBegun: Bool { searched > 0 }

  public mutating func reset() {
    method = .other
    methodRange = 0..<0
    target = 0..<0
    path = 0..<0
    authority = 0..<0
    minorVersion = 1
    length = 0
    offset = 0
    searched = 0
    hasFirstLine = false
    block.reset()
  }

  /// - Returns: whether the head is complete; ``length`` then says where the body begins.
  /// - Throws: 400, 414, 431 or 505 when no reader may act on it.
  public mutating func parse(_ bytes: Span<UInt8>) throws(HTTPFault) -> Bool {
    guard LineGate.mayHoldLine(bytes, offset: offset, searched: &searched, limits: limits) else {
      return false
    }
    if !hasFirstLine {
      while offset < 8, offset + 1 < bytes.count, bytes[offset] == .carriageReturn,
        bytes[offset + 1] == .lineFeed
      {
        offset += 2
      }
      if offset + 1 == bytes.count, bytes[offset] == .carriageReturn { return false }
      guard try parseRequestLine(bytes) else {
        // The CR of a line that is just short enough may have come without its LF.
        guard bytes.count - offset <= limits.firstLine + 1 else {
          throw HTTPFault(414, "request line longer than \(limits.firstLine) octets")
        }
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
        try check(bytes)
        return true
      }
    }
  }

  private var tooLong: HTTPFault { HTTPFault(431, "head longer than \(limits.bytes) octets") }

  private mutating func parseRequestLine(_ bytes: Span<UInt8>) throws(HTTPFault) -> Bool {
    let count = bytes.count
    var index = offset
    while index < count, bytes[index].isToken { index += 1 }
    guard index < count else { return false }
    guard bytes[index] == .space, index > offset else {
      throw HTTPFault(400, "malformed method")
    }
    let methodRange = offset..<index
    index += 1
    let targetStart = index
    while index < count, bytes[index] > 32, bytes[index] != 127 { index += 1 }
    guard index < count else { return false }
    guard bytes[index] == .space, index > targetStart else {
      throw HTTPFault(400, "malformed request target")
    }
    let target = targetStart..<index
    guard index + 10 < count else {
      // Whatever is there of the version must still be able to become one.
      for position in index + 1..<count where bytes[position] == .lineFeed {
        throw HTTPFault(400, "malformed HTTP version")
      }
      return false
    }
    minorVersion = try HTTPVersion.parse(bytes, at: index + 1)
    guard bytes[index + 9] == .carriageReturn, bytes[index + 10] == .lineFeed else {
      throw HTTPFault(400, "malformed end of the request line")
    }
    guard index + 9 - offset <= limits.firstLine else {
      throw HTTPFault(414, "request line longer than \(limits.firstLine) octets")
    }
    self.methodRange = methodRange
    self.target = target
    method = RequestMethod.recognise(bytes, methodRange)
    try splitTarget(bytes)
    offset = index + 11
    return true
  }

  private mutating func splitTarget(_ bytes: Span<UInt8>) throws(HTTPFault) {
    // Whatever its target: what follows the answer to a CONNECT is no message (RFC 9110 section 9.3.6).
    if method == .connect { throw HTTPFault(501, "CONNECT is not served here") }
    if bytes[target.lowerBound] == .slash {
      path = target
      return
    }
    if method == .options, target.count == 1, bytes[target.lowerBound] == 42 {
      path = target
      return
    }
    let scheme: Int
    if target.count > 7, bytes.matches("http://", in: target.lowerBound..<target.lowerBound + 7) {
      scheme = 7
    } else if target.count > 8,
      bytes.matches("https://", in: target.lowerBound..<target.lowerBound + 8)
    {
      scheme = 8
    } else {
      throw HTTPFault(400, "malformed request target")
    }
    let start = target.lowerBound + scheme
    var end = start
    while end < target.upperBound, bytes[end] != .slash, bytes[end] != 63 {
      guard bytes[end].isHostCharacter else { throw HTTPFault(400, "malformed request target") }
      end += 1
    }
    guard end > start else { throw HTTPFault(400, "malformed request target") }
    authority = start..<end
    path = end..<target.upperBound
  }

  private mutating func check(_ bytes: Span<UInt8>) throws(HTTPFault) {
    if block.hasTransferEncoding {
      guard block.contentLength == nil else {
        throw HTTPFault(400, "both Content-Length and Transfer-Encoding")
      }
      guard block.isChunked else {
        throw HTTPFault(400, "a transfer coding other than chunked")
      }
      guard minorVersion >= 1 else {
        throw HTTPFault(400, "Transfer-Encoding in an HTTP/1.0 request")
      }
    }
    guard let host = block.host else {
      guard minorVersion == 0 || !authority.isEmpty else { throw HTTPFault(400, "no Host") }
      return
    }
    if authority.isEmpty { authority = host }
  }

  /// How the body is delimited (RFC 9112 section 6.3).
  public var bodyFraming: BodyFraming {
    if block.isChunked { return .chunked }
    guard let length = block.contentLength, length > 0 else { return .none }
    return .length(length)
  }

  /// Whether the client wants to send another request on this connection.
  public var keepsAlive: Bool {
    if block.saysClose { return false }
    return minorVersion >= 1 || block.saysKeepAlive
  }
}

enum HTTPVersion {
  /// The minor version of the eight octets `HTTP/1.x` at `start`, at most 1.
  static func parse(_ bytes: Span<UInt8>, at start: Int) throws(HTTPFault) -> Int {
    let spells =
      bytes[start] == 72 && bytes[start + 1] == 84 && bytes[start + 2] == 84
      && bytes[start + 3] == 80 && bytes[start + 4] == .slash && bytes[start + 5].isDigit
      && bytes[start + 6] == 46 && bytes[start + 7].isDigit
    guard spells else { throw HTTPFault(400, "malformed HTTP version") }
    guard bytes[start + 5] == 49 else { throw HTTPFault(505, "only HTTP/1 is spoken here") }
    return bytes[start + 7] == 48 ? 0 : 1
  }
}

enum LineGate {
  /// Whether it is worth reading on: the octets that came since the last time hold the end of a line,
  /// or are the first, or are more than a limit allows. Keeps a head that arrives in a thousand pieces
  /// from being read a thousand times.
  static func mayHoldLine(
    _ bytes: Span<UInt8>, offset: Int, searched: inout Int, limits: HeadLimits
  ) -> Bool {
    defer { searched = bytes.count }
    guard bytes.count > searched else { return false }
    if searched == 0 { return bytes.count > 0 }
    if bytes.count - offset > limits.firstLine || bytes.count > limits.bytes { return true }
    // Whatever follows a CR decides at once whether it was a bare one.
    if bytes[searched - 1] == .carriageReturn { return true }
    for index in searched..<max(searched, bytes.count) where bytes[index] == .lineFeed {
      return true
    }
    return false
  }
}
