import ControlProtocol
import Foundation
import Glibc
import SegueModel
import Testing

/// What people get wrong: each gets a clear error, and what is live stays live.
@Suite(.serialized) struct BadInputTests {
  @Test func badCommitsAreRefusedAndLoseNothing() async throws {
    try await withInstallation { segue in
      try await segue.makeRepository(CommitToLiveTests.app(version: "1"))
      try await segue.start()
      _ = try await segue.push()

      try await segue.commit("Break the file", ["segue.yaml": "version: 1\nprojct: tiny\n"])
      let broken = try await segue.push()
      #expect(broken.all.contains("segue.yaml:2:1"), "\(broken.all)")
      #expect(broken.all.contains("project"), "names the nearest key: \(broken.all)")

      try await segue.git("rm", "--quiet", "segue.yaml")
      try await segue.commit("Forget the file", [:])
      let missing = try await segue.push()
      #expect(missing.all.contains("segue init"), "\(missing.all)")

      let unknown = try await segue.cli("deploy", "no-such-branch")
      #expect(unknown.status != 0)
      #expect(unknown.all.contains("no-such-branch"))

      let abort = try await segue.cli("abort")
      #expect(abort.status == 4, "\(abort.all)")

      let status = try await segue.decode(StatusReply.self, "status")
      #expect(status.services.first?.live != nil)
    }
  }

  @Test func twoDaemonsOnOneStateDirectory() async throws {
    try await withInstallation { segue in
      try await segue.makeRepository(CommitToLiveTests.app(version: "1"))
      try await segue.start()
      let second = try await segue.run([
        segue.segue, "serve", "--state", segue.state, "--source", segue.repository, "--listen",
        "127.0.0.1:0",
      ])
      #expect(second.status != 0)
      #expect(second.all.contains("\(segue.daemonPID)"), "names the other: \(second.all)")
    }
  }

  @Test func theSocketIsPrivateAndNothingListensBeyondLoopback() async throws {
    try await withInstallation { segue in
      try await segue.makeRepository(CommitToLiveTests.app(version: "1"))
      try await segue.start()
      _ = try await segue.push()
      for socket in ["control.sock", "proxy.sock"] {
        let attributes = try FileManager.default.attributesOfItem(
          atPath: "\(segue.state)/\(socket)")
        #expect(attributes[.posixPermissions] as? Int == 0o600, "\(socket)")
      }
      let sockets = try await segue.run(["ss", "-Hltnp"])
      let mine = sockets.standardOutput.split(separator: "\n").filter { $0.contains("\"segue\"") }
      #expect(!mine.isEmpty)
      #expect(mine.allSatisfy { $0.contains("127.0.0.1:") }, "\(mine)")
    }
  }

  @Test func aPortThatIsTaken() async throws {
    try await withInstallation { segue in
      try await segue.makeRepository(CommitToLiveTests.app(version: "1"))
      let holder = Process()
      holder.executableURL = URL(filePath: "/usr/bin/env")
      holder.arguments = ["python3", "-m", "http.server", "--bind", "127.0.0.1", "\(segue.port)"]
      holder.standardOutput = FileHandle.nullDevice
      holder.standardError = FileHandle.nullDevice
      try holder.run()
      defer { kill(holder.processIdentifier, SIGKILL) }
      try await until("the port is taken", deadline: .seconds(20)) {
        try await segue.run(["curl", "-sS", "-m", "1", segue.url]).status == 0
      }
      let serve = try await segue.run([
        segue.segue, "serve", "--state", segue.state, "--source", segue.repository, "--listen",
        "127.0.0.1:\(segue.port)",
      ])
      #expect(serve.status != 0)
      #expect(serve.all.contains("\(segue.port)"), "\(serve.all)")
    }
  }
}
