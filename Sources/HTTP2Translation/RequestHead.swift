/// Turns the fields of an HTTP/2 request into the head of an HTTP/1.1 request (RFC 9113 section
/// 8.3).
///
/// Nothing gets into the text that was not looked at here, octet by octet, whatever the library
/// below promises: a line break or a space in the wrong place would be another request to the next
/// reader (section 10.3).
struct RequestHead {
  /// What became of a request.
  enum Outcome: Hashable {
    case request(octets: [UInt8], isHead: Bool, framing: RequestBody.Framing)
    /// A request that is well-formed, but gets this status at once.
    case refused(Int)
    /// Not a request at all: one sentence without a final period.
    case malformed(String)
  }

  private let fieldLimit: Int
  private let octetLimit: Int
  private var count = 0
  private var size = 0
  /// The first thing found wrong decides.
  private var problem: Outcome?
  private var hasRegularField = false
  private var method: [UInt8]?
  private var scheme: [UInt8]?
  private var path: [UInt8]?
  private var authority: [UInt8]?
  private var host: [UInt8]?
  private var contentLength: UInt64?
  private var cookie: [UInt8] = []
  private var lines: [UInt8] = []

  init(limits: HTTP2Limits) {
    fieldLimit = limits.fields
    octetLimit = limits.headerListOctets
  }

  mutating func add(_ name: Span<UInt8>, _ value: Span<UInt8>) {
    guard problem == nil else { return }
    count += 1
    size += name.count + value.count + 32
    guard count <= fieldLimit, size <= octetLimit else {
      problem = .refused(431)
      return
    }
    guard value.isFieldValue else { return reject("a field value with forbidden octets") }
    if !name.isEmpty, name[0] == UInt8(ascii: ":") {
      addPseudoField(name, value)
    } else {
      hasRegularField = true
      addField(name, value)
    }
  }

  mutating func reject(_ reason: String) {
    if problem == nil { problem = .malformed(reason) }
  }

  private mutating func addPseudoField(_ name: Span<UInt8>, _ value: Span<UInt8>) {
    guard !hasRegularField else { return reject("a pseudo-header field after a field") }
    guard !value.isEmpty else { return reject("an empty pseudo-header field") }
    if name.matches(":method") {
      set(\.method, value, \.isToken)
    } else if name.matches(":scheme") {
      set(\.scheme, value, \.isToken)
    } else if name.matches(":path") {
      set(\.path, value, \.isTargetCharacter)
    } else if name.matches(":authority") {
      set(\.authority, value, \.isHostCharacter)
    } else {
      reject("an unknown pseudo-header field")
    }
  }

  private mutating func set(
    _ part: WritableKeyPath<RequestHead, [UInt8]?>, _ value: Span<UInt8>,
    _ allowed: (UInt8) -> Bool
  ) {
    guard self[keyPath: part] == nil else { return reject("a pseudo-header field twice") }
    guard value.allSatisfy(allowed) else { return reject("a pseudo-header field with odd octets") }
    var octets: [UInt8] = []
    octets.append(value)
    self[keyPath: part] = octets
  }

  private mutating func addField(_ name: Span<UInt8>, _ value: Span<UInt8>) {
    guard !name.isEmpty, name.allSatisfy(\.isLowerCaseToken) else {
      return reject("a malformed field name")
    }
    guard !name.isConnectionSpecific else { return reject("a connection-specific field") }
    switch name.count {
    case 2 where name.matches("te"):
      guard value.matches("trailers") else { return reject("TE other than trailers") }
      addLine(name, value)
    case 4 where name.matches("host"):
      set(\.host, value, \.isHostCharacter)
    case 6 where name.matches("cookie"):
      // Crumbs become one field again (RFC 9113 section 8.2.3).
      cookie.append(cookie.isEmpty ? "cookie: " : "; ")
      cookie.append(value)
    case 14 where name.matches("content-length"):
      guard contentLength == nil, let length = value.decimal else {
        return reject("a malformed Content-Length, or more than one")
      }
      contentLength = length
      addLine(name, value)
    default:
      addLine(name, value)
    }
  }

  private mutating func addLine(_ name: Span<UInt8>, _ value: Span<UInt8>) {
    lines.append(name)
    lines.append(": ")
    lines.append(value)
    lines.append("\r\n")
  }

  /// - Parameter endsHere: whether the request has no body.
  consuming func finish(endsHere: Bool) -> Outcome {
    if let problem { return problem }
    guard let method else { return .malformed("no :method") }
    guard method != Array("CONNECT".utf8) else { return .refused(501) }
    guard let scheme, scheme.span.matches("https") || scheme.span.matches("http") else {
      return .malformed("no :scheme that is served here")
    }
    guard let path, path[0] == UInt8(ascii: "/") || isAsterisk(path, method) else {
      return .malformed("no :path that is one")
    }
    guard let host = authority ?? host, !host.isEmpty else { return .malformed("no :authority") }
    if let named = self.host, !named.matches(host) {
      return .malformed("Host differs from :authority")
    }
    guard !endsHere || (contentLength ?? 0) == 0 else {
      return .malformed("a Content-Length, but no body")
    }
    let framing: RequestBody.Framing =
      endsHere ? .none : contentLength.map { .length($0) } ?? .chunked

    var octets: [UInt8] = []
    octets.reserveCapacity(
      method.count + path.count + host.count + lines.count + cookie.count + 64)
    octets += method
    octets.append(" ")
    octets += path
    octets.append(" HTTP/1.1\r\nhost: ")
    octets += host
    octets.append("\r\n")
    octets += lines
    if !cookie.isEmpty {
      octets += cookie
      octets.append("\r\n")
    }
    if framing == .chunked { octets.append("transfer-encoding: chunked\r\n") }
    octets.append("\r\n")
    return .request(octets: octets, isHead: method == Array("HEAD".utf8), framing: framing)
  }

  private func isAsterisk(_ path: [UInt8], _ method: [UInt8]) -> Bool {
    path == [UInt8(ascii: "*")] && method == Array("OPTIONS".utf8)
  }
}

extension Span<UInt8> {
  /// What only an HTTP/1.1 connection may say (RFC 9113 section 8.2.2).
  var isConnectionSpecific: Bool {
    switch count {
    case 7: matches("upgrade")
    case 10: matches("connection") || matches("keep-alive")
    case 16: matches("proxy-connection")
    case 17: matches("transfer-encoding")
    default: false
    }
  }

  /// A number of at most 18 digits and nothing else.
  var decimal: UInt64? {
    guard !isEmpty, count <= 18 else { return nil }
    var number: UInt64 = 0
    for index in indices {
      guard (48...57).contains(self[index]) else { return nil }
      number = number * 10 + UInt64(self[index] - 48)
    }
    return number
  }
}
