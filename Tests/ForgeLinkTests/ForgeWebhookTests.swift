import Crypto
import Foundation
import Ports
import SegueModel
import Testing
import WebhookSigning

@testable import ForgeLink

private let secret = Secret("It's a Secret to Everybody")
private let now = Instant(milliseconds: 1_800_000_000_000)
private let one = "0123456789abcdef0123456789abcdef01234567"
private let two = "89abcdef0123456789abcdef0123456789abcdef"
private let zero = String(repeating: "0", count: 40)

private func hex(_ body: String, _ secret: Secret = secret) -> String {
  HMAC<SHA256>.authenticationCode(
    for: Data(body.utf8), using: SymmetricKey(data: Data(secret.reveal().utf8))
  ).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

private func read(
  _ forge: ForgeKind, _ event: String, _ body: String, changing: [String: String?] = [:],
  secrets: [Secret] = [secret]
) throws -> ForgeDelivery {
  var headers: [String: String] = ["Content-Type": "application/json"]
  switch forge {
  case .gitHub:
    headers["X-GitHub-Event"] = event
    headers["X-GitHub-Delivery"] = "d-1"
    headers["X-Hub-Signature-256"] = "sha256=" + hex(body)
  case .gitea:
    headers["X-Gitea-Event"] = event
    headers["X-Gitea-Delivery"] = "d-1"
    headers["X-Gitea-Signature"] = hex(body)
  case .gitLab:
    headers["X-Gitlab-Event"] = event
    headers["X-Gitlab-Event-UUID"] = "d-1"
    headers["X-Gitlab-Token"] = secret.reveal()
  }
  for (name, value) in changing { headers[name] = value }
  return try ForgeWebhook(forge: forge, secrets: secrets).read(
    headers: headers.map { ($0.key, $0.value) }, body: Array(body.utf8), at: now)
}

private func hubPush(_ ref: String, _ before: String, _ after: String) -> String {
  """
  {"ref": "\(ref)", "before": "\(before)", "after": "\(after)", "deleted": \(after == zero),
   "repository": {"id": 1, "full_name": "acme/shop", "owner": {"login": "acme"}},
   "pusher": {"name": "ada", "email": "ada@shop.example"}, "sender": {"login": "ada"}, "commits": []}
  """
}

private func labPush(_ kind: String, _ ref: String, _ before: String, _ after: String) -> String {
  """
  {"object_kind": "\(kind)", "event_name": "\(kind)", "before": "\(before)", "after": "\(after)",
   "ref": "\(ref)", "user_id": 4, "user_name": "Ada", "user_username": "ada", "project_id": 15,
   "project": {"id": 15, "path_with_namespace": "acme/group/shop"}, "commits": []}
  """
}

private func notice(
  _ old: String?, _ new: String?, ref: String = "refs/heads/main", repository: String = "acme/shop",
  cause: PushNotice.Cause = .push
) -> ForgeEvent {
  .push(
    PushNotice(
      repository: repository, ref: ref, old: old.map { CommitID($0) },
      new: new.map { CommitID($0) }, pusher: "ada", cause: cause))
}

private let merge = """
  {"action": "closed", "number": 2, "pull_request": {"merged": true, "merge_commit_sha": "\(two)",
   "base": {"ref": "main"}}, "repository": {"full_name": "acme/shop"}, "sender": {"login": "ada"}}
  """
private let labMerge = """
  {"object_kind": "merge_request", "user": {"username": "ada", "name": "Ada"},
   "project": {"path_with_namespace": "acme/group/shop"},
   "object_attributes": {"action": "merge", "target_branch": "main", "merge_commit_sha": null,
   "last_commit": {"id": "\(two)"}}}
  """

@Test(arguments: [
  (ForgeKind.gitHub, "push", hubPush("refs/heads/main", one, two), notice(one, two)),
  (.gitHub, "push", hubPush("refs/heads/main", zero, two), notice(nil, two)),
  (.gitHub, "push", hubPush("refs/heads/main", one, zero), notice(one, nil)),
  (.gitHub, "ping", #"{"zen": "Keep it simple.", "hook_id": 1}"#, .ping),
  (.gitHub, "pull_request", merge, notice(nil, two, cause: .merge)),
  (
    .gitHub, "pull_request", merge.replacingOccurrences(of: "true", with: "false"),
    .ignored("pull_request")
  ),
  (.gitHub, "star", #"{"action": "created"}"#, .ignored("star")),
  (.gitea, "push", hubPush("refs/tags/v1", zero, two), notice(nil, two, ref: "refs/tags/v1")),
  (.gitea, "pull_request", merge, notice(nil, two, cause: .merge)),
  (
    .gitea, "delete",
    #"""
    {"ref": "old", "ref_type": "branch", "repository": {"full_name": "acme/shop"},
     "sender": {"login": "ada"}}
    """#, notice(nil, nil, ref: "refs/heads/old")
  ),
  (
    .gitLab, "Push Hook", labPush("push", "refs/heads/main", one, zero),
    notice(one, nil, repository: "acme/group/shop")
  ),
  (
    .gitLab, "Tag Push Hook", labPush("tag_push", "refs/tags/v1", zero, two),
    notice(nil, two, ref: "refs/tags/v1", repository: "acme/group/shop")
  ),
  (
    .gitLab, "Merge Request Hook", labMerge,
    notice(nil, two, repository: "acme/group/shop", cause: .merge)
  ),
  (.gitLab, "Issue Hook", #"{"object_kind": "issue"}"#, .ignored("issue")),
])
func whatForgesSayIsUnderstood(
  forge: ForgeKind, event: String, body: String, meaning: ForgeEvent
) throws {
  #expect(try read(forge, event, body).event == meaning)
}

/// The example of GitHub's documentation on validating deliveries.
@Test func theSignatureIsGitHubs() throws {
  let value = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
  let refusal = #expect(throws: WebhookRefusal.self) {
    try read(.gitHub, "push", "Hello, World!", changing: ["X-Hub-Signature-256": value])
  }
  #expect(refusal?.status == 400, "signed, and not JSON")
}

@Test(
  arguments: [
    (ForgeKind.gitHub, ["X-Hub-Signature-256": nil], 401),
    (.gitHub, ["X-Hub-Signature-256": "sha256=" + String(repeating: "0", count: 64)], 401),
    (.gitHub, ["X-Hub-Signature-256": "sha1=00"], 401),
    (.gitHub, ["Content-Type": "application/x-www-form-urlencoded"], 415),
    (.gitea, ["X-Gitea-Signature": nil], 401),
    (.gitea, ["X-Gitea-Signature": "xx"], 401),
    (.gitea, ["X-Forgejo-Signature": String(repeating: "a", count: 64)], 401),
    (.gitLab, ["X-Gitlab-Token": nil], 401),
    (.gitLab, ["X-Gitlab-Token": "It's a Secret to Everybod"], 401),
    (.gitLab, ["webhook-signature": "v1,AAAA"], 401),
  ] as [(ForgeKind, [String: String?], Int)])
func whatIsNotSignedIsRefused(forge: ForgeKind, changing: [String: String?], status: Int) throws {
  let body = hubPush("refs/heads/main", one, two)
  let refusal = #expect(throws: WebhookRefusal.self) {
    try read(forge, "push", body, changing: changing)
  }
  #expect(refusal?.status == status)
  #expect(refusal?.description.contains("Everybody") == false)
}

@Test(arguments: [
  "", "[]", "{", "{}", hubPush("main", one, two), hubPush("refs/heads/../x", one, two),
  hubPush("refs/heads/a\\nb", one, two), hubPush("refs/heads/main", one, "zz"),
  hubPush("refs/heads/main", "DEADBEEF", two),
  #"{"ref": "refs/heads/main", "before": null, "after": null, "repository": {"full_name": "x"}}"#,
  #"{"ref": 1}"#, String(repeating: "[", count: 100_000),
])
func whatIsSignedAndMakesNoSenseIsRefused(body: String) {
  let refusal = #expect(throws: WebhookRefusal.self) { try read(.gitHub, "push", body) }
  #expect(refusal?.status == 400)
}

@Test func aSignedGitLabWebhookCoversItsIdAndTime() throws {
  let key = Secret("whsec_c2VndWUtc2VndWUtc2VndWUtc2VndWUtc2VndWU=")
  let body = labPush("push", "refs/heads/main", one, two)
  let signature = try WebhookSignature([key]).sign(id: "g-1", at: now, body: Array(body.utf8))
  var headers: [String: String?] = [
    "webhook-signature": signature, "webhook-id": "g-1", "X-Gitlab-Token": nil,
    "webhook-timestamp": "1800000000",
  ]
  let delivery = try read(.gitLab, "Push Hook", body, changing: headers, secrets: [key])
  #expect(delivery.marks == ["id g-1"])
  headers["webhook-timestamp"] = "1799999000"
  #expect(throws: WebhookRefusal.self) {
    try read(.gitLab, "Push Hook", body, changing: headers, secrets: [key])
  }
}

@Test func aDeliveryCountsOnceAlsoWithAnotherId() throws {
  var memory = DeliveryMemory(capacity: 10)
  func admit(_ delivery: ForgeDelivery, at now: Instant) -> Bool {
    memory.admit(delivery, at: now)
  }
  let body = hubPush("refs/heads/main", one, two)
  let first = try read(.gitHub, "push", body)
  #expect(admit(first, at: now))
  #expect(!admit(first, at: now + .minutes(1)))
  let replayed = try read(.gitHub, "push", body, changing: ["X-GitHub-Delivery": "d-2"])
  #expect(!admit(replayed, at: now + .minutes(2)))
  #expect(admit(first, at: now + .minutes(25 * 60)))
  for number in 0..<1_000 {
    #expect(admit(ForgeDelivery(marks: ["id x\(number)"], event: .ping), at: now))
  }
}

@Test func aShortSecretIsRefused() {
  #expect(throws: WebhookRefusal.self) { try ForgeWebhook(forge: .gitHub, secrets: []) }
  #expect(throws: WebhookRefusal.self) {
    try ForgeWebhook(forge: .gitHub, secrets: [Secret("short")])
  }
}
