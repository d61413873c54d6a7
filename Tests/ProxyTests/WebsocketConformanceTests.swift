import SegueModel
import Testing

@testable import Proxy

/// Frame by frame, a websocket through the proxy is what it is without: the same is sent to a server
/// of Python's `websockets` both ways, and what the two sides observe is compared.
@Suite struct WebsocketConformanceTests {
  @Test func theProxyMakesNoDifference() async throws {
    try await withProxy(secureHost: "a.test") { proxy in
      let cases = try await ConformanceSuite.run("websocket_suite.py", []) { line in
        try await proxy.route([#require(line.application)])
        return "\(proxy.port) \(proxy.server.securePort)"
      }
      #expect(cases > 300)
    }
  }
}
