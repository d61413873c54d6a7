import Foundation
import ReleaseCalendar
import SegueModel
import Testing

@Suite struct FreezeBookTests {
  private static let hour: Int64 = 3_600_000
  private static func at(_ hours: Int64) -> Instant { Instant(milliseconds: hours * hour) }

  /// Sets a freeze at hour 0.
  private static func freeze(
    _ book: inout FreezeBook, from: Int64 = 0, until: Int64? = nil, reason: String = "incident",
    now: Int64 = 0
  ) throws -> FreezeID {
    let order = try book.order(
      environments: .some(["production"]), from: at(from), until: until.map(at), reason: reason,
      by: "ana", at: at(now), zone: .utc)
    book.apply(order)
    return order.id
  }

  private static func answer(_ book: FreezeBook, at hours: Int64) -> StartAnswer {
    var calendar = RolloutCalendar()
    calendar.add(book, zones: .utcOnly)
    return calendar.answer(StartQuestion(environment: "production", at: at(hours)))
  }

  @Test func aFreezeWithoutAnEndHoldsUntilItIsLifted() throws {
    var book = FreezeBook()
    let id = try Self.freeze(&book)
    let answer = Self.answer(book, at: 5)
    #expect(!answer.mayStart && answer.next == nil)
    #expect(
      answer.sentence
        == "Frozen, with no end set: “incident” (set by ana, freeze-1). "
        + "In the next 400 days no moment comes. To end the freeze: segue freeze --lift freeze-1. "
        + "To go anyway: segue deploy --override \"reason\"")
    book.apply(try book.lift(id, by: "li", at: Self.at(6)))
    #expect(!Self.answer(book, at: 5).mayStart)
    #expect(Self.answer(book, at: 6).mayStart)
    #expect(book.standing(at: Self.at(5)).count == 1 && book.standing(at: Self.at(6)).isEmpty)
  }

  @Test func aFreezeThatIsLiftedBeforeItBeginsNeverHolds() throws {
    var book = FreezeBook()
    let id = try Self.freeze(&book, from: 10, until: 20)
    #expect(!Self.answer(book, at: 15).mayStart)
    book.apply(try book.lift(id, by: "li", at: Self.at(2)))
    #expect(Self.answer(book, at: 15).mayStart)
    #expect(book.entries.first?.isCancelled == true)
  }

  @Test func idsAreNeverUsedAgain() throws {
    var book = FreezeBook()
    for number in 1...300 {
      // Each is long over when the next one is set, so none is remembered for ever.
      let start = Int64(number) * 500 * 24
      let id = try Self.freeze(&book, from: start, until: start + 1, now: start)
      #expect(id.rawValue == "freeze-\(number)")
      #expect(book.entries.count <= 2)
    }
  }

  @Test func whatMakesNoSenseIsRefusedInWords() throws {
    var book = FreezeBook()
    let cases: [(Int64, Int64?, String, Int64, String)] = [
      (0, nil, " \n", 0, "A freeze needs a reason"),
      (5, 5, "x", 0, "before it begins"), (5, 4, "x", 0, "before it begins"),
      (0, 3, "x", 3, "would have ended already"),
      (0, nil, String(repeating: "é", count: 251), 0, "longer than 500 octets"),
    ]
    for (from, until, reason, now, says) in cases {
      let refusal = #expect(throws: CalendarRefusal.self) {
        try Self.freeze(&book, from: from, until: until, reason: reason, now: now)
      }
      #expect(refusal?.description.contains(says) == true, "\(refusal?.description ?? "")")
    }
    #expect(book.entries.isEmpty)
    for _ in 0..<FreezeBook.limit { _ = try Self.freeze(&book) }
    let refusal = #expect(throws: CalendarRefusal.self) { try Self.freeze(&book) }
    #expect(refusal?.nextStep.contains("segue freeze --lift ID") == true)
  }

  @Test func liftingWhatCannotBeLiftedIsRefusedInWords() throws {
    var book = FreezeBook()
    let standing = try Self.freeze(&book)
    let over = try Self.freeze(&book, until: 1)
    let lifted = try Self.freeze(&book)
    book.apply(try book.lift(lifted, by: "li", at: Self.at(1)))
    let cases: [(FreezeID, String)] = [
      (over, "has ended by itself"), (lifted, "was lifted by li already"),
      ("holidays", "stands in segue.yaml"),
      ("freeze-9", "There is no freeze freeze-9. There is \(standing)."),
    ]
    for (id, says) in cases {
      let refusal = #expect(throws: CalendarRefusal.self) {
        try book.lift(id, by: "bo", at: Self.at(2), configured: ["holidays"])
      }
      #expect(refusal?.description.contains(says) == true, "\(refusal?.description ?? "")")
    }
  }

  /// Equal values give equal octets: sets in order, integers only.
  @Test func theJournalGivesBackWhatItGot() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    func text(_ value: some Encodable) throws -> String {
      String(decoding: try encoder.encode(value), as: UTF8.self)
    }
    var book = FreezeBook()
    book.apply(
      FreezeOrder(
        id: "freeze-1", environments: .some(["d", "b", "a", "c"]), from: Self.at(0), until: nil,
        reason: "x", by: "ana", at: Self.at(0), zone: "UTC"))
    book.apply(try book.lift("freeze-1", by: "li", at: Self.at(1)))
    #expect(
      try text(book)
        == #"{"count":1,"entries":[{"lift":{"at":3600000,"by":"li","id":"freeze-1"},"#
        + #""order":{"at":0,"by":"ana","environments":["a","b","c","d"],"from":0,"#
        + #""id":"freeze-1","reason":"x","zone":"UTC"}}]}"#)
    #expect(try JSONDecoder().decode(FreezeBook.self, from: encoder.encode(book)) == book)
    let roster = TeamRoster(["b": ["3", "1", "2"], "a": []])
    #expect(try text(roster) == #"{"a":[],"b":["1","2","3"]}"#)
    #expect(try JSONDecoder().decode(TeamRoster.self, from: encoder.encode(roster)) == roster)
    let choice = PeopleChoice(people: ["c", "b", "a"], teams: ["y", "x"])
    #expect(try text(choice) == #"{"people":["a","b","c"],"teams":["x","y"]}"#)
    #expect(try JSONDecoder().decode(PeopleChoice.self, from: encoder.encode(choice)) == choice)
    let rule = ApprovalRule(
      parts: [.init(from: .people(["b", "a"]), quorum: 2), .init(from: .team("x"))])
    #expect(
      try text(rule)
        == #"{"excludesAuthors":false,"parts":[{"from":{"people":["a","b"]},"quorum":2},"#
        + #"{"from":{"team":"x"},"quorum":1}]}"#)
    #expect(try JSONDecoder().decode(ApprovalRule.self, from: encoder.encode(rule)) == rule)
    #expect(
      try JSONDecoder().decode(
        [EnvironmentChoice].self,
        from: encoder.encode(
          [EnvironmentChoice.all, .some(["a"])])) == [.all, .some(["a"])])
  }

  /// What holds must not stop holding because a file of the system is gone.
  @Test func aFreezeHoldsWithoutItsTimeZone() throws {
    var book = FreezeBook()
    book.apply(
      FreezeOrder(
        id: "freeze-1", environments: .all, from: Self.at(0), until: Self.at(9), reason: "x",
        by: "ana", at: Self.at(0), zone: "Gone/Zone"))
    #expect(Self.answer(book, at: 5).sentence.hasPrefix("Frozen until 1 Jan 1970 09:00 UTC"))
  }

  @Test func aRecordOfMomentsBeyondAllReasonCrashesNothing() {
    var book = FreezeBook()
    for (from, until) in [(Int64.min, Int64.max), (Int64.max, Int64.min)] {
      book.apply(
        FreezeOrder(
          id: "freeze-1", environments: .all, from: Instant(milliseconds: from),
          until: Instant(milliseconds: until), reason: "x", by: "ana",
          at: Instant(milliseconds: from), zone: "UTC"))
    }
    _ = Self.answer(book, at: 5)
  }
}
