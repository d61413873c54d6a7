/// Fields that are the sender's or the router's, as the router is set.
public struct ReplacedFields: OptionSet, Sendable {
  public let rawValue: UInt8

  public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static let requestID = ReplacedFields(rawValue: 1)
  public static let trace = ReplacedFields(rawValue: 2)
}

/// The header fields of one message, and what they say about its framing and its connection.
///
/// Lines are read as they become complete, so that a head that arrives octet by octet costs no more
/// than twice one that arrives whole. Reading is strict (RFC 9112 sections 2.2, 5 and 11.2): a line
/// that two readers could understand differently is a fault, never repaired.
public struct FieldBlock: Sendable {
  public internal(set) var fields: [HeaderField] = []
  /// The declared body length, if any.
  public internal(set) var contentLength: UInt64?
  /// `Transfer-Encoding: chunked`, and no other coding.
  public internal(set) var isChunked = false
  public internal(set) var hasTransferEncoding = false
  public internal(set) var saysClose = false
  public internal(set) var saysKeepAlive = false
  public internal(set) var saysUpgrade = false
  /// Seconds of the `timeout` parameter of `Keep-Alive`, if there is one.
  public internal(set) var keepAliveTimeout: UInt32?
  /// The client takes trailers (`TE: trailers`).
  public internal(set) var acceptsTrailers = false
  /// Where the value of the only Host field is.
  public internal(set) var host: Range<Int>?
  public internal(set) var expects = false
  /// Where the value of the first Upgrade field is.
  public internal(set) var upgrade: Range<Int>?
  private var hasConnectionOptions = false

  init() { fields.reserveCapacity(32) }

  mutating func reset() {
    fields.removeAll(keepingCapacity: true)
    contentLength = nil
    isChunked = false
    hasTransferEncoding = false
    saysClose = false
    saysKeepAlive = false
    saysUpgrade = false
    keepAliveTimeout = nil
    acceptsTrailers = false
    host = nil
    expects = false
    upgrade = nil
    hasConnectionOptions = false
  }

  enum Line {
    case field
    case end
    case incomplete
  }

  /// Reads one line from `offset`, which moves behind it.
  mutating func readLine(
    _ bytes: Span<UInt8>, _ offset: inout Int, limit: Int
  ) throws(HTTPFault) -> Line {
    let count = bytes.count
    var index = offset
    guard index < count else { return .incomplete }
    if bytes[index] == .carriageReturn {
      guard index + 1 < count else { return .incomplete }
      guard bytes[index + 1] == .lineFeed else { throw HTTPFault(400, "bare CR in the head") }
      offset = index + 2
      return .end
    }
    while index < count, bytes[index].isToken { index += 1 }
    let nameEnd = index
    guard index < count else { return .incomplete }
    guard bytes[index] == .colon, nameEnd > offset else {
      throw Self.nameFault(bytes[index], atStart: nameEnd == offset)
    }
    index += 1
    while index < count, bytes[index].isWhitespace { index += 1 }
    let valueStart = index
    index = bytes.endOfFieldContent(from: index)
    guard index < count else { return .incomplete }
    guard bytes[index] == .carriageReturn else {
      throw HTTPFault(
        400,
        bytes[index] == .lineFeed ? "bare LF in the head" : "control character in a field value")
    }
    guard index + 1 < count else { return .incomplete }
    guard bytes[index + 1] == .lineFeed else { throw HTTPFault(400, "bare CR in the head") }
    guard fields.count < limit else { throw HTTPFault(431, "more than \(limit) header fields") }
    var valueEnd = index
    while valueEnd > valueStart, bytes[valueEnd - 1].isWhitespace { valueEnd -= 1 }
    let kind = FieldName.recognise(bytes, offset..<nameEnd)
    fields.append(
      HeaderField(
        nameStart: UInt32(offset), nameEnd: UInt32(nameEnd), valueStart: UInt32(valueStart),
        valueEnd: UInt32(valueEnd), lineEnd: UInt32(index + 2), kind: kind))
    if kind != .other { try note(kind, bytes, valueStart..<valueEnd) }
    offset = index + 2
    return .field
  }

  private static func nameFault(_ byte: UInt8, atStart: Bool) -> HTTPFault {
    switch byte {
    case .lineFeed: HTTPFault(400, "bare LF in the head")
    case .space, .tab:
      HTTPFault(400, atStart ? "folded header line" : "space before the colon of a field name")
    default: HTTPFault(400, "malformed field name")
    }
  }

  private mutating func note(
    _ kind: FieldName, _ bytes: Span<UInt8>, _ value: Range<Int>
  ) throws(HTTPFault) {
    switch kind {
    case .contentLength: try noteContentLength(bytes, value)
    case .transferEncoding:
      guard !hasTransferEncoding else { throw HTTPFault(400, "more than one Transfer-Encoding") }
      hasTransferEncoding = true
      isChunked = bytes.matches("chunked", in: value)
    case .connection: noteConnection(bytes, value)
    case .keepAlive: noteKeepAlive(bytes, value)
    case .host:
      guard host == nil else { throw HTTPFault(400, "more than one Host") }
      for index in value where !bytes[index].isHostCharacter {
        throw HTTPFault(400, "malformed Host")
      }
      host = value
    case .expect: expects = true
    case .upgrade: if upgrade == nil { upgrade = value }
    case .te:
      bytes.forEachElement(of: value) { element in
        if bytes.matches("trailers", in: element) { acceptsTrailers = true }
      }
    case .other, .proxyConnection, .forwarded, .imitation, .requestID, .trace: break
    }
  }

  private mutating func noteContentLength(
    _ bytes: Span<UInt8>, _ value: Range<Int>
  ) throws(HTTPFault) {
    guard !value.isEmpty, value.count <= 18 else {
      throw HTTPFault(400, "malformed Content-Length")
    }
    var length: UInt64 = 0
    for index in value {
      guard bytes[index].isDigit else { throw HTTPFault(400, "malformed Content-Length") }
      length = length * 10 + UInt64(bytes[index] - 48)
    }
    if let contentLength, contentLength != length {
      throw HTTPFault(400, "two different values of Content-Length")
    }
    contentLength = length
  }

  private mutating func noteConnection(_ bytes: Span<UInt8>, _ value: Range<Int>) {
    bytes.forEachElement(of: value) { element in
      if bytes.matches("close", in: element) {
        saysClose = true
      } else if bytes.matches("keep-alive", in: element) {
        saysKeepAlive = true
      } else {
        if bytes.matches("upgrade", in: element) { saysUpgrade = true }
        hasConnectionOptions = true
      }
    }
  }

  private mutating func noteKeepAlive(_ bytes: Span<UInt8>, _ value: Range<Int>) {
    bytes.forEachElement(of: value) { element in
      guard element.count > 8,
        bytes.matches("timeout=", in: element.lowerBound..<element.lowerBound + 8)
      else { return }
      var seconds: UInt32 = 0
      for index in element.lowerBound + 8..<element.upperBound {
        guard bytes[index].isDigit, seconds < 1_000_000 else { return }
        seconds = seconds * 10 + UInt32(bytes[index] - 48)
      }
      keepAliveTimeout = seconds
    }
  }

  /// Marks the fields that `Connection` names. Framing and routing fields are out of its reach: a
  /// sender that names them would otherwise choose what the next hop believes.
  mutating func finish(_ bytes: Span<UInt8>) {
    guard hasConnectionOptions else { return }
    for connection in fields.indices where fields[connection].kind == .connection {
      bytes.forEachElement(of: fields[connection].value) { element in
        for index in fields.indices where fields[index].name.count == element.count {
          switch fields[index].kind {
          case .host, .contentLength, .transferEncoding, .expect: continue
          case .other, .connection, .keepAlive, .proxyConnection, .upgrade, .te, .forwarded,
            .imitation, .requestID, .trace:
            break
          }
          if bytes.equal(fields[index].name, element) { fields[index].isNamedByConnection = true }
        }
      }
    }
  }

  /// Calls `body` with each longest run of lines that goes on to the next hop unchanged. Framing,
  /// connection and forwarding fields are never among them: the router writes its own.
  ///
  /// - Parameter replaced: what else of a request the router writes itself.
  public func forEachKeptRun(
    isRequest: Bool, replaced: ReplacedFields = [], _ body: (Range<Int>) -> Void
  ) {
    var start = -1
    var end = -1
    for field in fields {
      let kept: Bool
      switch field.kind {
      case .other: kept = !field.isNamedByConnection
      case .expect: kept = true
      case .forwarded, .imitation: kept = !isRequest
      case .host: kept = !isRequest
      case .requestID:
        kept = !field.isNamedByConnection && !(isRequest && replaced.contains(.requestID))
      case .trace: kept = !field.isNamedByConnection && !(isRequest && replaced.contains(.trace))
      case .contentLength, .transferEncoding, .connection, .keepAlive, .proxyConnection, .upgrade,
        .te:
        kept = false
      }
      guard kept else { continue }
      let line = field.line
      if line.lowerBound == end {
        end = line.upperBound
      } else {
        if start >= 0 { body(start..<end) }
        start = line.lowerBound
        end = line.upperBound
      }
    }
    if start >= 0 { body(start..<end) }
  }
}

extension Span<UInt8> {
  /// Whether two ranges hold the same octets in any case.
  func equal(_ left: Range<Int>, _ right: Range<Int>) -> Bool {
    guard left.count == right.count else { return false }
    for index in 0..<left.count
    where self[left.lowerBound + index].lowercased != self[right.lowerBound + index].lowercased {
      return false
    }
    return true
  }
}
