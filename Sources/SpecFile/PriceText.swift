import SegueModel

/// A price of an hour: `0.04 EUR`.
enum PriceText {
  static let pattern = "^[0-9]{1,6}(\\.[0-9]{1,6})? [A-Z]{3}$"

  static func parse(_ text: String) throws(Misreading) -> CostSpec {
    let parts = text.split(separator: " ", omittingEmptySubsequences: false)
    guard parts.count == 2 else { throw misreading(text) }
    let currency = String(parts[1])
    guard currency.utf8.count == 3, currency.utf8.allSatisfy({ (0x41...0x5A).contains($0) })
    else { throw misreading(text) }
    let digits = parts[0].split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    let isNumber = digits.allSatisfy { part in
      !part.isEmpty && part.allSatisfy { $0.isASCII && $0.isNumber }
    }
    guard isNumber, let whole = digits.first else { throw misreading(text) }
    guard whole.count <= 6, let units = Int64(whole) else {
      throw Misreading(
        message: "\(Printable.quoted(text)) is more than an hour of an instance can cost",
        hint: "write at most six digits before the point")
    }
    let fraction = digits.count == 2 ? digits[1] : ""
    guard fraction.count <= 6 else {
      throw Misreading(
        message: "\(Printable.quoted(text)) is finer than a millionth",
        hint: "write at most six digits after the point")
    }
    let millionths = Int64(fraction + String(repeating: "0", count: 6 - fraction.count)) ?? 0
    return CostSpec(instanceHour: units * 1_000_000 + millionths, currency: currency)
  }

  private static func misreading(_ text: String) -> Misreading {
    let message = "\(Printable.quoted(text)) is not a price"
    if text.hasPrefix("-") {
      return Misreading(
        message: message + ": it is below nothing", hint: "write it like `0.04 EUR`")
    }
    if Double(text) != nil, text.utf8.count <= 12 {
      return Misreading(
        message: message + ": the currency is missing", hint: "write `\(text) EUR`?")
    }
    return Misreading(
      message: message,
      hint: "write a number with a point and three capital letters, like `0.04 EUR`")
  }
}
