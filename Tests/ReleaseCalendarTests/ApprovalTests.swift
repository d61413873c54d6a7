import ReleaseCalendar
import SegueModel
import Testing

@Suite struct ApprovalTests {
  private static let roster = TeamRoster([
    "product": ["ana", "li", "bo"], "security": ["mo", "ana"], "empty": [],
  ])

  private static func at(_ hours: Int64) -> Instant {
    Instant(milliseconds: 1_796_000_400_000 + hours * 3_600_000)
  }

  private static func said(
    _ by: PersonName, _ word: Approval.Word = .yes, at hours: Int64 = 0, team: TeamName? = nil,
    release: ReleaseID = "r-1", environment: EnvironmentName = "production", note: String? = nil
  ) -> Approval {
    Approval(
      by: by, word: word, release: release, environment: environment, at: at(hours), team: team,
      note: note)
  }

  private static func answer(
    _ rule: ApprovalRule, _ words: [Approval], authors: Set<PersonName> = [], at hours: Int64 = 1
  ) -> ApprovalAnswer {
    rule.answer(
      words, release: "r-1", environment: "production", authors: authors, roster: roster,
      at: at(hours))
  }

  private static let two = ApprovalRule(parts: [.init(from: .team("product"), quorum: 2)])
  private static let fourEyes = ApprovalRule(
    parts: [.init(from: .team("product"))], excludesAuthors: true)
  private static let expiring = ApprovalRule(
    parts: [.init(from: .team("product"), quorum: 2)], validFor: .minutes(24 * 60))
  private static let teams = ApprovalRule(parts: [
    .init(from: .team("product")), .init(from: .team("security")),
  ])

  @Test func aQuorumCountsDifferentPeopleOfTheTeam() {
    #expect(Self.answer(Self.two, []).state == .waiting)
    #expect(Self.answer(Self.two, [Self.said("ana"), Self.said("ana")]).state == .waiting)
    #expect(Self.answer(Self.two, [Self.said("ana"), Self.said("mo")]).state == .waiting)
    #expect(
      Self.answer(Self.two, [Self.said("ana"), Self.said("li")]).state == .satisfied(until: nil))
  }

  @Test func wordsAboutAnythingElseDoNotCount() {
    let words = [
      Self.said("ana", release: "r-2"), Self.said("li", environment: "staging"),
      Self.said("bo", at: 2),
    ]
    #expect(Self.answer(Self.two, words).progress.first?.approvedBy.isEmpty == true)
  }

  @Test func theLastWordOfAPersonCounts() {
    let taken = [Self.said("ana"), Self.said("li"), Self.said("li", .withdrawn)]
    #expect(Self.answer(Self.two, taken).state == .waiting)
    #expect(Self.answer(Self.two, taken + [Self.said("li")]).state == .satisfied(until: nil))
    let no = [Self.said("ana"), Self.said("bo", .no), Self.said("li")]
    #expect(Self.answer(Self.two, no).state == .declined(by: "bo"))
    #expect(
      Self.answer(Self.two, no + [Self.said("bo", .withdrawn)]).state == .satisfied(until: nil))
    // Whoever may not approve may not stop anything either.
    #expect(
      Self.answer(Self.two, [Self.said("ana"), Self.said("li"), Self.said("mo", .no)]).state
        == .satisfied(until: nil))
  }

  @Test func anAuthorDoesNotCountWhereThatIsSaid() {
    let ana = [Self.said("ana")]
    #expect(Self.answer(Self.fourEyes, ana, authors: ["ana"]).state == .waiting)
    #expect(Self.answer(Self.fourEyes, ana, authors: ["li"]).state == .satisfied(until: nil))
    #expect(
      Self.answer(Self.two, ana + [Self.said("li")], authors: ["ana"]).state
        == .satisfied(until: nil))
  }

  @Test func everyTeamSignsOff() {
    // Ana belongs to both teams, and speaks for one of them when she says so.
    #expect(Self.answer(Self.teams, [Self.said("ana")]).state == .satisfied(until: nil))
    let one = [Self.said("ana", team: "product")]
    #expect(Self.answer(Self.teams, one).state == .waiting)
    #expect(
      Self.answer(Self.teams, one + [Self.said("mo")]).state == .satisfied(until: nil))
    #expect(
      Self.answer(Self.teams, one + [Self.said("ana", team: "security")]).state
        == .satisfied(until: nil))
  }

  @Test(arguments: [
    (Int64(23), ApprovalAnswer.State.satisfied(until: at(24))),
    (Int64(24), ApprovalAnswer.State.expired), (Int64(29), ApprovalAnswer.State.expired),
  ])
  func aYesExpires(hours: Int64, state: ApprovalAnswer.State) {
    let words = [Self.said("ana"), Self.said("li", at: 6)]
    #expect(Self.answer(Self.expiring, words, at: hours).state == state)
  }

  @Test func aSpareYesKeepsTheQuorumLonger() {
    let words = [Self.said("ana"), Self.said("li", at: 6), Self.said("bo", at: 9)]
    #expect(
      Self.answer(Self.expiring, words, at: 10).state == .satisfied(until: Self.at(30)))
    #expect(
      Self.answer(Self.expiring, words + [Self.said("ana", at: 20)], at: 25).progress
        .first?.approvedBy == ["ana", "li", "bo"])
  }

  @Test func aQuorumThatCanNeverComeTogetherIsSaid() {
    let rule = ApprovalRule(
      parts: [.init(from: .team("security"), quorum: 2)], excludesAuthors: true)
    #expect(Self.answer(rule, [], authors: ["mo"]).state == .impossible)
    #expect(
      Self.answer(ApprovalRule(parts: [.init(from: .team("empty"))]), []).state == .impossible)
  }

  @Test func theSentencesSayWhatToDo() {
    let named = ApprovalRule(parts: [
      .init(from: .team("product"), quorum: 2), .init(from: .people(["mo"])),
    ])
    let command = "segue approve r-1 --environment production"
    let cases: [(ApprovalAnswer, String)] = [
      (
        Self.answer(named, [Self.said("ana")]),
        "r-1 waits for 1 more of the team product (bo or li) and mo. "
          + "One of them runs: \(command)"
      ),
      (Self.answer(ApprovalRule(parts: []), []), "production asks for no approval."),
      (Self.answer(Self.two, [Self.said("li"), Self.said("ana")]), "Approved by ana and li."),
      (
        Self.answer(Self.expiring, [Self.said("li"), Self.said("ana")]),
        "Approved by ana and li, until 1 Dec 2026 01:00 UTC."
      ),
      (
        Self.answer(Self.expiring, [Self.said("li"), Self.said("ana")], at: 30),
        "The approval by ana and li has expired after 24 h. It needs 2 of the team product "
          + "(ana, bo or li) again. One of them runs: \(command)"
      ),
      (
        Self.answer(Self.two, [Self.said("bo", .no, note: "the cart is broken")]),
        "bo said no to r-1: “the cart is broken”. Deploy a commit that puts it right, or bo takes "
          + "it back: \(command) --withdraw"
      ),
      (
        Self.answer(
          ApprovalRule(
            parts: [.init(from: .team("security"), quorum: 2)], excludesAuthors: true), [],
          authors: ["mo"]),
        "r-1 can never be approved: it needs 2 of the team security (ana), and only 1 may still say "
          + "yes (mo wrote it and does not count). Add people to the team in segue.yaml, or lower "
          + "the quorum."
      ),
    ]
    for (answer, sentence) in cases { #expect(answer.sentence == sentence) }
  }

  @Test func momentsBeyondAllReasonAreJudged() {
    let rule = ApprovalRule(
      parts: [.init(from: .team("product"))], validFor: Milliseconds(.max))
    for milliseconds in [Int64.min, Int64.max] {
      let word = Approval(
        by: "ana", word: .yes, release: "r-1", environment: "production",
        at: Instant(milliseconds: milliseconds))
      #expect(!Self.answer(rule, [word]).sentence.isEmpty)
    }
  }
}
