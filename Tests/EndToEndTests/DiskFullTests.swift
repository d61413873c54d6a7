import ControlProtocol
import Foundation
import Glibc
import LoadGenerator
import SegueModel
import Testing

/// The disk that holds everything Segue decides is full, and then it is not any more.
///
/// A small file system of its own, so that "full" is the kernel's word and not a test's.
@Suite(.serialized) struct DiskFullTests {
  @Test(.enabled(if: geteuid() == 0, "mounting a small file system needs root"))
  func aFullDiskStopsNoRequestAndLosesNothing() async throws {
    try await withInstallation { segue in
      try await segue.mountState(megabytes: 48)
      try await segue.makeRepository(CommitToLiveTests.app(version: "1"))
      try await segue.start()
      _ = try await segue.push()
      let load = try segue.load()
      try await segue.git("branch", "next")
      try await segue.git("switch", "--quiet", "next")
      try await segue.commit("Kept for later", ["note": "later\n"])
      try await segue.git("push", "--quiet", "\(segue.state)/remote.git", "next")
      try await segue.git("switch", "--quiet", "main")

      let filler = segue.state + "/filler"
      try Self.fill(filler)
      try await segue.commit("While the disk is full", CommitToLiveTests.app(version: "2"))
      let refused = try await segue.push()
      #expect(refused.status != 0, "a push that cannot be kept is not accepted: \(refused.all)")
      #expect(refused.all.contains("No space left"), "names the reason: \(refused.all)")
      let full = try await segue.cli("deploy", "next")
      #expect(full.status != 0, "\(full.all)")
      #expect(full.all.contains("full"), "names the reason: \(full.all)")
      let status = try await segue.decode(StatusReply.self, "status")
      #expect(status.services.first?.live != nil, "it still answers, and knows what is live")

      try FileManager.default.removeItem(atPath: filler)
      let pushed = try await segue.push()
      #expect(pushed.all.contains("is live"), "goes on once there is room: \(pushed.all)")
      let report = await load.stop()
      #expect(report.failed == 0, "\(report.failures)")
      #expect(Set(report.versions.map(\.version)) == ["1", "2"])
      let doctor = try await segue.cli("doctor")
      #expect(doctor.all.contains("hash chain intact"), "\(doctor.all)")
    }
  }

  /// An instance dies while nothing can be written down: the death is recorded, and the instance
  /// replaced, as soon as there is room again.
  @Test(.enabled(if: geteuid() == 0, "mounting a small file system needs root"))
  func aDeathWhileTheDiskIsFullIsMadeGoodLater() async throws {
    try await withInstallation { segue in
      try await segue.mountState(megabytes: 48)
      try await segue.makeRepository(CommitToLiveTests.app(version: "1"))
      try await segue.start()
      _ = try await segue.push()
      let before = try await segue.decode(StatusReply.self, "status")
      let victim = try #require(before.services.first?.instances.first)
      let pid = try #require(victim.pid)

      let filler = segue.state + "/filler"
      try Self.fill(filler)
      kill(pid, SIGKILL)
      // The proxy finds the other instance by itself: it needs no disk for that.
      for _ in 0..<20 {
        let answer = try await segue.run(["curl", "-sS", "-m", "5", segue.url])
        #expect(answer.standardOutput == "hello")
      }
      try FileManager.default.removeItem(atPath: filler)
      try await until("the instance is replaced", deadline: .seconds(60)) {
        let instances =
          try await segue.decode(StatusReply.self, "status").services.first?.instances ?? []
        return instances.count == 2 && !instances.contains { $0.id == victim.id }
          && instances.allSatisfy { $0.phase == "ready" }
      }
    }
  }

  /// Writes until the file system has not a single octet left.
  static func fill(_ path: String) throws {
    let file = open(path, O_WRONLY | O_CREAT, 0o600)
    guard file >= 0 else { throw Failure("cannot open \(path)") }
    defer { close(file) }
    for size in [1 << 20, 4_096, 1] {
      let block = [UInt8](repeating: 0x2A, count: size)
      while write(file, block, size) > 0 {}
    }
    #expect(errno == ENOSPC)
  }
}
