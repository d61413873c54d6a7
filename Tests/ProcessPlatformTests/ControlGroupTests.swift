import CLinux
import Foundation
import Glibc
import Ports
import SegueModel
import Testing

@testable import ProcessPlatform

@Suite struct ControlGroupTests {
  @Test(
    arguments: [
      // Version 2 alone.
      (
        "30 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", "0::/system.slice/segue.service",
        "/sys/fs/cgroup/system.slice/segue.service"
      ),
      // Beside version 1.
      (
        "31 30 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
          + "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw",
        "3:cpu:/user\n0::/", "/sys/fs/cgroup/unified"
      ),
      // A container that sees only its own part.
      (
        "30 23 0:28 /docker/abc /sys/fs/cgroup ro shared:9 - cgroup2 cgroup rw",
        "0::/docker/abc/segue", "/sys/fs/cgroup/segue"
      ),
      // Version 1 alone.
      ("31 30 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu", "3:cpu:/user", nil),
    ] as [(String, String, String?)])
  func findsOurOwn(mounts: String, membership: String, path: String?) {
    #expect(ControlGroupRoot.ownPath(mounts: mounts, membership: membership) == path)
  }

  /// Any version 2 hierarchy will do: joining needs no controller.
  static let writableRoot: String? = {
    let mounts = BlockingFile.read("/proc/self/mountinfo", limit: 4 << 20) ?? []
    let own = BlockingFile.read("/proc/self/cgroup", limit: 65_536) ?? []
    return ControlGroupRoot.ownPath(
      mounts: String(decoding: mounts, as: UTF8.self),
      membership: String(decoding: own, as: UTF8.self)
    ).flatMap { access($0, W_OK) == 0 && access($0 + "/cgroup.procs", W_OK) == 0 ? $0 : nil }
  }()

  @Test(.enabled(if: writableRoot != nil, "needs a writable version 2 cgroup"))
  func aProcessIsKnownByTheGroupItWasBornIn() async throws {
    let root = try #require(Self.writableRoot)
    let group = try ControlGroup.make(
      at: "\(root)/segue-test-\(getpid())", limits: LimitSpec(memory: 1 << 30), controllers: [])
    defer { group.remove() }
    let procs = try group.openProcs()
    let log = OutputLog(path: NSTemporaryDirectory() + "segue-cgroup-\(getpid()).log")
    let output = try log.openForAppending()
    defer {
      close(procs)
      close(output)
      unlink(log.path)
    }
    let process = try Spawn(
      arguments: ["/bin/sleep", "600"], environment: [:], directory: "/", output: output,
      cgroupProcs: procs
    ).start()
    #expect(group.processes() == [process.identity.pid])
    let marks = InstanceMarks(environment: [:], cgroup: group)
    #expect(marks.members().map(\.identity) == [process.identity])
    process.signal(SIGKILL)
    #expect(await process.exit() == .signal(SIGKILL))
    #expect(group.processes().isEmpty)
  }

  @Test func saysWhyThereIsNone() async throws {
    try await Fixture.with { fixture in
      let capabilities = fixture.platform.capabilities()
      #expect(capabilities.files == .resourceLimit)
      let uses = [capabilities.memory, capabilities.cpu, capabilities.processes]
        .contains(.cgroup)
      #expect(uses == (capabilities.cgroupProblem == nil))
    }
  }
}
