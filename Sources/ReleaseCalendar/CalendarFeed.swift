public import SegueModel

/// One event of the feed that calendar programs subscribe to.
public struct FeedEvent: Hashable, Sendable {
  public enum Kind: String, CaseIterable, Sendable {
    case rollout
    case window
    case freeze
    case milestone
    case plannedRelease

    /// What the programs show and filter by.
    var category: String {
      switch self {
      case .rollout: "Rollout"
      case .window: "Window"
      case .freeze: "Freeze"
      case .milestone: "Milestone"
      case .plannedRelease: "Planned release"
      }
    }
  }

  public enum Status: String, Sendable {
    case tentative = "TENTATIVE"
    case confirmed = "CONFIRMED"
    case cancelled = "CANCELLED"
  }

  /// Names the event for ever, unique in the world: two feeds that hold the same event give it the
  /// same name (RFC 5545, section 3.8.4.7).
  public var uid: String
  public var kind: Kind
  public var start: Instant
  /// Not before the start.
  public var end: Instant
  public var summary: String
  public var details: String
  public var status: Status
  /// Grows with every change of the same event.
  public var sequence: Int
  /// When what it says was last changed.
  public var changed: Instant

  public init(
    uid: String, kind: Kind, start: Instant, end: Instant, summary: String, details: String = "",
    status: Status = .confirmed, sequence: Int = 0, changed: Instant
  ) {
    self.uid = uid
    self.kind = kind
    self.start = start
    self.end = end
    self.summary = summary
    self.details = details
    self.status = status
    self.sequence = sequence
    self.changed = changed
  }
}

/// Writes events as iCalendar (RFC 5545), which every calendar program can subscribe to.
///
/// All times are in UTC, so that no program has to know how Segue counts the hour of a clock change:
/// what recurs is written out, event by event. The same events always give the same octets.
public struct CalendarFeed: Hashable, Sendable {
  /// The most events in one feed; of more, the first ones in the list are kept.
  public static let limit = 5_000

  /// Shown as the calendar's name.
  public var name: String
  public var events: [FeedEvent]

  public init(name: String, events: [FeedEvent]) {
    self.name = name
    self.events = events
  }

  /// The feed, as `text/calendar; charset=utf-8`.
  public var text: String {
    var lines = ICalendarLines()
    lines.add("BEGIN", "VCALENDAR")
    lines.add("VERSION", "2.0")
    lines.add("PRODID", "-//Segue//Segue//EN")
    lines.add("CALSCALE", "GREGORIAN")
    // RFC 7986; the second one is what programs knew before there was a standard.
    lines.add("NAME", text: name)
    lines.add("X-WR-CALNAME", text: name)
    lines.add("REFRESH-INTERVAL;VALUE=DURATION", "PT1H")
    lines.add("X-PUBLISHED-TTL", "PT1H")
    let kept = events.prefix(Self.limit)
    for event in kept.sorted(by: { ($0.start, $0.uid) < ($1.start, $1.uid) }) { lines.add(event) }
    lines.add("END", "VCALENDAR")
    return lines.text
  }
}

/// Content lines: escaped, folded, each with CRLF.
private struct ICalendarLines {
  var text = ""

  mutating func add(_ event: FeedEvent) {
    add("BEGIN", "VEVENT")
    add("UID", text: event.uid)
    add("DTSTAMP", Self.utc(event.changed))
    add("LAST-MODIFIED", Self.utc(event.changed))
    add("SEQUENCE", "\(max(0, event.sequence))")
    add("DTSTART", Self.utc(event.start))
    // An end must come after the start; without one the event is a point in time (section 3.6.1).
    if Self.utc(event.start) < Self.utc(event.end) { add("DTEND", Self.utc(event.end)) }
    add("SUMMARY", text: event.summary)
    if !event.details.isEmpty { add("DESCRIPTION", text: event.details) }
    add("CATEGORIES", text: event.kind.category)
    add("STATUS", event.status.rawValue)
    // Nobody is busy because a window is open.
    add("TRANSP", "TRANSPARENT")
    add("END", "VEVENT")
  }

  mutating func add(_ name: String, text value: String) { add(name, Self.escaped(value)) }

  /// Folded so that no line has more than 75 octets, and no character is split (section 3.1).
  mutating func add(_ name: String, _ value: String) {
    var octets = 0
    for scalar in "\(name):\(value)".unicodeScalars {
      let size = UTF8.width(scalar)
      if octets + size > 75 {
        text += "\r\n "
        octets = 1
      }
      text.unicodeScalars.append(scalar)
      octets += size
    }
    text += "\r\n"
  }

  /// A value of the type TEXT (section 3.3.11). Control characters have no place in one.
  static func escaped(_ value: String) -> String {
    var result = String.UnicodeScalarView()
    var afterReturn = false
    for scalar in value.unicodeScalars {
      defer { afterReturn = scalar == "\r" }
      switch scalar {
      case "\n" where afterReturn: break
      case "\n", "\r": result.append(contentsOf: #"\n"#.unicodeScalars)
      case "\\", ";", ",": result.append(contentsOf: "\\\(scalar)".unicodeScalars)
      case "\t": result.append(scalar)
      case _ where scalar.properties.generalCategory == .control: break
      default: result.append(scalar)
      }
    }
    return String(result)
  }

  /// `20261224T170000Z`: fractions of a second are dropped.
  static func utc(_ moment: Instant) -> String {
    let local = TimeZoneRules.utc.local(at: moment)
    let date = local.date
    let second = local.secondOfDay
    return Digits.padded(date.year, to: 4) + Digits.padded(date.month) + Digits.padded(date.day)
      + "T" + Digits.padded(second / 3_600) + Digits.padded(second / 60 % 60)
      + Digits.padded(second % 60) + "Z"
  }
}
