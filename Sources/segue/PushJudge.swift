import Commands
import ControlPlane
import Evidence
import PipelineRunner
import Ports
import SegueModel
import SpecFile

/// Holds a push to the embedded remote against the policy that is in force there: that of `segue.yaml`
/// at the head of the deploy branch, or, while there is none, that of what is pushed.
struct PushJudge {
  let push: PushedRefs
  private let remote: EmbeddedRemote

  /// How long somebody who pushes waits for a tracker.
  private static let patience = Milliseconds.seconds(5)

  init(_ push: PushedRefs) {
    self.push = push
    remote = EmbeddedRemote(
      directory: push.repository, environment: push.environment, inHook: true)
  }

  func judge() async throws -> PushJudgement {
    let head = try await remote.head(of: push.deployBranch)?.id
    let first = push.updates.first { $0.branch == push.deployBranch }?.new
    guard let place = head ?? first, let policy = try await policy(at: place) else {
      return PushJudgement()
    }
    let rules = try BranchPolicy(policy)
    let desk = IssueDesk(
      SecretFiles(directory: push.state + "/secrets"), time: SystemTime(), deadline: Self.patience)
    var violations: [PolicyViolation] = []
    do {
      for update in push.updates {
        let found =
          update.branch == push.deployBranch
          ? try await deployed(update, rules, policy, desk)
          : await aside(update, rules, policy, desk)
        violations += found.filter { !violations.contains($0) }
      }
    } catch {
      await desk.shutdown()
      throw error
    }
    await desk.shutdown()
    func remarks(_ violations: [PolicyViolation]) -> [PushJudgement.Remark] {
      violations.map { PushJudgement.Remark(what: $0.what, nextStep: $0.nextStep) }
    }
    return PushJudgement(
      refusals: remarks(violations.filter { $0.rule != .trackerUnreachable }),
      open: remarks(violations.filter { $0.rule == .trackerUnreachable }))
  }

  private func policy(at commit: CommitID) async throws -> PolicySpec? {
    guard let bytes = try await remote.file("segue.yaml", at: commit, limit: SpecLimits.fileBytes)
    else { return nil }
    // A file that cannot be read is refused when its commit is to be built.
    return (try? SpecReader.read(bytes: bytes))?.outreach?.policy
  }

  /// A push to the deploy branch itself.
  private func deployed(
    _ update: PushedRefs.Update, _ rules: BranchPolicy, _ policy: PolicySpec, _ desk: IssueDesk
  ) async throws -> [PolicyViolation] {
    let origins = try await remote.origins(
      of: OriginQuestion(
        update.new, since: update.old, deployBranch: push.deployBranch,
        verifiesSignatures: policy.needsSignature))
    let issues = await ask(rules.issues(of: origins), policy, desk)
    return rules.violations(
      of: origins, deployBranch: push.deployBranch, isFirst: update.old == nil, issues: issues)
      + BranchPolicy.unsigned(origins)
  }

  /// A push to a branch that is to be merged some day: its name must do, and nothing else.
  private func aside(
    _ update: PushedRefs.Update, _ rules: BranchPolicy, _ policy: PolicySpec, _ desk: IssueDesk
  ) async -> [PolicyViolation] {
    var rules = rules
    rules.forbidsDirectCommits = false
    let key = rules.needsOpenIssue ? rules.issue(of: update.branch) : nil
    let issues = await ask(key.map { [$0] } ?? [], policy, desk)
    return rules.violations(
      of: ProposedCommit(
        commit: update.new, parents: [], branch: update.branch, issue: key.flatMap { issues[$0] }),
      deployBranch: push.deployBranch)
  }

  private func ask(
    _ keys: [String], _ policy: PolicySpec, _ desk: IssueDesk
  ) async -> [String: IssueState] {
    guard let tracker = policy.issues else { return [:] }
    var answers: [String: IssueState] = [:]
    for key in keys.prefix(20) { answers[key] = await desk.state(of: key, at: tracker) }
    return answers
  }
}
