/// The character classes of RFC 9110 section 5.6 and RFC 9112, on single octets.
extension UInt8 {
  static let carriageReturn: UInt8 = 13
  static let lineFeed: UInt8 = 10
  static let space: UInt8 = 32
  static let tab: UInt8 = 9
  static let colon: UInt8 = 58
  static let comma: UInt8 = 44
  static let slash: UInt8 = 47
  static let semicolon: UInt8 = 59
  static let equalsSign: UInt8 = 61

  /// `tchar`: two 64-bit sets, one bit for each ASCII code. Letters, which nearly all are, first.
  @inline(__always)
  var isToken: Bool {
    if (self | 0x20) &- 97 < 26 { return true }
    if self < 64 { return (0x03FF_6CFA_0000_0000 as UInt64 >> UInt64(self)) & 1 == 1 }
    if self < 128 { return (0x57FF_FFFF_C7FF_FFFE as UInt64 >> UInt64(self & 63)) & 1 == 1 }
    return false
  }

  /// `field-vchar`, space or tab: what a field value may hold.
  @inline(__always)
  var isFieldContent: Bool { (self >= 32 && self != 127) || self == 9 }

  @inline(__always)
  var isDigit: Bool { self &- 48 < 10 }

  @inline(__always)
  var isWhitespace: Bool { self == 32 || self == 9 }

  @inline(__always)
  var lowercased: UInt8 { self &- 65 < 26 ? self | 0x20 : self }

  var hexadecimalValue: UInt64? {
    switch self {
    case 48...57: UInt64(self - 48)
    case 65...70: UInt64(self - 55)
    case 97...102: UInt64(self - 87)
    default: nil
    }
  }

  /// What a Host may hold (RFC 3986 section 3.2, without user information).
  var isHostCharacter: Bool {
    switch self {
    case 48...57, 65...90, 97...122: true
    case 45, 46, 95, 126, 37, 58, 91, 93: true  // - . _ ~ % : [ ]
    case 33, 36, 38, 39, 40, 41, 42, 43, 44, 59, 61: true  // ! $ & ' ( ) * + , ; =
    default: false
    }
  }
}

extension Span<UInt8> {
  /// Whether the octets of `range` are `text`, which is in lower case, in any case.
  @inline(__always)
  func matches(_ text: StaticString, in range: Range<Int>) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    let pointer = text.utf8Start
    for index in 0..<range.count
    where self[range.lowerBound + index].lowercased != pointer[index] {
      return false
    }
    return true
  }

  /// The first place from `start` on with an octet that a field value may not hold; the end, if there
  /// is none.
  ///
  /// Eight octets at once. Subtracting 32 from each of them borrows into the highest bit of those
  /// below it, and a bit that is set already is not such a borrow; likewise 1 of what was 127. Only
  /// above a hit can there be a false one, and the lowest is looked at.
  @inline(__always)
  func endOfFieldContent(from start: Int) -> Int {
    let ones: UInt64 = 0x0101_0101_0101_0101
    var index = start
    while index + 8 <= count {
      let word = UInt64(
        littleEndian: unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
      let controls = (word &- (ones &* 32)) & ~word
      let delete = word ^ (ones &* 127)
      let hits = (controls | ((delete &- ones) & ~delete)) & 0x8080_8080_8080_8080
      guard hits != 0 else {
        index += 8
        continue
      }
      index += hits.trailingZeroBitCount / 8
      guard self[index] == .tab else { return index }
      index += 1
    }
    while index < count, self[index].isFieldContent { index += 1 }
    return index
  }

  /// The range without spaces and tabs at either end.
  func trimming(_ range: Range<Int>) -> Range<Int> {
    var start = range.lowerBound
    var end = range.upperBound
    while start < end, self[start].isWhitespace { start += 1 }
    while end > start, self[end - 1].isWhitespace { end -= 1 }
    return start..<end
  }

  /// The elements of a comma-separated list in `range`, trimmed; empty ones are skipped
  /// (RFC 9110 section 5.6.1.2).
  func forEachElement(of range: Range<Int>, _ body: (Range<Int>) -> Void) {
    var start = range.lowerBound
    for index in range where self[index] == .comma {
      let element = trimming(start..<index)
      if !element.isEmpty { body(element) }
      start = index + 1
    }
    let last = trimming(start..<range.upperBound)
    if !last.isEmpty { body(last) }
  }
}
