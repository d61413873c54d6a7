import ControlProtocol
import Foundation
import Glibc
import LoadGenerator
import SegueModel
import Testing

/// The whole way, with everything real: Git, processes, the proxy, load on loopback.
@Suite(.serialized) struct CommitToLiveTests {
  private static let shop = Installation.packageRoot + "/Examples/shop"

  @Test func threeCommitsUnderLoad() async throws {
    try await withInstallation { segue in
      try await segue.makeRepository(copying: Self.shop)
      try await segue.start()
      let first = try await segue.push()
      #expect(first.status == 0)
      #expect(first.all.contains("is live"), "the push tells how it went: \(first.all)")

      let load = try segue.load(postPath: "/orders")
      try await segue.commit("A new version", ["VERSION": "2\n"])
      let good = try await segue.push()
      #expect(good.all.contains("is live"), "\(good.all)")

      try await segue.commit(
        "Break a test",
        ["shop/broken.py": "raise SystemError\n", "tests/test_broken.py": Self.failingTest])
      let refused = try await segue.push()
      #expect(refused.all.contains("refused"), "\(refused.all)")
      #expect(try await segue.decode(Receipt.self, "receipt").outcome == .refused)
      let report = await load.stop()
      #expect(report.failed == 0, "\(report.failures)")
      #expect(report.requests > 100)

      let status = try await segue.decode(StatusReply.self, "status")
      #expect(status.services.first?.rollout == nil)
      let receipts = try await segue.decode([HistoryEntry].self, "history")
      #expect(receipts.map(\.outcome) == ["refused", "live", "live"])
    }
  }

  private static let failingTest = """
    import unittest


    class Broken(unittest.TestCase):
        def test_that_fails(self):
            self.assertEqual(1, 2)

    """

  /// A tiny application with a switch for each way of going wrong.
  static func app(version: String, ready: Bool = true) -> [String: String] {
    [
      "segue.yaml": """
      version: 1
      project: tiny
      pipeline:
        - step: check
          run: python3 -m py_compile app.py
      services:
        web:
          run: python3 -u app.py
          instances: 2
          health: { path: /up, interval: 100ms }
          deadlines: { ready: 4s }

      """,
      "app.py": """
      import http.server, os, signal, sys, threading
      VERSION = "\(version)"
      READY = \(ready ? "True" : "False")

      class Handler(http.server.BaseHTTPRequestHandler):
          protocol_version = "HTTP/1.1"
          def answer(self):
              length = int(self.headers.get("Content-Length") or 0)
              body = self.rfile.read(length) or b"hello"
              up = self.path != "/up" or READY
              self.send_response(200 if up else 503)
              self.send_header("X-Version", VERSION)
              self.send_header("Content-Length", str(len(body)))
              self.end_headers()
              self.wfile.write(body)
          do_GET = do_POST = answer
          def log_message(self, *args):
              pass

      server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
      signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
      server.serve_forever()

      """,
    ]
  }

  @Test func aReleaseThatNeverGetsReadyIsRolledBackAndNoRequestNotices() async throws {
    try await withInstallation { segue in
      try await segue.makeRepository(Self.app(version: "1"))
      try await segue.start()
      _ = try await segue.push()
      let load = try segue.load()
      try await segue.commit("Never ready", Self.app(version: "2", ready: false))
      let push = try await segue.push()
      #expect(push.all.contains("503"), "the reason names the last answer: \(push.all)")
      let receipt = try await segue.decode(Receipt.self, "receipt")
      #expect(receipt.outcome == .rolledBack)
      let report = await load.stop()
      #expect(report.failed == 0, "\(report.failures)")
      #expect(Set(report.versions.map(\.version)) == ["1"], "nobody saw the bad one")
      let explain = try await segue.cli("explain")
      #expect(explain.all.contains("not live"))
    }
  }

  /// Any of the moments at which a control plane may die: the rollout ends the same.
  @Test func killingTheControlPlaneAtRandomMomentsLosesNothing() async throws {
    try await withInstallation { segue in
      try await segue.makeRepository(Self.app(version: "0"))
      try await segue.start()
      _ = try await segue.push()
      let load = try segue.load()
      var random = SystemRandomNumberGenerator()
      for round in 1...20 {
        try await segue.commit("Version \(round)", Self.app(version: "\(round)"))
        try await segue.git(
          "push", "--quiet", "--no-verify", "\(segue.state)/remote.git", "main:refs/heads/staged")
        // Without the hook's wait: the ref moves, and the daemon is killed while it works on it.
        _ = try await segue.run(
          [
            "git", "--git-dir", "\(segue.state)/remote.git", "update-ref", "refs/heads/main",
            "staged",
          ])
        let moment = Int.random(in: 0...2_500, using: &random)
        // pause: the moment of the crash is what is random here; nothing is waited for.
        try await Task.sleep(for: .milliseconds(moment))
        try await segue.killDaemon()
        try await segue.start()
        let head = try await segue.git("rev-parse", "HEAD").standardOutput
          .trimmingCharacters(in: .whitespacesAndNewlines)
        try await until(
          "version \(round) is live (killed after \(moment) ms)", deadline: .seconds(60)
        ) {
          let status = try await segue.decode(StatusReply.self, "status")
          let web = status.services.first
          return web?.live?.commit.rawValue == head && web?.rollout == nil
            && web?.instances.count == 2
        }
      }
      let report = await load.stop()
      #expect(report.failed == 0, "\(report.failures)")
    }
  }

  @Test func aKilledProxyIsBackWithItsTable() async throws {
    try await withInstallation { segue in
      try await segue.makeRepository(Self.app(version: "1"))
      try await segue.start()
      _ = try await segue.push()
      let before = try await segue.decode(StatusReply.self, "status")
      let pid = try #require(before.proxy.pid)
      let load = try segue.load()
      kill(pid, SIGKILL)
      try await until("the proxy answers again", deadline: .seconds(10)) {
        let answer = try await segue.run(["curl", "-sS", "-m", "2", segue.url])
        return answer.standardOutput == "hello"
      }
      let report = await load.stop()
      #expect(report.failed <= Installation.loadConnections, "\(report.failures)")
      #expect(
        !report.failures.contains { $0.kind == .refused },
        "new connections wait in the queue of the socket: \(report.failures)")
      let after = try await segue.decode(StatusReply.self, "status")
      #expect(after.proxy.pid != pid)
    }
  }
}
