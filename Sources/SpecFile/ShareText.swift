/// A share of the traffic: `5%`, `0.5%`, to a thousandth of everything.
enum ShareText {
  static let pattern = "^[0-9]{1,3}(\\.[0-9])?%$"

  /// In thousandths, and as written: a share below nothing or above everything is for the caller to
  /// refuse, who knows its range.
  ///
  /// - Parameter what: What it is a share of, for messages.
  static func parse(_ text: String, of what: String = "the traffic") throws(Misreading) -> Int {
    let isNegative = text.hasPrefix("-")
    let number = text.dropFirst(isNegative ? 1 : 0)
    let parts = number.dropLast().split(
      separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard number.hasSuffix("%"), isDigits(parts), let whole = parts.first else {
      throw misreading(text, what)
    }
    let tenth = parts.count == 2 ? parts[1] : "0"
    guard tenth.count == 1 else {
      throw Misreading(
        message: "\(Printable.quoted(text)) is finer than a thousandth of \(what)",
        hint: "write at most one digit after the point")
    }
    // More digits than any range has: as good as the largest of these.
    let thousandths = whole.count > 9 ? .max : (Int(whole) ?? 0) * 10 + (Int(tenth) ?? 0)
    return isNegative ? -thousandths : thousandths
  }

  private static func isDigits(_ parts: [Substring]) -> Bool {
    parts.allSatisfy { part in
      !part.isEmpty && part.allSatisfy { $0.isASCII && $0.isNumber }
    }
  }

  private static func misreading(_ text: String, _ what: String) -> Misreading {
    let message = "\(Printable.quoted(text)) is not a share of \(what)"
    if isDigits(text.split(separator: ".", omittingEmptySubsequences: false)),
      text.utf8.count <= 5
    {
      return Misreading(message: message + ": the `%` is missing", hint: "write `\(text)%`?")
    }
    return Misreading(message: message, hint: "write it like `5%` or `0.5%`")
  }

  /// `25%`, `0.5%`
  static func render(_ thousandths: Int) -> String {
    thousandths % 10 == 0
      ? "\(thousandths / 10)%" : "\(thousandths / 10).\(abs(thousandths % 10))%"
  }
}
