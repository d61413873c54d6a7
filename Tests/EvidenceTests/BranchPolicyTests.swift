import SegueModel
import Testing

@testable import Evidence

private let commit = CommitID("0123456789abcdef0123456789abcdef01234567")
private let parent = CommitID("89abcdef0123456789abcdef0123456789abcdef")

@Test(
  arguments: [
    ("a", "a", true), ("a", "b", false), ("a", "aa", false), ("^a$", "a", true), ("a*", "", true),
    ("a*", "aaa", true), ("a+", "", false), ("a?b", "b", true), ("a|bc", "bc", true),
    ("a|bc|d", "d", true), ("(a|b)+c", "ababc", true), ("(a|b)+c", "abab", false),
    ("[a-c]{2}", "ab", true), ("[a-c]{2}", "abc", false), ("x{2,}", "xxxx", true),
    ("x{2,}", "x", false), ("x{1,3}", "xxxx", false), ("x{0}y", "y", true), (".", "/", true),
    ("[^/]+", "a/b", false), ("[^/]+/.+", "fix/x", true), (#"\d+"#, "123", true),
    (#"\w+"#, "a_1", true), (#"\."#, ".", true), (#"\."#, "x", false), ("[]a]+", "]a", true),
    ("[a-]+", "a-", true), (#"[\d.]+"#, "1.2", true), ("(?:ab)*", "abab", true), ("", "", nil),
    ("ü+", "üü", true), ("(a*)*", "aaa", true), ("(a|)+b", "aab", true), ("a||b", "", true),
  ] as [(String, String, Bool?)])
func patternsMatchWholeNames(pattern: String, name: String, matches: Bool?) {
  let result = (try? BranchPattern(pattern)).map { $0.match(name) != nil }
  #expect(result == matches)
}

@Test(
  arguments: [
    ("SHOP-12-faster", "SHOP-12"), ("SHOP-1", "SHOP-1"), ("fix/SHOP-7", "SHOP-7"),
    ("feature/CART_2-33-x-1", "CART_2-33"), ("main", nil), ("SHOP-", nil),
  ] as [(String, String?)])
func theIssueIsFoundInTheName(name: String, issue: String?) throws {
  let pattern = try BranchPattern(#"((fix|feature)/)?(?<issue>[A-Z][A-Z0-9_]+-\d+)(-[a-z0-9-]+)?"#)
  #expect(pattern.hasIssue)
  #expect(pattern.match(name)?.issue == issue)
}

@Test(arguments: [
  ("", 0), ("(a", 0), ("a)", 1), ("[a", 0), ("*a", 0), ("a**", 2), ("a{2", 1), ("a{3,2}", 1),
  ("a{101}", 1), ("(?<name>a)", 0), ("(?<issue>a)(?<issue>b)", 11), ("(?=a)", 0), (#"a\"#, 1),
  (#"\b"#, 0), (#"(a)\1"#, 3), ("a^b", 1), ("a$b", 1), ("[z-a]", 1),
  (String(repeating: "a", count: 201), 200), ("((a{100}){100}){100}", 1),
  (String(repeating: "(", count: 30), 20),
])
func aWrongPatternIsRefusedWithItsPlace(pattern: String, offset: Int) {
  let fault = #expect(throws: PatternFault.self) { try BranchPattern(pattern) }
  #expect(fault?.offset == offset)
}

/// Patterns by which backtracking matchers take longer than the universe has.
@Test(arguments: ["(a+)+b", "(a|a)*b", "(a|aa)+b", "(.*)*x", "(a?){60}a{60}b", "((a*)*)*b"])
func noPatternTakesLong(pattern: String) throws {
  let pattern = try BranchPattern(pattern)
  let clock = ContinuousClock()
  let took = clock.measure {
    #expect(pattern.match(String(repeating: "a", count: BranchPattern.nameLimit)) == nil)
  }
  #expect(took < .seconds(5))
}

@Test func aNameThatIsTooLongFitsNothing() throws {
  #expect(try BranchPattern(".*").match(String(repeating: "a", count: 251)) == nil)
}

private func policy() throws -> BranchPolicy {
  BranchPolicy(
    pattern: try BranchPattern(#"(?<issue>SHOP-\d+)(-.+)?|release/.+"#),
    forbidsDirectCommits: true, needsOpenIssue: true, example: "SHOP-12-faster-checkout")
}

@Test(
  arguments: [
    ("SHOP-1-x", 2, false, IssueState.open, []),
    ("SHOP-1-x", 1, true, .open, []),
    ("SHOP-1-x", 1, false, .open, [.directCommit]),
    ("main", 1, false, nil, [.directCommit]),
    (nil, 1, false, nil, [.directCommit]),
    ("faster", 2, false, .open, [.branchName]),
    ("faster", 1, false, .open, [.directCommit, .branchName]),
    ("SHOP-1-x", 2, false, .closed, [.issueClosed]),
    ("SHOP-1-x", 1, false, .closed, [.directCommit, .issueClosed]),
    ("SHOP-1-x", 2, false, .missing, [.issueMissing]),
    ("release/1", 2, false, nil, [.issueMissing]),
    ("SHOP-1-x", 2, false, .unreachable("it answered 500"), [.trackerUnreachable]),
    ("SHOP-1-x", 2, false, nil, [.trackerUnreachable]),
  ] as [(String?, Int, Bool, IssueState?, [PolicyViolation.Rule])])
func everythingThatStopsACommitIsListed(
  branch: String?, parents: Int, isReviewed: Bool, issue: IssueState?,
  rules: [PolicyViolation.Rule]
) throws {
  let violations = try policy().violations(
    of: ProposedCommit(
      commit: commit, parents: Array(repeating: parent, count: parents), branch: branch,
      review: isReviewed ? .approved(request: "#1", branch: branch ?? "") : nil, issue: issue),
    deployBranch: "main")
  #expect(violations.map(\.rule) == rules)
}

@Test func aNewcomerReadsWhatToDo() throws {
  let violations = try policy().violations(
    of: ProposedCommit(commit: commit, parents: [parent], branch: "fast\u{1B}[31mer"),
    deployBranch: "main")
  #expect(
    violations.map(\.description) == [
      "commit 0123456789ab was made on main itself, and only merges and heads of reviewed branches "
        + "may come there. Push it to a branch of its own (git push origin "
        + "0123456789ab:refs/heads/SHOP-12-faster-checkout), have it reviewed, and merge it; if a "
        + "forge squashed or rebased it, name the forge under `forge` in segue.yaml, with a `token`, "
        + "so that Segue can ask it",
      #"the branch 'fast?[31mer' is not called as branches are here "#
        + #"((?<issue>SHOP-\d+)(-.+)?|release/.+). Give it another name, such as "#
        + "SHOP-12-faster-checkout (git branch -m SHOP-12-faster-checkout), and push that",
    ])
}
