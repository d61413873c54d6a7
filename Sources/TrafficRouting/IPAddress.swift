/// Literal addresses of IPv4 and IPv6.
public enum IPAddress {
  /// The octets in network order, 4 or 16; `nil` when the text is no literal address.
  public static func octets(_ text: String) -> [UInt8]? {
    text.utf8.contains(.colon) ? six(text[...]) : four(text[...])
  }

  /// The same, of a part of a head.
  static func octets(_ head: Span<UInt8>, _ range: Range<Int>) -> [UInt8]? {
    // The longest has eight groups of four, seven colons, and IPv4 in its last two.
    guard (2...45).contains(range.count) else { return nil }
    return octets(String(decoding: range.map { head[$0] }, as: UTF8.self))
  }

  /// No sign and no zeros in front, which some read as octal.
  static func decimal(_ text: Substring, limit: Int) -> Int? {
    guard (1...3).contains(text.utf8.count), text.utf8.allSatisfy(\.isDigit),
      text == "0" || !text.hasPrefix("0"), let number = Int(text), number <= limit
    else { return nil }
    return number
  }

  static func four(_ text: Substring) -> [UInt8]? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    let octets = parts.compactMap { decimal($0, limit: 255).map { UInt8($0) } }
    return octets.count == 4 ? octets : nil
  }

  /// RFC 4291 section 2.2: groups, `::` once for at least one group of zeros, and perhaps IPv4 at the
  /// end.
  static func six(_ text: Substring) -> [UInt8]? {
    guard let gap = text.firstRange(of: "::") else {
      let octets = groups(text)
      return octets?.count == 16 ? octets : nil
    }
    let head = text[..<gap.lowerBound]
    let tail = text[gap.upperBound...]
    guard !head.contains("."), let front = head.isEmpty ? [] : groups(head),
      let back = tail.isEmpty ? [] : groups(tail), front.count + back.count <= 14
    else { return nil }
    return front + [UInt8](repeating: 0, count: 16 - front.count - back.count) + back
  }

  private static func groups(_ text: Substring) -> [UInt8]? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 8 else { return nil }
    var octets: [UInt8] = []
    for (index, part) in parts.enumerated() {
      if index == parts.count - 1, part.contains(".") {
        guard let last = four(part) else { return nil }
        octets += last
        continue
      }
      guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy({ $0.hexadecimalValue != nil }),
        let group = UInt16(part, radix: 16)
      else { return nil }
      octets += [UInt8(group >> 8), UInt8(group & 0xFF)]
    }
    return octets
  }
}
