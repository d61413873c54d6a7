import ControlProtocol
import Evidence
import Ports
import SegueModel
import Synchronization

/// Holds a commit against the policy before anything is built of it.
///
/// The policy in force is that of the newest release, so that a commit cannot take it out for itself;
/// before there is one, it is the commit's own.
final class PolicyDesk: Sendable {
  /// Between two questions to a tracker or a forge that did not answer.
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

  /// What a commit is to be held against.
  private struct Case {
    var rules: BranchPolicy
    var policy: PolicySpec
    var forge: ForgeSpec?
    var origins: [CommitOrigin]
    var isFirst: Bool

    /// The head of a branch that is to be merged some day: its name must do, and how it is merged is not
    /// known yet.
    mutating func goAside() {
      rules.forbidsDirectCommits = false
      origins = Array(origins.prefix(1))
    }
  }

  /// What the policy says of a commit: every reason against it at once, or that there is none; nothing
  /// where there is no policy.
  ///
  /// A tracker or a forge that does not answer says nothing about the commit: it is asked again until it
  /// does.
  ///
  /// A commit that became a release once passed then, and passes again.
  ///
  /// - Parameters:
  ///   - isPatient: `false`: what cannot be asked now is an answer of its own.
  ///   - isWanted: asked before each further question; `false` ends the wait.
  ///   - tell: is told what is waited for, when the wait begins.
  /// - Throws: `CancellationError` when nobody wants the answer any more.
  func answers(
    of commit: Commit, _ own: ProjectSpec, isPatient: Bool, isWanted: () async -> Bool,
    tell: (String) async -> Void
  ) async throws -> [GateResult] {
    guard var matter = try await matter(commit, own) else { return [] }
    if !isPatient, try await isAside(commit, matter) { matter.goAside() }
    defer { waiting.withLock { $0 = nil } }
    let began = world.time.now()
    while true {
      let isSettled = !isPatient || world.time.now() - began >= Self.settling
      let (violations, facts) = await judge(matter, believesNone: isSettled)
      let firm = violations.filter { !$0.rule.isUnknown }
      guard isPatient, firm.isEmpty, let unknown = violations.first else {
        return violations.isEmpty
          ? [GateResult(gate: "policy", verdict: .pass, reason: Self.passing, evidence: facts)]
          : violations.map(GateResult.init)
      }
      if trouble == nil { await tell("waits: \(unknown.what); it is asked again") }
      waiting.withLock { $0 = "commit \(commit.id.short) waits: \(unknown.what)" }
      try await world.time.sleep(for: Self.pause)
      guard await isWanted() else { throw CancellationError() }
    }
  }

  /// A push may be seen before the forge knows itself that it has merged a request: that it knows none is
  /// believed only after so long.
  static let settling = Milliseconds.seconds(10)

  private static let passing = "the commit comes to the deploy branch as the policy wants it"

  private func matter(_ commit: Commit, _ own: ProjectSpec) async throws -> Case? {
    let wasReleased = catalogue.all.contains {
      $0.acceptance.commit.id == commit.id && $0.release != nil
    }
    if wasReleased { return nil }
    let newest = catalogue.newestRelease
    let outreach = (newest?.spec ?? own).outreach
    guard let policy = outreach?.policy else { return nil }
    let origins = try await world.source.origins(
      of: OriginQuestion(
        commit.id, since: newest?.commit, deployBranch: settings.deployBranch,
        verifiesSignatures: policy.needsSignature))
    do throws(PatternFault) {
      return Case(
        rules: try BranchPolicy(policy), policy: policy, forge: outreach?.forge, origins: origins,
        isFirst: newest == nil)
    } catch {
      throw PortError(
        "the pattern of branch names cannot be read", fault: .user, retry: .never,
        causes: ["\(error)"])
    }
  }

  /// Whether somebody asks about the head of a branch that has not come to the deploy branch.
  private func isAside(_ commit: Commit, _ matter: Case) async throws -> Bool {
    guard let first = matter.origins.first, !first.branches.isEmpty, first.parents.count < 2 else {
      return false
    }
    return try await world.source.head(of: settings.deployBranch)?.id != commit.id
  }

  /// - Returns: what is against it, and what speaks for it, one sentence for each commit.
  private func judge(
    _ matter: Case, believesNone: Bool
  ) async -> ([PolicyViolation], [String]) {
    var reviews = await reviews(matter)
    if !believesNone {
      reviews = reviews.mapValues { state in
        state == .none ? .unreachable("it knows no request of it yet") : state
      }
    }
    let keys = matter.rules.issues(of: matter.origins, reviews: reviews)
    let issues = await ask(keys, matter.policy.issues)
    let violations =
      matter.rules.violations(
        of: matter.origins, deployBranch: settings.deployBranch, isFirst: matter.isFirst,
        issues: issues, reviews: reviews) + BranchPolicy.unsigned(matter.origins)
    let facts = matter.origins.compactMap { origin -> String? in
      let review = reviews[origin.commit]
      guard let branch = matter.rules.branch(of: origin, review) else { return nil }
      let issue = matter.rules.issue(of: branch).flatMap { issues[$0] == .open ? $0 : nil }
      var request = ""
      if case .approved(let name, _)? = review { request = ", request \(name) approved" }
      return "\(origin.commit.short) from \(BranchPolicy.shown(branch))\(request)"
        + (issue.map { ", issue \(BranchPolicy.shown($0)) is there" } ?? "")
    }
    return (violations, facts)
  }

  // MARK: Others who know

  /// Issues, and commits, that are asked for at once.
  static let questionLimit = 20

  private func ask(_ keys: [String], _ tracker: TrackerSpec?) async -> [String: IssueState] {
    guard let tracker, let issue = world.issue else { return [:] }
    var answers: [String: IssueState] = [:]
    for key in keys.prefix(Self.questionLimit) { answers[key] = await issue(key, tracker) }
    return answers
  }

  /// What the forge says of commits that are no merges; nothing where there is none to ask.
  private func reviews(_ matter: Case) async -> [CommitID: ReviewState] {
    guard !matter.isFirst, let forge = matter.forge, forge.token != nil, let review = world.review
    else { return [:] }
    var answers: [CommitID: ReviewState] = [:]
    let start = world.time.now()
    // After a forge that is down nobody else is asked: each question may take as long as the first.
    var isDown = false
    for commit in matter.rules.unreviewed(matter.origins) {
      if answers.count >= Self.reviewLimit {
        answers[commit] = .unreachable(Self.tooMany)
      } else if isDown || world.time.now() - start > Self.reviewTime {
        answers[commit] = .unreachable("it did not answer in time about another commit")
      } else {
        let state = await review(commit, settings.deployBranch, forge)
        if case .unreachable = state { isDown = true }
        answers[commit] = state
      }
    }
    return answers
  }

  /// For all questions to a forge together; what it has answered is remembered when it is asked again.
  static let reviewTime = Milliseconds.seconds(30)

  /// Commits that a forge is asked about for one that is to be deployed.
  static let reviewLimit = 50
  private static let tooMany =
    "more than \(reviewLimit) commits since the newest release are no merges; deploy an earlier one of "
    + "them first"
}

extension GateResult {
  init(_ violation: PolicyViolation) {
    self.init(
      gate: "policy.\(violation.rule.rawValue)",
      verdict: violation.rule.isUnknown ? .wait : .fail, reason: violation.what,
      remedies: [violation.nextStep])
  }
}
