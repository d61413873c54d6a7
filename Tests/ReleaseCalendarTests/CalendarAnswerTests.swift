import SegueModel
import Testing

@testable import ReleaseCalendar

@Suite struct CalendarAnswerTests {
  private static let production: EnvironmentName = "production"

  private static func calendar(
    windows: [String] = [], freezes: [(String, String)] = []
  ) throws -> RolloutCalendar {
    RolloutCalendar(
      windows: try windows.map {
        ReleaseWindow(environments: .some([production]), pattern: try Zones.pattern($0))
      },
      freezes: try freezes.enumerated().map { index, freeze in
        Freeze(
          id: FreezeID("freeze \(index + 1)"), environments: .all,
          pattern: try Zones.pattern(freeze.0), reason: freeze.1)
      })
  }

  private static func question(_ at: String) throws -> StartQuestion {
    StartQuestion(environment: production, at: try Instant(at), release: "r-1")
  }

  @Test func anOpenWindowSaysUntilWhen() throws {
    let calendar = try Self.calendar(windows: ["Mon-Thu 09:00-16:00 Europe/Paris"])
    let answer = calendar.answer(try Self.question("2026-11-24T12:00:00Z"))
    #expect(answer.mayStart)
    #expect(answer.until?.text == "2026-11-24T15:00:00Z")
    #expect(
      answer.sentence
        == "May start: the window Mon-Thu 09:00-16:00 Europe/Paris is open, until "
        + "24 Nov 2026 16:00 Europe/Paris.")
  }

  @Test func outsideAllWindowsSaysWhenTheNextOneOpens() throws {
    let calendar = try Self.calendar(windows: ["Mon-Thu 09:00-16:00 Europe/Paris"])
    let answer = calendar.answer(try Self.question("2026-11-26T15:00:00Z"))
    #expect(!answer.mayStart)
    #expect(answer.next?.text == "2026-11-30T08:00:00Z")
    #expect(
      answer.sentence
        == "Outside the windows of production (Mon-Thu 09:00-16:00 Europe/Paris). "
        + "Next moment: 30 Nov 2026 09:00 Europe/Paris. "
        + "To go anyway: segue deploy --override \"reason\"")
  }

  @Test func aFreezeWinsOverAWindow() throws {
    let calendar = try Self.calendar(
      windows: ["Mon-Thu 09:00-16:00 Europe/Paris"],
      freezes: [("2026-12-24 18:00 to 2027-01-02 08:00 Europe/Paris", "holidays")])
    let answer = calendar.answer(try Self.question("2026-12-28T12:00:00Z"))
    #expect(!answer.mayStart)
    // The freeze ends on a Saturday; the next window is on Monday.
    #expect(answer.next?.text == "2027-01-04T08:00:00Z")
    #expect(
      answer.sentence
        == "Frozen until 2 Jan 2027 08:00 Europe/Paris: “holidays” (freeze 1 in segue.yaml). "
        + "Next moment: 4 Jan 2027 09:00 Europe/Paris. "
        + "To go anyway: segue deploy --override \"reason\"")
    // An open window closes where a freeze begins.
    let before = calendar.answer(try Self.question("2026-12-23T12:00:00Z"))
    #expect(before.until?.text == "2026-12-23T15:00:00Z")
  }

  @Test func everythingThatStandsInTheWayIsListed() throws {
    let calendar = try Self.calendar(
      windows: ["Mon 09:00-16:00 UTC"],
      freezes: [("2026-11-24 UTC", "audit"), ("Tue,Wed UTC", "no \"changes\"\nin mid-week")])
    let answer = calendar.answer(try Self.question("2026-11-24T12:00:00Z"))
    #expect(answer.obstacles.count == 3)
    #expect(
      answer.sentence
        == "Frozen until 25 Nov 2026 00:00 UTC: “audit” (freeze 1 in segue.yaml). "
        + "Frozen until 26 Nov 2026 00:00 UTC: “no \"changes\" in mid-week” (freeze 2 in segue.yaml). "
        + "Outside the windows of production (Mon 09:00-16:00 UTC). "
        + "Next moment: 30 Nov 2026 09:00 UTC. To go anyway: segue deploy --override \"reason\"")
  }

  @Test func anEnvironmentWithoutWindowsIsOpen() throws {
    let calendar = try Self.calendar(windows: ["Mon 09:00-16:00 UTC"])
    var question = try Self.question("2026-11-24T12:00:00Z")
    question.environment = "staging"
    let answer = calendar.answer(question)
    #expect(answer.mayStart && answer.until == nil)
    #expect(answer.sentence == "May start: staging has no windows, and nothing is frozen.")
  }

  @Test func whatNeverComesIsSaidAfterABoundedSearch() throws {
    let calendar = try Self.calendar(
      windows: ["* * * * * for 1m UTC"], freezes: [("* * * * * for 1m UTC", "never")])
    let answer = calendar.answer(try Self.question("2026-11-24T12:00:00Z"))
    #expect(!answer.mayStart && answer.next == nil)
    #expect(answer.sentence.contains("In the next 400 days no moment comes."))
    #expect(answer.sentence.hasPrefix("Frozen: “never”"))
  }

  @Test func whatComesOnceAYearIsFound() throws {
    let calendar = try Self.calendar(windows: ["0 9 29 2 * for 1h UTC", "0 9 1 3 * for 1h UTC"])
    let answer = calendar.answer(try Self.question("2026-03-01T10:00:00Z"))
    #expect(answer.next?.text == "2027-03-01T09:00:00Z")
    let leapDay = try Self.calendar(windows: ["0 9 29 2 * for 1h UTC"])
    #expect(leapDay.answer(try Self.question("2026-03-01T10:00:00Z")).next == nil)
    #expect(
      leapDay.answer(try Self.question("2027-03-01T10:00:00Z")).next?.text
        == "2028-02-29T09:00:00Z")
  }

  @Test func momentsBeyondAllReasonAreAnswered() throws {
    let calendar = try Self.calendar(
      windows: ["Mon-Thu 09:00-16:00 Europe/Paris"], freezes: [("2026-11-24 UTC", "audit")])
    for milliseconds in [Int64.min, 0, Int64.max] {
      let question = StartQuestion(
        environment: Self.production, at: Instant(milliseconds: milliseconds))
      #expect(!calendar.answer(question).sentence.isEmpty)
    }
  }

  @Test(arguments: [
    ("2026-12-28T11:59:59Z", nil, "r-1", false), ("2026-12-28T12:00:00Z", nil, "r-1", true),
    ("2026-12-28T13:59:59Z", nil, "r-1", true), ("2026-12-28T14:00:00Z", nil, "r-1", false),
    ("2026-12-28T13:00:00Z", "r-1", "r-1", true), ("2026-12-28T13:00:00Z", "r-1", "r-2", false),
  ])
  func anOverrideHoldsForItsTimeAndItsRelease(
    at: String, only: ReleaseID?, release: ReleaseID, holds: Bool
  ) throws {
    let calendar = try Self.calendar(
      freezes: [("2026-12-24 18:00 to 2027-01-02 08:00 Europe/Paris", "holidays")])
    var question = try Self.question(at)
    question.release = release
    question.overrides = [
      CalendarOverride(
        by: "ana", reason: "fixes the checkout", from: try Instant("2026-12-28T12:00:00Z"),
        until: try Instant("2026-12-28T14:00:00Z"), environments: .some([Self.production]),
        release: only)
    ]
    let answer = calendar.answer(question)
    #expect(answer.mayStart == holds)
    #expect(answer.obstacles.count == 1)
    guard holds else { return }
    #expect(answer.until?.text == "2026-12-28T14:00:00Z")
    #expect(
      answer.sentence
        == "May start in spite of the calendar until 28 Dec 2026 15:00 Europe/Paris: ana says "
        + "“fixes the checkout”. Without that: Frozen until 2 Jan 2027 08:00 Europe/Paris: "
        + "“holidays” (freeze 1 in segue.yaml).")
  }

  @Test func anOverrideWithoutAReasonOrForAnotherEnvironmentNeverHolds() throws {
    let calendar = try Self.calendar(freezes: [("2026-12-24 to 2026-12-30 UTC", "holidays")])
    var question = try Self.question("2026-12-28T12:00:00Z")
    let (from, until) = (question.at, question.at + .minutes(60))
    question.overrides = [
      CalendarOverride(by: "ana", reason: " \n", from: from, until: until, environments: .all),
      CalendarOverride(
        by: "ana", reason: "x", from: from, until: until, environments: .some(["staging"])),
    ]
    #expect(!calendar.answer(question).mayStart)
  }

  /// What the calendar says of a moment is what its patterns say, and what it says of the next moment
  /// and of the end is exact, in thousands of random calendars.
  @Test func answersAreWhatThePatternsSay() throws {
    var numbers = SteadyNumbers(state: 5)
    let windows = [
      "Mon-Thu 09:00-16:00 Europe/Paris", "22:00-03:00 America/New_York", "*/7 * * * * for 3m UTC",
      "0 2 * * 0 for 30h Australia/Lord_Howe", "Sat,Sun UTC",
    ]
    let freezes = [
      "Fri 15:00-Mon 08:00 Europe/Paris", "2026-10-20 to 2026-10-26 Australia/Lord_Howe",
      "30 1-3 * * * for 25m America/New_York", "01:40-02:35 Europe/Paris",
    ]
    let patterns = try Dictionary(
      uniqueKeysWithValues: (windows + freezes).map { ($0, try Zones.pattern($0)) })
    for _ in 0..<300 {
      let chosen = windows.filter { _ in Bool.random(using: &numbers) }.compactMap { patterns[$0] }
      let denied = freezes.filter { _ in Bool.random(using: &numbers) }.compactMap { patterns[$0] }
      let calendar = RolloutCalendar(
        windows: chosen.map { ReleaseWindow(environments: .all, pattern: $0) },
        freezes: denied.map { Freeze(id: "f", environments: .all, pattern: $0, reason: "x") })
      func mayStart(_ moment: Instant) -> Bool {
        let now = TimeSpan(start: moment, end: moment + Milliseconds(1))
        return (chosen.isEmpty || chosen.contains { !$0.occurrences(in: now, to: .allow).isEmpty })
          && denied.allSatisfy { $0.occurrences(in: now, to: .deny).isEmpty }
      }
      let moment = Instant(
        milliseconds: .random(in: 1_772_000_000_000...1_796_000_000_000, using: &numbers))
      let answer = calendar.answer(StartQuestion(environment: "production", at: moment))
      #expect(answer.mayStart == mayStart(moment))
      guard let turn = answer.mayStart ? answer.until : answer.next else { continue }
      #expect(mayStart(turn) != answer.mayStart)
      #expect(mayStart(turn + Milliseconds(-1)) == answer.mayStart)
      let length = turn - moment
      for _ in 0..<10 {
        let between = moment + Milliseconds(.random(in: 0..<length.count, using: &numbers))
        #expect(mayStart(between) == answer.mayStart)
      }
    }
  }
}

@Suite struct MilestoneTests {
  private static let calendar = RolloutCalendar(
    milestones: [
      Milestone(
        name: "Release 2.0", environments: .some(["production"]),
        cutOff: Instant(milliseconds: 1_796_119_200_000),
        reached: Instant(milliseconds: 1_796_724_000_000),
        gatekeepers: PeopleChoice(people: ["ana"], teams: ["product"]), zone: .utc)
    ],
    roster: TeamRoster(["product": ["li", "bo"], "web": ["mo"]]))

  private static func question(_ at: Int64, _ by: PersonName...) -> StartQuestion {
    StartQuestion(
      environment: "production", at: Instant(milliseconds: at), release: "r-1",
      admissions: by.map { MilestoneAdmission(by: $0, milestone: "Release 2.0", release: "r-1") })
  }

  private static let during: Int64 = 1_796_200_000_000

  @Test func beforeTheCutOffAndAfterTheMilestoneEverybodyMay() {
    #expect(Self.calendar.answer(Self.question(1_796_119_199_999)).mayStart)
    #expect(!Self.calendar.answer(Self.question(1_796_119_200_000)).mayStart)
    #expect(!Self.calendar.answer(Self.question(1_796_723_999_999)).mayStart)
    #expect(Self.calendar.answer(Self.question(1_796_724_000_000)).mayStart)
  }

  @Test(arguments: [("ana", true), ("li", true), ("mo", false), ("nobody", false)])
  func onlyItsGatekeepersLetAReleaseIn(person: PersonName, mayStart: Bool) {
    #expect(Self.calendar.answer(Self.question(Self.during, person)).mayStart == mayStart)
  }

  @Test func anAdmissionIsForOneRelease() {
    var question = Self.question(Self.during, "ana")
    question.release = "r-2"
    #expect(!Self.calendar.answer(question).mayStart)
    question.release = nil
    #expect(!Self.calendar.answer(question).mayStart)
  }

  @Test func theSentenceSaysWhoMayAndHow() {
    #expect(
      Self.calendar.answer(Self.question(Self.during)).sentence
        == "Past the cut-off of the milestone “Release 2.0” since 1 Dec 2026 10:00 UTC: "
        + "only ana or somebody of the team product may let a change in until "
        + "8 Dec 2026 10:00 UTC. Next moment: 8 Dec 2026 10:00 UTC. "
        + "To let it in, one of them runs: segue approve r-1 --milestone 'Release 2.0'")
  }

  @Test func oneCommandLetsAReleasePastSeveralMilestones() {
    var calendar = Self.calendar
    var other = calendar.milestones[0]
    other.name = "audit"
    calendar.milestones.append(other)
    #expect(
      calendar.answer(Self.question(Self.during)).sentence
        .hasSuffix("segue approve r-1 --milestone 'Release 2.0' --milestone audit"))
  }

  @Test func anOverrideDoesNotStandAgainstAMilestone() {
    var question = Self.question(Self.during)
    question.overrides = [
      CalendarOverride(
        by: "mo", reason: "because", from: question.at, until: question.at + .minutes(5),
        environments: .all)
    ]
    #expect(!Self.calendar.answer(question).mayStart)
  }
}
