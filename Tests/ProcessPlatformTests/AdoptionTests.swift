import Foundation
import Glibc
import Ports
import SegueModel
import Testing

@testable import ProcessPlatform

@Suite struct AdoptionTests {
  @Test func anotherControlPlaneFindsAndStopsIt() async throws {
    try await Fixture.with { fixture in
      let instance = try await fixture.start("sleep 600")
      let successor = try fixture.successor()
      #expect(try await successor.observe() == [instance])
      _ = try await successor.stop(instance, deadline: .seconds(60))
      #expect(try await successor.observe() == [])
    }
  }

  @Test func twoStateDirectoriesNeverShare() async throws {
    try await Fixture.with { one in
      try await Fixture.with { two in
        let mine = try await one.start("sleep 600")
        let theirs = try await two.start("sleep 600")
        #expect(mine.instance == theirs.instance)
        #expect(try await one.platform.observe() == [mine])
        _ = try await one.platform.stop(mine, deadline: .zero)
        #expect(isAlive(theirs.process.pid))
      }
    }
  }

  /// As after a crash between fork and record, and with a starter that is gone: nothing of it is our
  /// child.
  @Test(arguments: [true, false])
  func findsAnOrphanWithoutItsProcessWrittenDown(intentWritten: Bool) async throws {
    try await Fixture.with { fixture in
      let home = fixture.platform.store.homeID
      var request = fixture.request("sleep 600")
      request.instance = "web-orphan"
      if intentWritten {
        try fixture.platform.store.save(
          InstanceRecord(
            start: request, endpoint: Endpoint(instance: request.instance, port: 4_321),
            at: Instant(milliseconds: 1)))
      }
      let starter = try await DetachedProcess.start(
        DetachedCommand(
          arguments: ["/bin/sh", "-c", "setsid sleep 600 & :"],
          environment: [
            "PATH": "/usr/bin:/bin", "SEGUE_INSTANCE": "web-orphan", "SEGUE_HOME_ID": home,
            "SEGUE_RELEASE": "r-0123456789abcdef", "SEGUE_SERVICE": "web",
            "SEGUE_ENVIRONMENT": "production", "PORT": "4321",
          ], directory: fixture.release, logFile: fixture.directory + "/starter.log",
          identityFile: fixture.directory + "/starter.json"))
      #expect(await starter.waitForExit() == .status(0))

      let found = try await eventually("the orphan is seen") {
        try await fixture.platform.observe().first
      }
      #expect(found.instance == "web-orphan")
      #expect(found.key == Fixture.key)
      #expect(found.release == "r-0123456789abcdef")
      #expect(found.endpoint.port == 4_321)
      #expect(fixture.platform.store.record(of: "web-orphan")?.process == found.process)
      #expect(try await fixture.platform.start(request) == found)

      let exit = Task { try await fixture.platform.waitForExit(of: found) }
      let report = try await fixture.platform.stop(found, deadline: .seconds(60))
      #expect(!report.killed)
      #expect(try await exit.value == .unknown)
    }
  }

  @Test func aDaemonOfAnEndedInstanceIsNotTheInstance() async throws {
    try await Fixture.with { fixture in
      try fixture.write("echo $$ > daemon.pid; exec sleep 600", to: "daemon.sh")
      let instance = try await fixture.start(
        "setsid sh daemon.sh & while [ ! -s daemon.pid ]; do sleep 0.01; done")
      #expect(try await fixture.platform.waitForExit(of: instance) == .status(0))
      let daemon = try await fixture.pid(in: "daemon.pid")
      #expect(isAlive(daemon))
      #expect(try await fixture.platform.observe() == [])
      _ = try await fixture.platform.stop(instance, deadline: .seconds(60))
      #expect(!isAlive(daemon))
    }
  }

  @Test func onlyTheMostRecentStoppedInstancesAreKept() async throws {
    try await Fixture.with(retention: .init(stoppedInstances: 2)) { fixture in
      let running = try await fixture.start("sleep 600")
      for _ in 0..<4 {
        let ended = try await fixture.start("true")
        _ = try await fixture.platform.waitForExit(of: ended)
      }
      try await fixture.platform.maintain()
      #expect(fixture.platform.store.instances() == ["web-1", "web-4", "web-5"])
      try await fixture.platform.forget(running.instance)
      try await fixture.platform.forget("web-4")
      #expect(fixture.platform.store.instances() == ["web-1", "web-5"])
    }
  }
}
