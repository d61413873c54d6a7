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
    guard let place = head ?? first, let outreach = try await outreach(at: place),
      let policy = outreach.policy
    else {
      return PushJudgement()
    }
    let rules = try BranchPolicy(policy)
    let secrets = SecretFiles(directory: push.state + "/secrets")
    let desk = IssueDesk(secrets, time: SystemTime(), deadline: Self.patience)
    let reviews = ReviewDesk(secrets, time: SystemTime(), deadline: Self.patience)
    var violations: [PolicyViolation] = []
    let result: Result<Void, any Error>
    do {
      for update in push.updates {
        let found =
          update.branch == push.deployBranch
          ? try await deployed(update, rules, outreach, desk, reviews)
          : await aside(update, rules, policy, desk)
        violations += found.filter { !violations.contains($0) }
      }
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await desk.shutdown()
    await reviews.shutdown()
    try result.get()
    func remarks(_ violations: [PolicyViolation]) -> [PushJudgement.Remark] {
      violations.map { PushJudgement.Remark(what: $0.what, nextStep: $0.nextStep) }
    }
    return PushJudgement(
      refusals: remarks(violations.filter { !$0.rule.isUnknown }),
      open: remarks(violations.filter { $0.rule.isUnknown }))
  }

  private func outreach(at commit: CommitID) async throws -> OutreachSpec? {
    guard let bytes = try await remote.file("segue.yaml", at: commit, limit: SpecLimits.fileBytes)
    else { return nil }
    // A file that cannot be read is refused when its commit is to be built.
    return (try? SpecReader.read(bytes: bytes))?.outreach
  }

  /// A push to the deploy branch itself.
  private func deployed(
    _ update: PushedRefs.Update, _ rules: BranchPolicy, _ outreach: OutreachSpec,
    _ desk: IssueDesk, _ forge: ReviewDesk
  ) async throws -> [PolicyViolation] {
    guard let policy = outreach.policy else { return [] }
    let origins = try await remote.origins(
      of: OriginQuestion(
        update.new, since: update.old, deployBranch: push.deployBranch,
        verifiesSignatures: policy.needsSignature))
    let reviews = update.old == nil ? [:] : await ask(rules.unreviewed(origins), outreach, forge)
    let issues = await ask(rules.issues(of: origins, reviews: reviews), policy, desk)
    return rules.violations(
      of: origins, deployBranch: push.deployBranch, isFirst: update.old == nil, issues: issues,
      reviews: reviews) + BranchPolicy.unsigned(origins)
  }

  /// Whoever pushes waits: beyond the first questions the control plane asks.
  private static let reviewLimit = 10

  private func ask(
    _ commits: [CommitID], _ outreach: OutreachSpec, _ desk: ReviewDesk
  ) async -> [CommitID: ReviewState] {
    guard let forge = outreach.forge, forge.token != nil else { return [:] }
    var answers: [CommitID: ReviewState] = [:]
    var isOver = false
    let start = ContinuousClock.now
    for commit in commits {
      isOver = isOver || ContinuousClock.now - start > Self.patience.duration * 2
      guard !isOver, answers.count < Self.reviewLimit else {
        answers[commit] = .unreachable("there are too many questions for one push")
        continue
      }
      let state = await desk.state(of: commit, on: push.deployBranch, at: forge)
      if case .unreachable = state { isOver = true }
      answers[commit] = state
    }
    return answers
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
