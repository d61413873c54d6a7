import Foundation
import Glibc
import Ports
import SegueModel
import Testing

@testable import ProcessPlatform

@Suite struct EndTests {
  @Test(arguments: [
    ("true", InstanceExit.status(0)), ("exit 3", .status(3)), ("kill -9 $$; :", .signal(9)),
    ("no-such-command-of-segue", .status(127)),
  ])
  func tellsHowAnInstanceEnded(run: String, exit: InstanceExit) async throws {
    try await Fixture.with { fixture in
      let instance = try await fixture.start(run)
      #expect(try await fixture.platform.waitForExit(of: instance) == exit)
      // Who asks later learns the same.
      #expect(try await fixture.platform.waitForExit(of: instance) == exit)
      #expect(try await fixture.platform.observe() == [])
      let report = try await fixture.platform.stop(instance, deadline: .seconds(5))
      #expect(!report.killed)
    }
  }

  @Test func explainsACommandThatIsNotThere() async throws {
    try await Fixture.with { fixture in
      let instance = try await fixture.start("no-such-command-of-segue")
      let exit = try await fixture.platform.waitForExit(of: instance)
      let text = try await fixture.platform.explain(exit, of: instance)
      #expect(text.contains("exited with status 127: the shell did not find its command"))
      #expect(text.contains("no-such-command-of-segue"))
    }
  }

  @Test func cancellingTheWaitLeavesTheInstance() async throws {
    try await Fixture.with { fixture in
      let instance = try await fixture.start("sleep 600")
      let waiting = Task { try await fixture.platform.waitForExit(of: instance) }
      waiting.cancel()
      await #expect(throws: PortError.self) { try await waiting.value }
      #expect(isAlive(instance.process.pid))
    }
  }

  @Test func aPoliteInstanceIsNotKilled() async throws {
    try await Fixture.with { fixture in
      let instance = try await fixture.start(
        "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.1; done")
      try await fixture.waitForLine("up", of: instance)
      let report = try await fixture.platform.stop(instance, deadline: .seconds(60))
      #expect(!report.killed)
      #expect(try await fixture.platform.waitForExit(of: instance) == .status(7))
      #expect(try await fixture.lines(of: instance).last == "bye")
    }
  }

  @Test func anInstanceThatIgnoresTheRequestIsKilled() async throws {
    try await Fixture.with { fixture in
      let instance = try await fixture.start(
        "trap '' TERM; echo deaf; while :; do sleep 0.1; done")
      try await fixture.waitForLine("deaf", of: instance)
      let report = try await fixture.platform.stop(instance, deadline: Milliseconds(300))
      #expect(report.killed)
      #expect(report.took >= Milliseconds(300))
      #expect(try await fixture.platform.waitForExit(of: instance) == .signal(SIGKILL))
    }
  }

  /// A master that is told alone tells its workers itself: here the worker proves that it heard of the
  /// end only after the master did.
  @Test func theLeaderIsToldBeforeItsWorkers() async throws {
    try await Fixture.with { fixture in
      try fixture.write(
        """
        trap 'echo master; kill -USR1 $worker; wait $worker; exit 0' TERM
        sh -c 'trap "echo told by a stranger" TERM; trap "echo worker; exit 0" USR1; echo up; \
        while :; do sleep 0.05; done' &
        worker=$!
        while :; do wait $worker; done
        """, to: "master.sh")
      let instance = try await fixture.start("sh master.sh")
      try await fixture.waitForLine("up", of: instance)
      let report = try await fixture.platform.stop(instance, deadline: .seconds(60))
      #expect(!report.killed)
      #expect(try await fixture.lines(of: instance) == ["up", "master", "worker"])
    }
  }

  @Test func stopsWhatLeftTheSession() async throws {
    try await Fixture.with { fixture in
      try fixture.write("echo $$ > daemon.pid; exec sleep 600", to: "daemon.sh")
      try fixture.write("echo $$ > bare.pid; exec sleep 600", to: "bare.sh")
      // One leaves the session, one forgets its environment; both close the log.
      let instance = try await fixture.start(
        """
        setsid sh daemon.sh >/dev/null 2>&1 &
        env -i /bin/sh bare.sh >/dev/null 2>&1 &
        exec sleep 600
        """)
      let daemon = try await fixture.pid(in: "daemon.pid")
      let bare = try await fixture.pid(in: "bare.pid")
      #expect(ProcessTable.status(of: daemon)?.session == daemon)
      _ = try await fixture.platform.stop(instance, deadline: .seconds(60))
      #expect(!isAlive(daemon))
      #expect(!isAlive(bare))
      #expect(!isAlive(instance.process.pid))
    }
  }

  @Test func stopsWhatADeadLeaderLeftBehind() async throws {
    try await Fixture.with { fixture in
      try fixture.write("echo $$ > child.pid; exec sleep 600", to: "child.sh")
      let instance = try await fixture.start(
        "env -i /bin/sh child.sh & while [ ! -s child.pid ]; do sleep 0.01; done; kill -9 $$")
      let child = try await fixture.pid(in: "child.pid")
      #expect(try await fixture.platform.waitForExit(of: instance) == .signal(SIGKILL))
      #expect(isAlive(child))
      // No leader and no environment: it is known by the log it writes to.
      _ = try await fixture.platform.stop(instance, deadline: .seconds(60))
      #expect(!isAlive(child))
    }
  }

  @Test func aLaterProcessOfTheSamePidIsNeverTouched() async throws {
    try await Fixture.with { fixture in
      let bystander = try await fixture.start("sleep 600")
      var mistaken = bystander
      mistaken.instance = "web-77"
      mistaken.process.startTime -= 1
      #expect(try await fixture.platform.waitForExit(of: mistaken) == .unknown)
      let report = try await fixture.platform.stop(mistaken, deadline: .zero)
      #expect(!report.killed)
      mistaken.process = bystander.process
      mistaken.process.bootID = "another boot"
      _ = try await fixture.platform.stop(mistaken, deadline: .zero)
      #expect(isAlive(bystander.process.pid))
    }
  }
}
