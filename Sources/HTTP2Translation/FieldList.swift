import CNGHTTP2
import TrafficRouting

/// Fields as the frame layer takes them: names in lower case, and all octets in one piece.
struct FieldList: Hashable {
  private(set) var octets: [UInt8] = []
  private(set) var fields: [Field] = []

  struct Field: Hashable {
    var name: Range<Int>
    var value: Range<Int>
  }

  mutating func append(_ name: StaticString, _ value: some Collection<UInt8>) {
    let start = octets.count
    octets.append(name)
    let middle = octets.count
    octets += value
    fields.append(Field(name: start..<middle, value: middle..<octets.count))
  }

  /// Appends a field of `text`.
  mutating func append(_ text: Span<UInt8>, name: Range<Int>, value: Range<Int>) {
    let start = octets.count
    for index in name { octets.append(text[index].lowercased) }
    let middle = octets.count
    octets.append(text.extracting(value))
    fields.append(Field(name: start..<middle, value: middle..<octets.count))
  }

  func withFields<Result>(
    _ body: (UnsafePointer<UInt8>, UnsafePointer<segue_h2_field>, Int) -> Result
  ) -> Result {
    let pairs = fields.map {
      segue_h2_field(
        name_start: UInt32($0.name.lowerBound), name_length: UInt32($0.name.count),
        value_start: UInt32($0.value.lowerBound), value_length: UInt32($0.value.count))
    }
    return octets.withUnsafeBufferPointer { octets in
      pairs.withUnsafeBufferPointer { pairs in
        guard let octets = octets.baseAddress, let pairs = pairs.baseAddress else {
          preconditionFailure("a block of fields without a field")
        }
        return body(octets, pairs, fields.count)
      }
    }
  }

  /// The head of a response: what belongs to the HTTP/1.1 connection stays behind
  /// (RFC 9113 section 8.2.2), the status becomes a field.
  init(head parser: ResponseParser, of text: Span<UInt8>, hasLength: Bool) {
    let status = parser.status
    append(":status", [status / 100, status / 10 % 10, status % 10].map { UInt8(48 + $0) })
    for field in parser.block.fields where !field.isNamedByConnection {
      switch field.kind {
      case .other, .host, .expect, .forwarded, .imitation, .requestID, .trace:
        append(text, name: field.name, value: field.value)
      case .contentLength, .transferEncoding, .connection, .keepAlive, .proxyConnection, .upgrade,
        .te:
        break
      }
    }
    // Said once, however often it was said.
    if hasLength, let length = parser.block.contentLength {
      append("content-length", String(length).utf8)
    }
  }

  /// The trailers in the framing that ends a chunked body, nil when there are none.
  ///
  /// - Parameter framing: everything behind the last octet of data, which was read and found good:
  ///   the line end of the last chunk, the last size line, the trailers, an empty line.
  init?(trailersIn framing: Span<UInt8>) {
    var start = 0
    var isSizeLine = true
    for index in framing.indices where framing[index] == 10 && index > 0 {
      let line = start..<index - 1
      start = index + 1
      if line.isEmpty { continue }
      if isSizeLine {
        isSizeLine = false
      } else {
        appendLine(framing, line)
      }
    }
    if fields.isEmpty { return nil }
  }

  private mutating func appendLine(_ text: Span<UInt8>, _ line: Range<Int>) {
    guard let colon = line.first(where: { text[$0] == UInt8(ascii: ":") }) else { return }
    var value = colon + 1..<line.upperBound
    while !value.isEmpty, text[value.lowerBound].isBlank {
      value = value.lowerBound + 1..<value.upperBound
    }
    while !value.isEmpty, text[value.upperBound - 1].isBlank {
      value = value.lowerBound..<value.upperBound - 1
    }
    guard !text.extracting(line.lowerBound..<colon).isConnectionSpecific else { return }
    append(text, name: line.lowerBound..<colon, value: value)
  }

  init(_ status: Int) {
    append(":status", String(status).utf8)
    append("content-length", "0".utf8)
  }
}
