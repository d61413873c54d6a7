import ControlProtocol
import Foundation
import Glibc
import LoadGenerator
import Testing

/// The proxy replaces itself under load; everything real.
@Suite(.serialized) struct UpgradeTests {
  @Test func proxiesAreReplacedAndNoRequestNotices() async throws {
    try await withInstallation { segue in
      try await segue.makeRepository(CommitToLiveTests.app(version: "1"))
      try await segue.start()
      _ = try await segue.push()
      let load = try segue.load()
      var pids = [try #require(try await segue.decode(StatusReply.self, "status").proxy.pid)]
      for _ in 1...3 {
        let upgrade = try await segue.cli("proxy", "upgrade")
        #expect(upgrade.status == 0, "\(upgrade.all)")
        let status = try await segue.decode(StatusReply.self, "status")
        pids.append(try #require(status.proxy.pid))
        #expect(status.proxy.restarts == 0)
      }
      #expect(Set(pids).count == 4)
      let report = await load.stop()
      #expect(report.failed == 0, "\(report.failures)")
      // The control plane watches the last of them as it did the first.
      kill(try #require(pids.last), SIGKILL)
      try await until("the control plane starts another", deadline: .seconds(20)) {
        let status = try await segue.decode(StatusReply.self, "status")
        return status.proxy.running && status.proxy.pid != pids.last
      }
      try await until("it serves by the table", deadline: .seconds(20)) {
        try await segue.run(["curl", "-sS", "-m", "2", segue.url]).standardOutput == "hello"
      }
    }
  }
}
