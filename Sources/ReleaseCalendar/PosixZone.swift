/// The rule by which a zone's clocks go on after the last change that its file lists: the footer of
/// a TZif file, which is the POSIX variable `TZ` (POSIX.1-2017, section 8.3) with the extension of
/// RFC 8536, section 3.3.1: a change may be up to a week before or after the day's beginning.
struct PosixZone: Hashable, Sendable {
  /// When in the year the clocks change.
  struct Moment: Hashable, Sendable {
    enum Day: Hashable, Sendable {
      /// `M3.5.0`: the last Sunday of March. A week of 5 is the last one; a weekday of 0 is Sunday.
      case weekday(Int, week: Int, month: Int)
      /// `J60`: the sixtieth day of the year, 29 February never counted.
      case withoutLeapDay(Int)
      /// `59`: so many days after 1 January.
      case fromZero(Int)
    }

    var day: Day
    /// Seconds after that day's midnight, by the clock that is changed.
    var time: Int

    /// Seconds since 1970, by the clock that is changed.
    func clockSeconds(in year: Int) -> Int64 {
      let newYear = PosixZone.dayNumber(year, 1, 1)
      let number: Int64
      switch day {
      case .withoutLeapDay(let day):
        number = newYear + Int64(day - 1) + (CivilDate.isLeap(year) && day >= 60 ? 1 : 0)
      case .fromZero(let day):
        number = newYear + Int64(day)
      case .weekday(let weekday, let week, let month):
        let first = PosixZone.dayNumber(year, month, 1)
        let firstWeekday = Int64(CivilDate.weekday(ofDayNumber: first).rawValue % 7)
        let day = (Int64(weekday) - firstWeekday).remainderOfFloor(by: 7) + Int64(7 * (week - 1))
        number = first + (day >= CivilDate.days(in: month, of: year) ? day - 7 : day)
      }
      return number * 86_400 + Int64(time)
    }
  }

  struct Daylight: Hashable, Sendable {
    var offset: ZoneOffset
    var start: Moment
    var end: Moment
  }

  var standard: ZoneOffset
  var daylight: Daylight?

  func offset(at second: Int64) -> ZoneOffset {
    guard let daylight else { return standard }
    let past = transitions(around: second, daylight).last { $0.at <= second }
    return past?.after ?? standard
  }

  func changes(from start: Int64, to end: Int64) -> [TimeZoneRules.Change] {
    guard let daylight else { return [] }
    return transitions(around: end, daylight).filter { start < $0.at && $0.at <= end }
  }

  /// The changes of the year that a second lies in, of the one before and of the one after, in the
  /// order of time. Where daylight time ends and begins at the same moment it goes on, which is how
  /// a zone that never leaves it is written.
  private func transitions(around second: Int64, _ daylight: Daylight) -> [TimeZoneRules.Change] {
    let year = CivilDate(dayNumber: second.quotientOfFloor(by: 86_400)).year
    return (max(year - 1, 1)...min(year + 1, 9_999)).flatMap { year in
      [
        TimeZoneRules.Change(
          at: daylight.end.clockSeconds(in: year) - Int64(daylight.offset.seconds),
          before: daylight.offset, after: standard),
        TimeZoneRules.Change(
          at: daylight.start.clockSeconds(in: year) - Int64(standard.seconds),
          before: standard, after: daylight.offset),
      ]
    }.sorted { left, right in
      left.at != right.at ? left.at < right.at : right.after == daylight.offset
    }
  }

  private static func dayNumber(_ year: Int, _ month: Int, _ day: Int) -> Int64 {
    CivilDate(year: year, month: month, day: day)?.dayNumber ?? 0
  }
}

extension PosixZone {
  /// `nil` when the text is no such rule.
  init?(_ text: some Sequence<UInt8>) {
    var reader = PosixZoneReader(bytes: Array(text))
    guard let zone = reader.zone(), reader.isAtEnd else { return nil }
    self = zone
  }
}

/// Reads `CET-1CEST,M3.5.0,M10.5.0/3`.
private struct PosixZoneReader {
  var bytes: [UInt8]
  var index = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { index == bytes.count }
  private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: character) else { return false }
    index += 1
    return true
  }

  mutating func zone() -> PosixZone? {
    guard let name = name(), let west = offset(hours: 24) else { return nil }
    let standard = ZoneOffset(seconds: -west, abbreviation: name, isDaylightTime: false)
    guard !isAtEnd else { return PosixZone(standard: standard) }
    guard let daylightName = self.name() else { return nil }
    var daylightSeconds = standard.seconds + 3_600
    if next != UInt8(ascii: ",") {
      guard let west = offset(hours: 24) else { return nil }
      daylightSeconds = -west
    }
    guard take(","), let start = moment(), take(","), let end = moment() else { return nil }
    let offset = ZoneOffset(
      seconds: daylightSeconds, abbreviation: daylightName, isDaylightTime: true)
    return PosixZone(
      standard: standard,
      daylight: PosixZone.Daylight(offset: offset, start: start, end: end))
  }

  private mutating func name() -> String? {
    let isQuoted = take("<")
    let start = index
    while let byte = next, isQuoted ? byte != UInt8(ascii: ">") : Self.isLetter(byte) { index += 1 }
    let name = bytes[start..<index]
    guard name.count >= 3, name.count <= 16, name.allSatisfy({ (0x20...0x7E).contains($0) }),
      !isQuoted || take(">")
    else { return nil }
    return String(decoding: name, as: UTF8.self)
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }

  private mutating func number(_ range: ClosedRange<Int>) -> Int? {
    let start = index
    var value = 0
    while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte), index - start < 4
    {
      value = value * 10 + Int(byte - UInt8(ascii: "0"))
      index += 1
    }
    return index > start && range.contains(value) ? value : nil
  }

  /// `[+-]hh[:mm[:ss]]` in seconds.
  private mutating func offset(hours: Int) -> Int? {
    let isNegative = take("-")
    if !isNegative { _ = take("+") }
    guard let hours = number(0...hours) else { return nil }
    var seconds = hours * 3_600
    for unit in [60, 1] where take(":") {
      guard let part = number(0...59) else { return nil }
      seconds += part * unit
    }
    return isNegative ? -seconds : seconds
  }

  private mutating func moment() -> PosixZone.Moment? {
    guard let day = day() else { return nil }
    guard take("/") else { return PosixZone.Moment(day: day, time: 7_200) }
    return offset(hours: 167).map { PosixZone.Moment(day: day, time: $0) }
  }

  private mutating func day() -> PosixZone.Moment.Day? {
    if take("M") {
      guard let month = number(1...12), take("."), let week = number(1...5), take("."),
        let weekday = number(0...6)
      else { return nil }
      return .weekday(weekday, week: week, month: month)
    }
    if take("J") { return number(1...365).map { .withoutLeapDay($0) } }
    return number(0...365).map { .fromZero($0) }
  }
}
