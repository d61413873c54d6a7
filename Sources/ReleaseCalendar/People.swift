public import SegueModel

/// Who belongs to which team.
public struct TeamRoster: Hashable, Sendable {
  public var members: [TeamName: Set<PersonName>]

  public init(_ members: [TeamName: Set<PersonName>] = [:]) { self.members = members }

  public func members(of team: TeamName) -> Set<PersonName> { members[team] ?? [] }
}

/// Some people by name, and everybody of some teams.
public struct PeopleChoice: Hashable, Sendable {
  public var people: Set<PersonName>
  public var teams: Set<TeamName>

  public init(people: Set<PersonName> = [], teams: Set<TeamName> = []) {
    self.people = people
    self.teams = teams
  }

  public func contains(_ person: PersonName, _ roster: TeamRoster) -> Bool {
    people.contains(person) || teams.contains { roster.members(of: $0).contains(person) }
  }

  public func everybody(_ roster: TeamRoster) -> Set<PersonName> {
    teams.reduce(people) { $0.union(roster.members(of: $1)) }
  }

  /// `ana, li or somebody of the team product`
  public var text: String {
    let names =
      people.sorted().map(\.rawValue) + teams.sorted().map { "somebody of the team \($0)" }
    return names.isEmpty ? "nobody" : Wording.list(names, "or")
  }
}

// Sets are written in order, so that equal values give equal octets in the journal.

extension TeamRoster: Codable {
  public init(from decoder: any Decoder) throws {
    members = try decoder.singleValueContainer().decode([TeamName: Set<PersonName>].self)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(members.mapValues { $0.sorted() })
  }
}

extension PeopleChoice: Codable {
  private enum CodingKeys: CodingKey {
    case people
    case teams
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(people.sorted(), forKey: .people)
    try container.encode(teams.sorted(), forKey: .teams)
  }
}

/// Parts of sentences.
enum Wording {
  /// `ana`, `ana or li`, `ana, li or bo`
  static func list(_ items: [String], _ last: String) -> String {
    guard let final = items.last, items.count > 1 else { return items.first ?? "" }
    return "\(items.dropLast().joined(separator: ", ")) \(last) \(final)"
  }

  /// What somebody wrote, on one line and short enough for a sentence: “holidays”.
  static func quoted(_ text: String) -> String {
    // Neither may it move a terminal's cursor, nor turn around what follows (Unicode, UAX 9).
    let scalars = text.unicodeScalars.map { scalar -> Unicode.Scalar in
      switch scalar.value {
      case 0x202A...0x202E, 0x2066...0x2069, 0x2028, 0x2029: " "
      default: scalar.properties.generalCategory == .control ? " " : scalar
      }
    }
    let line = String(String.UnicodeScalarView(scalars))
    return "“\(line.count > 120 ? line.prefix(119) + "…" : line[...])”"
  }
}
