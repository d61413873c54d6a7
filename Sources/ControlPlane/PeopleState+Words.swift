import ControlProtocol
import ReleaseCalendar
import SegueModel

extension PeopleState {
  /// What people said by which a release could start somewhere, in the order in which they said it: of
  /// each person the last word.
  ///
  /// - Parameters:
  ///   - end: What was said later counts no more.
  ///   - isOverridden: It began in spite of the calendar; otherwise an override was of no consequence.
  func words(
    about release: ReleaseID, of commit: CommitID, in environment: EnvironmentName,
    until end: Instant, isOverridden: Bool
  ) -> [Receipt.WordLine] {
    let said = approvals.filter {
      $0.release == release && $0.environment == environment && $0.at <= end
    }
    var lines = said.enumerated().filter { index, approval in
      approval.word == .yes
        && !said[(index + 1)...].contains { $0.by == approval.by && $0.team == approval.team }
    }.map { _, approval in
      Receipt.WordLine(
        by: approval.by.rawValue, kind: .approval,
        gate: "approval \(environment)" + (approval.team.map { " for the team \($0)" } ?? ""),
        at: approval.at, reason: approval.note)
    }
    lines += admitted.filter { $0.admission.release == release && $0.at <= end }.map { entry in
      Receipt.WordLine(
        by: entry.admission.by.rawValue, kind: .override,
        gate: "milestone \(entry.admission.milestone)", at: entry.at, reason: nil)
    }
    if isOverridden {
      lines += overrides.filter { $0.commit == commit && $0.override.from <= end }.map { entry in
        Receipt.WordLine(
          by: entry.override.by.rawValue, kind: .override, gate: "calendar \(environment)",
          at: entry.override.from, reason: entry.override.reason)
      }
    }
    return lines.sorted { $0.at < $1.at }
  }
}

extension Receipt.WordLine {
  /// `li said yes for approval production on 24 Nov 2026 12:00 UTC: fine`
  var sentence: String {
    let what =
      switch kind {
      case .approval: "said yes for"
      case .override: "set aside"
      }
    return "\(by) \(what) \(gate) on \(MomentText.full(at, in: .utc))"
      + (reason.map { ": \($0)" } ?? "")
  }
}
