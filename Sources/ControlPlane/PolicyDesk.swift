import Evidence
import Ports
import SegueModel
import Synchronization

/// Holds a commit against the policy before anything is built of it.
///
/// The policy in force is that of the newest release, so that a commit cannot take it out for itself;
/// before there is one, it is the commit's own.
final class PolicyDesk: Sendable {
  /// Between two questions to a tracker that did not answer.
  static let pause = Milliseconds.seconds(5)

  private let world: Dependencies
  private let settings: ControlPlaneSettings
  private let catalogue: ReleaseCatalogue
  private let waiting = Mutex<String?>(nil)

  init(world: Dependencies, settings: ControlPlaneSettings, catalogue: ReleaseCatalogue) {
    self.world = world
    self.settings = settings
    self.catalogue = catalogue
  }

  /// What a commit is waited with for; `nil`: nothing waits.
  var trouble: String? { waiting.withLock { $0 } }

  /// Why the commit is refused: every reason at once; `nil` when it may go on.
  ///
  /// A tracker that does not answer says nothing about the commit: it is asked again until it does.
  ///
  /// A commit that became a release once passed then, and passes again.
  ///
  /// - Parameters:
  ///   - isWanted: asked before each further question; `false` ends the wait.
  ///   - tell: is told what is waited for, when the wait begins.
  /// - Throws: `CancellationError` when nobody wants the answer any more.
  func refusal(
    of commit: Commit, _ own: ProjectSpec, isWanted: () async -> Bool,
    tell: (String) async -> Void
  ) async throws -> String? {
    let wasReleased = catalogue.all.contains {
      $0.acceptance.commit.id == commit.id && $0.release != nil
    }
    if wasReleased { return nil }
    let newest = catalogue.newestRelease
    guard let policy = (newest?.spec ?? own).outreach?.policy else { return nil }
    defer { waiting.withLock { $0 = nil } }
    let origins = try await world.source.origins(
      of: OriginQuestion(
        commit.id, since: newest?.commit, deployBranch: settings.deployBranch,
        verifiesSignatures: policy.needsSignature))
    let rules: BranchPolicy
    do throws(PatternFault) {
      rules = try BranchPolicy(policy)
    } catch {
      throw PortError(
        "the pattern of branch names cannot be read", fault: .user, retry: .never,
        causes: ["\(error)"])
    }
    while true {
      let issues = await ask(rules.issues(of: origins), policy.issues)
      let violations =
        rules.violations(
          of: origins, deployBranch: settings.deployBranch, isFirst: newest == nil, issues: issues)
        + BranchPolicy.unsigned(origins)
      let firm = violations.filter { $0.rule != .trackerUnreachable }
      guard firm.isEmpty, let unknown = violations.first else {
        return violations.isEmpty ? nil : violations.map { "\($0)" }.joined(separator: "; ")
      }
      if trouble == nil { await tell("waits: \(unknown.what); it is asked again") }
      waiting.withLock { $0 = "commit \(commit.id.short) waits: \(unknown.what)" }
      try await world.time.sleep(for: Self.pause)
      guard await isWanted() else { throw CancellationError() }
    }
  }

  private func ask(_ keys: [String], _ tracker: TrackerSpec?) async -> [String: IssueState] {
    guard let tracker, let issue = world.issue else { return [:] }
    var answers: [String: IssueState] = [:]
    for key in keys.prefix(Self.issueLimit) { answers[key] = await issue(key, tracker) }
    return answers
  }

  /// Issues that are asked for at once.
  static let issueLimit = 20
}
