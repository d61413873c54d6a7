/// Numbers as people read them. The core has no Foundation, and no locale either.
enum AnalysisText {
  /// `37,300`
  static func count(_ value: UInt64) -> String {
    var digits = String(value)
    var groups: [Substring] = []
    while digits.count > 3 {
      groups.insert(digits.suffix(3), at: 0)
      digits = String(digits.dropLast(3))
    }
    return ([digits[...]] + groups).joined(separator: ",")
  }

  /// Two leading digits and zeros: `3,100` of 3,141.
  static func rounded(
    _ value: Double, _ rule: FloatingPointRoundingRule = .toNearestOrAwayFromZero
  ) -> String {
    guard value.isFinite, value > 0 else { return "0" }
    guard value < 1e15 else { return "1,000,000,000,000,000" }
    var unit = 1.0
    while value / unit >= 100 { unit *= 10 }
    return count(UInt64((value / unit).rounded(rule) * unit))
  }

  /// At most two digits after the point, none that say nothing: `1.25`, `2`.
  static func decimal(_ value: Double) -> String {
    guard value.isFinite, value.magnitude < 1e15 else { return "?" }
    let hundredths = UInt64((value.magnitude * 100).rounded())
    let whole = count(hundredths / 100)
    let rest = hundredths % 100
    let sign = value < 0 && hundredths > 0 ? "-" : ""
    if rest == 0 { return sign + whole }
    if rest % 10 == 0 { return "\(sign)\(whole).\(rest / 10)" }
    return "\(sign)\(whole).\(rest < 10 ? "0" : "")\(rest)"
  }

  /// As ``decimal(_:)``, and of what is less than 1 three digits that say something: `0.00412`.
  static func figure(_ value: Double) -> String {
    guard value.magnitude < 1, value.magnitude >= 1e-9 else { return decimal(value) }
    var digits = 2
    var scaled = value.magnitude * 100
    while scaled < 100 {
      scaled *= 10
      digits += 1
    }
    var text = String(UInt64(scaled.rounded()))
    text = String(repeating: "0", count: max(0, digits - text.count)) + text
    guard text.count == digits else { return decimal(value) }
    while text.last == "0" { text.removeLast() }
    return (value < 0 ? "-0." : "0.") + text
  }

  /// `0.94 %`; what is more than nothing never reads as 0.
  static func percent(_ rate: Double) -> String {
    if rate > 0, rate < 0.000_05 { return "under 0.01 %" }
    return decimal(rate * 100) + " %"
  }

  /// `1 in 3,100`: rounded so that it never claims more than the evidence.
  static func chance(_ chance: Double) -> String {
    guard chance > 0 else { return "1 in 1,000,000,000,000,000" }
    guard chance < 0.5 else { return "1" }
    return "1 in " + rounded(1 / chance, .down)
  }
}
