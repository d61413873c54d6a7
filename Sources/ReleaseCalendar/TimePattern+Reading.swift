public import SegueModel

extension TimePattern {
  /// The longest that one occurrence of a cron expression may last.
  static let longestDays: Int64 = 31

  /// Reads when something holds. There are three forms, each with an IANA time zone at its end:
  ///
  /// - days of the week and a time of day: `Mon-Thu 09:00-16:00 Europe/Paris`,
  ///   `Sat,Sun Europe/Paris`, `22:00-06:00 UTC` (every day, over midnight),
  ///   `Fri 18:00-Mon 06:00 Europe/Paris`;
  /// - a cron expression and how long it lasts each time: `0 9 * * 1-5 for 7h Europe/Paris`;
  /// - once: `2026-12-24 18:00 to 2027-01-02 08:00 Europe/Paris`, whole days
  ///   (`2026-12-24 to 2027-01-01 Europe/Paris`, the last one included), or moments
  ///   (`2026-12-24T17:00:00Z to 2027-01-02T07:00:00Z`, where the zone may be left out).
  public init(_ text: String, zones: ZoneLibrary) throws(CalendarTextFault) {
    var scanner = try CalendarScanner(text)
    let first = scanner.upcoming
    let written = scanner.text.split(separator: " ").joined(separator: " ")
    if first.isEmpty {
      throw scanner.fault(
        "here a time is missing", "Write something like \"Mon-Thu 09:00-16:00 Europe/Paris\"")
    }
    if scanner.isAtDate {
      let (start, end, zone) = try scanner.once(zones)
      self.init(.once(from: start, to: end), zone: zone, text: written)
    } else if first.allSatisfy({ "0123456789*/,-".contains($0) }) {
      let (cron, length) = try scanner.cron()
      let zone = try scanner.requiredZone(of: zones)
      self.init(.cron(cron, lasting: length), zone: zone, text: written)
    } else {
      let weekly = try scanner.weekly()
      self.init(.weekly(weekly), zone: try scanner.requiredZone(of: zones), text: written)
    }
  }
}

// MARK: Days of the week

extension CalendarScanner {
  private static let dayNames = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
  private static let dayHelp = "Write Mon, Tue, Wed, Thu, Fri, Sat or Sun, or daily"

  fileprivate mutating func weekly() throws(CalendarTextFault) -> TimePattern.Weekly {
    let days = isAtLetter ? try days() : Set(Weekday.allCases)
    skipSpaces()
    guard isAtDigit else {
      return TimePattern.Weekly(days: days, from: 0, to: 86_400, dayCount: 0)
    }
    let from = try time(mayBe24: false)
    skipSpaces()
    guard take("-") else {
      throw fault(
        "after the beginning '-' and the end are missing", "Write both, such as 09:00-16:00")
    }
    skipSpaces()
    guard isAtLetter else {
      let place = index
      let to = try time(mayBe24: true)
      guard to != from else {
        throw fault(
          "it ends when it begins", "For the whole day leave out the times, or write 00:00-24:00",
          at: place)
      }
      return TimePattern.Weekly(days: days, from: from, to: to, dayCount: to > from ? 0 : 1)
    }
    let place = index
    let last = try day()
    skipSpaces()
    let to = try time(mayBe24: true)
    guard days.count == 1, let first = days.first else {
      throw fault(
        "from several days to one day means nothing",
        "Name one day on either side, such as Fri 18:00-Mon 06:00", at: place)
    }
    let between = (last.rawValue - first.rawValue + 7) % 7
    let dayCount = between == 0 && to <= from ? 7 : between
    return TimePattern.Weekly(days: days, from: from, to: to, dayCount: dayCount)
  }

  private mutating func day() throws(CalendarTextFault) -> Weekday {
    let start = index
    let name = run { $0.properties.isAlphabetic }
    let plain = name.lowercased()
    let number = Self.dayNames.firstIndex {
      plain.hasPrefix($0) && (plain.count == 3 || plain.hasSuffix("day"))
    }
    guard let number, let day = Weekday(rawValue: number + 1) else {
      throw fault(
        name.isEmpty ? "here a day of the week is missing" : "'\(name)' is no day of the week",
        Self.dayHelp, at: start)
    }
    return day
  }

  /// Also one with a space before it.
  private mutating func takeComma() -> Bool {
    let start = index
    skipSpaces()
    if take(",") { return true }
    index = start
    return false
  }

  /// `Mon-Thu`, `Mon,Wed,Fri`, `Fri-Mon`, `daily`
  private mutating func days() throws(CalendarTextFault) -> Set<Weekday> {
    if upcoming.lowercased() == "daily" {
      _ = word()
      return Set(Weekday.allCases)
    }
    var days: Set<Weekday> = []
    repeat {
      skipSpaces()
      let first = try day()
      days.insert(first)
      let last = take("-") ? try day() : first
      for distance in 0...(last.rawValue - first.rawValue + 7) % 7 {
        days.insert(Weekday(rawValue: (first.rawValue - 1 + distance) % 7 + 1) ?? first)
      }
    } while takeComma()
    guard isAtEnd || next == " " else {
      throw fault("'\(upcoming)' does not belong behind a day", "Put a space between day and time")
    }
    return days
  }
}

// MARK: Once

extension CalendarScanner {
  /// One end as it is written.
  private enum Written {
    case moment(Instant)
    case day(CivilDate)
    case clock(Int64)
  }

  fileprivate mutating func once(
    _ zones: ZoneLibrary
  ) throws(CalendarTextFault) -> (TimePattern.Edge, TimePattern.Edge, TimeZoneRules) {
    let first = try edge()
    skipSpaces()
    let place = index
    var last = first
    if isAtLetter, ["to", "until"].contains(upcoming) {
      _ = word()
      skipSpaces()
      last = try edge()
    } else if case .day = first {
      // A day by itself is that day.
    } else {
      throw fault(
        "the end is missing", "Write it after 'to', such as 2026-12-24 18:00 to 2026-12-27 08:00")
    }
    var zone = try zone(of: zones)
    if zone == nil, case .moment = first, case .moment = last { zone = .utc }
    guard let zone else {
      throw fault("the time zone is missing", "Add one at the end, such as Europe/Paris or UTC")
    }
    let start = Self.edge(first, isEnd: false)
    let end = Self.edge(last, isEnd: true)
    let pattern = TimePattern(.once(from: start, to: end), zone: zone, text: text)
    let everything = TimeSpan(start: .earliest, end: .latest)
    guard !pattern.occurrences(in: everything, to: .deny).isEmpty else {
      throw fault("it ends before it begins", "Write the earlier time first", at: place)
    }
    return (start, end, zone)
  }

  private static func edge(_ written: Written, isEnd: Bool) -> TimePattern.Edge {
    switch written {
    case .moment(let moment): .moment(moment)
    case .clock(let clock): .clock(clock)
    case .day(let date): .clock((date.dayNumber + (isEnd ? 1 : 0)) * 86_400)
    }
  }

  /// `2026-12-24`, `2026-12-24 18:00`, `2026-12-24T17:00:00Z`, `2026-12-24T18:00:00+01:00`
  private mutating func edge() throws(CalendarTextFault) -> Written {
    let midnight = try date().dayNumber * 86_400
    let hasLetter = take("T") || take("t")
    if !hasLetter {
      let end = index
      skipSpaces()
      guard isAtDigit else {
        guard end < index || isAtEnd else {
          throw fault("'\(upcoming)' does not belong behind a date", "Put a space after the date")
        }
        return .day(CivilDate(dayNumber: midnight / 86_400))
      }
    }
    let clock = midnight + Int64(try time(mayBe24: true))
    guard hasLetter else { return .clock(clock) }
    if take("Z") || take("z") { return .moment(Instant(second: clock)) }
    guard next == "+" || next == "-" else { return .clock(clock) }
    let isEast = next == "+"
    index += 1
    let place = index
    guard let hours = number(), hours <= 23, take(":"), let minutes = number(), minutes <= 59 else {
      throw fault(
        "this is no offset from UTC", "Write Z for UTC, or hours and minutes such as +01:00",
        at: place)
    }
    let offset = Int64(hours * 3_600 + minutes * 60)
    return .moment(Instant(second: isEast ? clock - offset : clock + offset))
  }
}

extension MomentText {
  /// What a moment is for, which decides what a day without a time means.
  public enum Meaning: Sendable {
    case start
    /// A day without a time is included.
    case end
  }

  /// Reads the moment that somebody gives on the command line: `now`, a length of time from now on
  /// (`90m`, `8h`, `3d`), a date (`2027-01-02`), a date with a time of day (`2027-01-02 08:00`),
  /// either with a zone at its end, or a moment as in RFC 3339 (`2027-01-02T07:00:00Z`).
  ///
  /// - Parameter zone: By whose clock it is meant when the text names no zone.
  public static func moment(
    _ text: String, meaning: Meaning, now: Instant, zone: TimeZoneRules, zones: ZoneLibrary
  ) throws(CalendarTextFault) -> Instant {
    var scanner = try CalendarScanner(text)
    let word = scanner.upcoming
    if word == "now", word.count == scanner.text.count { return now }
    guard scanner.isAtDate else {
      let length = try scanner.duration(limit: 400)
      scanner.skipSpaces()
      guard scanner.isAtEnd else {
        throw scanner.fault(
          "after the length of time nothing may follow", "Take out '\(scanner.upcoming)'")
      }
      return now.bounded + length
    }
    return try scanner.moment(isEnd: meaning == .end, zone, zones)
  }
}

extension CalendarScanner {
  fileprivate mutating func moment(
    isEnd: Bool, _ zone: TimeZoneRules, _ zones: ZoneLibrary
  ) throws(CalendarTextFault) -> Instant {
    let written = try edge()
    let zone = try self.zone(of: zones) ?? zone
    switch Self.edge(written, isEnd: isEnd) {
    case .moment(let moment): return moment
    case .clock(let clock):
      let reading = zone.moments(ofClock: clock)
      return isEnd ? reading.last : reading.first
    }
  }
}
