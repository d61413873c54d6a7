import ControlProtocol
import Foundation
import ReceiverProcess
import SegueModel
import Testing

/// People, policies and forges: real receivers, real pushes, and a control plane that is killed.
@Suite(.serialized) struct OutreachTests {
  private static let key = "whsec_" + Data(repeating: 7, count: 32).base64EncodedString()

  /// An application of one instance. `broken`: it is never ready.
  private static func app(_ outreach: String, broken: Bool = false) -> [String: String] {
    [
      "segue.yaml": """
      version: 1
      project: tiny
      services:
        web:
          run: python3 -u app.py
          health: { path: /up, interval: 100ms }
          deadlines: { ready: \(broken ? "2s" : "60s") }
      \(outreach)

      """,
      "app.py": """
      import http.server, os
      class Handler(http.server.BaseHTTPRequestHandler):
          def do_GET(self):
              self.send_response(\(broken ? 503 : 200))
              self.send_header("Content-Length", "2")
              self.end_headers()
              self.wfile.write(b"ok")
      http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()

      """,
    ]
  }

  /// What arrived, in order, each notice once.
  private static func kinds(_ receiver: Receiver) -> [String] {
    struct Body: Decodable {
      struct Item: Decodable {
        var id: String
        var kind: String
      }
      var notices: [Item]
    }
    var seen: Set<String> = []
    return receiver.accepted.flatMap { line in
      let body = try? JSONDecoder().decode(Body.self, from: Data(line.body.utf8))
      return (body?.notices ?? []).filter { seen.insert($0.id).inserted }.map(\.kind)
    }
  }

  @Test func signedWebhooksArriveInOrderAcrossAKilledControlPlane() async throws {
    // Failing at first, so that what was promised is still waiting when the daemon is killed.
    try await Receiver.with(
      "webhook-receiver.py", [Self.key, "500", "503"]
    ) { receiver in
      try await withInstallation { segue in
        try segue.setSecret("HOOK", "http://127.0.0.1:\(receiver.port)/hook")
        try segue.setSecret("HOOK_KEY", Self.key)
        try segue.setSecret("CLOSED", "http://127.0.0.1:\(try Installation.freePort())/")
        let notify = """
          notify:
            ops: { webhook: { address: HOOK, key: HOOK_KEY } }
            gone: { slack: NOWHERE }
            closed: { slack: CLOSED }
          """
        try await segue.makeRepository(Self.app(notify))
        try await segue.start()
        #expect(try await segue.push().status == 0)
        try await segue.killDaemon()
        try await segue.start()
        try await segue.commit("Break it", Self.app(notify, broken: true))
        #expect(try await segue.push().all.contains("was rolled back"))
        try await until("everything is told", deadline: .seconds(90)) {
          Self.kinds(receiver).contains("rolled-back")
        }
        #expect(
          Self.kinds(receiver)
            == ["rollout-began", "rollout-finished", "rollout-began", "rolled-back"])
        #expect(receiver.lines.allSatisfy { $0.verified == true })
        let status = try await segue.decode(StatusReply.self, "status")
        #expect(
          status.problems.contains { $0.hasPrefix("channel closed: no connection could be made") })
        #expect(
          status.problems.contains { $0.hasPrefix("channel gone: the secret NOWHERE is not there") }
        )
      }
    }
  }

  @Test func peopleGetMail() async throws {
    try await Receiver.with(
      "smtp-receiver.py", [FileManager.default.temporaryDirectory.path, "plain", "open", "451"]
    ) { server in
      try await withInstallation { segue in
        let mail = "to: [ops@example.com], from: segue@example.com"
        let address = "server: 127.0.0.1, port: \(server.port), security: none"
        try await segue.makeRepository(
          Self.app(
            """
            notify:
              mail: { email: { \(mail), \(address) }, events: [rollout-finished] }
            """))
        try await segue.start()
        #expect(try await segue.push().status == 0)
        try await until("the mail arrives", deadline: .seconds(90)) { !server.accepted.isEmpty }
        let found = try #require(server.accepted.first)
        #expect(found.path == "ops@example.com")
        #expect(found.type == "Rollout finished: tiny production/web")
        #expect(found.body.contains("is live"))
        #expect(server.lines.first?.behaviour == "451", "it was tried again")
      }
    }
  }

  @Test func aPushAgainstThePolicyIsRefusedAndSaysWhatToDo() async throws {
    try await Receiver.with("forge-api.py", []) { tracker in
      try await withInstallation { segue in
        try segue.setSecret("TRACKER", "token-of-tests")
        let policy = """
          policy:
            branch-names: "(feature|fix)/(?<issue>[0-9]+)-[a-z-]+"
            direct-commits: deny
            example: feature/1-faster-checkout
            issues: { tracker: gitea, url: "http://127.0.0.1:\(tracker.port)/gitea/api/v1", repository: acme/shop, token: TRACKER }
          """
        try await segue.makeRepository(Self.app(policy))
        try await segue.start()
        // Nothing was there before: it can come from no branch.
        #expect(try await segue.push().status == 0)
        func push(_ branch: String) async throws -> Installation.Output {
          try await segue.run(
            ["git", "push", "\(segue.state)/remote.git", branch], in: segue.repository)
        }
        try await segue.commit("Directly", ["README": "one"])
        let direct = try await push("main")
        #expect(direct.status != 0)
        #expect(direct.all.contains("was made on main itself"))
        #expect(direct.all.contains("have it reviewed, and merge it"))
        try await segue.git("checkout", "--quiet", "-b", "my-work")
        let named = try await push("my-work")
        #expect(named.status != 0)
        #expect(named.all.contains("the branch 'my-work' is not called as branches are here"))
        #expect(named.all.contains("git branch -m feature/1-faster-checkout"))
        try await segue.git("branch", "-m", "fix/2-closed")
        #expect(try await push("fix/2-closed").all.contains("issue 2 is closed"))
        try await segue.git("branch", "-m", "fix/500-tracker-breaks")
        let unknown = try await push("fix/500-tracker-breaks")
        #expect(unknown.status == 0, "that the tracker is down says nothing of the branch")
        #expect(unknown.all.contains("the tracker could not be asked"))
        try await segue.git("branch", "-m", "feature/1-good")
        #expect(try await push("feature/1-good").status == 0)
        try await segue.git("checkout", "--quiet", "main")
        try await segue.git("reset", "--quiet", "--hard", "HEAD~1")
        try await segue.git("merge", "--quiet", "--no-ff", "--no-edit", "feature/1-good")
        let merged = try await push("main")
        #expect(merged.status == 0, "\(merged.all)")
        #expect(merged.all.contains("is live"), "\(merged.all)")
      }
    }
  }

  @Test func aWebhookOfTheForgeStartsAtOnceAndTheForgeIsTold() async throws {
    try await Receiver.with("forge-api.py", []) { forge in
      try await withInstallation { segue in
        try segue.setSecret("FORGE_TOKEN", "token-of-tests")
        try segue.setSecret("FORGE_HOOK", "0123456789abcdef0123456789abcdef")
        let address = "http://127.0.0.1:\(forge.port)/gitea/api/v1"
        try await segue.makeRepository(
          Self.app(
            """
            policy: { branch-names: "feature/(?<issue>[0-9]+)" }
            forge: { kind: gitea, url: "\(address)", repository: acme/shop, token: FORGE_TOKEN, webhook-secret: FORGE_HOOK }
            """))
        let port = try Installation.freePort()
        try await segue.start(
          source: segue.repository,
          arguments: ["--poll-interval", "60m", "--webhooks", "127.0.0.1:\(port)"])
        try await until("the first is live", deadline: .seconds(60)) {
          try await segue.decode(StatusReply.self, "status").services.first?.live != nil
        }
        try await segue.git("checkout", "--quiet", "-b", "feature/1")
        try await segue.commit("Feature", ["README": "one"])
        try await segue.git("checkout", "--quiet", "main")
        try await segue.git("merge", "--quiet", "--no-ff", "--no-edit", "feature/1")
        let head = try await segue.git("rev-parse", "HEAD").standardOutput
          .trimmingCharacters(in: .newlines)
        #expect(try await Self.deliver(segue, port, signedWith: "f" + "0123456789abcdef") == "401")
        let key = "0123456789abcdef0123456789abcdef"
        #expect(try await Self.deliver(segue, port, signedWith: key) == "202")
        try await until("it is live", deadline: .seconds(60)) {
          let status = try await segue.decode(StatusReply.self, "status")
          return status.services.first?.live?.commit.rawValue == head
        }
        try await until("the forge knows", deadline: .seconds(90)) {
          forge.lines.contains { $0.path?.hasSuffix("/issues/1/comments") == true }
        }
        // A changed secret counts from the next request on.
        let other = String(key.reversed())
        try segue.setSecret("FORGE_HOOK", other)
        #expect(try await Self.deliver(segue, port, signedWith: key) == "401")
        #expect(try await Self.deliver(segue, port, signedWith: other) == "202")
        let told = forge.lines.filter { $0.path?.hasSuffix("/statuses/\(head)") == true }
          .map(\.body)
        #expect(told.first?.contains("\"state\":\"pending\"") == true, "\(told)")
        #expect(told.last?.contains("\"state\":\"success\"") == true, "\(told)")
        #expect(told.contains { $0.contains("segue/production/web") })
      }
    }
  }

  /// The forge squashes: its commit has one parent, and only the forge knows that it was reviewed.
  @Test func aSquashedCommitIsTakenWhenTheForgeKnowsItsReview() async throws {
    try await Receiver.with("forge-api.py", []) { forge in
      try await withInstallation { segue in
        // Wrong at first: a token that is put right counts without a restart.
        try segue.setSecret("FORGE_TOKEN", "outdated")
        let address = "http://127.0.0.1:\(forge.port)/gitea/api/v1"
        try await segue.makeRepository(
          Self.app(
            """
            policy: { direct-commits: deny, branch-names: "feature/(?<issue>[0-9]+)" }
            forge: { kind: gitea, url: "\(address)", repository: acme/shop, token: FORGE_TOKEN }
            """))
        try await segue.start(source: segue.repository)
        try await until("the first is live", deadline: .seconds(90)) {
          try await segue.decode(StatusReply.self, "status").services.first?.live != nil
        }
        try await segue.commit("Squashed (#12)", ["README": "one"])
        let head = try await segue.git("rev-parse", "HEAD").standardOutput
          .trimmingCharacters(in: .newlines)
        let told = try await segue.run([
          "curl", "-sS", "-X", "POST", "http://127.0.0.1:\(forge.port)/known/\(head)/aaaa",
        ])
        #expect(told.status == 0, "\(told.all)")
        try await until("it waits", deadline: .seconds(90)) {
          try await segue.decode(StatusReply.self, "status").problems.contains {
            $0.contains("was reviewed is not known yet") && $0.contains("it refused the token")
          }
        }
        try segue.setSecret("FORGE_TOKEN", "token-of-tests")
        try await until("it is live", deadline: .seconds(90)) {
          let status = try await segue.decode(StatusReply.self, "status")
          return status.services.first?.live?.commit.rawValue == head
        }
        try await segue.commit("Made on main", ["README": "two"])
        try await until("it is refused", deadline: .seconds(90)) {
          try await segue.cli("explain").all.contains("the forge knows no merged request")
        }
      }
    }
  }

  /// The same at the push to Segue's own repository.
  @Test func aPushOfASquashedCommitIsTakenWhenTheForgeKnowsItsReview() async throws {
    try await Receiver.with("forge-api.py", []) { forge in
      try await withInstallation { segue in
        try segue.setSecret("FORGE_TOKEN", "token-of-tests")
        let address = "http://127.0.0.1:\(forge.port)/github"
        try await segue.makeRepository(
          Self.app(
            """
            policy: { direct-commits: deny, branch-names: "feature/(?<issue>[0-9]+)" }
            forge: { kind: github, url: "\(address)", repository: acme/shop, token: FORGE_TOKEN }
            """))
        try await segue.start()
        #expect(try await segue.push().status == 0)
        try await segue.commit("Squashed (#12)", ["README": "one"])
        let refused = try await segue.push()
        #expect(refused.status != 0)
        #expect(refused.all.contains("the forge knows no merged request"), "\(refused.all)")
        let head = try await segue.git("rev-parse", "HEAD").standardOutput
          .trimmingCharacters(in: .newlines)
        for (kind, status, words) in [
          ("bbbb", 1, "came by request #13, which nobody but its author had approved"),
          ("aaaa", 0, "is live"),
        ] as [(String, Int32, String)] {
          let known = try await segue.run([
            "curl", "-sS", "-X", "POST", "http://127.0.0.1:\(forge.port)/known/\(head)/\(kind)",
          ])
          #expect(known.status == 0, "\(known.all)")
          let push = try await segue.push()
          #expect(push.status == status, "\(kind): \(push.all)")
          #expect(push.all.contains(words), "\(kind): \(push.all)")
        }
        try await until("it is live", deadline: .seconds(90)) {
          let status = try await segue.decode(StatusReply.self, "status")
          return status.services.first?.live?.commit.rawValue == head
        }
      }
    }
  }

  /// What waited for the address that was wrong goes to the one that is right.
  @Test func aChangedSecretOfAChannelCountsWithoutARestart() async throws {
    try await Receiver.with("webhook-receiver.py", [Self.key]) { receiver in
      try await withInstallation { segue in
        try segue.setSecret("HOOK", "http://127.0.0.1:\(try Installation.freePort())/hook")
        try segue.setSecret("HOOK_KEY", Self.key)
        try await segue.makeRepository(
          Self.app(
            """
            teams:
              product:
                members: [ana]
                services: [web]
                notify: { webhook: { address: HOOK, key: HOOK_KEY } }
            """))
        try await segue.start()
        #expect(try await segue.push().status == 0)
        try await until("nobody is there", deadline: .seconds(90)) {
          try await segue.decode(StatusReply.self, "status").problems.contains {
            $0.hasPrefix("channel team-product: no connection could be made")
          }
        }
        try segue.setSecret("HOOK", "http://127.0.0.1:\(receiver.port)/hook")
        try await until("it is told", deadline: .seconds(90)) {
          Self.kinds(receiver) == ["rollout-began", "rollout-finished"]
        }
        #expect(receiver.lines.allSatisfy { $0.verified == true })
        try await until("nothing is wrong any more", deadline: .seconds(90)) {
          try await segue.decode(StatusReply.self, "status").problems.isEmpty
        }
      }
    }
  }

  /// Sends what Gitea sends after a push; the answer's status.
  private static func deliver(
    _ segue: Installation, _ port: Int, signedWith key: String
  ) async throws -> String {
    let body = segue.root + "/push.json"
    try """
    {"ref": "refs/heads/main", "repository": {"full_name": "acme/shop"}, "pusher": {"login": "ana"}}
    """.write(toFile: body, atomically: true, encoding: .utf8)
    let digest = try await segue.run(["openssl", "dgst", "-sha256", "-hmac", key, "-r", body])
    let signature = digest.standardOutput.prefix(64)
    let answer = try await segue.run([
      "curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}",
      "--data-binary", "@\(body)", "--header", "Content-Type: application/json",
      "--header", "X-Gitea-Event: push", "--header", "X-Gitea-Signature: \(signature)",
      "http://127.0.0.1:\(port)/",
    ])
    return answer.standardOutput
  }
}
