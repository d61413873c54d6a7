import TrafficRouting

/// Frames the body of a request for HTTP/1.1, and holds it to the length its head declared.
struct RequestBody {
  enum Framing: Hashable {
    case none
    /// Octets that are still to come.
    case length(UInt64)
    case chunked
  }

  private var framing: Framing
  private var isFirst = true

  init(_ framing: Framing) { self.framing = framing }

  /// - Returns: what belongs in front of `count` octets of the body; nil when there must not be so
  ///   many.
  mutating func prefix(for count: Int) -> [UInt8]? {
    switch framing {
    case .none: return count == 0 ? [] : nil
    case .length(let left):
      guard UInt64(count) <= left else { return nil }
      framing = .length(left - UInt64(count))
      return []
    case .chunked:
      guard count > 0 else { return [] }
      defer { isFirst = false }
      return Array("\(isFirst ? "" : "\r\n")\(String(count, radix: 16))\r\n".utf8)
    }
  }

  /// - Returns: what belongs behind the body; nil when octets of it are missing.
  mutating func end(_ trailers: RequestTrailers?) -> [UInt8]? {
    switch framing {
    case .none: return []
    case .length(let left): return left == 0 ? [] : nil
    case .chunked:
      return Array((isFirst ? "0\r\n" : "\r\n0\r\n").utf8) + (trailers?.lines ?? []) + [13, 10]
    }
  }
}

/// The fields behind a request's body (RFC 9113 section 8.1).
struct RequestTrailers {
  private(set) var lines: [UInt8] = []
  private(set) var isMalformed = false
  private var count = 0

  /// Octets of all trailers together, as the reader on the other side has it.
  static let limit = 16_000

  mutating func add(_ name: Span<UInt8>, _ value: Span<UInt8>) {
    count += 1
    guard !name.isEmpty, name.allSatisfy(\.isLowerCaseToken), value.isFieldValue,
      !name.isConnectionSpecific, count <= 128
    else { return reject() }
    var line: [UInt8] = []
    line.append(name)
    line.append(": ")
    line.append(value)
    line.append("\r\n")
    // A trailer must not bring in what a head decides; it may be left out (RFC 9110 section 6.5.1).
    guard Self.isTakenByReaders(line) else { return }
    lines += line
    if lines.count > Self.limit { reject() }
  }

  mutating func reject() {
    isMalformed = true
    lines = []
  }

  /// Whether the reader of the HTTP/1.1 text takes the line: it is asked.
  private static func isTakenByReaders(_ line: [UInt8]) -> Bool {
    var framer = BodyFramer(.chunked)
    var octets = Array("0\r\n".utf8)
    octets += line
    octets.append("\r\n")
    let taken = try? framer.advance(over: octets.span)
    return taken == octets.count && framer.isComplete
  }
}
