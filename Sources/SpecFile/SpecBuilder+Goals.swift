import SegueModel

/// What an experiment counts.
extension SpecBuilder {
  /// - Parameter isRandom: chance decides who gets the new release.
  mutating func goals(_ entry: YAMLEntry, of owner: String, isRandom: Bool) -> [GoalSpec]? {
    if !isRandom {
      error(
        at: entry.keySpan,
        "\(owner) has goals, but its users choose the new release themselves, so that a difference "
          + "between the two would prove nothing",
        hint: "write `share: 50%` instead of `header` or `cookie`")
    }
    let example = "checkout: { header: Segue-Goal }"
    guard let named = namedSections(entry, of: "a goal", example: example) else { return nil }
    if named.isEmpty {
      error(at: entry.valueSpan, "`goals` of \(owner) is empty", hint: "write `\(example)`")
    }
    if named.count > GoalSpec.limit {
      error(
        at: entry.keySpan,
        "there are \(named.count) goals; up to \(GoalSpec.limit) are allowed")
    }
    let goals = named.prefix(GoalSpec.limit).compactMap { goal($0, of: owner) }
    return goals.isEmpty ? nil : goals
  }

  private mutating func goal(_ entry: YAMLEntry, of owner: String) -> GoalSpec? {
    let owner = "goal `\(entry.key)` of \(owner)"
    guard let fields = section(entry, in: SpecKeys.goal, owner: owner),
      let source = goalSource(fields, entry, owner: owner)
    else { return nil }
    var goal = GoalSpec(name: entry.key, source: source)
    let counts = GoalSpec.Count.allCases.map(\.rawValue)
    if let count = fields["count"].flatMap({ word($0, among: counts) }) {
      goal.count = GoalSpec.Count(rawValue: count) ?? .once
    }
    let ways = MetricSpec.Direction.allCases.map(\.rawValue)
    if let better = fields["better"].flatMap({ word($0, among: ways) }) {
      goal.better = MetricSpec.Direction(rawValue: better) ?? .higher
    }
    return goal
  }

  private mutating func goalSource(
    _ fields: Fields, _ entry: YAMLEntry, owner: String
  ) -> GoalSpec.Source? {
    let named = ["header", "path", "posted"].compactMap { fields[$0] }
    guard let only = named.first, named.count == 1 else {
      error(
        at: named.dropFirst().first?.keySpan ?? entry.keySpan,
        "\(owner) needs exactly one of `header`, `path` and `posted`",
        hint: "it says how Segue learns that a user has reached it: `header: Segue-Goal`")
      return nil
    }
    switch only.key {
    case "header":
      return checked(only) { TextRules.token($0, of: "a header field") }
        .map { .header($0.lowercased()) }
    case "path": return checked(only, TextRules.urlPath).map { .path($0) }
    default:
      guard let isPosted = boolean(only) else { return nil }
      guard isPosted else {
        error(
          at: only.valueSpan, "\(owner) is not posted, and nothing else says how it is reached",
          hint: "write `posted: true`, `header: Segue-Goal` or `path: /welcome`")
        return nil
      }
      return .posted
    }
  }

  /// Chance must decide who is in which half, user by user.
  mutating func checkUsers(of draft: ServiceDraft, _ strategy: YAMLEntry?, owner: String) {
    guard case .ab(let spec) = draft.spec.strategy, spec.goals != nil, let strategy else { return }
    switch draft.spec.route?.sticky {
    case .header, .cookie: return
    case .address, nil:
      warn(
        at: strategy.keySpan,
        "\(owner) counts goals of users, and tells users apart by their address only: everybody "
          + "behind one gateway is one user",
        hint: "write `sticky: { cookie: user, issue: true }` in its `route`")
    }
  }
}
