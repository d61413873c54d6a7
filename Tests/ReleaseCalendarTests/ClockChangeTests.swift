import ReleaseCalendar
import SegueModel
import Testing

/// What happens to patterns in the nights in which clocks are changed: by an hour in Paris and New
/// York, by half an hour on Lord Howe Island.
@Suite struct ClockChangeTests {
  private static let zones = ["Europe/Paris", "America/New_York", "Australia/Lord_Howe"]
  /// When the clocks are set forward and back, and the local day of it.
  private static let forward = [
    ("Europe/Paris", "2026-03-29T01:00:00Z"), ("America/New_York", "2026-03-08T07:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
  ]
  private static let back = [
    ("Europe/Paris", "2026-10-25T01:00:00Z"), ("America/New_York", "2026-11-01T06:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
  ]

  @Test(arguments: [
    ("Europe/Paris", "2026-03-29 02:30", "2026-03-29T01:00:00Z"),
    ("America/New_York", "2026-03-08 02:30", "2026-03-08T07:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03T15:30:00Z"),
  ])
  func aTimeThatDoesNotExistIsTheMomentOfTheChange(zone: String, local: String, moment: String)
    throws
  {
    let rules = try Zones.named(zone)
    let local = try #require(LocalTime(local))
    #expect(rules.moments(of: local) == .never(skippedAt: try Instant(moment)))
  }

  @Test(arguments: [
    ("Europe/Paris", "2026-10-25 02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
    ("America/New_York", "2026-11-01 01:30", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"),
    ("Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"),
  ])
  func aTimeThatComesTwiceHasTwoMoments(zone: String, local: String, first: String, last: String)
    throws
  {
    let rules = try Zones.named(zone)
    let local = try #require(LocalTime(local))
    #expect(
      rules.moments(of: local) == .twice(first: try Instant(first), last: try Instant(last)))
  }

  /// The stretches of the night in UTC, the same for windows and freezes.
  @Test(arguments: [
    // Begins in the skipped hour: at the change.
    ("02:30-06:00 Europe/Paris", "2026-03-29", "01:00/04:00"),
    ("02:30-06:00 America/New_York", "2026-03-08", "07:00/10:00"),
    ("02:15-06:00 Australia/Lord_Howe", "2026-10-04", "15:30/19:00"),
    // Ends in it: at the change.
    ("01:00-02:30 Europe/Paris", "2026-03-29", "00:00/01:00"),
    ("01:00-02:30 America/New_York", "2026-03-08", "06:00/07:00"),
    ("01:00-02:15 Australia/Lord_Howe", "2026-10-04", "14:30/15:30"),
    // Lies in it: never.
    ("02:10-02:50 Europe/Paris", "2026-03-29", ""),
    ("02:00-03:00 America/New_York", "2026-03-08", ""),
    ("02:05-02:25 Australia/Lord_Howe", "2026-10-04", ""),
    // Spans it: an hour shorter.
    ("00:00-04:00 Europe/Paris", "2026-03-29", "23:00/02:00"),
    // Spans the hour that comes twice: an hour longer.
    ("00:00-04:00 Europe/Paris", "2026-10-25", "22:00/03:00"),
    ("00:00-04:00 America/New_York", "2026-11-01", "04:00/09:00"),
    ("00:00-04:00 Australia/Lord_Howe", "2026-04-05", "13:00/17:30"),
    // Begins in it: at the first reading, and goes on.
    ("02:30-06:00 Europe/Paris", "2026-10-25", "00:30/05:00"),
    ("01:30-06:00 America/New_York", "2026-11-01", "05:30/11:00"),
    ("01:45-06:00 Australia/Lord_Howe", "2026-04-05", "14:45/19:30"),
    // What lasts some hours lasts them by a stopwatch.
    ("0 1 * * * for 4h Europe/Paris", "2026-03-29", "00:00/04:00"),
    ("0 1 * * * for 4h Europe/Paris", "2026-10-25", "23:00/03:00"),
    ("30 2 * * * for 1h Europe/Paris", "2026-03-29", "01:00/02:00"),
    ("30 2 * * * for 1h America/New_York", "2026-03-08", "07:00/08:00"),
  ])
  func aNightOfAChangeHasOneOccurrence(text: String, day: String, expected: String) throws {
    let pattern = try Zones.pattern(text)
    for purpose in [TimePattern.Purpose.allow, .deny] {
      #expect(try Self.night(pattern, day, purpose) == expected)
    }
  }

  /// Windows close early and do not open again; freezes end late and begin at every reading.
  @Test(arguments: [
    ("01:00-02:30 Europe/Paris", "2026-10-25", "23:00/00:30", "23:00/01:30"),
    ("00:00-01:30 America/New_York", "2026-11-01", "04:00/05:30", "04:00/06:30"),
    ("00:00-01:45 Australia/Lord_Howe", "2026-04-05", "13:00/14:45", "13:00/15:15"),
    ("02:10-02:50 Europe/Paris", "2026-10-25", "00:10/00:50", "00:10/01:50"),
    (
      "30 2 * * * for 10m Europe/Paris", "2026-10-25", "00:30/00:40", "00:30/00:40 01:30/01:40"
    ),
    (
      "30 1 * * * for 10m America/New_York", "2026-11-01", "05:30/05:40",
      "05:30/05:40 06:30/06:40"
    ),
    (
      "45 1 * * * for 10m Australia/Lord_Howe", "2026-04-05", "14:45/14:55",
      "14:45/14:55 15:15/15:25"
    ),
  ])
  func anHourThatComesTwiceIsReadAgainstTheRollout(
    text: String, day: String, window: String, freeze: String
  ) throws {
    let pattern = try Zones.pattern(text)
    #expect(try Self.night(pattern, day, .allow) == window)
    #expect(try Self.night(pattern, day, .deny) == freeze)
  }

  /// The occurrences that begin on a local day, as times of UTC.
  private static func night(
    _ pattern: TimePattern, _ day: String, _ purpose: TimePattern.Purpose
  ) throws -> String {
    let noon = try Instant("\(day)T12:00:00Z")
    let range = TimeSpan(
      start: noon + Milliseconds(-48 * 3_600_000), end: noon + Milliseconds(48 * 3_600_000))
    return pattern.occurrences(in: range, to: purpose)
      .filter { pattern.zone.local(at: $0.start).date.description == day }
      .map { "\($0.start.text.dropFirst(11).prefix(5))/\($0.end.text.dropFirst(11).prefix(5))" }
      .joined(separator: " ")
  }

  @Test(arguments: zones)
  func aWindowOpensAndClosesOnceADayThroughoutAYear(zone: String) throws {
    let year = TimeSpan(
      start: try Instant("2026-01-01T12:00:00Z"), end: try Instant("2027-01-01T12:00:00Z"))
    for text in ["00:30-02:30", "01:30-01:45", "02:15-03:15", "23:30-02:10"] {
      for purpose in [TimePattern.Purpose.allow, .deny] {
        let pattern = try Zones.pattern("\(text) \(zone)")
        let spans = pattern.occurrences(in: year, to: purpose)
        #expect((365...366).contains(spans.count))
        #expect(zip(spans, spans.dropFirst()).allSatisfy { $0.end < $1.start })
        #expect(Set(spans.map { pattern.zone.local(at: $0.start).date }).count == spans.count)
      }
    }
  }

  /// The machine's clock is corrected backwards over the opening and the closing of a window: each
  /// moment has its own answer, whatever was asked before.
  @Test(arguments: zones)
  func aClockThatIsSetBackGetsTheAnswerOfTheTimeItShows(zone: String) throws {
    let calendar = RolloutCalendar(windows: [
      ReleaseWindow(environments: .all, pattern: try Zones.pattern("09:00-16:00 \(zone)"))
    ])
    func mayStart(_ moment: Instant) -> Bool {
      calendar.answer(StartQuestion(environment: "production", at: moment)).mayStart
    }
    let night = StartQuestion(environment: "production", at: try Instant("2026-06-01T08:00:00Z"))
    let open = try #require(calendar.answer(night).next)
    let close = try #require(
      calendar.answer(StartQuestion(environment: "production", at: open)).until)
    let hour = Milliseconds(3_600_000)
    let moments = [close + Milliseconds(-1), close, close + hour]
    let before = moments.map(mayStart)
    #expect(before == [true, false, false])
    // Back by an hour: what was closed is open, because that hour of it is still to come.
    #expect(mayStart(close + Milliseconds(-hour.count)))
    #expect(moments.map(mayStart) == before)
  }

  /// Around both changes of the year, every five minutes: a window that is open has an end at which it
  /// closes, one that is closed has a moment at which it opens, and both are exact.
  @Test(arguments: forward + back)
  func openingAndClosingAreExactAroundAChange(zone: String, change: String) throws {
    let calendar = RolloutCalendar(
      windows: [
        ReleaseWindow(environments: .all, pattern: try Zones.pattern("00:20-01:50 \(zone)")),
        ReleaseWindow(environments: .all, pattern: try Zones.pattern("02:10-02:40 \(zone)")),
      ],
      freezes: [
        Freeze(
          id: "f", environments: .all, pattern: try Zones.pattern("01:05-01:20 \(zone)"),
          reason: "backup")
      ])
    let middle = try Instant(change)
    for minute in stride(from: -240, through: 240, by: 5) {
      let moment = middle + .minutes(Int64(minute))
      func answer(_ moment: Instant) -> StartAnswer {
        calendar.answer(StartQuestion(environment: "production", at: moment))
      }
      let now = answer(moment)
      let turn = try #require(now.mayStart ? now.until : now.next)
      #expect(moment < turn)
      #expect(answer(turn).mayStart != now.mayStart)
      #expect(answer(turn + Milliseconds(-1)).mayStart == now.mayStart)
    }
  }
}

extension LocalTime {
  /// `2026-10-25 02:30`
  init?(_ text: String) {
    let numbers = text.split { " -:".contains($0) }.compactMap { Int($0) }
    guard numbers.count == 5,
      let date = CivilDate(year: numbers[0], month: numbers[1], day: numbers[2])
    else { return nil }
    self.init(date, secondOfDay: numbers[3] * 3_600 + numbers[4] * 60)
  }
}
