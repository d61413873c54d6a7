import Ports
import SegueModel
import Testing

@testable import Proxy

/// HTTP/2 as clients know it that are built on Python's `h2`, `hyperframe` and `hpack`, who know
/// beforehand that it is spoken here, or agree on it by ALPN.
@Suite struct HTTP2ConformanceTests {
  @Test(arguments: ["plain", "tls"])
  func theSuitePasses(_ how: String) async throws {
    var limits = ProxyLimits()
    limits.drainIdle = Milliseconds(300)
    let host = how == "tls" ? "a.test" : nil
    try await withProxy(limits: limits, secureHost: host) { proxy in
      let cases = try await ConformanceSuite.run("http2_suite.py", [how]) { line in
        if let application = line.application {
          try await proxy.route([application])
          return "\(how == "tls" ? proxy.server.securePort : proxy.port)"
        }
        switch line.want {
        case "idle":
          // Whatever became of a stream, its request is over.
          try await eventually("nothing is in flight") {
            try await proxy.report().inFlight.values.allSatisfy { $0 == 0 }
          }
          return "yes"
        case "drain": proxy.server.beginShutdown(within: .seconds(60))
        default: Issue.record("\(line)")
        }
        return nil
      }
      #expect(cases > 200)
    }
  }
}
