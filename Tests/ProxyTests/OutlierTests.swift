import Ports
import SegueModel
import Synchronization
import Testing

@testable import Proxy

/// Instances that answer, but badly.
@Suite struct OutlierTests {
  @Test func anInstanceThatOnlyFailsIsLeftAlone() async throws {
    let failed = Mutex(0)
    let bad = try Backend.http { _, socket in
      failed.withLock { $0 += 1 }
      try socket.answer("500 Internal Server Error", body: "no")
    }
    let good = try Backend.named("good")
    defer { for backend in [bad, good] { backend.stop() } }
    try await withProxy(threads: 1) { proxy in
      try await proxy.route([bad.port, good.port])
      try await onThread {
        let client = try proxy.connect()
        // By the power of two choices each has its turn until one has failed five times in a row.
        while failed.withLock({ $0 }) < 5 { _ = try client.get() }
        for _ in 0..<50 { #expect(try client.get().text == "good") }
      }
      #expect(failed.withLock { $0 } == 5)
      #expect(try await proxy.report().ejections == 1)
    }
  }

  @Test func theLastInstanceIsNeverEjected() async throws {
    let bad = try Backend.http { _, socket in
      try socket.answer("503 Service Unavailable", body: "no")
    }
    defer { bad.stop() }
    try await withProxy { proxy in
      try await proxy.route([bad.port])
      try await onThread {
        let client = try proxy.connect()
        for _ in 0..<20 { #expect(try client.get().text == "no", "its own answer, not ours") }
      }
    }
  }
}
