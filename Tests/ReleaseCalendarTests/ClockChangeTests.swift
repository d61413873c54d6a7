import ReleaseCalendar
import SegueModel
import Testing

/// What happens to patterns in the nights in which clocks are changed: 1 h in Paris and New York,
/// half an hour on Lord Howe Island.
@Suite struct ClockChangeTests {
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
