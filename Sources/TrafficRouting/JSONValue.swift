/// A JSON value of an answer, kept only for as long as it takes to compare it.
enum JSONValue: Sendable {
  case null
  case boolean(Bool)
  case number(JSONNumber)
  /// UTF-8, with its escapes undone.
  case string([UInt8])
  case array([JSONValue])
  /// In the order of the keys.
  case object([Member])

  struct Member: Sendable {
    var key: [UInt8]
    var value: JSONValue
  }
}

/// A number by its value: `digits` times ten to the `exponent`.
struct JSONNumber: Sendable {
  var isNegative: Bool
  /// Without zeros at either end; empty for zero.
  var digits: [UInt8]
  var exponent: Int
  /// As it was written.
  var text: [UInt8]

  /// `1`, `1.0` and `10e-1` are the same number.
  func isEqual(to other: JSONNumber) -> Bool {
    if digits.isEmpty || other.digits.isEmpty { return digits.isEmpty && other.digits.isEmpty }
    return isNegative == other.isNegative && exponent == other.exponent && digits == other.digits
  }
}

/// Reads one JSON text (RFC 8259), whoever wrote it: depth and number of values are bounded, and what
/// is not JSON is said to be none.
struct JSONReader {
  /// Arrays and objects in one another.
  static let depthLimit = 64
  static let valueLimit = 100_000

  struct NotJSON: Error {}

  private let bytes: [UInt8]
  private var offset = 0
  private var count = 0

  static func read(_ bytes: [UInt8]) -> JSONValue? {
    var reader = JSONReader(bytes)
    guard let value = try? reader.readValue(depth: 0) else { return nil }
    reader.skipBlanks()
    return reader.offset == bytes.count ? value : nil
  }

  private init(_ bytes: [UInt8]) { self.bytes = bytes }

  private mutating func readValue(depth: Int) throws(NotJSON) -> JSONValue {
    count += 1
    guard depth <= Self.depthLimit, count <= Self.valueLimit else { throw NotJSON() }
    skipBlanks()
    switch try peek() {
    case UInt8(ascii: "{"): return try readObject(depth: depth)
    case UInt8(ascii: "["): return try readArray(depth: depth)
    case UInt8(ascii: "\""): return .string(try readString())
    case UInt8(ascii: "t"): return try readWord("true", .boolean(true))
    case UInt8(ascii: "f"): return try readWord("false", .boolean(false))
    case UInt8(ascii: "n"): return try readWord("null", .null)
    default: return .number(try readNumber())
    }
  }

  private mutating func readObject(depth: Int) throws(NotJSON) -> JSONValue {
    offset += 1
    var members: [JSONValue.Member] = []
    skipBlanks()
    if try peek() == UInt8(ascii: "}") {
      offset += 1
      return .object([])
    }
    while true {
      skipBlanks()
      guard try peek() == UInt8(ascii: "\"") else { throw NotJSON() }
      let key = try readString()
      skipBlanks()
      guard try next() == .colon else { throw NotJSON() }
      members.append(JSONValue.Member(key: key, value: try readValue(depth: depth + 1)))
      skipBlanks()
      switch try next() {
      case .comma: continue
      case UInt8(ascii: "}"): return .object(Self.inOrder(members))
      default: throw NotJSON()
      }
    }
  }

  /// By key, and members of the same key as they came.
  private static func inOrder(_ members: [JSONValue.Member]) -> [JSONValue.Member] {
    let order = members.indices.sorted { left, right in
      if members[left].key == members[right].key { return left < right }
      return members[left].key.lexicographicallyPrecedes(members[right].key)
    }
    return order.map { members[$0] }
  }

  private mutating func readArray(depth: Int) throws(NotJSON) -> JSONValue {
    offset += 1
    var elements: [JSONValue] = []
    skipBlanks()
    if try peek() == UInt8(ascii: "]") {
      offset += 1
      return .array([])
    }
    while true {
      elements.append(try readValue(depth: depth + 1))
      skipBlanks()
      switch try next() {
      case .comma: continue
      case UInt8(ascii: "]"): return .array(elements)
      default: throw NotJSON()
      }
    }
  }

  private mutating func readWord(
    _ word: StaticString, _ value: JSONValue
  ) throws(NotJSON) -> JSONValue {
    let end = offset + word.utf8CodeUnitCount
    guard end <= bytes.count, bytes.span.matches(word, in: offset..<end) else { throw NotJSON() }
    for index in offset..<end where bytes[index] < 97 { throw NotJSON() }
    offset = end
    return value
  }

  // MARK: Numbers

  private mutating func readNumber() throws(NotJSON) -> JSONNumber {
    let start = offset
    let isNegative = accept("-")
    var digits: [UInt8] = []
    guard isDigitNext else { throw NotJSON() }
    if bytes[offset] == 48 {
      offset += 1
      guard !isDigitNext else { throw NotJSON() }
    } else {
      takeDigits(into: &digits)
    }
    var exponent = 0
    if accept(".") {
      guard isDigitNext else { throw NotJSON() }
      let before = offset
      takeDigits(into: &digits)
      exponent = before - offset
    }
    if accept("e") || accept("E") { exponent += try readExponent() }
    if let first = digits.firstIndex(where: { $0 != 48 }) {
      digits.removeFirst(first)
      while digits.last == 48 {
        digits.removeLast()
        exponent += 1
      }
    } else {
      digits = []
    }
    return JSONNumber(
      isNegative: isNegative, digits: digits, exponent: exponent,
      text: Array(bytes[start..<offset].prefix(64)))
  }

  private mutating func readExponent() throws(NotJSON) -> Int {
    let isNegative = accept("-")
    if !isNegative { _ = accept("+") }
    guard isDigitNext else { throw NotJSON() }
    var value = 0
    while isDigitNext {
      // No two numbers of this size could be told apart by anything that reads them.
      guard value < 100_000_000 else { throw NotJSON() }
      value = value * 10 + Int(bytes[offset] - 48)
      offset += 1
    }
    return isNegative ? -value : value
  }

  private mutating func takeDigits(into digits: inout [UInt8]) {
    while isDigitNext {
      digits.append(bytes[offset])
      offset += 1
    }
  }

  private var isDigitNext: Bool { offset < bytes.count && bytes[offset].isDigit }

  // MARK: Strings

  private mutating func readString() throws(NotJSON) -> [UInt8] {
    offset += 1
    var text: [UInt8] = []
    while true {
      let byte = try next()
      switch byte {
      case UInt8(ascii: "\""): return text
      case UInt8(ascii: "\\"): try readEscape(into: &text)
      case ..<32: throw NotJSON()
      default: text.append(byte)
      }
    }
  }

  private mutating func readEscape(into text: inout [UInt8]) throws(NotJSON) {
    switch try next() {
    case UInt8(ascii: "\""): text.append(34)
    case UInt8(ascii: "\\"): text.append(92)
    case UInt8(ascii: "/"): text.append(47)
    case UInt8(ascii: "b"): text.append(8)
    case UInt8(ascii: "f"): text.append(12)
    case UInt8(ascii: "n"): text.append(10)
    case UInt8(ascii: "r"): text.append(13)
    case UInt8(ascii: "t"): text.append(9)
    case UInt8(ascii: "u"):
      var code = try readCodeUnit()
      if (0xD800..<0xDC00).contains(code), offset + 1 < bytes.count,
        bytes[offset] == 92, bytes[offset + 1] == UInt8(ascii: "u")
      {
        let before = offset
        offset += 2
        let low = try readCodeUnit()
        if (0xDC00..<0xE000).contains(low) {
          code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        } else {
          offset = before
        }
      }
      Self.encode(code, into: &text)
    default: throw NotJSON()
    }
  }

  private mutating func readCodeUnit() throws(NotJSON) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = try next().hexadecimalValue else { throw NotJSON() }
      code = code << 4 | UInt32(digit)
    }
    return code
  }

  /// UTF-8, also of half a surrogate pair, which is no character but has to equal itself.
  private static func encode(_ code: UInt32, into text: inout [UInt8]) {
    func tail(_ shift: UInt32) -> UInt8 { UInt8(0x80 | (code >> shift) & 0x3F) }
    switch code {
    case ..<0x80: text.append(UInt8(code))
    case ..<0x800: text += [UInt8(0xC0 | code >> 6), tail(0)]
    case ..<0x10000: text += [UInt8(0xE0 | code >> 12), tail(6), tail(0)]
    default: text += [UInt8(0xF0 | code >> 18), tail(12), tail(6), tail(0)]
    }
  }

  // MARK: Octets

  private mutating func skipBlanks() {
    while offset < bytes.count {
      switch bytes[offset] {
      case .space, .tab, .lineFeed, .carriageReturn: offset += 1
      default: return
      }
    }
  }

  private func peek() throws(NotJSON) -> UInt8 {
    guard offset < bytes.count else { throw NotJSON() }
    return bytes[offset]
  }

  private mutating func next() throws(NotJSON) -> UInt8 {
    let byte = try peek()
    offset += 1
    return byte
  }

  private mutating func accept(_ character: Unicode.Scalar) -> Bool {
    guard offset < bytes.count, bytes[offset] == UInt8(ascii: character) else { return false }
    offset += 1
    return true
  }
}
