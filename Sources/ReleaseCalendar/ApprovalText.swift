import SegueModel

/// The answer to a rule of approvals, as a person would say it.
struct ApprovalText {
  var rule: ApprovalRule
  var release: ReleaseID
  var environment: EnvironmentName
  /// Whose yes does not count because they wrote what is approved.
  var excluded: Set<PersonName>
  var words: [Approval]

  func sentence(
    _ state: ApprovalAnswer.State, _ progress: [ApprovalAnswer.Progress]
  ) -> String {
    let command = "segue approve \(release) --environment \(environment)"
    let open = progress.filter { $0.missing > 0 }
    switch state {
    case .satisfied(let until):
      guard !rule.parts.isEmpty else { return "\(environment) asks for no approval." }
      let names = progress.reduce(Set<PersonName>()) { $0.union($1.approvedBy) }
      let end = until.map { ", until \(MomentText.full($0, in: .utc))" } ?? ""
      return "Approved by \(list(names, "and"))\(end)."
    case .waiting:
      return "\(release) waits for \(needs(open)). One of them runs: \(command)"
    case .expired:
      let names = open.reduce(Set<PersonName>()) { $0.union($1.expired) }
      let length = rule.validFor.map { " after \($0)" } ?? ""
      return "The approval by \(list(names, "and")) has expired\(length). It needs "
        + "\(needs(open)) again. One of them runs: \(command)"
    case .declined(let person):
      let note = words.last { $0.by == person && $0.word == .no }?.note
      let why = note.map { ": \(Wording.quoted($0))" } ?? " and gave no reason"
      return "\(person) said no to \(release)\(why). Deploy a commit that puts it right, or "
        + "\(person) takes it back: \(command) --withdraw"
    case .impossible:
      let short = open.filter { !$0.isPossible }.map { part -> String in
        let able = part.approvedBy.count + part.waitingFor.count
        return "\(needs([part])), and only \(able) may still say yes"
      }
      let authors =
        excluded.isEmpty ? "" : " (\(list(excluded, "and")) wrote it and does not count)"
      return
        "\(release) can never be approved: it needs \(short.joined(separator: "; "))\(authors)."
        + " Add people to the team in segue.yaml, or lower the quorum."
    }
  }

  /// `2 more of the team product (ana, li or bo) and 1 of mo`
  private func needs(_ open: [ApprovalAnswer.Progress]) -> String {
    Wording.list(
      open.map { part in
        let more = part.approvedBy.isEmpty ? "" : " more"
        let people = list(part.waitingFor, "or")
        switch part.part.from {
        case .team(let team):
          let names = part.waitingFor.isEmpty ? "" : " (\(people))"
          return "\(part.missing)\(more) of the team \(team)\(names)"
        case .people:
          return part.waitingFor.count == 1 ? people : "\(part.missing)\(more) of \(people)"
        }
      }, "and")
  }

  /// At most ten names.
  private func list(_ names: Set<PersonName>, _ last: String) -> String {
    let sorted = names.sorted().map(\.rawValue)
    guard sorted.count > 10 else {
      return sorted.isEmpty ? "nobody" : Wording.list(sorted, last)
    }
    return Wording.list(Array(sorted.prefix(9)) + ["\(sorted.count - 9) others"], last)
  }
}
