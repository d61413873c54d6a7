import Foundation
import ReleaseCalendar
import SegueModel
import Testing

@Suite struct CalendarFeedTests {
  private static let range: TimeSpan = {
    let start = Instant(milliseconds: 1_792_238_400_000)  // 17 October 2026, 12:00 UTC
    return TimeSpan(start: start, end: start + FeedSettings.usualHorizon)
  }()

  private static func event(
    _ summary: String, details: String = "", length: Milliseconds = .minutes(5)
  ) -> FeedEvent {
    FeedEvent(
      uid: "one@test", kind: .rollout, start: range.start, end: range.start + length,
      summary: summary, details: details, changed: range.start)
  }

  private static func book() throws -> FreezeBook {
    var book = FreezeBook()
    let now = range.start
    for (from, until, reason) in [
      (0, nil, "incident; do not touch"), (10, 20, "audit"), (30, 40, "exam, never mind"),
      (1, 99, "move"),
    ] as [(Int64, Int64?, String)] {
      book.apply(
        try book.order(
          environments: .some(["production"]), from: now + .minutes(60 * from),
          until: until.map { now + .minutes(60 * $0) }, reason: reason, by: "ana", at: now,
          zone: try Zones.named("Europe/Paris")))
    }
    book.apply(try book.lift("freeze-3", by: "li", at: now + .minutes(60)))
    book.apply(try book.lift("freeze-4", by: "li", at: now + .minutes(120)))
    return book
  }

  private static func calendar() throws -> RolloutCalendar {
    RolloutCalendar(
      windows: [
        ReleaseWindow(
          environments: .some(["production"]),
          pattern: try Zones.pattern("Mon-Thu 01:00-02:30 Europe/Paris")),
        ReleaseWindow(
          environments: .some(["staging"]), pattern: try Zones.pattern("0 9 * * * for 2h UTC")),
      ],
      freezes: [
        Freeze(
          id: "holidays", environments: .all,
          pattern: try Zones.pattern("2026-12-24 to 2027-01-01 Australia/Lord_Howe"),
          reason: "Fêtes de fin d’année \\ “vœux”; 良いお年を, и с новым годом 🎄🎄🎄\nbis bald")
      ],
      milestones: [
        Milestone(
          name: "2.0", environments: .all, cutOff: range.start + .minutes(600),
          reached: range.start + .minutes(6_000), gatekeepers: PeopleChoice(teams: ["product"]),
          zone: .utc)
      ],
      planned: [
        PlannedRelease(
          id: "7", environment: "production", at: range.start + .minutes(900),
          title: "the new cart", plannedBy: "li", sequence: 3, changed: range.start),
        PlannedRelease(
          id: "8", environment: "production", at: range.start + .minutes(990), title: "no",
          isCancelled: true, sequence: 1, changed: range.start),
      ])
  }

  private static func past() -> [PastRollout] {
    (0..<3).map { number in
      PastRollout(
        id: RolloutID("ro-\(number)"),
        key: ServiceKey(environment: "production", service: "web"), release: "r-0123456789abcdef",
        commit: CommitID(String(repeating: "a1", count: 20)),
        started: range.start + .minutes(-60 * number - 60),
        ended: number == 0 ? nil : range.start + .minutes(-60 * number - 50),
        outcome: number == 1 ? "rolled back" : "live")
    }
  }

  private static func feed(_ environment: EnvironmentName? = nil) throws -> CalendarFeed {
    try calendar().feed(
      FeedSettings(
        project: "shop", environment: environment, range: range,
        configured: Instant(milliseconds: 1_792_000_000_999)),
      past: past(), book: book(), zones: Zones.library)
  }

  /// What the independent library reads is what was written, every field of every event.
  @Test func anIndependentLibraryReadsEveryEvent() throws {
    let feed = try Self.feed()
    let output = try Python.run(
      """
      import json, sys, icalendar
      calendar = icalendar.Calendar.from_ical(sys.stdin.buffer.read())
      assert not calendar.errors, calendar.errors
      events = calendar.walk("VEVENT")
      assert len(events) == len(calendar.subcomponents)
      def second(field): return int(field.dt.timestamp())
      print(json.dumps({
        "name": str(calendar["NAME"]), "version": str(calendar["VERSION"]),
        "events": sorted([{
          "uid": str(e["UID"]), "start": second(e["DTSTART"]),
          "end": second(e["DTEND"] if "DTEND" in e else e["DTSTART"]),
          "changed": second(e["DTSTAMP"]), "sequence": int(e["SEQUENCE"]),
          "summary": str(e["SUMMARY"]), "details": str(e.get("DESCRIPTION", "")),
          "status": str(e["STATUS"]), "category": ";".join(str(c) for c in e["CATEGORIES"].cats),
        } for e in events if not e.errors], key=lambda e: (e["start"], e["uid"]))}))
      """, Data(feed.text.utf8), python: Python.withCalendarLibrary())
    let read = try JSONDecoder().decode(ReadFeed.self, from: Data(output.utf8))
    #expect(read.name == "Rollouts of shop" && read.version == "2.0")
    let written = feed.events.sorted { ($0.start, $0.uid) < ($1.start, $1.uid) }
      .map { ReadEvent($0) }
    try #require(read.events.count == written.count)
    for (found, expected) in zip(read.events, written) { #expect(found == expected) }
    #expect(Set(read.events.map(\.category)).count == FeedEvent.Kind.allCases.count)
    #expect(Set(read.events.map(\.uid)).count == read.events.count)
  }

  /// Over the nights in which clocks are changed, in UTC.
  @Test func whatRecursIsWrittenOutInUTC() throws {
    let starts = try Self.feed("production").events.filter { $0.kind == .window }
      .map { "\($0.start.text)/\($0.end.text)" }
    #expect(starts.first == "2026-10-18T23:00:00Z/2026-10-19T00:30:00Z")
    #expect(starts.contains("2026-10-26T00:00:00Z/2026-10-26T01:30:00Z"))
    // Mondays to Thursdays of 90 days.
    #expect(starts.count == 52)
  }

  @Test func aFeedOfOneEnvironmentHoldsNothingOfAnother() throws {
    let staging = try Self.feed("staging")
    #expect(staging.name == "Rollouts of shop staging")
    #expect(Set(staging.events.map(\.kind)) == [.window, .freeze, .milestone])
    #expect(staging.events.filter { $0.kind == .window }.count == 90)
  }

  @Test func aLiftedFreezeIsShortenedOrCancelled() throws {
    let events = try Self.feed().events.filter { $0.uid.hasPrefix("freeze-") }
    let shown = events.map { "\($0.uid.prefix(8)) \($0.status.rawValue) \($0.sequence)" }
    #expect(
      shown == [
        "freeze-1 CONFIRMED 0", "freeze-2 CONFIRMED 0", "freeze-3 CANCELLED 1",
        "freeze-4 CONFIRMED 1",
      ])
    #expect(events.first?.end == Self.range.end)
    #expect(events.last?.end == Self.range.start + .minutes(120))
  }

  /// Asked a day later, the feed names the same occurrences by the same names.
  @Test func namesOfEventsStay() throws {
    let first = try Self.feed()
    let later = try Self.calendar().feed(
      FeedSettings(
        project: "shop",
        range: TimeSpan(
          start: Self.range.start + .minutes(1_440), end: Self.range.end + .minutes(1_440)),
        configured: Instant(milliseconds: 1_792_000_000_999)),
      past: Self.past(), book: Self.book(), zones: Zones.library)
    let (before, after) = (Set(first.events), Set(later.events))
    // Gone is what is over; new is what has come within reach; the freeze without an end grows.
    #expect(before.intersection(after).count > 130)
    #expect(
      before.subtracting(after).allSatisfy {
        $0.end <= Self.range.start + .minutes(1_440) || $0.uid.hasPrefix("freeze-1@")
      })
    #expect(try Self.feed().text == first.text)
  }

  @Test func linesAreFoldedWithoutSplittingACharacter() throws {
    var texts = (0..<160).map { String(repeating: "x", count: $0) + "🎄é良い" }
    texts.append(String(repeating: "🎄", count: 200))
    texts.append(String(repeating: "\\;,\n", count: 60))
    for text in texts {
      let feed = CalendarFeed(name: text, events: [Self.event(text, details: text)]).text
      #expect(feed.hasSuffix("END:VCALENDAR\r\n"))
      let lines = feed.components(separatedBy: "\r\n")
      // No line end that is not CRLF, no line that is too long.
      #expect(lines.allSatisfy { !$0.contains("\n") && !$0.contains("\r") && $0.utf8.count <= 75 })
      let unfolded = feed.replacingOccurrences(of: "\r\n ", with: "")
      let escaped = text.replacingOccurrences(of: "\\", with: "\\\\")
        .replacingOccurrences(of: ";", with: "\\;").replacingOccurrences(of: ",", with: "\\,")
        .replacingOccurrences(of: "\n", with: "\\n")
      #expect(unfolded.contains("SUMMARY:\(escaped)\r\n"))
    }
  }

  @Test func textsCannotBringInLinesOfTheirOwn() {
    let hostile = "x\r\nEND:VEVENT\rBEGIN:VEVENT\nUID:other\u{0}\u{1B}[31m\u{85}y"
    let feed = CalendarFeed(name: hostile, events: [Self.event(hostile, details: hostile)]).text
    let lines = feed.components(separatedBy: "\r\n")
    #expect(lines.filter { $0.hasPrefix("BEGIN:") } == ["BEGIN:VCALENDAR", "BEGIN:VEVENT"])
    #expect(
      feed.unicodeScalars.allSatisfy { $0.value >= 0x20 || "\r\n".unicodeScalars.contains($0) })
    #expect(feed.contains("x\\nEND:VEVENT\\nBEGIN:VEVENT\\nUID:other[31my"))
  }

  @Test func aPointInTimeHasNoEnd() {
    let feed = CalendarFeed(name: "x", events: [Self.event("x", length: Milliseconds(900))]).text
    #expect(feed.contains("DTSTART:20261017T120000Z\r\n") && !feed.contains("DTEND"))
  }

  /// What there is too much of is left out: old rollouts, and windows last of all.
  @Test func aFeedIsBounded() throws {
    var calendar = try Self.calendar()
    calendar.windows = [
      ReleaseWindow(environments: .all, pattern: try Zones.pattern("* * * * * for 1m UTC"))
    ]
    let past = (0..<2_000).map { number in
      PastRollout(
        id: RolloutID("ro-\(number)"), key: ServiceKey(environment: "production", service: "web"),
        release: "r-1", commit: "c", started: Self.range.start + .minutes(Int64(number)),
        ended: nil, outcome: "live")
    }
    let everything = TimeSpan(
      start: Self.range.start, end: Instant(milliseconds: .max))
    let feed = calendar.feed(
      FeedSettings(project: "shop", range: everything, configured: Self.range.start), past: past,
      book: try Self.book(), zones: Zones.library)
    let text = feed.text
    #expect(text.components(separatedBy: "BEGIN:VEVENT").count - 1 == CalendarFeed.limit)
    #expect(text.contains("UID:rollout-ro-1999@") && text.contains("UID:rollout-ro-1000@"))
    #expect(!text.contains("UID:rollout-ro-999@"))
    #expect(text.contains("UID:freeze-1@") && text.contains("SUMMARY:Planned: the new cart"))
  }
}

private struct ReadFeed: Decodable {
  var name: String
  var version: String
  var events: [ReadEvent]
}

private struct ReadEvent: Decodable, Equatable {
  var uid: String
  var start: Int64
  var end: Int64
  var changed: Int64
  var sequence: Int
  var summary: String
  var details: String
  var status: String
  var category: String

  init(_ event: FeedEvent) {
    uid = event.uid
    start = event.start.milliseconds / 1_000
    end = event.end.milliseconds / 1_000
    changed = event.changed.milliseconds / 1_000
    sequence = event.sequence
    summary = event.summary
    details = event.details
    status = event.status.rawValue
    category =
      switch event.kind {
      case .rollout: "Rollout"
      case .window: "Window"
      case .freeze: "Freeze"
      case .milestone: "Milestone"
      case .plannedRelease: "Planned release"
      }
  }
}
