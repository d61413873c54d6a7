import ControlServer
import Foundation
import Glibc
import Logging
import Synchronization
import Testing

/// What takes webhooks, with requests that a forge would not send.
@Suite struct WebhookServerTests {
  private final class Port: Sendable {
    private let value = Mutex(0)
    var number: Int { value.withLock { $0 } }
    func set(_ number: Int) { value.withLock { $0 = number } }
  }

  /// Asks a server that answers 202 with what it got; the whole answer.
  private static func exchange(_ request: [UInt8]) async throws -> String {
    let port = Port()
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let server = WebhookServer(host: "127.0.0.1", port: 0, logger: logger) { found in
      port.set(found)
    } handler: { headers, body in
      let name = headers.first { $0.name.lowercased() == "x-name" }?.value ?? ""
      return .init(status: 202, text: "\(name) \(body.count)")
    }
    return try await withThrowingTaskGroup(of: String?.self) { group in
      group.addTask {
        try await server.run()
        return nil
      }
      group.addTask {
        try await wait(for: "the server") { port.number != 0 }
        return try await ask(port.number, request)
      }
      defer { group.cancelAll() }
      while let next = try await group.next() { if let next { return next } }
      return ""
    }
  }

  private static func ask(_ port: Int, _ request: [UInt8]) async throws -> String {
    let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let connected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    try #require(connected == 0)
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    var sent = 0
    var answer: [UInt8] = []
    try await wait(for: "an answer") {
      // A server that refuses a body need not read all of it.
      while sent < request.count {
        let count = request[sent...].withContiguousStorageIfAvailable {
          Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
        }
        guard let count, count > 0 else { break }
        sent += count
      }
      var buffer = [UInt8](repeating: 0, count: 4_096)
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count > 0 { answer += buffer.prefix(count) }
      let text = String(decoding: answer, as: UTF8.self)
      return text.contains("\r\n\r\n") && text.hasSuffix("\n")
    }
    return String(decoding: answer, as: UTF8.self)
  }

  private static func post(_ body: [UInt8]) -> [UInt8] {
    Array(
      "POST /hooks/shop HTTP/1.1\r\nHost: a\r\nX-Name: ana\r\nContent-Length: \(body.count)\r\n\r\n"
        .utf8) + body
  }

  @Test func headersAndBodyArriveAsTheyWereSent() async throws {
    let answer = try await Self.exchange(Self.post(Array(repeating: 120, count: 100_000)))
    #expect(answer.hasPrefix("HTTP/1.1 202"))
    #expect(answer.hasSuffix("ana 100000\n"))
  }

  @Test func aBodyBeyondTheLimitIsRefused() async throws {
    let body = [UInt8](repeating: 120, count: WebhookServer.bodyLimit + 1)
    #expect(try await Self.exchange(Self.post(body)).hasPrefix("HTTP/1.1 413"))
  }
}
