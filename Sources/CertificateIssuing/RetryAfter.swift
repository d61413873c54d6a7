import Foundation
import SegueModel

/// RFC 9110 section 10.2.3.
enum RetryAfter {
  /// Nobody is waited for longer than a day.
  static let longest = Milliseconds.minutes(24 * 60)

  /// How long to wait, never negative; nil for what is neither a number of seconds nor a date.
  static func span(_ value: String, now: Instant) -> Milliseconds? {
    let text = value.trimmingCharacters(in: .whitespaces)
    if !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
      // More digits than fit are more than a day.
      guard let seconds = Int64(text), seconds < longest.count / 1_000 else { return longest }
      return .seconds(seconds)
    }
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.timeZone = TimeZone(secondsFromGMT: 0)
    formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
    guard let date = formatter.date(from: text) else { return nil }
    let span = date.timeIntervalSince1970 - Double(now.milliseconds) / 1_000
    return min(max(Milliseconds(Int64(min(max(span, 0), 86_400) * 1_000)), .zero), longest)
  }
}
