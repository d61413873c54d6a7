import ControlProtocol
import Foundation
import Glibc
import LoadGenerator
import SegueModel
import Testing

/// Instances that are reached otherwise than by a port of their own behind the proxy.
@Suite(.serialized) struct WaysInTests {
  private static let rounds = 10
  /// In these the control plane is killed while the rollout is under way.
  private static let kills: Set<Int> = [3, 6, 9]

  @Test func tenReleasesOverUnixSocketsLoseNothing() async throws {
    try await withInstallation { segue in
      try await segue.makeRepository(UnixApplication.files(version: 0))
      try await segue.start()
      let first = try await segue.push()
      #expect(first.all.contains("is live"), "\(first.all)")
      let load = try segue.load(postPath: "/orders")
      for round in 1...Self.rounds {
        try await Self.release(UnixApplication.files(version: round), round, in: segue)
      }
      let report = await load.stop()
      #expect(report.failed == 0, "\(report.failures)")
      #expect(report.versions.count == Self.rounds + 1, "\(report.versions)")
      let sockets = try FileManager.default.contentsOfDirectory(atPath: segue.state + "/sockets")
      #expect(sockets.count == 2, "each instance has one, and takes it along: \(sockets)")
    }
  }

  /// No proxy stands on the path: what holds the queue of new connections is one open socket, which the
  /// instances, the control plane and the keeper share.
  @Test func tenReleasesThatInheritTheirSocketLoseNothing() async throws {
    try await withInstallation { segue in
      let port = try Installation.freePort()
      func files(_ round: Int) -> [String: String] {
        InheritingApplication.files(version: round, port: port)
      }
      try await segue.makeRepository(files(0))
      try await segue.start()
      let first = try await segue.push()
      #expect(first.all.contains("is live"), "\(first.all)")
      // Every answer to the first ends its connection; the others are kept until the instance goes.
      let loads = try ["/close", "/"].map { try Self.load("http://127.0.0.1:\(port)\($0)") }
      for round in 1...Self.rounds { try await Self.release(files(round), round, in: segue) }
      for load in loads {
        let report = await load.stop()
        #expect(report.failed == 0, "\(report.failures)")
        #expect(report.versions.count == Self.rounds + 1, "\(report.versions)")
      }
      let proxied = try await segue.run(["curl", "-s", segue.url])
      #expect(proxied.standardOutput != "hello", "the proxy knows nothing of the service")
      let receipt = try await segue.decode(Receipt.self, "receipt")
      #expect(receipt.uncounted?.contains("127.0.0.1:\(port)") == true)
    }
  }

  /// Between the last old instance and the first new one nobody accepts, and nobody is refused either.
  @Test func connectionsWaitInTheSocketWhileNobodyRuns() async throws {
    try await withInstallation { segue in
      let port = try Installation.freePort()
      func files(_ version: Int) -> [String: String] {
        InheritingApplication.files(
          version: version, port: port, strategy: "recreate", health: "{ notify: true }")
      }
      try await segue.makeRepository(files(1))
      try await segue.start()
      let first = try await segue.push()
      #expect(first.all.contains("is live"), "\(first.all)")
      let load = try Self.load("http://127.0.0.1:\(port)/close")
      for version in 2...3 {
        try await Self.release(files(version), version, in: segue)
      }
      let report = await load.stop()
      #expect(report.failed == 0, "\(report.failures)")
      #expect(report.versions.count == 3, "\(report.versions)")
    }
  }

  /// What waits in the socket while neither the control plane nor an instance lives is in the keeper's
  /// hands alone.
  @Test func theSocketOutlivesTheControlPlaneAndEveryInstance() async throws {
    try await withInstallation { segue in
      let port = try Installation.freePort()
      try await segue.makeRepository(InheritingApplication.files(version: 1, port: port))
      try await segue.start()
      let first = try await segue.push()
      #expect(first.all.contains("is live"), "\(first.all)")
      let status = try await segue.decode(StatusReply.self, "status")
      let pids = try #require(status.services.first).instances.compactMap(\.pid)
      #expect(pids.count == 2)
      try await segue.killDaemon()
      for pid in pids { kill(pid, SIGKILL) }
      try await until("the instances are gone", deadline: .seconds(30)) {
        pids.allSatisfy { kill($0, 0) != 0 }
      }
      async let answer = segue.run(
        ["curl", "-sS", "-m", "60", "http://127.0.0.1:\(port)/close"])
      try await segue.start()
      #expect(try await answer.standardOutput == "hello")
    }
  }

  private static func load(_ url: String) throws -> LoadRun {
    var plan = LoadPlan(
      url: url, connections: 4, duration: .seconds(600), timeout: .seconds(20))
    // By a rate, connections that are not needed would be left idle, and never be told to close.
    plan.pace = .milliseconds(20)
    let run = try LoadRun(plan)
    try run.start()
    return run
  }

  /// Commits, and waits until the commit is live, whatever happens to the control plane meanwhile.
  private static func release(
    _ files: [String: String], _ round: Int, in segue: Installation
  ) async throws {
    try await segue.commit("Version \(round)", files)
    let instances = files["segue.yaml"]?.contains("instances: 2") == true ? 2 : 1
    guard kills.contains(round) else {
      let push = try await segue.push()
      #expect(push.all.contains("is live"), "\(push.all)")
      return
    }
    try await segue.git(
      "push", "--quiet", "--no-verify", "\(segue.state)/remote.git", "main:refs/heads/staged")
    _ = try await segue.run(
      ["git", "--git-dir", "\(segue.state)/remote.git", "update-ref", "refs/heads/main", "staged"])
    try await until("a rollout is under way", deadline: .seconds(60)) {
      try await segue.decode(StatusReply.self, "status").services.first?.rollout != nil
    }
    try await segue.killDaemon()
    try await segue.start()
    let head = try await segue.git("rev-parse", "HEAD").standardOutput
      .trimmingCharacters(in: .whitespacesAndNewlines)
    try await until("version \(round) is live", deadline: .seconds(60)) {
      let web = try await segue.decode(StatusReply.self, "status").services.first
      return web?.live?.commit.rawValue == head && web?.rollout == nil
        && web?.instances.count == instances
    }
  }
}

/// An HTTP server that accepts from the socket it inherits, and answers health checks on a port of its
/// own. Told to stop, it closes its copy of the socket, and says on every connection that the next
/// answer is the last one.
enum InheritingApplication {
  static func files(
    version: Int, port: Int, strategy: String = "rolling", health: String = "{ path: /up }"
  ) -> [String: String] {
    [
      "segue.yaml": """
      version: 1
      project: tiny
      services:
        web:
          run: python3 -u app.py
          listen: { inherit: \(port) }
          instances: 2
          health: \(health)
          strategy: \(strategy)

      """,
      "app.py": """
      import asyncio, os, signal, socket

      leaving = False
      open_connections = set()

      async def serve(reader, writer):
          open_connections.add(writer)
          try:
              while True:
                  head = await reader.readuntil(b"\\r\\n\\r\\n")
                  last = leaving or b" /close " in head.split(b"\\r\\n")[0]
                  writer.write(
                      b"HTTP/1.1 200 OK\\r\\nX-Version: \(version)\\r\\nContent-Length: 5\\r\\n"
                      + (b"Connection: close\\r\\n" if last else b"") + b"\\r\\nhello")
                  await writer.drain()
                  if last:
                      break
          except (asyncio.IncompleteReadError, ConnectionError):
              pass
          finally:
              open_connections.discard(writer)
              writer.close()

      def ready():
          if "NOTIFY_SOCKET" in os.environ:
              with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notice:
                  notice.sendto(b"READY=1\\nSTATUS=up", os.environ["NOTIFY_SOCKET"])

      async def main():
          global leaving
          assert os.environ["LISTEN_PID"] == str(os.getpid()), "the descriptor is not for us"
          assert os.environ["LISTEN_FDS"] == "1" and os.environ["LISTEN_FDNAMES"] == "web"
          shared = await asyncio.start_server(serve, sock=socket.socket(fileno=3))
          await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]))
          stop = asyncio.Event()
          asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
          ready()
          await stop.wait()
          leaving = True
          shared.close()
          while open_connections:
              await asyncio.sleep(0.01)

      asyncio.run(main())

      """,
    ]
  }
}

/// An HTTP server on the Unix socket that it is given.
private enum UnixApplication {
  static func files(version: Int) -> [String: String] {
    [
      "segue.yaml": """
      version: 1
      project: tiny
      services:
        web:
          run: python3 -u app.py "$SOCKET"
          listen: unix
          instances: 2
          health: { path: /up, interval: 100ms }

      """,
      "app.py": """
      import http.server, signal, socket, socketserver, sys, threading

      class Handler(http.server.BaseHTTPRequestHandler):
          protocol_version = "HTTP/1.1"
          def answer(self):
              length = int(self.headers.get("Content-Length") or 0)
              body = self.rfile.read(length) or b"hello"
              self.send_response(200)
              self.send_header("X-Version", "\(version)")
              self.send_header("Content-Length", str(len(body)))
              self.end_headers()
              self.wfile.write(body)
          do_GET = do_POST = answer
          def log_message(self, *args):
              pass

      class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
          daemon_threads = True

      server = Server(sys.argv[1], Handler)
      signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
      server.serve_forever()

      """,
    ]
  }
}
