import Foundation
import Glibc
import Testing

/// A PostgreSQL server of a test's own, on a free port of this machine, with its files beside the
/// installation's.
final class Postgres: Sendable {
  let port: Int
  private let directory: String
  private let segue: Installation

  /// Where Debian keeps the newest server's programs; they are not on the search path.
  private static func programs() throws -> String {
    let root = "/usr/lib/postgresql"
    let versions = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
    guard let newest = versions.compactMap({ Int($0) }).max() else {
      throw Failure("no PostgreSQL: run Scripts/bootstrap, which installs it")
    }
    return "\(root)/\(newest)/bin"
  }

  private init(port: Int, directory: String, segue: Installation) {
    self.port = port
    self.directory = directory
    self.segue = segue
  }

  static func start(for segue: Installation) async throws -> Postgres {
    let server = Postgres(
      port: try Installation.freePort(), directory: segue.root + "/postgres", segue: segue)
    let programs = try Self.programs()
    let files = server.directory
    try FileManager.default.createDirectory(atPath: files, withIntermediateDirectories: true)
    if geteuid() == 0 {
      // The server refuses to run as root; its own user must be able to reach its files.
      _ = try await segue.run(["chmod", "0711", segue.root])
      _ = try await segue.run(["chown", "postgres", files])
    }
    try await server.runAsOwner([
      "\(programs)/initdb", "--auth=trust", "--username=segue", "--no-sync", "-D", files + "/data",
    ])
    try await server.runAsOwner([
      "\(programs)/pg_ctl", "start", "--wait", "-D", files + "/data", "--log", files + "/log",
      "--options", "-h 127.0.0.1 -p \(server.port) -k \(files) -F",
    ])
    return server
  }

  func stop() async {
    let programs = (try? Self.programs()) ?? ""
    let files = directory
    try? await runAsOwner([
      "\(programs)/pg_ctl", "stop", "--mode=immediate", "--wait", "-D", files + "/data",
    ])
  }

  private func runAsOwner(_ command: [String]) async throws {
    let prefix = geteuid() == 0 ? ["runuser", "-u", "postgres", "--"] : []
    let output = try await segue.run(prefix + command, in: "/")
    guard output.status == 0 else { throw Failure("\(command[0]): \(output.all)") }
  }
}
