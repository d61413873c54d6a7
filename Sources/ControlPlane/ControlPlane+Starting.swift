import ControlProtocol
import Ports
import ReleaseCalendar
import SegueModel

/// What stands between a release and an environment, as `segue explain` says it.
extension ControlPlane {
  /// - Parameter hasBegun: The release is live there, or was, or is on its way.
  func startAnswers(
    of release: Release, in environment: EnvironmentName, hasBegun: Bool
  ) async -> [Explanation.Answer] {
    let subject = await subject(release, environment)
    let answers = await gate.answers(subject)
    var said: [Explanation.Answer] = []
    let hasCalendar =
      release.spec.environment(environment)?.windows != nil || !answers.calendar.mayStart
      || answers.calendar.override != nil
    if !hasBegun, hasCalendar {
      said.append(
        Explanation.Answer(
          question: "calendar \(environment)",
          result: answers.calendar.mayStart ? .pass : .wait, why: answers.calendar.sentence))
    }
    let words = await people.state.words(
      about: release.id, of: release.commit, in: environment, until: world.time.now(),
      isOverridden: board[environment].overridden.contains(release.commit))
    let approvals = words.filter { $0.kind == .approval }.map(\.sentence)
    let overrides = words.filter { $0.kind == .override }
    if !overrides.isEmpty {
      said.append(
        Explanation.Answer(
          question: "overrides \(environment)", result: .pass,
          why: "It may start, or began, in spite of \(overrides.count == 1 ? "a gate" : "gates").",
          evidence: overrides.map(\.sentence), at: overrides.last?.at))
    }
    said += answers.approvals.map { answer in
      let result: Explanation.Answer.Result =
        switch answer.state {
        case .satisfied: .pass
        case .waiting, .expired: hasBegun ? .unknown : .wait
        case .declined, .impossible: hasBegun ? .unknown : .fail
        }
      return Explanation.Answer(
        question: "approval \(environment)", result: result, why: answer.sentence,
        evidence: approvals)
    }
    return said
  }
}
