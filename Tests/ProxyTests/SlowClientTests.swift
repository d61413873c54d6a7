import Glibc
import Ports
import SegueModel
import Testing

@testable import Proxy

/// Clients that send a head octet by octet. How much slower others become is a matter for a benchmark;
/// that they are answered is shown here.
@Suite struct SlowClientTests {
  private static let slow = 5_000

  /// Both ends of every connection are in this process.
  private static func raiseDescriptorLimit() -> Int {
    var limit = rlimit()
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    getrlimit(resource, &limit)
    limit.rlim_cur = limit.rlim_max
    setrlimit(resource, &limit)
    return Int(clamping: limit.rlim_cur)
  }

  @Test func fiveThousandSlowHeadsHoldNobodyElse() async throws {
    // Other suites need descriptors as well.
    let count = min(Self.slow, Self.raiseDescriptorLimit() / 3)
    var limits = ProxyLimits()
    limits.readHead = .seconds(5)
    // However long this machine takes to come to read what they are told.
    limits.linger = .seconds(120)
    let ledger = Ledger()
    let backend = try ledger.backend()
    defer { backend.stop() }
    try await withProxy(limits: limits) { proxy in
      try await proxy.route([backend.port])
      let slow = try await onThread {
        let head = Array("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n".utf8)
        let slow = try (0..<count).map { _ in try proxy.connect() }
        for client in slow { try client.write([head[0]]) }
        // An octet for each of them, again and again, with good requests in between.
        for (step, octet) in head.dropFirst().prefix(10).enumerated() {
          for (index, client) in slow.enumerated() {
            try client.write([octet])
            guard index % 500 == 0 else { continue }
            let path = "/\(step)/\(index)"
            let answer = try proxy.connect().post(path, body: "once")
            #expect(answer.status == 200 && answer.text == path)
          }
        }
        return slow
      }
      #expect(ledger.repeated == [:])
      #expect(ledger.order.count == 10 * ((count + 499) / 500))
      try await onThread {
        for client in slow {
          let answer = try client.readResponse()
          #expect(answer.status == 408)
          client.close()
        }
        #expect(try proxy.connect().get("/after").text == "/after")
      }
    }
  }
}
