import Foundation
import Testing

/// `make soak` in small, so that it never rots: the same script, with three rollouts and three
/// upgrades of the proxy.
@Suite(.serialized) struct SoakTests {
  @Test func rolloutsAndUpgradesUnderEveryKindOfTrafficLoseNothing() async throws {
    let segue = try Installation()
    let result = segue.root + "/soak.json"
    let soak = try await segue.run([
      "env", "ROLLOUTS=3", "UPGRADES=3", "ROUNDS=1", "STEADY=1", "LEAST_REQUESTS=1000",
      "SEGUE_BIN=\(segue.segue)", "SEGUE_LOAD_BIN=\(Installation.binaries)/segue-load",
      "SOAK_RESULT=\(result)", "TMPDIR=\(segue.root)", Installation.packageRoot + "/Scripts/soak",
    ])
    let figures = try? JSONDecoder().decode(
      [String: Double].self, from: Data(contentsOf: URL(filePath: result)))
    await segue.tearDown()
    #expect(soak.status == 0, "\(soak.all)")
    #expect(figures?["failed"] == 0)
    #expect(figures?["ids_executed_twice"] == 0)
    #expect((figures?["ids_executed"] ?? 0) > 100)
    for kind in ["get", "post", "chunked_post", "websocket"] {
      #expect((figures?["\(kind)_requests"] ?? 0) > 100, "\(kind)")
    }
  }
}
