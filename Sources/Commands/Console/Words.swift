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

  private static func local(_ instant: Instant, _ zone: TimeZone) -> Int {
    let seconds = Int((Double(instant.milliseconds) / 1_000).rounded(.down))
    return seconds + zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(seconds)))
  }

  private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
