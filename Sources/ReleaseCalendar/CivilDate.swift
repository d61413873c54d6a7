/// A day of the week, numbered as in ISO 8601.
public enum Weekday: Int, CaseIterable, Comparable, Sendable {
  case monday = 1
  case tuesday
  case wednesday
  case thursday
  case friday
  case saturday
  case sunday

  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// A day of the proleptic Gregorian calendar, in the years 1 to 9999.
public struct CivilDate: Hashable, Comparable, Sendable, CustomStringConvertible {
  public let year: Int
  /// 1 is January.
  public let month: Int
  public let day: Int

  static let firstDayNumber: Int64 = -719_162
  static let lastDayNumber: Int64 = 2_932_896

  /// `nil` when there is no such day: 30 February, or the year 10000.
  public init?(year: Int, month: Int, day: Int) {
    guard (1...9_999).contains(year), (1...12).contains(month),
      (1...Self.days(in: month, of: year)).contains(day)
    else { return nil }
    self.year = year
    self.month = month
    self.day = day
  }

  /// The day so many days after 1 January 1970; what lies outside the years 1 to 9999 becomes the
  /// nearest day inside.
  ///
  /// Years are counted from March, so that the leap day is the last of its year and the months'
  /// lengths follow one line; four centuries have 146,097 days. After H. Hinnant,
  /// "chrono-Compatible Low-Level Date Algorithms" (2013).
  public init(dayNumber: Int64) {
    // Days since 1 March of the year 0.
    let days = min(max(dayNumber, Self.firstDayNumber), Self.lastDayNumber) + 719_468
    let (era, dayOfEra) = days.quotientAndRemainder(dividingBy: 146_097)
    let yearOfEra =
      (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    month = Int(monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9)
    day = Int(dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    year = Int(era * 400 + yearOfEra) + (month <= 2 ? 1 : 0)
  }

  /// Days since 1 January 1970.
  public var dayNumber: Int64 {
    let yearFromMarch = Int64(month <= 2 ? year - 1 : year)
    let monthFromMarch = Int64(month > 2 ? month - 3 : month + 9)
    let dayOfYear = (153 * monthFromMarch + 2) / 5 + Int64(day) - 1
    return 365 * yearFromMarch + yearFromMarch / 4 - yearFromMarch / 100 + yearFromMarch / 400
      + dayOfYear - 719_468
  }

  public var weekday: Weekday { Self.weekday(ofDayNumber: dayNumber) }

  /// 1 January 1970 was a Thursday.
  static func weekday(ofDayNumber number: Int64) -> Weekday {
    Weekday(rawValue: Int((number + 3).remainderOfFloor(by: 7)) + 1) ?? .monday
  }

  static func isLeap(_ year: Int) -> Bool {
    year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
  }

  static func days(in month: Int, of year: Int) -> Int {
    switch month {
    case 4, 6, 9, 11: 30
    case 2: isLeap(year) ? 29 : 28
    default: 31
    }
  }

  public static func < (left: Self, right: Self) -> Bool {
    (left.year, left.month, left.day) < (right.year, right.month, right.day)
  }

  /// `2026-12-24`
  public var description: String {
    "\(Digits.padded(year, to: 4))-\(Digits.padded(month))-\(Digits.padded(day))"
  }
}

/// What a clock on the wall shows: a day and a time, without a word on where that wall is.
public struct LocalTime: Hashable, Comparable, Sendable, CustomStringConvertible {
  public let date: CivilDate
  /// 0 to 86,399.
  public let secondOfDay: Int

  /// `nil` when `secondOfDay` is not within a day of 24 hours.
  public init?(_ date: CivilDate, secondOfDay: Int) {
    guard (0..<86_400).contains(secondOfDay) else { return nil }
    self.date = date
    self.secondOfDay = secondOfDay
  }

  /// As if the wall were in Greenwich: seconds since 1 January 1970 00:00 on this very clock.
  init(clockSeconds: Int64) {
    date = CivilDate(dayNumber: clockSeconds.quotientOfFloor(by: 86_400))
    secondOfDay = Int(clockSeconds.remainderOfFloor(by: 86_400))
  }

  var clockSeconds: Int64 { date.dayNumber * 86_400 + Int64(secondOfDay) }

  public static func < (left: Self, right: Self) -> Bool {
    (left.date, left.secondOfDay) < (right.date, right.secondOfDay)
  }

  /// `18:00`, and with seconds only where there are any: `18:00:05`.
  public var timeText: String {
    let minute = secondOfDay / 60
    let time = "\(Digits.padded(minute / 60)):\(Digits.padded(minute % 60))"
    return secondOfDay % 60 == 0 ? time : "\(time):\(Digits.padded(secondOfDay % 60))"
  }

  /// `2026-12-24 18:00`
  public var description: String { "\(date) \(timeText)" }
}

/// Numbers as clocks and calendars print them. The core has no Foundation, and no locale either.
enum Digits {
  static func padded(_ number: Int, to width: Int = 2) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}

extension Int64 {
  /// Rounds towards the past, also before 1970. The divisor is positive.
  func quotientOfFloor(by divisor: Int64) -> Int64 {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? quotient - 1 : quotient
  }

  func remainderOfFloor(by divisor: Int64) -> Int64 {
    let remainder = self % divisor
    return remainder < 0 ? remainder + divisor : remainder
  }
}
