/// `500`, `0.95`, `-1.5`: decimal numbers without an exponent.
enum DecimalText {
  private static let digitLimit = 12

  /// - Returns: millionths; `nil` when it is no such number, or one of more than twelve digits before
  ///   or six behind the point.
  static func millionths(_ text: String) -> Int64? {
    let isNegative = text.hasPrefix("-")
    let parts = text.dropFirst(isNegative ? 1 : 0)
      .split(separator: ".", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), (1...digitLimit).contains(parts[0].utf8.count),
      parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (48...57).contains($0) } })
    else { return nil }
    let fraction = parts.count == 2 ? parts[1] : ""
    guard fraction.utf8.count <= 6, let whole = Int64(parts[0]),
      let rest = Int64(fraction + String(repeating: "0", count: 6 - fraction.utf8.count))
    else { return nil }
    return (isNegative ? -1 : 1) * (whole * 1_000_000 + rest)
  }
}
