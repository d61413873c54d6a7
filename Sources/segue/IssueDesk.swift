import Evidence
import ForgeLink
import Ports
import SegueModel

/// Asks trackers about issues.
actor IssueDesk {
  private let secrets: SecretFiles
  private let time: any TimeSource
  private let deadline: Milliseconds
  private struct Known {
    var token: Secret?
    var client: ForgeClient
    var tracker: IssueTracker
  }
  private var trackers: [TrackerSpec: Known] = [:]

  /// - Parameter deadline: for one answer.
  init(_ secrets: SecretFiles, time: any TimeSource, deadline: Milliseconds = .seconds(10)) {
    self.secrets = secrets
    self.time = time
    self.deadline = deadline
  }

  /// That a tracker cannot be asked is an answer of its own.
  func state(of key: String, at spec: TrackerSpec) async -> IssueState {
    let tracker: IssueTracker
    do {
      tracker = try await self.tracker(spec)
    } catch {
      return .unreachable(SecretFiles.sentence(error))
    }
    switch await tracker.issue(key, in: spec.repository) {
    case .found(let issue): return issue.isOpen || !spec.mustBeOpen ? .open : .closed
    case .missing: return .missing
    case .unreachable(let why): return .unreachable(why)
    }
  }

  /// A token that was changed counts from the next question on.
  private func tracker(_ spec: TrackerSpec) async throws -> IssueTracker {
    let token = try spec.token.map { try secrets.required($0) }
    let old = trackers[spec]
    if let old, old.token == token { return old.tracker }
    let kind = TrackerKind(rawValue: spec.kind.rawValue) ?? .gitea
    let login: ForgeAccount.Login =
      switch (token, spec.user) {
      case (nil, _): .none
      case (let token?, nil): .token(token)
      case (let token?, let user?): .basic(user: user, token)
      }
    let account = try ForgeAccount(kind: kind, base: spec.url, login: login)
    let client = ForgeClient(account, time: time, deadline: deadline)
    let tracker = IssueTracker(client, time: time)
    trackers[spec] = Known(token: token, client: client, tracker: tracker)
    await old?.client.shutdown()
    return tracker
  }

  /// Closes every connection. Required before the last reference goes.
  func shutdown() async {
    for (_, known) in trackers { await known.client.shutdown() }
    trackers = [:]
  }
}
