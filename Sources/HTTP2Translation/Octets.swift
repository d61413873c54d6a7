/// The character classes of RFC 9110 section 5.6 and RFC 3986, on single octets.
extension UInt8 {
  /// What a field name may hold: `tchar` without capitals (RFC 9113 section 8.2.1).
  var isLowerCaseToken: Bool { isToken && !(65...90).contains(self) }

  var isToken: Bool {
    switch self {
    case 48...57, 65...90, 97...122: true
    case 33, 35...39, 42, 43, 45, 46, 94...96, 124, 126: true  // ! #$%&' * + - . ^_` | ~
    default: false
    }
  }

  /// What a field value may hold: anything but control characters, of which the tab is fine.
  var isFieldContent: Bool { (self >= 32 && self != 127) || self == 9 }

  var isBlank: Bool { self == 32 || self == 9 }

  /// What a request target may hold: anything but control characters and spaces.
  var isTargetCharacter: Bool { self > 32 && self != 127 }

  /// What Host may hold (RFC 3986 section 3.2, without user information).
  var isHostCharacter: Bool {
    switch self {
    case 48...57, 65...90, 97...122: true
    case 37, 45, 46, 58, 91, 93, 95, 126: true  // % - . : [ ] _ ~
    case 33, 36, 38, 39, 40, 41, 42, 43, 44, 59, 61: true  // ! $ & ' ( ) * + , ; =
    default: false
    }
  }

  var lowercased: UInt8 { (65...90).contains(self) ? self | 0x20 : self }
}

extension Span<UInt8> {
  func allSatisfy(_ condition: (UInt8) -> Bool) -> Bool {
    for index in indices where !condition(self[index]) { return false }
    return true
  }

  /// Whether these octets are `text`, which is in lower case, in any case.
  func matches(_ text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount else { return false }
    let pointer = text.utf8Start
    for index in indices where self[index].lowercased != pointer[index] { return false }
    return true
  }

  /// A value as RFC 9113 section 8.2.1 allows it: nothing that ends a line, no blank at either end.
  var isFieldValue: Bool {
    guard allSatisfy(\.isFieldContent) else { return false }
    return isEmpty || !(self[0].isBlank || self[count - 1].isBlank)
  }
}

extension [UInt8] {
  mutating func append(_ octets: Span<UInt8>) {
    octets.withUnsafeBufferPointer { append(contentsOf: $0) }
  }

  mutating func append(_ text: StaticString) {
    append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// Whether the two are the same in any case.
  func matches(_ other: [UInt8]) -> Bool {
    count == other.count && zip(self, other).allSatisfy { $0.lowercased == $1.lowercased }
  }
}
