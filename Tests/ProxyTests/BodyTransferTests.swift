import Foundation
import Ports
import SegueModel
import Testing

@testable import Proxy

/// Bodies larger than any buffer.
@Suite(.serialized) struct BodyTransferTests {
  static let size = 128 << 20
  /// Other suites take memory at the same time; a body that is held whole takes twice this.
  static let bound = 64 << 20

  /// Resident memory of this process in octets.
  static func residentMemory() throws -> Int {
    let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
    return (Int(text.split(separator: " ")[1]) ?? 0) * 4_096
  }

  @Test func aLargeDownloadToASlowReaderStaysInBounds() async throws {
    let piece = [UInt8](repeating: 1, count: 65_536)
    let backend = try Backend.http { _, socket in
      try socket.write("HTTP/1.1 200 OK\r\nContent-Length: \(Self.size)\r\n\r\n")
      for _ in 0..<(Self.size / piece.count) { try socket.write(piece) }
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      try await onThread {
        let client = try proxy.connect(receiveBuffer: 65_536)
        try client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        _ = try client.read(through: "\r\n\r\n")
        let before = try Self.residentMemory()
        var received = 0
        var peak = before
        while received < Self.size {
          let count = try client.readSome().count
          guard count > 0 else { break }
          received += count
          if received % 40 == 0 { peak = max(peak, try Self.residentMemory()) }
        }
        #expect(received == Self.size)
        #expect(peak - before < Self.bound)
        #expect(try client.get("/again").status == 200)
      }
    }
  }

  @Test func aLargeUploadToASlowInstanceStaysInBounds() async throws {
    let backend = try Backend { socket in
      guard try socket.read(through: "\r\n\r\n") != nil else { return }
      var received = 0
      while received < Self.size {
        let count = try socket.readSome(limit: 16_384).count
        guard count > 0 else { return }
        received += count
      }
      try socket.answer(body: "\(received)")
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      try await onThread {
        let client = try proxy.connect()
        try client.write("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: \(Self.size)\r\n\r\n")
        let before = try Self.residentMemory()
        var peak = before
        let piece = [UInt8](repeating: 2, count: 65_536)
        for index in 0..<(Self.size / piece.count) {
          try client.write(piece)
          if index % 16 == 0 { peak = max(peak, try Self.residentMemory()) }
        }
        #expect(try client.readResponse().text == "\(Self.size)")
        #expect(peak - before < Self.bound)
      }
    }
  }

  @Test func aHalfClosedSlowReaderGetsTheWholeResponse() async throws {
    let size = 8 << 20
    let piece = [UInt8](repeating: 3, count: 65_536)
    let backend = try Backend.http { _, socket in
      try socket.write("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
      for _ in 0..<(size / piece.count) { try socket.write(piece) }
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      try await onThread {
        for endsEarly in [true, false] {
          let client = try proxy.connect(receiveBuffer: 16_384)
          try client.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
          if endsEarly { client.closeOutput() }
          _ = try client.read(through: "\r\n\r\n")
          var received = 0
          while received < size {
            let count = try client.readSome(limit: 32_768).count
            guard count > 0 else { break }
            received += count
            if received >= size / 2 { client.closeOutput() }
          }
          #expect(received == size)
          #expect(client.hasEnded())
        }
      }
    }
  }

  @Test func aReaderThatStallsHoldsNobodyElse() async throws {
    var limits = ProxyLimits()
    limits.bodyProgress = Milliseconds(300)
    let piece = [UInt8](repeating: 1, count: 65_536)
    let backend = try Backend.http { request, socket in
      guard request.path == "/big" else { return try socket.answer(body: "ok") }
      try socket.write("HTTP/1.1 200 OK\r\nContent-Length: \(Self.size)\r\n\r\n")
      for _ in 0..<(Self.size / piece.count) { try socket.write(piece) }
    }
    defer { backend.stop() }
    try await withProxy(limits: limits, threads: 1) { proxy in
      try await proxy.route([backend.port])
      let stalled = try proxy.connect(receiveBuffer: 16_384)
      try stalled.write("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
      let other = try await onThread { try proxy.connect().get() }
      #expect(other.text == "ok")
      try await eventually("the stalled one is cut") {
        try await proxy.report().inFlight.values.allSatisfy { $0 == 0 }
      }
      stalled.close()
    }
  }
}
