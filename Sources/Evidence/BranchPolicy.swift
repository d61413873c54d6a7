public import SegueModel

/// Which commits may come to the deploy branch, and from where.
public struct BranchPolicy: Hashable, Sendable {
  /// What a branch that is merged must be called; `nil` allows every name.
  public var pattern: BranchPattern?
  /// The deploy branch moves only by merges, or to heads of reviewed branches.
  public var forbidsDirectCommits: Bool
  /// The issue in the branch's name must exist and be open.
  public var needsOpenIssue: Bool
  /// A name that fits, for the sentences; such as `SHOP-12-faster-checkout`.
  public var example: String?

  public init(
    pattern: BranchPattern? = nil, forbidsDirectCommits: Bool = false,
    needsOpenIssue: Bool = false, example: String? = nil
  ) {
    self.pattern = pattern
    self.forbidsDirectCommits = forbidsDirectCommits
    self.needsOpenIssue = needsOpenIssue
    self.example = example
  }
}

/// A commit that is to come to the deploy branch.
public struct ProposedCommit: Hashable, Sendable {
  public var commit: CommitID
  /// Parents in Git's order; a merge has two or more.
  public var parents: [CommitID]
  /// The branch that it comes from, without `refs/heads/`; `nil` when that is not known.
  public var branch: String?
  /// What the forge says about its review; `nil` when there is no forge to ask.
  public var review: ReviewState?
  /// What the tracker says about the issue; `nil` when nobody asked.
  public var issue: IssueState?

  public init(
    commit: CommitID, parents: [CommitID], branch: String?, review: ReviewState? = nil,
    issue: IssueState? = nil
  ) {
    self.commit = commit
    self.parents = parents
    self.branch = branch
    self.review = review
    self.issue = issue
  }
}

/// What a forge says about how a commit came to the deploy branch.
public enum ReviewState: Hashable, Sendable {
  /// It belongs to a request that was merged into the deploy branch, and that somebody else than its
  /// author had approved.
  case approved(request: String, branch: String)
  /// It belongs to a request that was merged, and that nobody had approved.
  case unapproved(request: String, branch: String)
  /// The forge knows no merged request that it belongs to.
  case none
  /// The forge could not be asked, which says nothing about the commit; a phrase.
  case unreachable(String)

  /// The branch that the request was about.
  public var branch: String? {
    switch self {
    case .approved(_, let branch), .unapproved(_, let branch): branch
    case .none, .unreachable: nil
    }
  }
}

/// What a tracker says about an issue.
public enum IssueState: Hashable, Sendable {
  case open
  case closed
  case missing
  /// The tracker could not be asked, which says nothing about the issue; a phrase.
  case unreachable(String)
}

/// Why a commit may not go on: what, and what to do.
public struct PolicyViolation: Hashable, Sendable, CustomStringConvertible {
  public enum Rule: String, Hashable, Codable, Sendable, CaseIterable {
    case branchName = "branch-name"
    case directCommit = "direct-commit"
    case issueMissing = "issue-missing"
    case issueClosed = "issue-closed"
    /// Not the commit's fault: asking again later can help.
    case trackerUnreachable = "tracker-unreachable"
    /// The same of the forge.
    case reviewUnknown = "review-unknown"
    case signature

    /// Whether it says nothing about the commit yet, because somebody could not be asked.
    public var isUnknown: Bool {
      switch self {
      case .trackerUnreachable, .reviewUnknown: true
      case .branchName, .directCommit, .issueMissing, .issueClosed, .signature: false
      }
    }
  }

  public var rule: Rule
  /// One sentence without a final period.
  public var what: String
  /// What to do, in the imperative.
  public var nextStep: String

  public var description: String { "\(what). \(nextStep)" }
}

extension BranchPolicy {
  /// The issue that a branch's name gives; `nil` when it gives none.
  public func issue(of branch: String) -> String? { pattern?.match(branch)?.issue }

  /// Everything that keeps a commit from the deploy branch, in the order of the rules; nothing when it
  /// may go on. The same for a push to the embedded remote and before a rollout.
  ///
  /// - Parameter deployBranch: its name, without `refs/heads/`.
  public func violations(
    of proposed: ProposedCommit, deployBranch: String
  ) -> [PolicyViolation] {
    var violations: [PolicyViolation] = []
    let comesFromAside = proposed.branch.map { $0 != deployBranch } ?? false
    if forbidsDirectCommits, proposed.parents.count < 2,
      let violation = directViolation(proposed, deployBranch)
    {
      violations.append(violation)
    }
    guard let pattern else { return violations }
    guard let branch = proposed.branch, comesFromAside else {
      // Where it comes from is not known, so its name can't be judged; the rule above speaks.
      if needsOpenIssue, !forbidsDirectCommits {
        violations.append(
          PolicyViolation(
            rule: .branchName,
            what: "commit \(proposed.commit.short) comes from no branch that names an issue",
            nextStep: "Merge it from a branch such as \(suggestion)"))
      }
      return violations
    }
    guard let match = pattern.match(branch) else {
      violations.append(
        PolicyViolation(
          rule: .branchName,
          what: "the branch '\(Self.shown(branch))' is not called as branches are here "
            + "(\(pattern.text))",
          nextStep: "Give it another name, such as \(suggestion) "
            + "(git branch -m \(suggestion)), and push that"))
      return violations
    }
    if needsOpenIssue, let violation = issueViolation(match.issue, branch, proposed.issue) {
      violations.append(violation)
    }
    return violations
  }

  private var suggestion: String { example ?? "NAME" }

  /// What is wrong with a commit that is no merge.
  private func directViolation(
    _ proposed: ProposedCommit, _ deployBranch: String
  ) -> PolicyViolation? {
    let short = proposed.commit.short
    let wayOut =
      "Push it to a branch of its own (git push origin \(short):refs/heads/\(suggestion)), have it "
      + "reviewed, and merge it"
    let direct =
      "commit \(short) was made on \(deployBranch) itself, and only merges and heads of reviewed "
      + "branches may come there"
    switch proposed.review {
    case .approved?: return nil
    case .unapproved(let request, _)?:
      return PolicyViolation(
        rule: .directCommit,
        what: "commit \(short) came by request \(Self.shown(request)), which nobody but its "
          + "author had approved",
        nextStep: "Take it back (git revert \(short)) on a branch of its own, or bring it once "
          + "more, and have somebody else approve the request before it is merged")
    case .none?:
      return PolicyViolation(
        rule: .directCommit,
        what: direct + ": the forge knows no merged request that it belongs to", nextStep: wayOut)
    case .unreachable(let reason)?:
      return PolicyViolation(
        rule: .reviewUnknown,
        what: "whether commit \(short) was reviewed is not known yet, because the forge could not "
          + "be asked (\(Self.shown(reason)))",
        nextStep: "Try again in a minute; this says nothing about your commit")
    case nil:
      return PolicyViolation(
        rule: .directCommit, what: direct,
        nextStep: wayOut
          + "; if a forge squashed or rebased it, name the forge under `forge` in segue.yaml, with "
          + "a `token`, so that Segue can ask it")
    }
  }

  private func issueViolation(
    _ issue: String?, _ branch: String, _ state: IssueState?
  ) -> PolicyViolation? {
    guard let issue else {
      return PolicyViolation(
        rule: .issueMissing, what: "the branch '\(Self.shown(branch))' names no issue",
        nextStep: "Put the issue's key into the branch's name, such as \(suggestion)")
    }
    let key = Self.shown(issue)
    switch state {
    case .open: return nil
    case .closed:
      return PolicyViolation(
        rule: .issueClosed, what: "issue \(key) is closed",
        nextStep: "Open it again if the work goes on, or name the branch after an open issue")
    case .missing:
      return PolicyViolation(
        rule: .issueMissing,
        what: "there is no issue \(key) at the tracker, or Segue may not see it",
        nextStep: "Correct the key in the branch's name, or let Segue's token read the issue")
    case .unreachable(let reason):
      return PolicyViolation(
        rule: .trackerUnreachable,
        what: "whether issue \(key) is open is not known, because the tracker could not be asked "
          + "(\(reason))",
        nextStep: "Try again in a minute; this says nothing about your commit")
    case nil:
      return PolicyViolation(
        rule: .trackerUnreachable, what: "whether issue \(key) is open was not asked yet",
        nextStep: "Try again in a minute; this says nothing about your commit")
    }
  }

  /// A name as it is shown. Names come from whoever pushes: nothing in them may steer a terminal.
  public static func shown(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars.prefix(120) {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator: result += "?"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return text.unicodeScalars.count > 120 ? result + "…" : result
  }
}
