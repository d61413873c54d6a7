public import SegueModel

/// Whose yes a rollout into an environment needs.
public struct ApprovalRule: Hashable, Codable, Sendable {
  /// Some people, of whom so many must say yes.
  public struct Part: Hashable, Codable, Sendable {
    public enum Source: Hashable, Sendable {
      case team(TeamName)
      case people(Set<PersonName>)
    }

    public var from: Source
    /// How many different people; at least 1.
    public var quorum: Int

    public init(from: Source, quorum: Int = 1) {
      self.from = from
      self.quorum = max(1, quorum)
    }
  }

  /// All of them are needed.
  public var parts: [Part]
  /// Whoever wrote one of the release's commits does not count.
  public var excludesAuthors: Bool
  /// How long a yes holds; `nil`: for this release for ever.
  public var validFor: Milliseconds?

  public init(parts: [Part], excludesAuthors: Bool = false, validFor: Milliseconds? = nil) {
    self.parts = parts
    self.excludesAuthors = excludesAuthors
    self.validFor = validFor
  }
}

/// As an object with the key `team` or `people`; people are in order.
extension ApprovalRule.Part.Source: Codable {
  private enum CodingKeys: CodingKey {
    case team
    case people
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    if let team = try container.decodeIfPresent(TeamName.self, forKey: .team) {
      self = .team(team)
    } else {
      self = .people(try container.decode(Set<PersonName>.self, forKey: .people))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .team(let team): try container.encode(team, forKey: .team)
    case .people(let people): try container.encode(people.sorted(), forKey: .people)
    }
  }
}

/// What somebody said about one release in one environment, as the journal keeps it. Of several
/// words of one person, the last one counts.
public struct Approval: Hashable, Codable, Sendable {
  public enum Word: String, Codable, Sendable {
    case yes
    /// Stops the rollout until the same person takes it back.
    case no
    /// Takes back what the person said before.
    case withdrawn
  }

  public var by: PersonName
  public var word: Word
  public var release: ReleaseID
  public var environment: EnvironmentName
  public var at: Instant
  /// The team it is said for; `nil`: for each that the person belongs to.
  public var team: TeamName?
  public var note: String?

  public init(
    by: PersonName, word: Word, release: ReleaseID, environment: EnvironmentName, at: Instant,
    team: TeamName? = nil, note: String? = nil
  ) {
    self.by = by
    self.word = word
    self.release = release
    self.environment = environment
    self.at = at
    self.team = team
    self.note = note
  }
}

/// Whether a release has the approvals that an environment asks for.
public struct ApprovalAnswer: Hashable, Sendable {
  public enum State: Hashable, Sendable {
    /// - Parameter until: From when on a yes will be missing again; `nil`: never.
    case satisfied(until: Instant?)
    case waiting
    /// There were enough, but they have expired.
    case expired
    /// Somebody who may approve said no.
    case declined(by: PersonName)
    /// No quorum can come together: too few people are left who may say yes.
    case impossible
  }

  /// How far one part of the rule is.
  public struct Progress: Hashable, Sendable {
    public var part: ApprovalRule.Part
    /// Whose yes counts now.
    public var approvedBy: Set<PersonName>
    /// Whose yes has expired.
    public var expired: Set<PersonName>
    /// Whose yes would count, and who has not said it.
    public var waitingFor: Set<PersonName>
    /// When the quorum will be lost, if nobody says yes again.
    public var until: Instant?

    public var missing: Int { max(0, part.quorum - approvedBy.count) }
    var isPossible: Bool { approvedBy.count + waitingFor.count >= part.quorum }
    var wasComplete: Bool { approvedBy.union(expired).count >= part.quorum }
  }

  public var state: State
  public var progress: [Progress]
  /// The answer for a person, with what to do.
  public var sentence: String
}

extension ApprovalRule {
  /// Judges what people said about a release.
  ///
  /// - Parameters:
  ///   - words: In the order in which they were said; those about other releases and environments
  ///     are left out here.
  ///   - authors: Who wrote the commits that the release brings.
  public func answer(
    _ words: [Approval], release: ReleaseID, environment: EnvironmentName,
    authors: Set<PersonName>, roster: TeamRoster, at now: Instant
  ) -> ApprovalAnswer {
    let mine = words.filter {
      $0.release == release && $0.environment == environment && $0.at <= now
    }
    let excluded = excludesAuthors ? authors : []
    let progress = parts.map { self.progress($0, mine, excluded, roster, now) }
    let state = state(of: progress, mine, roster)
    return ApprovalAnswer(
      state: state, progress: progress,
      sentence: ApprovalText(
        rule: self, release: release, environment: environment, excluded: excluded,
        words: mine
      ).sentence(state, progress))
  }

  private func everybody(_ part: Part, _ roster: TeamRoster) -> Set<PersonName> {
    switch part.from {
    case .team(let team): roster.members(of: team)
    case .people(let people): people
    }
  }

  /// The last word of each person that is said for a part.
  private func lastWords(_ part: Part, _ words: [Approval]) -> [PersonName: Approval] {
    words.filter { word in
      guard let team = word.team, case .team(let wanted) = part.from else { return true }
      return team == wanted
    }.reduce(into: [:]) { $0[$1.by] = $1 }
  }

  private func progress(
    _ part: Part, _ words: [Approval], _ excluded: Set<PersonName>, _ roster: TeamRoster,
    _ now: Instant
  ) -> ApprovalAnswer.Progress {
    let able = everybody(part, roster).subtracting(excluded)
    let yes = lastWords(part, words).values.filter { $0.word == .yes && able.contains($0.by) }
    let ends = yes.compactMap { word in expiry(of: word).map { (word.by, $0) } }
    let expired = Set(ends.filter { $0.1 <= now }.map(\.0))
    let approved = Set(yes.map(\.by)).subtracting(expired)
    // The quorum is lost when so many have expired that one too few is left.
    let spare = approved.count - part.quorum
    let coming = ends.map(\.1).filter { now < $0 }.sorted()
    return ApprovalAnswer.Progress(
      part: part, approvedBy: approved, expired: expired,
      waitingFor: able.subtracting(approved),
      until: spare >= 0 && spare < coming.count ? coming[spare] : nil)
  }

  private func expiry(of word: Approval) -> Instant? {
    validFor.map { length in
      let (sum, overflows) = word.at.bounded.milliseconds.addingReportingOverflow(length.count)
      return overflows ? .latest : Instant(milliseconds: sum)
    }
  }

  private func state(
    of progress: [ApprovalAnswer.Progress], _ words: [Approval], _ roster: TeamRoster
  ) -> ApprovalAnswer.State {
    let no = parts.flatMap { part in
      lastWords(part, words).values.filter {
        $0.word == .no && everybody(part, roster).contains($0.by)
      }
    }.map(\.by).min()
    if let no { return .declined(by: no) }
    let open = progress.filter { $0.missing > 0 }
    if open.isEmpty { return .satisfied(until: progress.compactMap(\.until).min()) }
    if open.contains(where: { !$0.isPossible }) { return .impossible }
    return open.allSatisfy(\.wasComplete) ? .expired : .waiting
  }
}
