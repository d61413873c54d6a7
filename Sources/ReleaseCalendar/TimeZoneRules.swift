public import SegueModel

/// How far the clocks of a zone are ahead of UTC for a while.
public struct ZoneOffset: Hashable, Sendable {
  /// East of Greenwich is positive.
  public var seconds: Int
  /// What the zone's people call this time: `CEST`.
  public var abbreviation: String
  public var isDaylightTime: Bool

  public init(seconds: Int, abbreviation: String, isDaylightTime: Bool) {
    self.seconds = seconds
    self.abbreviation = abbreviation
    self.isDaylightTime = isDaylightTime
  }

  static let utc = Self(seconds: 0, abbreviation: "UTC", isDaylightTime: false)

  /// `UTC`, `UTC+2`, `UTC+10:30`
  public var description: String {
    guard seconds != 0 else { return "UTC" }
    let minutes = seconds.magnitude / 60
    let rest = minutes % 60 == 0 ? "" : ":" + Digits.padded(Int(minutes % 60))
    return "UTC\(seconds < 0 ? "-" : "+")\(minutes / 60)\(rest)"
  }
}

/// What the local time of a zone was, is and will be: the moments at which its clocks changed, and
/// the rule by which they go on changing for ever.
public struct TimeZoneRules: Hashable, Sendable {
  /// One change of the clocks.
  struct Change: Hashable, Sendable {
    /// Seconds since 1970-01-01T00:00:00Z.
    var at: Int64
    var before: ZoneOffset
    var after: ZoneOffset
  }

  /// As in the IANA time zone database: `Europe/Paris`.
  public let name: String
  /// Before the first change.
  let first: ZoneOffset
  /// In the order of time.
  let changes: [Change]
  /// After the last change; `nil`: the last change's offset stays.
  let rule: PosixZone?

  public static let utc = Self(name: "UTC", first: .utc, changes: [], rule: nil)

  public func offset(at moment: Instant) -> ZoneOffset {
    offset(atSecond: moment.milliseconds.quotientOfFloor(by: 1_000))
  }

  /// What a clock in this zone shows at a moment; fractions of a second are dropped.
  public func local(at moment: Instant) -> LocalTime {
    let second = moment.bounded.milliseconds.quotientOfFloor(by: 1_000)
    return LocalTime(clockSeconds: second + Int64(offset(atSecond: second).seconds))
  }

  func offset(atSecond second: Int64) -> ZoneOffset {
    let later = firstChange(after: second)
    if later == changes.count, let rule { return rule.offset(at: second) }
    return later == 0 ? first : changes[later - 1].after
  }

  /// The index of the first change that comes after a second.
  private func firstChange(after second: Int64) -> Int {
    var low = 0
    var high = changes.count
    while low < high {
      let middle = (low + high) / 2
      if changes[middle].at <= second { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The changes in a span of a few days, those by the rule included.
  func changes(from start: Int64, to end: Int64) -> [Change] {
    let listed = changes[firstChange(after: start)..<firstChange(after: end)]
    guard let rule else { return Array(listed) }
    let last = changes.last?.at ?? .min
    return listed + rule.changes(from: start, to: end).filter { $0.at > last }
  }
}

/// The moments at which a clock shows a certain time.
public enum LocalTimeReading: Hashable, Sendable {
  case once(Instant)
  /// The clock is set back and shows the time a second time.
  case twice(first: Instant, last: Instant)
  /// The clock is set forward past the time, at this moment.
  case never(skippedAt: Instant)

  /// The time itself, the first of two, or the moment at which it was skipped.
  public var first: Instant {
    switch self {
    case .once(let moment), .twice(let moment, _), .never(let moment): moment
    }
  }

  /// The time itself, the last of two, or the moment at which it was skipped.
  public var last: Instant {
    switch self {
    case .once(let moment), .twice(_, let moment), .never(let moment): moment
    }
  }
}

extension TimeZoneRules {
  /// No clock is further from UTC than this (RFC 8536, section 3.2), in seconds.
  static let furthestOffset: Int64 = 26 * 3_600

  /// When the clocks of this zone show a time.
  public func moments(of local: LocalTime) -> LocalTimeReading {
    moments(ofClock: local.clockSeconds)
  }

  func moments(ofClock clock: Int64) -> LocalTimeReading {
    let start = clock - Self.furthestOffset
    let near = changes(from: start, to: clock + Self.furthestOffset)
    var offsets: Set = [offset(atSecond: start).seconds]
    for change in near { offsets.insert(change.after.seconds) }
    let seconds = offsets.map { clock - Int64($0) }
      .filter { offset(atSecond: $0).seconds == Int(clock - $0) }.sorted()
    if let first = seconds.first, let last = seconds.last {
      return first == last
        ? .once(Instant(second: first))
        : .twice(first: Instant(second: first), last: Instant(second: last))
    }
    let skipping = near.first {
      ($0.at + Int64($0.before.seconds)...$0.at + Int64(max($0.before.seconds, $0.after.seconds)))
        .contains(clock)
    }
    // A time that no clock shows was skipped by a change, so there is one.
    return .never(skippedAt: Instant(second: skipping?.at ?? clock))
  }

  /// When the clocks show a second of one local day, for many seconds of it: on nearly all days no
  /// clock is changed, and then it is one subtraction.
  func readings(ofDay day: Int64) -> (_ secondOfDay: Int64) -> LocalTimeReading {
    let midnight = day * 86_400
    let start = midnight - Self.furthestOffset
    guard changes(from: start, to: midnight + 86_400 + Self.furthestOffset).isEmpty else {
      return { moments(ofClock: midnight + $0) }
    }
    let first = midnight - Int64(offset(atSecond: start).seconds)
    return { .once(Instant(second: first + $0)) }
  }
}

extension Instant {
  /// The first and the last moment that the calendar computes with: beyond, nothing is planned, and
  /// sums would overflow.
  static let earliest = Instant(second: CivilDate.firstDayNumber * 86_400)
  static let latest = Instant(second: (CivilDate.lastDayNumber - 365_000) * 86_400)

  init(second: Int64) { self.init(milliseconds: second * 1_000) }

  /// The nearest moment that the calendar can compute with.
  var bounded: Instant { min(max(self, .earliest), .latest) }
}
