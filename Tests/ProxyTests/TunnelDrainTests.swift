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

  /// Catalogue of losses, row 11: the same when only its instance goes.
  @Test func aWebsocketIsToldThatItsInstanceGoes() async throws {
    let backends = try [Self.backend(sending: []), Self.backend(sending: [])]
    defer { for backend in backends { backend.stop() } }
    try await withProxy(threads: 1) { proxy in
      try await proxy.route([backends[0].port])
      let client = try await onThread { try Self.upgrade(proxy) }
      defer { client.close() }
      let instance = InstanceID("i-\(backends[0].port)")
      #expect(try await proxy.report().lasting == [instance: 1])
      var table = Fixture.table([backends[1].port], generation: 2)
      table.tunnelDrain = .seconds(1)
      try await proxy.director.apply(table)
      #expect(try await onThread { try client.readToEnd() } == [0x88, 0x02, 0x03, 0xE9])
      let report = try await proxy.report()
      #expect(report.inFlight[instance] ?? 0 == 0 && report.lasting == [:])
    }
  }

  @Test func aTunnelOutlivesAChangeThatIsTakenBack() async throws {
    let backends = try [Self.backend(sending: []), Self.backend(sending: [])]
    defer { for backend in backends { backend.stop() } }
    try await withProxy(threads: 1) { proxy in
      try await proxy.route([backends[0].port])
      let client = try await onThread { try Self.upgrade(proxy) }
      defer { client.close() }
      var table = Fixture.table([backends[1].port], generation: 2)
      // Long enough for what follows, on a busy machine too: half of it passes before the first end.
      table.tunnelDrain = Milliseconds(1_500)
      try await proxy.director.apply(table)
      let later = try await onThread { try Self.upgrade(proxy) }
      defer { later.close() }
      table = Fixture.table([backends[0].port], generation: 3)
      table.tunnelDrain = Milliseconds(4_500)
      try await proxy.director.apply(table)
      // By the time that this one is ended, the first would have been.
      #expect(try await onThread { try later.readToEnd() } == [0x88, 0x02, 0x03, 0xE9])
      let first = InstanceID("i-\(backends[0].port)")
      #expect(try await proxy.report().lasting == [first: 1])
    }
  }

  @Test func anEventStreamIsKnownToLast() async throws {
    let backend = try Backend.http { request, socket in
      let type = request.path == "/events" ? "Text/event-stream; charset=utf-8" : "text/plain"
      try socket.write(
        "HTTP/1.1 200 OK\r\nContent-Type: \(type)\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
      _ = try socket.readToEnd()
    }
    defer { backend.stop() }
    try await withProxy(threads: 1) { proxy in
      try await proxy.route([backend.port])
      let clients = try await onThread {
        try ["/events", "/page"].map { path in
          let client = try proxy.connect()
          try client.write("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
          _ = try client.read(through: "a\r\n")
          return client
        }
      }
      defer { for client in clients { client.close() } }
      let instance = InstanceID("i-\(backend.port)")
      let report = try await proxy.report()
      #expect(report.lasting == [instance: 1] && report.inFlight == [instance: 2])
    }
  }
}
