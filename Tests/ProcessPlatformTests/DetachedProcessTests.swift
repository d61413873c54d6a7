import CLinux
import Foundation
import Glibc
import Ports
import SegueModel
import Testing

@testable import ProcessPlatform

@Suite struct DetachedProcessTests {
  private func command(
    _ script: String, in directory: String, passed: [Int32] = []
  ) -> DetachedCommand {
    DetachedCommand(
      arguments: ["/bin/sh", "-c", script], environment: ["PATH": "/usr/bin:/bin"],
      directory: directory, logFile: directory + "/proxy.log",
      identityFile: directory + "/proxy.json", passedDescriptors: passed)
  }

  @Test(arguments: [true, false])
  func isFoundAgain(identityWritten: Bool) async throws {
    try await Fixture.with { fixture in
      let command = command("echo up; exec sleep 600", in: fixture.directory)
      let process = try await DetachedProcess.start(command)
      if !identityWritten { unlink(command.identityFile) }
      let adopted = try await DetachedProcess.adopt(
        identityFile: command.identityFile, logFile: command.logFile)
      #expect(adopted?.identity == process.identity)
      try await eventually("it printed") {
        try await process.output(limit: 1) == ["up"] ? () : nil
      }
      let report = try await process.stop(deadline: .seconds(60))
      #expect(!report.killed)
      #expect(await adopted?.waitForExit() == .signal(SIGTERM))
      #expect(process.signal(SIGTERM) == false)
      let gone = try await DetachedProcess.adopt(
        identityFile: command.identityFile, logFile: command.logFile)
      #expect(gone == nil)
    }
  }

  @Test func passesListeningSockets() async throws {
    try await Fixture.with { fixture in
      let first = try listen(on: 0)
      let second = open("/dev/zero", O_RDONLY | O_CLOEXEC)
      defer {
        close(first)
        close(second)
      }
      let process = try await DetachedProcess.start(
        command(
          "echo $LISTEN_FDS; test $LISTEN_PID = $$ && echo mine; exec sleep 600",
          in: fixture.directory, passed: [first, second]))
      try await eventually("it printed") {
        try await process.output(limit: 2) == ["2", "mine"] ? () : nil
      }
      let pid = process.identity.pid
      #expect(BlockingFile.names(in: "/proc/\(pid)/fd").sorted() == ["0", "1", "2", "3", "4"])
      #expect(ProcessTable.socketInodes(of: pid).count == 1)
      #expect(ProcessTable.descriptor("4", of: pid) == "/dev/zero")
      _ = try await process.stop(deadline: .seconds(60))
    }
  }

  private func refusal(of command: DetachedCommand) async -> PortError? {
    await #expect(throws: PortError.self) { try await DetachedProcess.start(command) }
  }

  @Test func saysWhichStepFailed() async throws {
    try await Fixture.with { fixture in
      let sound = command("true", in: fixture.directory)
      var absent = sound
      absent.arguments[0] = "/no/such/program"
      let missing = await refusal(of: absent)
      #expect(missing?.description.contains("cannot start /no/such/program") == true)
      var lost = sound
      lost.directory = fixture.directory + "/gone"
      let directory = await refusal(of: lost)
      #expect(directory?.description.contains("cannot enter") == true)
    }
  }

  @Test func descriptorsTravelBetweenProcesses() throws {
    var ends: [Int32] = [0, 0]
    try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
    let zero = open("/dev/zero", O_RDONLY | O_CLOEXEC)
    defer { for fd in ends + [zero] { close(fd) } }
    try #require(segue_send_fds(ends[0], "x", 1, [zero], 1) == 1)
    var byte: UInt8 = 0
    var received: [Int32] = [-1, -1]
    var count = 0
    try #require(segue_receive_fds(ends[1], &byte, 1, &received, 2, &count) == 1)
    #expect(count == 1 && byte == UInt8(ascii: "x"))
    #expect(BlockingFile.link("/proc/self/fd/\(received[0])") == "/dev/zero")
    #expect(fcntl(received[0], F_GETFD) & FD_CLOEXEC != 0)
    close(received[0])

    // More than there is room for: none is kept.
    try #require(segue_send_fds(ends[0], "y", 1, [zero, zero, zero], 3) == 1)
    #expect(segue_receive_fds(ends[1], &byte, 1, &received, 2, &count) == -1)
    #expect(errno == EMSGSIZE && count == 0)

    var peer = segue_credentials()
    #expect(segue_peer_cred(ends[0], &peer) == 0)
    #expect(peer.pid == getpid() && peer.uid == getuid())
  }
}
