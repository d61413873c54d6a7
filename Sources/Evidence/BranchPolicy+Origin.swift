public import SegueModel

extension BranchPolicy {
  /// The policy that a `segue.yaml` states.
  ///
  /// - Throws: where its pattern cannot be read; not for one that was read with the file.
  public init(_ spec: PolicySpec) throws(PatternFault) {
    var pattern: BranchPattern?
    if let names = spec.branchNames { pattern = try BranchPattern(names) }
    self.init(
      pattern: pattern, forbidsDirectCommits: spec.deniesDirectCommits,
      needsOpenIssue: spec.issues != nil, example: spec.example)
  }

  /// The branch that a commit comes from: that of the request that the forge merged, one whose head it
  /// merges or is, and else what the message of the merge says, as Git and the forges write it; `nil`
  /// when nothing tells.
  ///
  /// A branch that fits the pattern goes before others.
  public func branch(of origin: CommitOrigin, _ review: ReviewState? = nil) -> String? {
    if let branch = review?.branch { return branch }
    let known = origin.branches.sorted()
    if let pattern, let fitting = known.first(where: { pattern.match($0) != nil }) {
      return fitting
    }
    return known.first ?? (origin.parents.count > 1 ? Self.mergedBranch(origin.subject) : nil)
  }

  /// `Merge branch 'NAME'`, `Merge pull request #1 from OWNER/NAME`, `Merge pull request 'TITLE' (#1)
  /// from NAME into main`, `Merge remote-tracking branch 'origin/NAME'`.
  static func mergedBranch(_ subject: String) -> String? {
    for (opening, closing) in [
      ("Merge branch '", "'"), ("Merge remote-tracking branch 'origin/", "'"),
      ("Merge branch \"", "\""),
    ] where subject.hasPrefix(opening) {
      let rest = subject.dropFirst(opening.count)
      guard let end = rest.firstIndex(of: Character(closing)) else { return nil }
      return String(rest[..<end])
    }
    guard subject.hasPrefix("Merge pull request ") else { return nil }
    let words = subject.split(separator: " ")
    guard let from = words.lastIndex(of: "from"), from + 1 < words.count else { return nil }
    let name = words[from + 1]
    // GitHub writes whose repository it is before the name; Gitea writes the branch alone.
    guard words[3].hasPrefix("#"), let slash = name.firstIndex(of: "/") else {
      return String(name)
    }
    return String(name[name.index(after: slash)...])
  }

  /// Everything that keeps commits from the deploy branch.
  ///
  /// - Parameters:
  ///   - origins: newest first.
  ///   - isFirst: The deploy branch had nothing before: a first commit can come from no branch.
  ///   - issues: What the tracker said, by key; what is not among it was not asked.
  ///   - reviews: What the forge said; what is not among it, there is no forge to ask about.
  public func violations(
    of origins: [CommitOrigin], deployBranch: String, isFirst: Bool,
    issues: [String: IssueState] = [:], reviews: [CommitID: ReviewState] = [:]
  ) -> [PolicyViolation] {
    guard !isFirst else { return [] }
    var violations: [PolicyViolation] = []
    for origin in origins.reversed() {
      let review = reviews[origin.commit]
      let branch = branch(of: origin, review)
      let proposed = ProposedCommit(
        commit: origin.commit, parents: origin.parents, branch: branch, review: review,
        issue: branch.flatMap { issue(of: $0) }.flatMap { issues[$0] })
      for violation in self.violations(of: proposed, deployBranch: deployBranch)
      where !violations.contains(violation) { violations.append(violation) }
    }
    return violations
  }

  /// The commits that a forge is to be asked about, the newest first, before ``issues(of:reviews:)``:
  /// those that are no merges, where only merges and reviewed heads may come.
  public func unreviewed(_ origins: [CommitOrigin]) -> [CommitID] {
    guard forbidsDirectCommits else { return [] }
    return origins.filter { $0.parents.count < 2 }.map(\.commit)
  }

  /// The issues that these commits' branches name: to be asked for before ``violations(of:)``.
  public func issues(
    of origins: [CommitOrigin], reviews: [CommitID: ReviewState] = [:]
  ) -> [String] {
    guard needsOpenIssue else { return [] }
    var keys: [String] = []
    for origin in origins {
      guard let key = branch(of: origin, reviews[origin.commit]).flatMap({ issue(of: $0) }),
        !keys.contains(key)
      else { continue }
      keys.append(key)
    }
    return keys
  }

  /// What is wrong with signatures.
  public static func unsigned(_ origins: [CommitOrigin]) -> [PolicyViolation] {
    origins.reversed().compactMap { origin in
      switch origin.signature {
      case .good?, nil: nil
      case .missing?:
        PolicyViolation(
          rule: .signature, what: "commit \(origin.commit.short) is not signed",
          nextStep: "Sign it (git commit --amend --no-edit -S) and push it again")
      case .bad(let why)?:
        PolicyViolation(
          rule: .signature,
          what: "the signature of commit \(origin.commit.short) is not one that is trusted here "
            + "(\(shown(why)))",
          nextStep: "Sign it with a key that the user knows whom Segue runs as")
      }
    }
  }
}
