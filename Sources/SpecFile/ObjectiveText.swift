/// The part of the requests that is to succeed: `99.9%`, `99.95%`.
enum ObjectiveText {
  static let pattern = "^[5-9][0-9](\\.[0-9]{1,4})?%$"

  /// In millionths, at least half and less than everything.
  static func parse(_ text: String) throws(Misreading) -> Int64 {
    guard text.hasSuffix("%"), let hundredfold = DecimalText.millionths(String(text.dropLast())),
      hundredfold % 100 == 0, (500_000..<1_000_000).contains(hundredfold / 100)
    else {
      throw Misreading(
        message: "\(Printable.quoted(text)) is no objective: it is the part of the requests that "
          + "is to succeed, at least `50%` and less than `100%`",
        hint: "write it like `99.9%`, with at most four digits behind the point")
    }
    return hundredfold / 100
  }
}
