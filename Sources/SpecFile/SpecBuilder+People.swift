import ReleaseCalendar
import SegueModel

/// The teams that were read, and whether all of them were.
struct TeamDrafts {
  var all: [TeamSpec] = []
  /// Also of those that could not be read.
  var names: [String] = []
  /// How they are told: where that stands.
  var notify: [(team: TeamSpec, entry: YAMLEntry)] = []

  func members(of name: TeamName) -> [PersonName]? { all.first { $0.name == name }?.members }
}

/// Teams, and when rollouts may start.
extension SpecBuilder {
  mutating func teams(_ entry: YAMLEntry, _ services: ServiceDrafts) -> TeamDrafts {
    let example = "product: { members: [ana, li] }"
    guard let named = namedSections(entry, of: "a team", example: example) else {
      return TeamDrafts()
    }
    limit(named, of: entry, to: SpecLimits.teams, "teams")
    var drafts = TeamDrafts(names: named.map(\.key))
    for item in named.prefix(SpecLimits.teams) {
      let owner = "team `\(item.key)`"
      guard let fields = section(item, in: SpecKeys.team, owner: owner),
        let members = fields["members"]
      else { continue }
      let before = errorCount
      let people = persons(members)
      if people.isEmpty, errorCount == before {
        error(
          at: members.valueSpan, "\(owner) has no members",
          hint: "name them, like `[ana, li]`, or take the team out")
      }
      let team = TeamSpec(
        name: TeamName(item.key), members: people,
        services: fields["services"].flatMap { owned($0, services, owner: owner) })
      drafts.all.append(team)
      if let notify = fields["notify"] { drafts.notify.append((team, notify)) }
    }
    return drafts
  }

  private mutating func owned(
    _ entry: YAMLEntry, _ services: ServiceDrafts, owner: String
  ) -> [ServiceName]? {
    let before = errorCount
    let known = services.names
    let names = list(entry) { TextRules.name($0, of: "a service") }
    for name in names where !known.contains(name.text) {
      error(
        at: name.span, "there is no service `\(name.text)`",
        hint: didYouMean(name.text, among: known) ?? "write one of the file's `services`")
    }
    if names.isEmpty, errorCount == before {
      error(
        at: entry.valueSpan, "`services` of \(owner) names none",
        hint: "name some, or leave it out, which means all of them")
    }
    return names.isEmpty ? nil : names.map { ServiceName($0.text) }
  }

  /// What is said for the whole project; `nil` when nothing is.
  mutating func people(
    _ fields: Fields, _ teams: TeamDrafts, in environments: [EnvironmentDraft]?
  ) -> PeopleSpec? {
    let places = environments?.map(\.spec.name.rawValue) ?? ["production"]
    let people = PeopleSpec(
      teams: teams.all, freezes: fields["freezes"].map { freezes($0, in: places) } ?? [],
      milestones: fields["milestones"].map { milestones($0, teams, in: places) } ?? [])
    return people.isEmpty ? nil : people
  }

  private mutating func persons(_ entry: YAMLEntry) -> [PersonName] {
    list(entry, TextRules.person).map { PersonName($0.text) }
  }

  private mutating func limit(
    _ items: [YAMLEntry], of entry: YAMLEntry, to most: Int, _ what: String
  ) {
    guard items.count > most else { return }
    error(at: entry.keySpan, "there are \(items.count) \(what); up to \(most) are allowed")
  }

  // MARK: Times

  /// Reports what is wrong with a time at the very character, as long as the text stands in the
  /// file as it is.
  private mutating func pattern(_ text: String, at span: Span) -> TimePattern? {
    do throws(CalendarTextFault) {
      let pattern = try TimePattern(text, zones: zones)
      guard pattern.beginningsPerDay > SpecLimits.beginnings else { return pattern }
      self.error(
        at: span,
        "this begins \(pattern.beginningsPerDay) times a day; up to \(SpecLimits.beginnings) times "
          + "are allowed",
        hint: "write one that begins less often and lasts longer")
      return nil
    } catch {
      self.error(
        at: place(of: error.offset, of: text, in: span), error.problem, hint: error.nextStep)
      return nil
    }
  }

  private func place(of offset: Int, of text: String, in span: Span) -> Span {
    let scalars = Array(text.unicodeScalars)
    for shift in 0...1 {
      let isVerbatim = scalars.indices.allSatisfy { index in
        source.scalar(line: span.line, column: span.column + shift + index) == scalars[index]
      }
      guard isVerbatim, !scalars.isEmpty else { continue }
      return Span(line: span.line, column: span.column + shift + min(offset, scalars.count))
    }
    return span
  }

  private mutating func when(_ fields: Fields) -> (text: String, pattern: TimePattern, span: Span)?
  {
    guard let entry = fields["when"], let text = text(entry),
      let pattern = pattern(text, at: entry.valueSpan)
    else { return nil }
    return (pattern.text, pattern, entry.valueSpan)
  }

  mutating func windows(_ entry: YAMLEntry, owner: String) -> [String]? {
    let before = errorCount
    let texts = list(entry) { _ in nil }
    if texts.isEmpty, errorCount == before {
      error(
        at: entry.valueSpan, "\(owner) has no windows, so nothing could ever start there",
        hint: "write when it may, like `[\"Mon-Thu 09:00-16:00 UTC\"]`, or take `windows` out")
    }
    if texts.count > SpecLimits.windows {
      error(
        at: entry.keySpan,
        "there are \(texts.count) windows; up to \(SpecLimits.windows) are allowed")
    }
    return texts.prefix(SpecLimits.windows).compactMap { pattern($0.text, at: $0.span)?.text }
  }

  // MARK: Freezes and milestones

  private mutating func freezes(_ entry: YAMLEntry, in places: [String]) -> [FreezeSpec] {
    let example = "holidays: { when: 2026-12-24 to 2027-01-01 UTC, reason: nobody is here }"
    guard let named = namedSections(entry, of: "a freeze", example: example) else { return [] }
    limit(named, of: entry, to: SpecLimits.freezes, "freezes")
    return named.prefix(SpecLimits.freezes).compactMap { item in
      let owner = "freeze `\(item.key)`"
      if item.key.hasPrefix("freeze-"), Int(item.key.dropFirst("freeze-".count)) != nil {
        error(
          at: item.keySpan, "\(owner) has the name of a freeze that a command sets",
          hint: "give it another name, like `holidays`")
      }
      guard let fields = section(item, in: SpecKeys.freeze, owner: owner) else { return nil }
      let when = when(fields)
      let reason = fields["reason"].flatMap { checked($0, TextRules.sentence) }
      let environments = fields["environments"].flatMap { self.places($0, among: places) }
      guard let when, let reason else { return nil }
      return FreezeSpec(
        name: item.key, when: when.text, reason: reason, environments: environments)
    }
  }

  private mutating func milestones(
    _ entry: YAMLEntry, _ teams: TeamDrafts, in places: [String]
  ) -> [MilestoneSpec] {
    let example = "beta: { when: 2026-12-01 to 2026-12-14 UTC, people: [mo] }"
    guard let named = namedSections(entry, of: "a milestone", example: example) else { return [] }
    limit(named, of: entry, to: SpecLimits.milestones, "milestones")
    return named.prefix(SpecLimits.milestones).compactMap { item in
      let owner = "milestone `\(item.key)`"
      guard let fields = section(item, in: SpecKeys.milestone, owner: owner) else { return nil }
      let when = when(fields)
      if let when, when.pattern.isRecurring {
        error(
          at: when.span, "\(owner) is reached once, and this comes again and again",
          hint: "write it like `2026-12-01 18:00 to 2026-12-15 08:00 Europe/Paris`")
      }
      let people = fields["people"].map { persons($0) } ?? []
      let teams = fields["teams"].map { self.teamNames($0, among: teams) } ?? []
      if fields["people"] == nil, fields["teams"] == nil {
        error(
          at: item.keySpan, "\(owner) names nobody who may let a change in",
          hint: "add `people: [mo]` or `teams: [product]`")
      }
      let environments = fields["environments"].flatMap { self.places($0, among: places) }
      guard let when else { return nil }
      return MilestoneSpec(
        name: item.key, when: when.text, people: people, teams: teams,
        environments: environments)
    }
  }

  mutating func places(_ entry: YAMLEntry, among known: [String]) -> [EnvironmentName]? {
    let before = errorCount
    let names = list(entry) { TextRules.name($0, of: "an environment") }
    for name in names where !known.contains(name.text) {
      error(
        at: name.span, "there is no environment `\(name.text)`",
        hint: didYouMean(name.text, among: known)
          ?? "there are: " + known.prefix(20).map { "`\($0)`" }.joined(separator: ", "))
    }
    if names.isEmpty, errorCount == before {
      error(
        at: entry.valueSpan, "`environments` names none",
        hint: "name some, or leave it out, which means all of them")
    }
    return names.isEmpty ? nil : names.map { EnvironmentName($0.text) }
  }

  // MARK: Approvals

  mutating func teamNames(
    _ entry: YAMLEntry, among teams: TeamDrafts
  ) -> [TeamName] {
    let names = list(entry) { TextRules.name($0, of: "a team") }
    for name in names { check(name, among: teams) }
    return names.map { TeamName($0.text) }
  }

  private mutating func check(_ team: LocatedText, among teams: TeamDrafts) {
    guard !teams.names.contains(team.text) else { return }
    error(
      at: team.span, "there is no team `\(team.text)`",
      hint: didYouMean(team.text, among: teams.names)
        ?? "add it to the file: `teams: { \(team.text): { members: [ana, li] } }`")
  }

  mutating func approval(
    _ entry: YAMLEntry, _ teams: TeamDrafts, owner: String
  ) -> ApprovalSpec? {
    guard let fields = section(entry, in: SpecKeys.approval, owner: "`approval` of \(owner)")
    else { return nil }
    var spec = ApprovalSpec()
    spec.teams = fields["teams"].map { teamNames($0, among: teams) } ?? []
    if let team = fields["team"], let name = name(team, of: "a team") {
      check(LocatedText(text: name, span: team.valueSpan), among: teams)
      if !spec.teams.contains(TeamName(name)) { spec.teams.insert(TeamName(name), at: 0) }
    }
    spec.people = fields["people"].map { persons($0) } ?? []
    if let quorum = fields["quorum"].flatMap({ integer($0, in: SpecLimits.quorum) }) {
      spec.quorum = quorum
    }
    spec.excludesAuthors = fields["exclude-author"].flatMap { boolean($0) } ?? false
    spec.expires = fields["expires"].flatMap { duration($0, in: SpecLimits.wait) }
    if fields["team"] == nil, spec.teams.isEmpty, spec.people.isEmpty {
      error(
        at: entry.keySpan, "`approval` of \(owner) names nobody who could say yes",
        hint: "add `team: product`, or `people: [ana, li]`")
    }
    checkQuorum(spec, fields, teams, owner: owner)
    return spec
  }

  /// A quorum that can never come together would hold every release for ever.
  private mutating func checkQuorum(
    _ spec: ApprovalSpec, _ fields: Fields, _ teams: TeamDrafts, owner: String
  ) {
    let span = fields["quorum"]?.valueSpan ?? fields.span
    for team in spec.teams {
      guard let count = teams.members(of: team)?.count, count > 0, count < spec.quorum else {
        continue
      }
      error(
        at: span,
        "\(owner) asks for \(spec.quorum) of the team `\(team)`, which has \(count)",
        hint: "lower `quorum`, or add members to the team")
    }
    if !spec.people.isEmpty, spec.people.count < spec.quorum {
      error(
        at: span, "\(owner) asks for \(spec.quorum) of `people`, which names \(spec.people.count)",
        hint: "lower `quorum`, or name more people")
    }
  }
}
