public import SegueModel

/// Moments as people read them. The core has no Foundation, and no locale either.
public enum MomentText {
  static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// `2 Jan 2027 08:00`, with the offset where the clock shows that time twice:
  /// `25 Oct 2026 02:30 (UTC+2)`. Seconds are shown where there are any.
  static func short(_ moment: Instant, in zone: TimeZoneRules) -> String {
    let local = zone.local(at: moment)
    let date = local.date
    let text = "\(date.day) \(months[date.month - 1]) \(date.year) \(local.timeText)"
    guard case .twice = zone.moments(of: local) else { return text }
    return "\(text) (\(zone.offset(at: moment).description))"
  }

  /// `2 Jan 2027 08:00 Europe/Paris`
  public static func full(_ moment: Instant, in zone: TimeZoneRules) -> String {
    "\(short(moment, in: zone)) \(zone.name)"
  }
}
