import Evidence
import ForgeLink
import Notifications
import Ports
import SegueModel

/// Shows at the forge how commits fare: a status beside each, and a comment on the issue that its
/// branch names. Each may come again after a crash; a status again changes nothing.
struct ForgeSender: ChannelSender {
  let client: ForgeClient
  let forge: ForgeSpec
  let policy: PolicySpec?
  let source: any Source

  func send(_ message: ChannelMessage, at now: Instant) async throws(DeliveryFailure) {
    for pending in message.notices {
      guard let commit = pending.notice.commit else { continue }
      do throws(PortError) {
        try await client.set(Self.status(pending.notice), on: commit, in: forge.repository)
        try await comment(pending.notice, on: commit)
      } catch {
        throw Self.failure(error)
      }
    }
  }

  private static func failure(_ error: PortError) -> DeliveryFailure {
    let reason = ([error.what] + error.causes).joined(separator: ": ")
    switch error.retry {
    case .never: return .refused(reason)
    case .after(let span): return .tryAgain(reason, after: span)
    case .safe, .onlyIfNotSent: return .tryAgain(reason, after: nil)
    }
  }

  private static func status(_ notice: Notice) -> CommitStatus {
    let place = [notice.environment?.rawValue, notice.service?.rawValue].compactMap(\.self)
    let context = (["segue"] + (place.isEmpty ? ["pipeline"] : place)).joined(separator: "/")
    let state: CommitStatus.State =
      switch notice.kind {
      case .commitAccepted, .rolloutBegan, .waitingForApproval, .frozen, .overridden: .pending
      case .rolloutFinished, .releaseBuilt: .success
      case .rolledBack, .gateFailed, .lateRegression, .advisoryHit: .failure
      case .incident, .commitDropped: .error
      }
    return CommitStatus(state: state, context: context, text: notice.text, link: notice.link)
  }

  private func comment(_ notice: Notice, on commit: CommitID) async throws(PortError) {
    guard forge.comments, [.rolloutFinished, .rolledBack].contains(notice.kind),
      let policy, let rules = try? BranchPolicy(policy)
    else { return }
    // The branch may be gone by now, and its name stands in the merge.
    let origins = (try? await source.origins(of: OriginQuestion(commit, deployBranch: ""))) ?? []
    guard let branch = origins.first.flatMap({ rules.branch(of: $0) }),
      let issue = rules.issue(of: branch)
    else { return }
    let place = notice.environment.map { " in \($0)" } ?? ""
    try await client.comment(
      "Segue\(place): \(notice.text) (commit \(commit.short))", onIssue: issue,
      in: forge.repository)
  }
}
