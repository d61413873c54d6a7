public import SegueModel

/// When something holds: every week, by a cron expression, or once.
///
/// A pattern speaks in local time, and a local clock is changed twice a year. Segue goes by these
/// rules, so that whatever the clocks do, an occurrence begins once and ends once:
///
/// - A time that a clock skips (02:30, when 02:00 becomes 03:00) is the moment of the change. What
///   would lie wholly within the skipped hour does not happen.
/// - A time that a clock shows twice (02:30, when 03:00 becomes 02:00) is the first of the two,
///   both as a beginning and as an end. A window that closed at 02:30 does not open again when the
///   clock goes back to 02:00.
/// - But what forbids forbids at every reading: a freeze that ends at such a time ends at the last
///   of the two, and one whose cron expression names such a time begins at both.
/// - The length that follows a cron expression is time that passes, not a difference of readings:
///   `for 8h` is eight hours also in the night of a change.
///
/// Nothing is remembered between two questions: the answer for a moment depends on the moment
/// alone. So a machine whose own clock is corrected gets the answer of the time that it now shows.
public struct TimePattern: Hashable, Sendable {
  /// What the pattern is there for, which decides what a doubtful hour means.
  public enum Purpose: Hashable, Sendable {
    /// A window: when in doubt, closed.
    case allow
    /// A freeze: when in doubt, frozen.
    case deny
  }

  /// Days of the week with a time of day.
  struct Weekly: Hashable, Sendable {
    /// The days on which it begins.
    var days: Set<Weekday>
    /// Seconds after midnight.
    var from: Int
    /// Seconds after the midnight of the day on which it ends; up to 86,400.
    var to: Int
    /// How many days after its beginning it ends; 0 to 7.
    var dayCount: Int
  }

  /// One end of something that happens once.
  enum Edge: Hashable, Sendable {
    case moment(Instant)
    /// What a clock shows, in seconds since 1970 on that clock.
    case clock(Int64)
  }

  enum Form: Hashable, Sendable {
    case weekly(Weekly)
    case cron(CronExpression, lasting: Milliseconds)
    /// Without an end it goes on for ever.
    case once(from: Edge, to: Edge?)
  }

  var form: Form
  /// By whose clocks it goes, and in which its moments are shown.
  public let zone: TimeZoneRules
  /// As it was written, with single spaces.
  public let text: String

  init(_ form: Form, zone: TimeZoneRules, text: String) {
    self.form = form
    self.zone = zone
    self.text = text
  }

  /// From one moment to another, or for ever. Moments are shown in `zone`.
  public init(from start: Instant, until end: Instant?, zone: TimeZoneRules) {
    form = .once(from: .moment(start), to: end.map { .moment($0) })
    self.zone = zone
    text =
      "\(MomentText.full(start, in: zone))"
      + (end.map { " to \(MomentText.full($0, in: zone))" } ?? " on")
  }

  /// It comes again and again.
  public var isRecurring: Bool {
    if case .once = form { false } else { true }
  }

  /// On how many moments of one day it may begin at most: what it costs to look ahead.
  public var beginningsPerDay: Int {
    switch form {
    case .cron(let cron, _): cron.minutes.count * cron.hours.count
    case .weekly, .once: 1
    }
  }

  /// Every occurrence that has a part in common with a stretch of time, whole and in the order of
  /// beginnings. Two may overlap. An end that never comes is the last moment there is.
  public func occurrences(in range: TimeSpan, to purpose: Purpose) -> [TimeSpan] {
    let range = TimeSpan(start: range.start.bounded, end: range.end.bounded)
    guard !range.isEmpty else { return [] }
    let found: [TimeSpan]
    switch form {
    case .weekly(let weekly): found = occurrences(of: weekly, in: range, purpose)
    case .cron(let cron, let length): found = occurrences(of: cron, length, in: range, purpose)
    case .once(let start, let end):
      let end = end.map { moment($0, purpose, isEnd: true) } ?? .latest
      found = [TimeSpan(start: moment(start, purpose, isEnd: false), end: end)]
    }
    return found.filter { !$0.isEmpty && $0.overlaps(range) }
  }

  private func moment(_ edge: Edge, _ purpose: Purpose, isEnd: Bool) -> Instant {
    switch edge {
    case .moment(let moment): moment.bounded
    case .clock(let clock): moment(ofClock: clock, purpose, isEnd: isEnd)
    }
  }

  private func moment(ofClock clock: Int64, _ purpose: Purpose, isEnd: Bool) -> Instant {
    let reading = zone.moments(ofClock: clock)
    return isEnd && purpose == .deny ? reading.last : reading.first
  }

  /// The numbers of the local days on which an occurrence that reaches into a stretch may begin,
  /// when one lasts at most so many days.
  private func days(in range: TimeSpan, lasting dayCount: Int) -> ClosedRange<Int64> {
    let first = zone.local(at: range.start).date.dayNumber - Int64(dayCount) - 1
    return first...max(first, zone.local(at: range.end).date.dayNumber + 1)
  }

  private func occurrences(
    of weekly: Weekly, in range: TimeSpan, _ purpose: Purpose
  ) -> [TimeSpan] {
    days(in: range, lasting: weekly.dayCount + 1).filter {
      weekly.days.contains(CivilDate.weekday(ofDayNumber: $0))
    }.map { day in
      let lastDay = day + Int64(weekly.dayCount)
      return TimeSpan(
        start: moment(ofClock: day * 86_400 + Int64(weekly.from), purpose, isEnd: false),
        end: moment(ofClock: lastDay * 86_400 + Int64(weekly.to), purpose, isEnd: true))
    }
  }

  private func occurrences(
    of cron: CronExpression, _ length: Milliseconds, in range: TimeSpan, _ purpose: Purpose
  ) -> [TimeSpan] {
    let days = days(in: range, lasting: Int(length.count / 86_400_000) + 1)
    let minutes = cron.minutesOfDay
    return days.filter { cron.matches(CivilDate(dayNumber: $0)) }.flatMap { day in
      let readings = zone.readings(ofDay: day)
      return minutes.flatMap { minute -> [TimeSpan] in
        let reading = readings(Int64(minute) * 60)
        var starts = [reading.first]
        if purpose == .deny, reading.last != reading.first { starts.append(reading.last) }
        return starts.map { TimeSpan(start: $0, end: $0 + length) }
      }
    }.sorted { $0.start < $1.start }
  }
}

/// The five fields of a line of crontab(5): minute, hour, day of the month, month, day of the week.
///
/// As there (POSIX.1-2017, `crontab`), when both kinds of day are restricted, either will do.
struct CronExpression: Hashable, Sendable {
  /// In ascending order.
  var minutes: [Int]
  /// In ascending order.
  var hours: [Int]
  var daysOfMonth: Set<Int>
  var months: Set<Int>
  var daysOfWeek: Set<Weekday>
  /// The field does not begin with `*`.
  var restrictsDayOfMonth: Bool
  /// The field does not begin with `*`.
  var restrictsDayOfWeek: Bool

  /// The times of a day at which it fires, in minutes after midnight.
  var minutesOfDay: [Int] { hours.flatMap { hour in minutes.map { hour * 60 + $0 } } }

  func matches(_ date: CivilDate) -> Bool {
    guard months.contains(date.month) else { return false }
    let byMonth = daysOfMonth.contains(date.day)
    let byWeek = daysOfWeek.contains(date.weekday)
    return restrictsDayOfMonth && restrictsDayOfWeek ? byMonth || byWeek : byMonth && byWeek
  }

  /// It fires on some day: 31 February never comes.
  var everFires: Bool {
    if restrictsDayOfWeek { return true }
    return months.contains { month in
      daysOfMonth.contains { CivilDate(year: 2_000, month: month, day: $0) != nil }
    }
  }
}
