import Dispatch
import Foundation
import SegueModel
import Testing

@testable import Proxy

/// Long-lived connections at the end of a proxy.
@Suite struct TunnelDrainTests {
  /// An instance that agrees to a websocket, sends some octets, and then waits.
  private static func backend(sending octets: [UInt8]) throws -> Backend {
    try Backend { socket in
      guard try socket.readRequest() != nil else { return }
      try socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n")
      try socket.write(Array("Upgrade: websocket\r\n\r\n".utf8) + octets)
      _ = try socket.readToEnd()
    }
  }

  private static func upgrade(_ proxy: Fixture) throws -> Socket {
    let client = try proxy.connect()
    let answer = try client.ask(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    #expect(answer.status == 101)
    return client
  }

  /// Catalogue of losses, row 11.
  @Test func aWebsocketIsToldThatTheProxyGoes() async throws {
    let frame: [UInt8] = [0x81, 0x02, 104, 105]
    let backend = try Self.backend(sending: frame)
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      let client = try await onThread { try Self.upgrade(proxy) }
      #expect(try await onThread { try client.readExactly(4) } == frame)
      proxy.server.beginShutdown(within: .seconds(1))
      // Close, 1001: going away.
      #expect(try await onThread { try client.readToEnd() } == [0x88, 0x02, 0x03, 0xE9])
      client.close()
      await proxy.server.waitUntilClosed()
    }
  }

  @Test func aFrameThatIsUnderWayIsNotTornByOurs() async throws {
    // Five octets are announced, and two come.
    let torn: [UInt8] = [0x81, 0x05, 104, 101]
    let backend = try Self.backend(sending: torn)
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      let client = try await onThread { try Self.upgrade(proxy) }
      proxy.server.beginShutdown(within: .seconds(1))
      #expect(try await onThread { try client.readToEnd() } == torn)
      client.close()
      await proxy.server.waitUntilClosed()
    }
  }
}
