import Foundation
import Glibc
import Synchronization
import Testing

/// A PostgreSQL server of a test's own, on a free port of this machine, with its files beside the
/// installation's.
final class Postgres: Sendable {
  let port: Int
  private let directory: String
  private let segue: Installation
  private let running = Mutex<Int32?>(nil)

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
    do {
      try await server.start()
    } catch {
      await server.stop()
      throw error
    }
    return server
  }

  private func start() async throws {
    let programs = try Self.programs()
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    if geteuid() == 0 {
      // The server refuses to run as root; its own user must be able to reach its files.
      _ = try await segue.run(["chmod", "0711", segue.root])
      _ = try await segue.run(["chown", "postgres", directory])
    }
    let made = try await segue.run(
      Self.asOwner + [
        "\(programs)/initdb", "--auth=trust", "--username=segue", "--no-sync", "-D",
        directory + "/data",
      ], in: "/")
    guard made.status == 0 else { throw Failure("initdb: \(made.all)") }
    // In the foreground and as our own child: what it inherits would keep a helper's end from being seen.
    let arguments = [
      "\(programs)/postgres", "-D", directory + "/data", "-h", "127.0.0.1", "-p", "\(port)", "-k",
      directory, "-F",
    ]
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = Self.asOwner + arguments
    process.environment = segue.environment
    process.currentDirectoryURL = URL(filePath: "/")
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    running.withLock { $0 = process.processIdentifier }
    try await until("PostgreSQL answers", deadline: .seconds(60)) {
      try await segue.run(["pg_isready", "-h", "127.0.0.1", "-p", "\(port)"]).status == 0
    }
  }

  /// SIGQUIT is the immediate shutdown: nothing of it is needed afterwards.
  func stop() async {
    guard let pid = running.withLock({ $0 }) else { return }
    kill(pid, SIGQUIT)
    try? await until("PostgreSQL has ended", deadline: .seconds(20)) { kill(pid, 0) != 0 }
    if kill(pid, 0) == 0 { kill(pid, SIGKILL) }
  }

  private static var asOwner: [String] {
    geteuid() == 0
      ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : []
  }
}
