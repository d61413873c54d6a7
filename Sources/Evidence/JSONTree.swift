/// A JSON value of a report.
enum JSONTree: Sendable {
  case null
  case boolean(Bool)
  case number(Double)
  case string(String)
  case array([JSONTree])
  case object([String: JSONTree])

  /// The member of an object; `nil` also when it is `null` or this is no object.
  subscript(key: String) -> JSONTree? {
    guard case .object(let members) = self, let value = members[key] else { return nil }
    if case .null = value { return nil }
    return value
  }

  var text: String? { if case .string(let text) = self { text } else { nil } }
  var isTrue: Bool { if case .boolean(true) = self { true } else { false } }
  /// The elements of an array; none when this is no array.
  var elements: [JSONTree] { if case .array(let elements) = self { elements } else { [] } }
  /// A number without a fraction, which the reports use for lines and counts.
  var integer: Int? { if case .number(let number) = self { Int(exactly: number) } else { nil } }

  /// The elements of the array that is a member; none when there is no such array.
  func list(_ key: String) -> [JSONTree] { self[key]?.elements ?? [] }
  /// The text that is a member; `nil` also when it is empty.
  func text(_ key: String) -> String? {
    self[key]?.text.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// Reads one JSON text (RFC 8259) that is in memory as a whole.
  ///
  /// - Throws: ``ReportFailure`` for what is not JSON, and for what exceeds a limit.
  static func read(
    _ bytes: [UInt8], limits: JSONLimits = JSONLimits()
  ) throws(ReportFailure) -> JSONTree {
    var reader = JSONTreeReader(bytes, limits)
    return try reader.read()
  }
}

/// What bounds the memory that a JSON report can take.
struct JSONLimits: Sendable {
  /// Arrays and objects in one another.
  var depth = 64
  var bytes = 256 << 20
  /// Values of any kind.
  var values = 4_000_000
}

private struct JSONTreeReader {
  private let bytes: [UInt8]
  private let limits: JSONLimits
  private var offset = 0
  private var line = 1
  private var count = 0

  init(_ bytes: [UInt8], _ limits: JSONLimits) {
    self.bytes = bytes
    self.limits = limits
  }

  mutating func read() throws(ReportFailure) -> JSONTree {
    guard bytes.count <= limits.bytes else {
      throw invalid("it is larger than \(limits.bytes >> 20) MiB")
    }
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { offset = 3 }
    skipBlanks()
    guard offset < bytes.count else { throw .empty }
    let value = try value(depth: 0)
    skipBlanks()
    guard offset == bytes.count else { throw invalid("text after the end of the JSON value") }
    return value
  }

  private func invalid(_ reason: String) -> ReportFailure { .invalid(line: line, reason: reason) }

  private mutating func skipBlanks() {
    while offset < bytes.count {
      switch bytes[offset] {
      case 0x0A: line += 1
      case 0x20, 0x09, 0x0D: break
      default: return
      }
      offset += 1
    }
  }

  private func peek() throws(ReportFailure) -> UInt8 {
    guard offset < bytes.count else { throw .truncated(line: line) }
    return bytes[offset]
  }

  private mutating func take() throws(ReportFailure) -> UInt8 {
    let byte = try peek()
    offset += 1
    return byte
  }

  private mutating func value(depth: Int) throws(ReportFailure) -> JSONTree {
    count += 1
    guard count <= limits.values else { throw invalid("it holds too many values") }
    guard depth <= limits.depth else { throw invalid("it nests deeper than \(limits.depth)") }
    skipBlanks()
    switch try peek() {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .boolean(true))
    case UInt8(ascii: "f"): return try literal("false", .boolean(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    default: return try number()
    }
  }

  private mutating func literal(
    _ word: StaticString, _ value: JSONTree
  ) throws(ReportFailure) -> JSONTree {
    for expected in word.description.utf8 {
      guard try take() == expected else { throw invalid("it is not JSON") }
    }
    return value
  }

  private mutating func object(depth: Int) throws(ReportFailure) -> JSONTree {
    offset += 1
    var members: [String: JSONTree] = [:]
    skipBlanks()
    if try peek() == UInt8(ascii: "}") {
      offset += 1
      return .object([:])
    }
    while true {
      skipBlanks()
      guard try peek() == UInt8(ascii: "\"") else { throw invalid("a key is missing") }
      let key = try string()
      skipBlanks()
      guard try take() == UInt8(ascii: ":") else { throw invalid("a colon is missing") }
      let value = try value(depth: depth + 1)
      guard members.updateValue(value, forKey: key) == nil else {
        throw invalid("the key \(key.prefix(64)) is there twice")
      }
      skipBlanks()
      switch try take() {
      case UInt8(ascii: ","): continue
      case UInt8(ascii: "}"): return .object(members)
      default: throw invalid("a comma or a closing brace is missing")
      }
    }
  }

  private mutating func array(depth: Int) throws(ReportFailure) -> JSONTree {
    offset += 1
    var elements: [JSONTree] = []
    skipBlanks()
    if try peek() == UInt8(ascii: "]") {
      offset += 1
      return .array([])
    }
    while true {
      elements.append(try value(depth: depth + 1))
      skipBlanks()
      switch try take() {
      case UInt8(ascii: ","): continue
      case UInt8(ascii: "]"): return .array(elements)
      default: throw invalid("a comma or a closing bracket is missing")
      }
    }
  }

  private mutating func number() throws(ReportFailure) -> JSONTree {
    let start = offset
    while offset < bytes.count, "+-.0123456789Ee".utf8.contains(bytes[offset]) { offset += 1 }
    let text = String(decoding: bytes[start..<offset], as: UTF8.self)
    guard text.utf8.count <= 64, let first = text.utf8.first,
      first == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first),
      let number = Double(text)
    else { throw invalid("it is not JSON") }
    return .number(number)
  }

  private mutating func string() throws(ReportFailure) -> String {
    offset += 1
    var text: [UInt8] = []
    while true {
      let byte = try take()
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"): text += try escape()
      case 0..<0x20: throw invalid("a control character within a string")
      default: text.append(byte)
      }
    }
  }

  private mutating func escape() throws(ReportFailure) -> [UInt8] {
    switch try take() {
    case UInt8(ascii: "n"): return [0x0A]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "r"): return [0x0D]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0C]
    case UInt8(ascii: "\""): return [0x22]
    case UInt8(ascii: "\\"): return [0x5C]
    case UInt8(ascii: "/"): return [0x2F]
    case UInt8(ascii: "u"):
      let unit = try hexUnit()
      var scalar = UInt32(unit)
      let isHigh = (0xD800..<0xDC00).contains(unit)
      if isHigh, bytes[offset...].starts(with: [0x5C, 0x75]) {
        offset += 2
        let low = UInt32(try hexUnit())
        scalar =
          (0xDC00..<0xE000).contains(low)
          ? 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00) : 0xFFFD
      }
      return Array(String(Character(Unicode.Scalar(scalar) ?? "\u{FFFD}")).utf8)
    default: throw invalid("an unknown escape within a string")
    }
  }

  private mutating func hexUnit() throws(ReportFailure) -> UInt16 {
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard let digit = Character(Unicode.Scalar(try take())).hexDigitValue else {
        throw invalid("an unknown escape within a string")
      }
      unit = unit << 4 | UInt16(digit)
    }
    return unit
  }
}
