import Foundation
import Ports
import ReceiverProcess
import SegueModel
import Testing

@testable import ForgeLink

private let token = "token-of-tests"
private let commit = CommitID("0123456789abcdef0123456789abcdef01234567")

struct RealTime: TimeSource {
  func now() -> Instant {
    Instant(milliseconds: Int64(Date.now.timeIntervalSince1970 * 1_000))
  }
  func sleep(for span: Milliseconds) async throws {
    let deadline = span.duration
    try await Task.sleep(for: deadline)
  }
}

private func base(_ kind: TrackerKind, _ port: Int) -> String {
  let path =
    switch kind {
    case .gitHub: "github"
    case .gitLab: "gitlab/api/v4"
    case .gitea: "gitea/api/v1/"
    case .jira: "jira"
    }
  return "http://127.0.0.1:\(port)/\(path)"
}

private func withForge(
  _ kind: TrackerKind, login: ForgeAccount.Login = .token(Secret(token)),
  deadline: Milliseconds = .seconds(10), _ body: (ForgeClient, Receiver) async throws -> Void
) async throws {
  try await Receiver.with("forge-api.py", []) { receiver in
    let account = try ForgeAccount(kind: kind, base: base(kind, receiver.port), login: login)
    let client = ForgeClient(account, time: RealTime(), deadline: deadline)
    let result: Result<Void, any Error>
    do { result = .success(try await body(client, receiver)) } catch { result = .failure(error) }
    await client.shutdown()
    try result.get()
  }
}

private func key(_ number: Int, _ kind: TrackerKind) -> String {
  kind == .jira ? "SHOP-\(number)" : "\(number)"
}

@Test(arguments: TrackerKind.allCases)
func anIssueIsOpenClosedMissingOrCannotBeAskedFor(kind: TrackerKind) async throws {
  try await withForge(kind, deadline: .seconds(8)) { client, _ in
    func ask(_ number: Int) async -> IssueAnswer {
      await client.issue(key(number, kind), in: "acme/shop")
    }
    for (number, isOpen) in [(1, true), (2, false)] {
      guard case .found(let issue) = await ask(number) else { throw TooLate(what: "\(number)") }
      #expect(issue.title == "Issue \(number)")
      #expect(issue.isOpen == isOpen)
      #expect(kind == .jira || issue.link?.hasSuffix("issues/\(number)") == true)
    }
    #expect(await ask(3) == .missing)
    #expect(await ask(500) == .unreachable("it answered 500"))
    #expect(await ask(302) == .unreachable("it answered 302"))
    #expect(await ask(200) == .unreachable("its answer is not that of an issue"))
    #expect(await ask(408) == .unreachable("it did not answer within 8 s"))
  }
}

/// What a forge squashed or rebased is in no merge: only the forge knows where it comes from.
@Test(arguments: [TrackerKind.gitHub, .gitLab, .gitea])
func aCommitBelongsToARequestThatWasReviewedOrNot(kind: TrackerKind) async throws {
  try await withForge(kind, deadline: .seconds(60)) { client, _ in
    func ask(_ letter: Character) async -> RequestAnswer {
      await client.mergedRequest(
        of: CommitID(String(repeating: letter, count: 40)), into: "main", in: "acme/shop")
    }
    let sign = kind == .gitLab ? "!" : "#"
    #expect(
      await ask("a")
        == .merged(MergedRequest(name: sign + "12", branch: "feature/1", isApproved: true)))
    #expect(
      await ask("b")
        == .merged(MergedRequest(name: sign + "13", branch: "feature/1", isApproved: false)))
    #expect(await ask("c") == .none, "it was merged into another branch")
    #expect(await ask("d") == .unreachable("it answered 502"))
    #expect(await ask("e") == .none)
  }
  try await withForge(kind, login: .token(Secret("another")), deadline: .seconds(60)) { client, _ in
    #expect(
      await client.mergedRequest(of: commit, into: "main", in: "acme/shop")
        == .unreachable("it refused the token, or too many questions (401)"))
  }
}

@Test func aWrongTokenSaysNothingAboutTheIssue() async throws {
  try await withForge(.gitea, login: .token(Secret("another"))) { client, _ in
    #expect(
      await client.issue("1", in: "acme/shop")
        == .unreachable("it refused the token, or too many questions (401)"))
  }
  try await withForge(.jira, login: .basic(user: "ada", Secret(token))) { client, _ in
    guard case .found = await client.issue("shop-1", in: "") else {
      throw TooLate(what: "not found")
    }
  }
}

@Test func aTrackerThatIsDownIsNotAMissingIssue() async throws {
  // Port 1 of the loopback: nobody listens there.
  let account = try ForgeAccount(
    kind: .gitHub, base: "http://127.0.0.1:1", login: .token(Secret(token)))
  let client = ForgeClient(account, time: RealTime())
  let answer = await client.issue("1", in: "acme/shop")
  await client.shutdown()
  #expect(answer == .unreachable("no connection could be made (error 111)"))
}

@Test(arguments: TrackerKind.allCases)
func statusesAndCommentsGoWhereTheForgeExpectsThem(kind: TrackerKind) async throws {
  try await withForge(kind) { client, receiver in
    let status = CommitStatus(
      state: .failure, context: "segue/production", text: String(repeating: "x", count: 300),
      link: "https://segue.example/1")
    if kind != .jira {
      try await client.set(status, on: commit, in: "acme/shop")
      let body = try #require(receiver.lines.last?.body)
      #expect(body.contains(kind == .gitLab ? "\"state\":\"failed\"" : "\"state\":\"failure\""))
      #expect(body.contains("segue/production") && body.contains("https://segue.example/1"))
      #expect(!body.contains(String(repeating: "x", count: 141)))
    }
    try await client.comment("It is live.", onIssue: key(1, kind), in: "acme/shop")
    #expect(receiver.lines.last?.body.contains("It is live.") == true)
    switch kind {
    case .gitHub, .gitLab: try await client.comment("Live.", on: commit, in: "acme/shop")
    case .gitea, .jira:
      await #expect(throws: PortError.self) {
        try await client.comment("Live.", on: commit, in: "acme/shop")
      }
    }
    guard kind != .jira else { return }
    let other = await #expect(throws: PortError.self) {
      try await client.comment("Live.", onIssue: key(1, kind), in: "acme/../x")
    }
    #expect(other?.retry == .never)
  }
}

@Test func gitLabsRefusalOfAStatusThatItHasIsNoFailure() async throws {
  try await withForge(.gitLab) { client, _ in
    let status = CommitStatus(state: .pending, context: "segue", text: "again")
    try await client.set(status, on: commit, in: "acme/shop")
  }
}

@Test func aRefusedTokenIsTheUsersToPutRight() async throws {
  try await withForge(.gitHub, login: .token(Secret("another"))) { client, _ in
    let error = await #expect(throws: PortError.self) {
      try await client.comment("x", onIssue: "1", in: "acme/shop")
    }
    #expect(error?.fault == .user)
    #expect(error?.description.contains("another") == false)
  }
}

@Test func answersAreRememberedForAShortTimeAndInBoundedMemory() {
  let now = Instant(milliseconds: 1_800_000_000_000)
  var cache = IssueCache()
  func issue(_ isOpen: Bool) -> IssueAnswer {
    .found(Issue(key: "1", title: "", isOpen: isOpen, link: nil))
  }
  for (answer, seconds) in [
    (issue(true), 60), (issue(false), 10), (.missing, 10), (.unreachable("down"), 5),
  ] as [(IssueAnswer, Int64)] {
    cache.keep(answer, for: "1", at: now)
    #expect(cache.answer("1", at: now + .seconds(seconds - 1)) == answer)
    #expect(cache.answer("1", at: now + .seconds(seconds)) == nil)
    #expect(cache.answer("1", at: now + .seconds(-1)) == nil, "the clock was set back")
  }
  for number in 0..<5_000 { cache.keep(.missing, for: "\(number)", at: now) }
  #expect((0..<5_000).count { cache.answer("\($0)", at: now) != nil } <= IssueCache.capacity)
}

@Test func whatIsAskedAgainAtOnceIsAskedOnce() async throws {
  try await withForge(.gitHub) { client, receiver in
    let tracker = IssueTracker(client, time: RealTime())
    for _ in 0..<5 { _ = await tracker.issue("#1", in: "acme/shop") }
    #expect(receiver.lines.count == 1)
  }
}

@Test(
  arguments: [
    ("1", TrackerKind.gitHub, "1"), ("#12", .gitea, "12"), ("0", .gitHub, nil),
    ("-1", .gitLab, nil),
    ("1/../2", .gitHub, nil), ("", .gitHub, nil), ("99999999999", .gitHub, nil),
    ("SHOP-12", .jira, "SHOP-12"), ("shop-12", .jira, "SHOP-12"), ("SHOP", .jira, nil),
    ("SHOP-", .jira, nil), ("SHOP-1-2", .jira, nil), ("S-1", .jira, nil), ("SHOP-1/x", .jira, nil),
  ] as [(String, TrackerKind, String?)])
func whatIsNoKeyIsNotAskedFor(text: String, kind: TrackerKind, path: String?) {
  #expect(IssueKey.path(text, at: kind) == path)
}

@Test(arguments: [
  "", "github.example", "http://github.example", "https://user:x@github.example",
  "https://github.example?x", "ftp://github.example",
])
func whatCouldShowTheTokenIsNoAddress(base: String) {
  #expect(throws: PortError.self) {
    try ForgeAccount(kind: .gitHub, base: base, login: .token(Secret(token)))
  }
}
