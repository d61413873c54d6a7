import ControlProtocol
import Foundation
import SegueModel
import Testing

/// Windows, freezes and approvals from a push to what a calendar program reads; everything real.
@Suite(.serialized) struct PeopleTests {
  private static func app(_ version: Int) -> [String: String] {
    [
      "segue.yaml": """
      version: 1
      project: shop
      pipeline:
        - step: check
          run: python3 -m py_compile app.py
      services:
        web:
          run: python3 -u app.py
          health: { path: /up, interval: 100ms }
      teams:
        product: { members: [li, mo] }
      environments:
        production:
          windows: ["00:00-12:00 Europe/Paris", "12:00-24:00 Europe/Paris"]
          \(version == 1 ? "" : "approval: { team: product, exclude-author: true }")

      """,
      "app.py": """
      import http.server, os
      class Handler(http.server.BaseHTTPRequestHandler):
          def do_GET(self):
              self.send_response(200)
              self.send_header("Content-Length", "2")
              self.end_headers()
              self.wfile.write(b"v\(version)")
          def log_message(self, *arguments): pass
      http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()

      """,
    ]
  }

  @Test func aFreezeAndAMissingApprovalHoldWhatIsPushed() async throws {
    try await withInstallation { segue in
      try await segue.makeRepository(Self.app(1))
      try await segue.start()
      let frozen = try await segue.cli("freeze", "--reason", "the trade fair is on")
      #expect(frozen.status == 0, "\(frozen.all)")
      #expect(frozen.all.contains("freeze-1: no rollout starts in any environment"))

      let held = try await segue.push()
      #expect(
        held.all.contains("production: waits: Frozen, with no end set: “the trade fair is on”"))
      #expect(held.all.contains("To end the freeze: segue freeze --lift freeze-1."))
      #expect(held.all.contains("It begins by itself when it may"))
      let status = try await segue.cli("status")
      #expect(status.standardOutput.contains("waits: Frozen"), "\(status.all)")
      #expect(try await segue.cli("deploy").status == 4, "it can be pushed, and not be started")
      #expect(try await segue.cli("freeze").standardOutput.contains("freeze-1  now"))

      #expect(try await segue.cli("freeze", "--lift", "freeze-1").status == 0)
      try await Self.waitUntilServing(1, segue)

      try await segue.commit("Ask for approval", Self.app(2))
      let waiting = try await segue.push()
      #expect(waiting.all.contains("waits for 1 of the team product (li or mo)"), "\(waiting.all)")
      let stranger = try await segue.cli("approve")
      #expect(stranger.status == 4)
      #expect(stranger.all.contains("is not among those whose word counts in production"))
      let explained = try await segue.cli("explain")
      #expect(explained.standardOutput.contains("approval production: "), "\(explained.all)")
      let approved = try await segue.run(
        ["env", "USER=mo", segue.segue, "approve", "--state", segue.state])
      #expect(approved.status == 0, "\(approved.all)")
      try await Self.waitUntilServing(2, segue)

      try await until("both receipts", deadline: .seconds(90)) {
        try await segue.decode([HistoryEntry].self, "history").count == 2
      }
      let receipt = try await segue.cli("receipt")
      #expect(receipt.all.contains("approval production, by mo"), "\(receipt.all)")
      #expect(receipt.all.contains("/verification.json"), "\(receipt.all)")
      try await Self.checkFeed(segue)
    }
  }

  private static func waitUntilServing(_ version: Int, _ segue: Installation) async throws {
    try await until("version \(version) serves", deadline: .seconds(90)) {
      try await segue.run(["curl", "-sS", "-m", "2", segue.url]).standardOutput == "v\(version)"
    }
  }

  /// What a library that others wrote reads in the feed (PyPI `icalendar`).
  private static func read(_ segue: Installation) async throws -> String {
    let root = Installation.packageRoot
    let programs = try await segue.run([
      root + "/Scripts/python-environment", root + "/.build/icalendar", "icalendar==7.3.2",
    ])
    try #require(programs.status == 0, "\(programs.all)")
    let file = segue.root + "/shop.ics"
    let written = try await segue.cli("calendar", "--ics", file)
    #expect(written.status == 0, "\(written.all)")
    let script = """
      import collections, icalendar, sys
      calendar = icalendar.Calendar.from_ical(open(sys.argv[1], "rb").read())
      kinds = collections.Counter(str(e["SUMMARY"]).split(":")[0] for e in calendar.walk("VEVENT"))
      print(kinds["production/web"], "rollouts,", kinds["Freeze"], "freeze")
      """
    let folder = programs.standardOutput.trimmingCharacters(in: .whitespacesAndNewlines)
    let read = try await segue.run([folder + "/python", "-c", script, file])
    return read.all.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// Lines of RFC 5545 end in CRLF and have 75 octets at most; every component is closed again.
  private static func checkFeed(_ segue: Installation) async throws {
    let feed = try await segue.cli("calendar", "--ics", "-")
    #expect(feed.status == 0, "\(feed.all)")
    let lines = feed.standardOutput.components(separatedBy: "\r\n")
    #expect(lines.first == "BEGIN:VCALENDAR")
    #expect(lines.suffix(2) == ["END:VCALENDAR", ""])
    #expect(lines.allSatisfy { $0.utf8.count <= 75 && !$0.contains("\n") })
    #expect(
      lines.count { $0.hasPrefix("BEGIN:VEVENT") } == lines.count { $0.hasPrefix("END:VEVENT") })
    #expect(lines.count { $0 == "SUMMARY:production/web: live" } == 2)
    #expect(lines.contains("SUMMARY:Freeze: every environment"))
    #expect(lines.contains("SUMMARY:Window: production"))
    #expect(try await read(segue) == "2 rollouts, 1 freeze")
    let curl = try await segue.run([
      "curl", "-sS", "--unix-socket", segue.state + "/control.sock",
      "http://segue/v1/calendar.ics",
    ])
    #expect(curl.standardOutput == feed.standardOutput, "\(curl.all)")
  }
}
