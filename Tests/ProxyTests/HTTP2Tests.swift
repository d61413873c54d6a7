import Foundation
import Ports
import SegueModel
import Synchronization
import Testing

@testable import Proxy

/// HTTP/2 through the proxy, spoken by curl and h2load, who know beforehand that it is spoken
/// here.
@Suite struct HTTP2Tests {
  /// - Returns: what curl printed.
  private static func curl(_ arguments: [String]) async throws -> String {
    try await Command.run(
      ["curl", "-sS", "--max-time", "60", "--http2-prior-knowledge"] + arguments)
  }

  @Test func aRequestIsAnswered() async throws {
    let seen = Mutex<SeenRequest?>(nil)
    let backend = try Backend.http { request, socket in
      seen.withLock { $0 = request }
      try socket.answer(headers: "X-Own: yes\r\nConnection: keep-alive\r\n", body: "hello")
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      let output = try await Self.curl(["-i", "http://127.0.0.1:\(proxy.port)/a?b=c"])
      #expect(output.hasPrefix("HTTP/2 200"))
      #expect(output.contains("x-own: yes") && !output.lowercased().contains("connection:"))
      #expect(output.hasSuffix("hello"))
      let request = try #require(seen.withLock { $0 })
      #expect(request.line == "GET /a?b=c HTTP/1.1")
      #expect(request.header("host") == "127.0.0.1:\(proxy.port)")
      #expect(request.header("x-forwarded-for") == "127.0.0.1")
    }
  }

  @Test func bodiesGoBothWays() async throws {
    let backend = try Backend.http { request, socket in
      try socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
      // Chunks of another size than those that came.
      for start in stride(from: 0, to: request.body.count, by: 10_000) {
        let piece = request.body[start..<min(start + 10_000, request.body.count)]
        try socket.write("\(String(piece.count, radix: 16))\r\n")
        try socket.write(Array(piece) + Array("\r\n".utf8))
      }
      try socket.write("0\r\n\r\n")
    }
    defer { backend.stop() }
    let directory = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    // Far beyond every window and buffer on the way.
    let body = Data((0..<5_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) })
    try body.write(to: URL(filePath: directory + "/body"))
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      let output = try await Self.curl([
        "--data-binary", "@\(directory)/body", "-o", "\(directory)/echo",
        "http://127.0.0.1:\(proxy.port)/",
      ])
      #expect(output == "")
      #expect(try Data(contentsOf: URL(filePath: directory + "/echo")) == body)
    }
  }

  @Test func manyRequestsShareTwoConnections() async throws {
    let backend = try Backend.http { request, socket in try socket.answer(body: request.path) }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      let output = try await Command.run([
        "h2load", "-n", "2000", "-c", "2", "-m", "50", "-T", "60",
        "http://127.0.0.1:\(proxy.port)/",
      ])
      #expect(output.contains("2000 succeeded, 0 failed, 0 errored"), "\(output.suffix(1_500))")
      let report = try await proxy.report()
      #expect(report.versions.map(\.requests) == [2_000])
      #expect(report.inFlight.values.allSatisfy { $0 == 0 })
    }
  }

  @Test func aDrainFinishesWhatIsUnderWay() async throws {
    let goOn = DispatchSemaphore(value: 0)
    let begun = DispatchSemaphore(value: 0)
    let backend = try Backend.http { _, socket in
      begun.signal()
      goOn.wait()
      try socket.answer(body: "late")
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      async let answer = Self.curl(["http://127.0.0.1:\(proxy.port)/"])
      try await onThread { begun.wait() }
      proxy.server.beginShutdown(within: .seconds(60))
      goOn.signal()
      #expect(try await answer == "late")
      await proxy.server.waitUntilClosed()
    }
  }

  @Test func whoeverIsAnsweredWithoutAnInstanceHearsItInHTTP2() async throws {
    try await withProxy { proxy in
      let output = try await Self.curl(["-i", "http://127.0.0.1:\(proxy.port)/"])
      #expect(output.hasPrefix("HTTP/2 404"))
    }
  }
}
