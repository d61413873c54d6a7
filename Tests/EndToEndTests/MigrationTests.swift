import ControlProtocol
import Foundation
import Glibc
import LoadGenerator
import SegueModel
import Testing

/// Expand, migrate, contract over real databases, under load.
@Suite(.serialized) struct MigrationTests {
  enum Database: String, CaseIterable, Sendable { case sqlite, postgres }

  /// An installation with a database, which is stopped with it.
  private func withDatabase(
    _ database: Database, _ body: (Installation, [String: String]) async throws -> Void
  ) async throws {
    try await withInstallation { segue in
      let file = segue.root + "/orders.sqlite"
      guard database == .postgres else {
        return try await body(segue, ["DATABASE": "sqlite", "DATABASE_FILE": file])
      }
      let server = try await Postgres.start(for: segue)
      let environment = [
        "DATABASE": "postgres", "PGHOST": "127.0.0.1", "PGPORT": "\(server.port)",
        "PGUSER": "segue", "PGDATABASE": "postgres",
      ]
      do {
        try await body(segue, environment)
      } catch {
        await server.stop()
        throw error
      }
      await server.stop()
    }
  }

  @Test(arguments: Database.allCases)
  func aSchemaChangesUnderLoadAndEachStepRunsOnce(_ database: Database) async throws {
    try await withDatabase(database) { segue, environment in
      let one = Shop(environment: environment, column: "name")
      try await segue.makeRepository(one.files)
      try await segue.start()
      #expect(try await segue.push().all.contains("is live"))
      let first = try await segue.git("rev-parse", "HEAD").standardOutput
        .trimmingCharacters(in: .whitespacesAndNewlines)

      let load = try segue.load(connections: 2, postShare: 0, rate: 40)
      var two = Shop(environment: environment, column: "title")
      two.expand = "python3 migrate.py expand"
      two.contract = "python3 migrate.py contract"
      two.contractAfter = "3s"
      try await segue.commit("Rename a column", two.files)
      // The control plane is killed while the expand step is under way.
      try await segue.git(
        "push", "--quiet", "\(segue.state)/remote.git", "main:refs/heads/staged")
      _ = try await segue.run([
        "git", "--git-dir", "\(segue.state)/remote.git", "update-ref", "refs/heads/main", "staged",
      ])
      let ledger = segue.root + "/ledger"
      try await until("the expand step runs", deadline: .seconds(60)) {
        Self.lines(ledger) == ["expand begins"]
      }
      try await segue.killDaemon()
      try await segue.start()
      let head = try await segue.git("rev-parse", "HEAD").standardOutput
        .trimmingCharacters(in: .whitespacesAndNewlines)
      try await until("the new version is live", deadline: .seconds(60)) {
        let web = try await segue.decode(StatusReply.self, "status").services.first
        return web?.live?.commit.rawValue == head && web?.rollout == nil
      }
      #expect(Self.lines(ledger) == ["expand begins", "expand ends"], "once, in spite of the kill")
      try await until("the contract step has run", deadline: .seconds(60)) {
        Self.lines(ledger).last == "contract ends"
      }
      let report = await load.stop()
      #expect(report.failed == 0, "\(report.failures)")
      #expect(report.requests > 50)
      #expect(
        Self.lines(ledger) == [
          "expand begins", "expand ends", "contract begins", "contract ends",
        ])
      try await until("the contract step is recorded", deadline: .seconds(60)) {
        let back = try await segue.cli("rollback", first, "--no-wait")
        return back.status != 0 && back.all.contains("contract")
      }
    }
  }

  @Test(arguments: Database.allCases)
  func aMigrationThatFailsHalfwayOrHangsMovesNothing(_ database: Database) async throws {
    try await withDatabase(database) { segue, environment in
      var shop = Shop(environment: environment, column: "name")
      try await segue.makeRepository(shop.files)
      try await segue.start()
      #expect(try await segue.push().all.contains("is live"))
      let load = try segue.load(connections: 2, postShare: 0, rate: 40)

      shop.expand = "python3 migrate.py halfway"
      try await segue.commit("Fail half-way", shop.files)
      let failed = try await segue.push()
      #expect(failed.all.contains("no such table"), "names what went wrong: \(failed.all)")
      let receipt = try await segue.decode(Receipt.self, "receipt")
      #expect(receipt.outcome == .rolledBack)
      #expect(receipt.reason?.contains("expand") == true, "\(receipt.reason ?? "")")

      shop.expand = "sleep 600 & sleep 600"
      shop.timeout = "2s"
      try await segue.commit("Hang", shop.files)
      let hung = try await segue.push()
      #expect(hung.all.contains("took longer than 2 s"), "\(hung.all)")
      let left = try await segue.run(["pgrep", "-f", "^sleep 600$"])
      #expect(left.standardOutput.isEmpty, "nothing of it is left: \(left.standardOutput)")

      let report = await load.stop()
      #expect(report.failed == 0, "\(report.failures)")
    }
  }

  private static func lines(_ path: String) -> [String] {
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    return text.split(separator: "\n").map(String.init)
  }
}

/// A shop with one table, whose version says by which column it reads.
private struct Shop {
  var environment: [String: String]
  var column: String
  var expand: String?
  var contract: String?
  var contractAfter = "1h"
  var timeout = "30s"

  var files: [String: String] {
    [
      "segue.yaml": spec, "database.py": Self.database, "migrate.py": Self.migrate,
      "app.py": Self.app.replacing("COLUMN", with: column),
    ]
  }

  private var spec: String {
    let variables = environment.sorted { $0.key < $1.key }
      .map { "\($0.key): \"\($0.value)\"" }.joined(separator: ", ")
    var lines = [
      "version: 1", "project: orders", "services:", "  web:", "    run: python3 -u app.py",
      "    instances: 2", "    health: { path: /up, interval: 100ms }", "    env: { \(variables) }",
    ]
    if expand != nil || contract != nil {
      lines.append("    migrate:")
      lines += expand.map { ["      expand: \($0)"] } ?? []
      lines +=
        contract.map { ["      contract: \($0)", "      contract-after: \(contractAfter)"] } ?? []
      lines.append("      timeout: \(timeout)")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// One statement at a time, over the database that the environment names.
  private static let database = """
    import os, sqlite3, subprocess

    def run(*statements):
        if os.environ["DATABASE"] == "sqlite":
            with sqlite3.connect(os.environ["DATABASE_FILE"], timeout=20) as connection:
                rows = [connection.execute(statement).fetchall() for statement in statements]
            return "".join(str(row[0]) for row in rows[-1])
        command = ["psql", "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1"]
        for statement in statements:
            command += ["-c", statement]
        answer = subprocess.run(command, capture_output=True, text=True)
        if answer.returncode:
            error = answer.stderr.splitlines()[0]
            raise SystemExit(error.replace("does not exist", "(no such table)"))
        return answer.stdout.strip()

    """

  /// Writes down that it began and ended, so that a test can count.
  private static let migrate = """
    import pathlib, sys, time
    from database import run

    ledger = pathlib.Path(__file__).resolve()
    while not (ledger / "state").is_dir():
        ledger = ledger.parent
    ledger = ledger / "ledger"

    def note(text):
        with open(ledger, "a") as file:
            file.write(text + "\\n")

    step = sys.argv[1]
    note(step + " begins")
    if step == "expand":
        time.sleep(2)
        run("ALTER TABLE orders ADD COLUMN title TEXT", "UPDATE orders SET title = name", "SELECT 1")
    elif step == "contract":
        run("ALTER TABLE orders DROP COLUMN name", "SELECT 1")
    else:
        run("UPDATE orders SET name = name", "SELECT 1")
        run("UPDATE missing SET name = 1", "SELECT 1")
    note(step + " ends")

    """

  private static let app = """
    import http.server, os, signal, threading
    from database import run

    def prepare():
        run(
            "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, name TEXT)"
            if "COLUMN" == "name" else "SELECT 1",
            "INSERT INTO orders (id, COLUMN) VALUES (1, 'tea') ON CONFLICT DO NOTHING",
            "SELECT 1",
        )

    try:
        prepare()
    except SystemExit:
        # Of two instances that create a table in the same moment, PostgreSQL lets one fail.
        prepare()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def do_GET(self):
            body = b"up" if self.path == "/up" else run(
                "SELECT COLUMN FROM orders WHERE id = 1").encode()
            self.send_response(200)
            self.send_header("X-Version", "COLUMN")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()

    """
}
