import Glibc
import Ports
import SegueModel
import Testing

@testable import ProcessPlatform

@Suite struct ListenerTests {
  @Test func nobody() async throws {
    try await Fixture.with { fixture in
      let instance = try await fixture.start("sleep 600")
      #expect(try await fixture.platform.ownsListener(instance) == .nobody)
    }
  }

  @Test(arguments: [
    "",
    // A worker listens while its master waits.
    "if os.fork() > 0: os.wait(); raise SystemExit",
    // The same in a session of its own.
    "if os.fork() > 0: os.wait(); raise SystemExit\nos.setsid()",
  ])
  func own(preamble: String) async throws {
    try await Fixture.with { fixture in
      try fixture.write(pythonServer(preamble), to: "server.py")
      let instance = try await fixture.start("python3 server.py")
      try await fixture.waitForLine("listening", of: instance)
      #expect(try await fixture.platform.ownsListener(instance) == .own)
    }
  }

  @Test func stranger() async throws {
    try await Fixture.with { fixture in
      let instance = try await fixture.start("sleep 600")
      let socket = try listen(on: instance.endpoint.port)
      defer { close(socket) }
      guard case .stranger(let who) = try await fixture.platform.ownsListener(instance) else {
        Issue.record("the test's own listener was not noticed")
        return
      }
      #expect(who.hasPrefix("process \(getpid()) ("))
    }
  }

  @Test func theClosestListenerAnswers() {
    let table = """
        sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
         0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1
         1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22 1
         2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 33 1
         3: 0200007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 44 1
      """
    let listeners = Listener.parse(Array(table.utf8), port: 8_080)
    #expect(
      listeners == [
        Listener(inode: 11, closeness: .anyVersion4), Listener(inode: 22, closeness: .exact),
      ])
  }
}
