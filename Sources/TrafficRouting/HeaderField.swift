/// The fields a router must understand; everything else is passed on unread.
public enum FieldName: UInt8, Hashable, Sendable {
  case other
  case host
  case contentLength
  case transferEncoding
  case connection
  case keepAlive
  case proxyConnection
  case upgrade
  case expect
  case te
  /// `X-Forwarded-*`, `X-Real-IP`, `Forwarded` and `X-Segue-Shadow`: a client's word about what only
  /// the router knows, which is replaced.
  case forwarded
  /// `X-Request-Id`: a client's name for its request, which only a trusted peer gives.
  case requestID
  /// `traceparent` and `tracestate`, which are dropped where a trace begins.
  case trace
  /// A name that an application behind CGI-like gateways would read as one of the above, such as
  /// `Content_Length` or `X_Forwarded_For`: never passed on.
  case imitation

  /// Recognises the name in `range` in any case.
  static func recognise(_ bytes: Span<UInt8>, _ range: Range<Int>) -> FieldName {
    switch range.count {
    case 2: return bytes.matches("te", in: range) ? .te : .other
    case 4: return bytes.matches("host", in: range) ? .host : .other
    case 6: return bytes.matches("expect", in: range) ? .expect : .other
    case 7: return bytes.matches("upgrade", in: range) ? .upgrade : .other
    case 9:
      if bytes.matches("forwarded", in: range) { return .forwarded }
      if bytes.matches("x-real-ip", in: range) { return .forwarded }
      return resembles("x-real-ip", bytes, range) ? .imitation : .other
    case 10:
      if bytes.matches("connection", in: range) { return .connection }
      if bytes.matches("keep-alive", in: range) { return .keepAlive }
      return bytes.matches("tracestate", in: range) ? .trace : .other
    case 11: return bytes.matches("traceparent", in: range) ? .trace : .other
    case 12:
      if bytes.matches("x-request-id", in: range) { return .requestID }
      return resembles("x-request-id", bytes, range) ? .imitation : .other
    case 14:
      if bytes.matches("content-length", in: range) { return .contentLength }
      if resembles("content-length", bytes, range) { return .imitation }
      if bytes.matches("x-segue-shadow", in: range) { return .forwarded }
      if resembles("x-segue-shadow", bytes, range) { return .imitation }
    case 16:
      if bytes.matches("proxy-connection", in: range) { return .proxyConnection }
    case 17:
      if bytes.matches("transfer-encoding", in: range) { return .transferEncoding }
      if resembles("transfer-encoding", bytes, range) { return .imitation }
    default: break
    }
    guard range.count > 12, bytes[range.lowerBound].lowercased == 120 else { return .other }
    let prefix = range.lowerBound..<range.lowerBound + 12
    if bytes.matches("x-forwarded-", in: prefix) { return .forwarded }
    return resembles("x-forwarded-", bytes, prefix) ? .imitation : .other
  }

  /// Whether the name is `text` once underscores are read as hyphens, as WSGI and CGI do.
  private static func resembles(
    _ text: StaticString, _ bytes: Span<UInt8>, _ range: Range<Int>
  ) -> Bool {
    let pointer = text.utf8Start
    for index in 0..<text.utf8CodeUnitCount {
      let byte = bytes[range.lowerBound + index].lowercased
      if (byte == 95 ? 45 : byte) != pointer[index] { return false }
    }
    return true
  }
}

/// One header field as offsets into its head.
public struct HeaderField: Hashable, Sendable {
  var nameStart: UInt32
  var nameEnd: UInt32
  var valueStart: UInt32
  var valueEnd: UInt32
  /// After the line's CRLF.
  var lineEnd: UInt32
  public var kind: FieldName
  /// Named by `Connection`, and so meant for the next hop only (RFC 9110 section 7.6.1).
  public var isNamedByConnection = false

  public var name: Range<Int> { Int(nameStart)..<Int(nameEnd) }
  public var value: Range<Int> { Int(valueStart)..<Int(valueEnd) }
  public var line: Range<Int> { Int(nameStart)..<Int(lineEnd) }
}
