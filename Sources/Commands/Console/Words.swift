internal import Foundation
internal import SegueModel

/// Numbers and times as people read them.
enum Words {
  /// `1,204,331`
  static func count(_ number: some BinaryInteger) -> String {
    var digits = Array(String(number.magnitude))
    var position = digits.count - 3
    while position > 0 {
      digits.insert(",", at: position)
      position -= 3
    }
    return (number < 0 ? "-" : "") + String(digits)
  }

  /// `1 request`, `2 requests`
  static func count(_ number: some BinaryInteger, _ noun: String) -> String {
    "\(count(number)) \(noun)\(number == 1 ? "" : "s")"
  }

  /// Microseconds: `850 µs` is written `0.85 ms`, since every latency is to be compared in one unit
  /// until it reaches a second.
  static func latency(_ microseconds: UInt64) -> String {
    if microseconds >= 1_000_000 {
      return "\(microseconds / 1_000_000).\(microseconds / 100_000 % 10) s"
    }
    let hundredths = microseconds / 10
    let fraction = hundredths % 100
    return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction) ms"
  }

  /// A text in lines of at most so many columns, broken between words; a longer word stands alone.
  static func wrapped(_ text: String, to columns: Int) -> [String] {
    var lines: [String] = []
    for word in Printable.text(text).split(separator: " ") {
      if let last = lines.last, Printable.width(last) + 1 + Printable.width("\(word)") <= columns {
        lines[lines.count - 1] = "\(last) \(word)"
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }

  /// `12:03:04`
  static func time(_ instant: Instant, in zone: TimeZone) -> String {
    let seconds = local(instant, zone)
    let ofDay = ((seconds % 86_400) + 86_400) % 86_400
    return [ofDay / 3_600, ofDay / 60 % 60, ofDay % 60].map(two).joined(separator: ":")
  }

  /// `2026-11-24 12:03:04`
  static func dateAndTime(_ instant: Instant, in zone: TimeZone) -> String {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = zone
    let date = Date(timeIntervalSince1970: Double(instant.milliseconds) / 1_000)
    let parts = calendar.dateComponents([.year, .month, .day], from: date)
    return "\(parts.year ?? 0)-\(two(parts.month ?? 0))-\(two(parts.day ?? 0)) "
      + time(instant, in: zone)
  }

  /// As near as people say it: `14:20`, `Tue 14:00` within a week, else `2026-12-08 14:00`.
  static func moment(_ instant: Instant, now: Instant, in zone: TimeZone) -> String {
    let clock = String(time(instant, in: zone).prefix(5))
    let day = dayNumber(instant, zone)
    let today = dayNumber(now, zone)
    if day == today { return clock }
    if (1...6).contains(day - today) {
      // The first of January 1970 was a Thursday.
      let names = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
      return "\(names[((day % 7) + 7) % 7]) \(clock)"
    }
    return "\(dateAndTime(instant, in: zone).prefix(10)) \(clock)"
  }

  private static func dayNumber(_ instant: Instant, _ zone: TimeZone) -> Int {
    Int((Double(local(instant, zone)) / 86_400).rounded(.down))
  }

  /// Whole seconds, which do not flicker: `3 m 20 s`; what is over is `0 s`.
  static func span(_ span: Milliseconds) -> String {
    let seconds = max(0, span.count) / 1_000
    return seconds == 0 ? "0 s" : "\(Milliseconds.seconds(seconds))"
  }

  /// Millionths of a currency's unit: `0.0031 EUR`, `0.04 EUR`, `12.40 EUR`; what is less than a hundredth
  /// of a cent is said to be so.
  static func money(_ amount: Int64, _ currency: String) -> String {
    if amount > 0, amount < 100 { return "less than 0.0001 \(currency)" }
    let isSmall = amount.magnitude < 1_000_000
    let scale: UInt64 = isSmall ? 100 : 10_000
    let base: UInt64 = isSmall ? 10_000 : 100
    let rounded = (amount.magnitude + scale / 2) / scale
    // One more in front keeps the zeros behind the point.
    var fraction = String(rounded % base + base).dropFirst()
    if fraction.hasSuffix("00"), fraction.count > 2 { fraction.removeLast(2) }
    return "\(amount < 0 ? "-" : "")\(count(rounded / base)).\(fraction) \(currency)"
  }

  /// Lines of at most so many columns, broken between words.
  static func wrapped(_ text: String, columns: Int) -> [String] {
    var lines: [String] = []
    for word in text.split(separator: " ") {
      if let last = lines.last, Printable.width(last) + 1 + Printable.width(String(word)) <= columns
      {
        lines[lines.count - 1] += " " + word
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }

  private static func local(_ instant: Instant, _ zone: TimeZone) -> Int {
    let seconds = Int((Double(instant.milliseconds) / 1_000).rounded(.down))
    return seconds + zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(seconds)))
  }

  private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
