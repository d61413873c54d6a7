import Testing

@testable import ProcessPlatform

@Suite struct ControlGroupTests {
  @Test(arguments: [
    // Version 2 alone.
    ("30 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", "0::/system.slice/segue.service",
      "/sys/fs/cgroup/system.slice/segue.service"),
    // Beside version 1.
    ("31 30 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
      + "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw",
      "3:cpu:/user\n0::/", "/sys/fs/cgroup/unified"),
    // A container that sees only its own part.
    ("30 23 0:28 /docker/abc /sys/fs/cgroup ro shared:9 - cgroup2 cgroup rw",
      "0::/docker/abc/segue", "/sys/fs/cgroup/segue"),
    // Version 1 alone.
    ("31 30 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu", "3:cpu:/user", nil),
  ] as [(String, String, String?)])
  func findsOurOwn(mounts: String, membership: String, path: String?) {
    #expect(ControlGroupRoot.ownPath(mounts: mounts, membership: membership) == path)
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
