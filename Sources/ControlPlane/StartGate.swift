import Logging
import Ports
import ReleaseCalendar
import SegueModel

/// Whether a rollout may begin: what the calendar says, and whose yes is missing.
struct StartAnswers: Sendable {
  var calendar: StartAnswer
  /// One for each rule that holds: that of the release, and that of what is live.
  var approvals: [ApprovalAnswer]

  var mayStart: Bool { calendar.mayStart && approvals.allSatisfy(\.isSatisfied) }

  /// Everything that stands in the way, in sentences; `nil` when nothing does.
  var reason: String? {
    let sentences =
      (calendar.mayStart ? [] : [calendar.sentence])
      + approvals.filter { !$0.isSatisfied }.map(\.sentence)
    // A command ends without a full stop, so that it can be copied: numbers tell where the next begins.
    guard sentences.count > 1 else { return sentences.first }
    return sentences.enumerated().map { "(\($0.offset + 1)) \($0.element)" }
      .joined(separator: " ")
  }

  /// When it will begin by itself; `nil`: it is not known, because somebody has to say something.
  var next: Instant? {
    approvals.allSatisfy(\.isSatisfied) && !calendar.mayStart ? calendar.next : nil
  }
}

extension ApprovalAnswer {
  var isSatisfied: Bool {
    if case .satisfied = state { true } else { false }
  }
}

/// A release that is to start somewhere.
struct StartSubject: Sendable {
  var release: Release
  var environment: EnvironmentName
  /// What is live there: the oldest, where services differ.
  var live: Release?
}

/// Asks calendar and people whether a rollout may begin.
struct StartGate: Sendable {
  let zones: ZoneLibrary
  let time: any TimeSource
  let people: PeopleKeeper
  let catalogue: ReleaseCatalogue
  let source: any Source
  let logger: Logger

  /// Of more commits than this between two releases, the newest count.
  static let commitLimit = 2_000

  func answers(_ subject: StartSubject) async -> StartAnswers {
    let said = await people.state
    let now = time.now()
    let release = subject.release
    var calendar = RolloutCalendar(release.spec, zones: zones, at: now)
    calendar.add(said.book, zones: zones)
    let question = StartQuestion(
      environment: subject.environment, at: now, release: release.id,
      overrides: said.overrides.filter { $0.commit == release.commit }.map(\.override),
      admissions: said.admitted.map(\.admission))
    let rules = ApprovalRules(subject).all
    let authors = await authors(of: subject, for: rules)
    let approvals = rules.map { rule in
      rule.rule.answer(
        said.approvals, release: release.id, environment: subject.environment,
        authors: rule.people(among: authors), roster: rule.roster, at: now)
    }
    return StartAnswers(calendar: calendar.answer(question), approvals: approvals)
  }

  /// Who wrote what the release brings beside what is live, as Git names them: as far as a rule asks
  /// for that. Of a first release it is who wrote its own commit.
  func authors(of subject: StartSubject, for rules: [ApprovalRules.Rule]) async -> [String] {
    guard rules.contains(where: \.rule.excludesAuthors) else { return [] }
    let release = subject.release
    var authors = [release.author]
    guard let live = subject.live else { return authors }
    do {
      authors += try await source.authors(
        after: live.commit, upTo: release.commit, limit: Self.commitLimit)
    } catch {
      // The history was rewritten, and what is live is not in it any more.
      logger.warning(
        "the authors of a release could not be listed",
        metadata: ["release": "\(release.id)", "error": "\(error)"])
    }
    for record in catalogue.all {
      let commit = record.acceptance.commit
      guard !record.acceptance.isQuestion, commit.height > live.height,
        commit.height <= release.height, !authors.contains(commit.author)
      else { continue }
      authors.append(commit.author)
    }
    return authors
  }
}

/// The rules by which a release needs approvals.
struct ApprovalRules {
  struct Rule {
    var rule: ApprovalRule
    var roster: TeamRoster

    /// Those of the rule's people who wrote something.
    func people(among authors: [String]) -> Set<PersonName> {
      everybody.filter { person in authors.contains { $0.isAuthor(person) } }
    }

    var everybody: Set<PersonName> {
      rule.parts.reduce(into: []) { all, part in
        switch part.from {
        case .team(let team): all.formUnion(roster.members(of: team))
        case .people(let people): all.formUnion(people)
        }
      }
    }
  }

  let all: [Rule]

  /// Beside the rule of the release itself, that of what is live holds: otherwise the commit that
  /// takes a rule out would be the first one that needs no approval. It does not hold where it asks
  /// for more people than there are, so that such a rule can be mended.
  init(_ subject: StartSubject) {
    let own = Self.rule(of: subject.release.spec, in: subject.environment)
    var rules = own.map { [$0] } ?? []
    if let live = subject.live,
      let before = Self.rule(of: live.spec, in: subject.environment),
      before.rule != own?.rule || before.roster != own?.roster, before.isPossible
    {
      rules.append(before)
    }
    all = rules
  }

  private static func rule(of spec: ProjectSpec, in environment: EnvironmentName) -> Rule? {
    guard let approval = spec.environment(environment)?.approval else { return nil }
    return Rule(rule: ApprovalRule(approval), roster: TeamRoster(spec))
  }
}

extension ApprovalRules.Rule {
  fileprivate var isPossible: Bool {
    rule.parts.allSatisfy { part in
      switch part.from {
      case .team(let team): roster.members(of: team).count >= part.quorum
      case .people(let people): people.count >= part.quorum
      }
    }
  }
}

extension ApprovalRule {
  init(_ spec: ApprovalSpec) {
    var parts = spec.teams.map { Part(from: .team($0), quorum: spec.quorum) }
    if !spec.people.isEmpty {
      parts.append(Part(from: .people(Set(spec.people)), quorum: spec.quorum))
    }
    self.init(parts: parts, excludesAuthors: spec.excludesAuthors, validFor: spec.expires)
  }
}

extension TeamRoster {
  init(_ spec: ProjectSpec) {
    self.init(
      Dictionary(
        (spec.people?.teams ?? []).map { ($0.name, Set($0.members)) },
        uniquingKeysWith: { first, _ in first }))
  }
}

extension String {
  /// Whether an author as Git names them, `Ana <ana@example.com>`, is a person. In doubt it is: then
  /// somebody else has to say yes.
  func isAuthor(_ person: PersonName) -> Bool {
    let parts = split(separator: "<", maxSplits: 1, omittingEmptySubsequences: false)
    let name = parts[0].lowercased()
    let address = parts.count > 1 ? parts[1].prefix { $0 != ">" }.lowercased() : ""
    let wanted = person.rawValue.lowercased()
    return name.split(separator: " ").joined(separator: " ") == wanted || address == wanted
      || address.prefix { $0 != "@" && $0 != "+" } == wanted
  }
}
