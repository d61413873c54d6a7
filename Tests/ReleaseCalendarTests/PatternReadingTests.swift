import ReleaseCalendar
import SegueModel
import Testing

@Suite struct PatternReadingTests {
  /// The text, the first two occurrences after Monday 23 November 2026, 06:00 UTC.
  @Test(arguments: [
    (
      "Mon-Thu 09:00-16:00 Europe/Paris",
      "2026-11-23T08:00:00Z/2026-11-23T15:00:00Z 2026-11-24T08:00:00Z/2026-11-24T15:00:00Z"
    ),
    (
      "  monday , wed  9:00 - 16:30   UTC ",
      "2026-11-23T09:00:00Z/2026-11-23T16:30:00Z 2026-11-25T09:00:00Z/2026-11-25T16:30:00Z"
    ),
    (
      "Sat,Sun America/New_York",
      "2026-11-28T05:00:00Z/2026-11-29T05:00:00Z 2026-11-29T05:00:00Z/2026-11-30T05:00:00Z"
    ),
    (
      "22:00-06:00 UTC",
      "2026-11-23T22:00:00Z/2026-11-24T06:00:00Z 2026-11-24T22:00:00Z/2026-11-25T06:00:00Z"
    ),
    (
      "daily 22:00–24:00 UTC",
      "2026-11-23T22:00:00Z/2026-11-24T00:00:00Z 2026-11-24T22:00:00Z/2026-11-25T00:00:00Z"
    ),
    (
      "Fri 18:00-Mon 09:00 Europe/Paris",
      "2026-11-20T17:00:00Z/2026-11-23T08:00:00Z 2026-11-27T17:00:00Z/2026-11-30T08:00:00Z"
    ),
    (
      "Fri-Mon 10:00-11:00 UTC",
      "2026-11-23T10:00:00Z/2026-11-23T11:00:00Z 2026-11-27T10:00:00Z/2026-11-27T11:00:00Z"
    ),
    (
      "0 9 * * 1-5 for 7h Europe/Paris",
      "2026-11-23T08:00:00Z/2026-11-23T15:00:00Z 2026-11-24T08:00:00Z/2026-11-24T15:00:00Z"
    ),
    (
      "*/30 8-9 * nov MON for 10m UTC",
      "2026-11-23T08:00:00Z/2026-11-23T08:10:00Z 2026-11-23T08:30:00Z/2026-11-23T08:40:00Z"
    ),
    (
      "0 0 1 * 0,7 for 1d UTC",
      "2026-11-29T00:00:00Z/2026-11-30T00:00:00Z 2026-12-01T00:00:00Z/2026-12-02T00:00:00Z"
    ),
    (
      "0-30/15 0 24 12 * for 1h30m UTC",
      "2026-12-24T00:00:00Z/2026-12-24T01:30:00Z 2026-12-24T00:15:00Z/2026-12-24T01:45:00Z"
    ),
    (
      "10-20 9 * * * for 1m UTC",
      "2026-11-23T09:10:00Z/2026-11-23T09:11:00Z 2026-11-23T09:11:00Z/2026-11-23T09:12:00Z"
    ),
    (
      "2026-12-24 18:00 to 2027-01-02 08:00 Europe/Paris",
      "2026-12-24T17:00:00Z/2027-01-02T07:00:00Z"
    ),
    ("2026-12-24 to 2026-12-26 Europe/Paris", "2026-12-23T23:00:00Z/2026-12-26T23:00:00Z"),
    ("2026-12-25 UTC", "2026-12-25T00:00:00Z/2026-12-26T00:00:00Z"),
    ("2026-12-24 18:00 until 2026-12-26 UTC", "2026-12-24T18:00:00Z/2026-12-27T00:00:00Z"),
    (
      "2026-12-24T17:00:00Z to 2027-01-02T08:00:00+01:00",
      "2026-12-24T17:00:00Z/2027-01-02T07:00:00Z"
    ),
    (
      "2026-12-24T17:00:00-05:30 to 2027-01-02 Europe/Paris",
      "2026-12-24T22:30:00Z/2027-01-02T23:00:00Z"
    ),
  ])
  func readsEveryForm(text: String, expected: String) throws {
    let found = try Zones.pattern(text)
      .occurrences("2026-11-23T06:00:00Z", "2027-03-01T00:00:00Z", .allow)
    #expect(found.prefix(2).joined(separator: " ") == expected)
  }

  @Test(arguments: [
    ("", 0, "here a time is missing"),
    ("Mon-Thu 09:00-16:00", 19, "the time zone is missing"),
    ("Mon-Thu 09:00-16:00 Europe/Pari", 20, "Perhaps you mean Europe/Paris"),
    ("Mon-Thu 09:00-16:00 Europe/Paris please", 33, "Take out 'please'"),
    ("Mo-Thu 09:00-16:00 UTC", 0, "'Mo' is no day of the week"),
    ("Mon-Thorsday 09:00-16:00 UTC", 4, "Write Mon, Tue"),
    ("Mon,,Thu 09:00-16:00 UTC", 4, "a day of the week is missing"),
    ("Mon-Thu 9am-4pm UTC", 8, "'9am-4pm' is no time of day"),
    ("Mon-Thu 09:00-4pm UTC", 14, "'4pm' is no time of day"),
    ("Mon-Thu 09:00 UTC", 14, "Write both, such as 09:00-16:00"),
    ("Mon-Thu 25:00-26:00 UTC", 8, "there is no time 25:00"),
    ("Mon-Thu 24:00-26:00 UTC", 8, "there is no time 24:00"),
    ("Mon-Thu 09:00-09:00 UTC", 14, "ends when it begins"),
    ("Mon-Tue 09:00-Fri 16:00 UTC", 14, "Name one day on either side"),
    ("09:00-Fri 16:00 UTC", 6, "Name one day on either side"),
    ("0 9 * * 1-5 Europe/Paris", 12, "how long it lasts"),
    ("0 9 * * 1-5 for Europe/Paris", 16, "is no length of time"),
    ("0 9 * * 1-5 for 7 Europe/Paris", 17, "the unit is missing"),
    ("0 9 * * 1-5 for 32d Europe/Paris", 16, "too long"),
    ("0 9 * * 1-5 for 0m Europe/Paris", 16, "no time at all"),
    ("0 9 * * for 7h UTC", 8, "'for' is no day of the week"),
    ("60 9 * * * for 7h UTC", 0, "60 is no minute"),
    ("0 9 * * 8 for 7h UTC", 8, "0 to 7, or sun, mon"),
    ("0 9 L * * for 7h UTC", 4, "'l' is no day of the month"),
    ("0 9 * * 1#2 for 7h UTC", 9, "is not understood in the day of the week"),
    ("0 9 * * 5-1 for 7h UTC", 8, "the range runs backwards"),
    ("0 9 31 2 * for 7h UTC", 0, "no such day ever comes"),
    ("*/0 9 * * * for 7h UTC", 2, "a step is missing"),
    ("2026-12-24 18:00 Europe/Paris", 17, "the end is missing"),
    ("2026-12-24 18:00 to 2026-12-24 18:00 UTC", 17, "ends before it begins"),
    ("2026-12-24 to 2026-12-20 UTC", 11, "ends before it begins"),
    ("2026-02-30 UTC", 0, "Feb 2026 has 28 days"),
    ("2026-13-01 UTC", 0, "Months are 01 to 12"),
    ("2026-1-1 UTC", 0, "is no date"),
    ("9999-12-31 UTC", 0, "from 1970 to 2999"),
    ("2026-12-24T17:00:00+1 to 2027-01-01 UTC", 20, "no offset from UTC"),
    ("2026-12-24 to 2027-01-02", 24, "the time zone is missing"),
    (String(repeating: "*", count: 201), 0, "longer than 200 characters"),
    ("Mon\u{1B}[31m 09:00-16:00 UTC", 3, "does not belong behind a day"),
  ])
  func saysWhatIsWrongAndWhere(text: String, offset: Int, says: String) {
    let fault = #expect(throws: CalendarTextFault.self) { try Zones.pattern(text) }
    #expect(fault?.offset == offset)
    #expect(fault?.description.contains(says) == true, "\(fault?.description ?? "")")
    #expect(fault?.excerpt.contains("\u{1B}") == false)
  }

  @Test func noTextCrashesTheReader() {
    let pieces = [
      "Mon", "-", ",", "09:00", "24:00", "0", "9", "*", "/", "*/5", "for", "7h", "to", "2026-12-24",
      "T", "Z", "+01:00", "UTC", "Europe/Paris", " ", " ", " ", ":", "99999999999999999999", "é",
      "2026-", "daily", "d", "0-7", "fri",
    ]
    var numbers = SteadyNumbers(state: 11)
    var read = 0
    for _ in 0..<4_000 {
      let text = (0..<Int.random(in: 1...9, using: &numbers)).map { _ in
        pieces[Int.random(in: 0..<pieces.count, using: &numbers)]
      }.joined()
      do {
        _ = try Zones.pattern(text)
        read += 1
      } catch {
        #expect(error is CalendarTextFault)
      }
    }
    #expect(read > 0)
  }

  @Test(arguments: [
    ("now", "2026-11-24T12:00:30Z"), ("90m", "2026-11-24T13:30:30Z"),
    ("1d", "2026-11-25T12:00:30Z"), ("2027-01-02", "2027-01-02T23:00:00Z"),
    ("2027-01-02 08:00", "2027-01-02T07:00:00Z"),
    ("2027-01-02 08:00 America/New_York", "2027-01-02T13:00:00Z"),
    ("2027-01-02T08:00:00Z", "2027-01-02T08:00:00Z"),
    ("2026-10-25 02:30", "2026-10-25T01:30:00Z"),
  ])
  func readsTheMomentsOfTheCommandLine(text: String, expected: String) throws {
    let moment = try MomentText.moment(
      text, meaning: .end, now: try Instant("2026-11-24T12:00:30Z"),
      zone: try Zones.named("Europe/Paris"), zones: Zones.library)
    #expect(moment.text == expected)
  }

  @Test(arguments: ["", "soon", "now please", "2027-01-02 8", "90", "401d", "5h x"])
  func refusesOtherMoments(text: String) {
    #expect(throws: CalendarTextFault.self) {
      try MomentText.moment(
        text, meaning: .start, now: Instant(milliseconds: 0), zone: .utc, zones: Zones.library)
    }
  }
}
