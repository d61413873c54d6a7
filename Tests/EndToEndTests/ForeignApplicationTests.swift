import ControlProtocol
import Foundation
import LoadGenerator
import SegueModel
import Testing

/// An application that nobody here wrote: httpbin under gunicorn, from PyPI.
@Suite(.serialized) struct ForeignApplicationTests {
  private static let releases = 10

  private func files(_ gunicorn: String, release: Int, strategy: String) -> [String: String] {
    [
      "release.txt": "\(release)\n",
      "segue.yaml": """
      version: 1
      project: httpbin
      pipeline:
        - step: check
          run: test -s release.txt
      services:
        web:
          run: >-
            \(gunicorn) httpbin:app --bind 127.0.0.1:$PORT --worker-class gthread --threads 8
            --no-control-socket
          instances: 2
          health: { path: /status/200 }
          strategy: \(strategy)

      """,
    ]
  }

  /// Its path.
  private static func gunicorn(_ segue: Installation) async throws -> String {
    let app = Installation.packageRoot + "/.build/httpbin"
    let install = try await segue.run(
      [Installation.packageRoot + "/Scripts/httpbin-app", app], deadline: .seconds(400))
    #expect(install.status == 0, "\(install.all)")
    return install.standardOutput.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// gunicorn knows sockets and notices of systemd's kind, so that Segue's need nothing new of it.
  @Test(arguments: [true, false])
  func releasesLoseNothingOnOtherWaysIn(inherits: Bool) async throws {
    try await withInstallation { segue in
      let gunicorn = try await Self.gunicorn(segue)
      let port = try Installation.freePort()
      func files(_ release: Int) -> [String: String] {
        let bind = inherits ? "" : "--bind unix:$SOCKET"
        let way =
          inherits
          ? "listen: { inherit: \(port) }\n    health: { notify: true }"
          : "listen: unix\n    health: { path: /status/200 }"
        return [
          "release.txt": "\(release)\n",
          "segue.yaml": """
          version: 1
          project: httpbin
          services:
            web:
              run: \(gunicorn) httpbin:app \(bind) --workers 2 --no-control-socket
              instances: 2
              \(way)

          """,
        ]
      }
      try await segue.makeRepository(files(0))
      try await segue.start()
      let first = try await segue.push()
      #expect(first.all.contains("is live"), "\(first.all)")
      let url = inherits ? "http://127.0.0.1:\(port)" : segue.url
      let load = try LoadRun(
        LoadPlan(
          url: url + "/status/200", postPath: "/post", connections: 4, postShare: 30,
          checksEcho: false, rate: 100, duration: .seconds(900), timeout: .seconds(30)))
      try load.start()
      for release in 1...4 {
        try await segue.commit("Release \(release)", files(release))
        let push = try await segue.push()
        #expect(push.all.contains("is live"), "release \(release): \(push.all)")
      }
      let report = await load.stop()
      #expect(report.failed == 0, "\(report.failures)")
      #expect(report.requests > 100)
    }
  }

  @Test func tenReleasesUnderLoadLoseNothing() async throws {
    try await withInstallation { segue in
      let gunicorn = try await Self.gunicorn(segue)
      try await segue.makeRepository(files(gunicorn, release: 0, strategy: "rolling"))
      try await segue.start()
      let first = try await segue.push()
      #expect(first.all.contains("is live"), "\(first.all)")

      let load = try LoadRun(
        LoadPlan(
          url: segue.url + "/status/200", postPath: "/post", connections: 4, postShare: 30,
          checksEcho: false, rate: 100, duration: .seconds(900), timeout: .seconds(30)))
      try load.start()
      for release in 1...Self.releases {
        let strategy = release.isMultiple(of: 2) ? "rolling" : "{ blue-green: { keep-old: 2s } }"
        try await segue.commit(
          "Release \(release)", files(gunicorn, release: release, strategy: strategy))
        let push = try await segue.push()
        #expect(push.all.contains("is live"), "release \(release): \(push.all)")
      }
      let report = await load.stop()
      #expect(report.failed == 0, "\(report.failures)")
      #expect(report.requests > 100)
      let history = try await segue.decode([HistoryEntry].self, "history")
      #expect(history.count == Self.releases + 1)
      #expect(history.allSatisfy { $0.outcome == "live" })
    }
  }
}
