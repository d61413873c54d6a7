import ControlProtocol
import ReleaseCalendar
import SegueModel

extension FeedText {
  static func item(for record: Recorded<PeopleEvent>, catalogue: ReleaseCatalogue) -> FeedItem {
    let (level, subject, text, commit) = sentence(record.event, catalogue)
    return FeedItem(
      sequence: record.sequence, at: record.at, kind: record.event.kind, level: level,
      subject: subject, text: text, commit: commit)
  }

  private static func sentence(
    _ event: PeopleEvent, _ catalogue: ReleaseCatalogue
  ) -> (FeedItem.Level, String, String, CommitID?) {
    func commit(_ release: ReleaseID) -> CommitID? {
      catalogue.record(of: release)?.acceptance.commit.id
    }
    switch event {
    case .freezeOrdered(let order):
      let end =
        order.until.map { "until \(MomentText.full($0, in: .utc))" } ?? "until somebody lifts it"
      let start =
        order.from > order.at ? "from \(MomentText.full(order.from, in: .utc)) " : ""
      return (
        .warning, "calendar",
        "\(order.by) froze \(order.environments.text) \(start)\(end): \(order.reason) (\(order.id))",
        nil
      )
    case .freezeLifted(let lift):
      return (.info, "calendar", "\(lift.by) lifted \(lift.id)", nil)
    case .calendarOverridden(let said):
      let text =
        "\(said.override.by) lets \(said.commit.short) start in spite of windows and freezes: "
        + said.override.reason
      return (.warning, "calendar", text, said.commit)
    case .approvalSaid(let approval):
      let note = approval.note.map { ": \($0)" } ?? ""
      let team = approval.team.map { " for the team \($0)" } ?? ""
      let what = "\(approval.release) in \(approval.environment)\(team)\(note)"
      switch approval.word {
      case .yes:
        return (.success, "approval", "\(approval.by) approved \(what)", commit(approval.release))
      case .no:
        return (.failure, "approval", "\(approval.by) said no to \(what)", commit(approval.release))
      case .withdrawn:
        return (
          .warning, "approval", "\(approval.by) took back what they said about \(what)",
          commit(approval.release)
        )
      }
    case .changeAdmitted(let admission):
      return (
        .warning, "approval",
        "\(admission.by) let \(admission.release) in after the cut-off of \(admission.milestone)",
        commit(admission.release)
      )
    }
  }
}
