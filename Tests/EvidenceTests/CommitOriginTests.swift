import SegueModel
import Testing

@testable import Evidence

private let head: CommitID = "1111111111111111111111111111111111111111"
private let parents: [CommitID] = [
  "2222222222222222222222222222222222222222", "3333333333333333333333333333333333333333",
]

private func merge(_ subject: String, branches: [String] = []) -> CommitOrigin {
  CommitOrigin(commit: head, parents: parents, subject: subject, branches: branches)
}

@Test(
  arguments: [
    ("Merge branch 'fix/7-typo'", "fix/7-typo"),
    ("Merge branch 'fix/7-typo' into 'main'", "fix/7-typo"),
    ("Merge remote-tracking branch 'origin/fix/7-typo'", "fix/7-typo"),
    ("Merge pull request #12 from ana/fix/7-typo", "fix/7-typo"),
    ("Merge pull request 'Typo from 1999' (#12) from fix/7-typo into main", "fix/7-typo"),
    ("Merge branch 'unclosed", nil), ("Merge pull request #12", nil),
    ("Merge pull request #12 from", nil), ("Typos", nil), ("", nil),
  ] as [(String, String?)])
func aMergeSaysWhichBranchItMerged(_ subject: String, _ branch: String?) {
  #expect(BranchPolicy().branch(of: merge(subject)) == branch)
}

@Test func aBranchThatIsThereCountsMoreThanAMessage() throws {
  let policy = BranchPolicy(pattern: try BranchPattern("fix/.+"))
  let origin = merge("Merge branch 'fix/other'", branches: ["archive/x", "fix/7", "fix/8"])
  #expect(policy.branch(of: origin) == "fix/7")
  // What was made on the branch itself has no branch to come from, whatever its message says.
  let direct = CommitOrigin(
    commit: head, parents: [parents[0]], subject: "Merge branch 'fix/7'")
  #expect(policy.branch(of: direct) == nil)
}

@Test func everyCommitOfAPushIsLookedAtOldestFirst() throws {
  let policy = try BranchPolicy(
    PolicySpec(branchNames: "fix/.+", deniesDirectCommits: true, example: "fix/x"))
  let direct = CommitOrigin(commit: parents[0], parents: [parents[1]], subject: "Sneaked in")
  let origins = [merge("Merge branch 'my-work'"), direct]
  let violations = policy.violations(of: origins, deployBranch: "main", isFirst: false)
  #expect(violations.map(\.rule) == [.directCommit, .branchName])
  #expect(violations.first?.what.contains("222222222222") == true)
  #expect(policy.violations(of: origins, deployBranch: "main", isFirst: true) == [])
}

@Test func whatIsNotSignedWellIsSaid() {
  var good = merge("a")
  good.signature = .good
  var missing = merge("b")
  missing.signature = .missing
  var bad = merge("c")
  bad.signature = .bad("gpg: Can't check\u{1B}[31m")
  let violations = BranchPolicy.unsigned([bad, missing, good, merge("not asked")])
  #expect(violations.count == 2)
  #expect(violations.allSatisfy { $0.rule == .signature })
  #expect(violations[0].what.hasSuffix("is not signed"))
  #expect(violations[0].nextStep.contains("git commit --amend"))
  #expect(violations[1].what.contains("Can't check?[31m"))
}
