import Ports
import SegueModel
import Synchronization
import Testing

@testable import Proxy

/// Rows 5 and 6 of the catalogue of losses: an instance that closes a connection while the router
/// gives it the next request.
@Suite struct StaleConnectionTests {
  /// Requests of each kind.
  private static let rounds = 10_000
  private static let clients = 8
  /// The moment of the close moves through these steps of 0.1 ms.
  private static let steps = 20

  /// Closes each connection a moment after its answer, a step later each time.
  private static func closingBackend(_ ledger: Ledger) throws -> Backend {
    let moments = Mutex(0)
    return try Backend { socket in
      while let request = try socket.readRequest() {
        ledger.note(request.path)
        try socket.answer(body: request.path)
        let moment = moments.withLock { value in
          value += 1
          return value
        }
        guard moment % 2 == 0 else { continue }
        if moment % 4 == 0 {
          // Executes the next one as well, and goes without a word: what a repetition would double.
          if let last = try socket.readRequest() { ledger.note(last.path) }
          return
        }
        // pause: the moment between an answer and the close is what this test is about.
        usleepMicroseconds(UInt32(moment / 2 % steps) * 100)
        return
      }
    }
  }

  /// Sends from several clients, each of which waits another moment before its next request.
  private static func send(
    _ proxy: Fixture, _ ask: @escaping @Sendable (Socket, String) throws -> SeenResponse
  ) async throws -> [(path: String, status: Int)] {
    try await withThrowingTaskGroup(of: [(path: String, status: Int)].self) { group in
      for client in 0..<clients {
        group.addTask {
          try await onThread {
            let socket = try proxy.connect()
            return try (0..<rounds / clients).map { number in
              // pause: meets the moment of the close from the other side.
              usleepMicroseconds(UInt32(number / steps % steps) * 100)
              let path = "/\(client)/\(number)"
              let answer = try ask(socket, path)
              #expect(answer.status != 200 || answer.text == path)
              return (path, answer.status)
            }
          }
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
  }

  @Test func staleConnectionsLoseNoGet() async throws {
    let ledger = Ledger()
    let backend = try Self.closingBackend(ledger)
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      let answers = try await Self.send(proxy) { try $0.get($1) }
      #expect(answers.count == Self.rounds && answers.allSatisfy { $0.status == 200 })
      let report = try await proxy.report()
      #expect(report.versions[0].failed == 0)
      #expect(report.versions[0].retried > 0, "the moments did not meet")
    }
  }

  @Test func staleConnectionsRepeatNoPost() async throws {
    let ledger = Ledger()
    let backend = try Self.closingBackend(ledger)
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      let answers = try await Self.send(proxy) { try $0.post($1, body: "once") }
      #expect(ledger.repeated == [:])
      #expect(answers.allSatisfy { [200, 502].contains($0.status) })
      #expect(ledger.ids.isSuperset(of: answers.filter { $0.status == 200 }.map(\.path)))
      // What arrives just before the close may have been executed: its client is told so.
      let lost = answers.filter { $0.status == 502 }.count
      #expect(try await proxy.report().versions[0].failed == UInt64(lost))
    }
  }

  /// The router's own limit is far away: it is the instance's word that counts.
  @Test func anInstancesOwnTimeoutIsHonoured() async throws {
    var limits = ProxyLimits()
    limits.poolIdle = .minutes(10)
    let closed = Mutex(0)
    let backend = try Backend { socket in
      while try socket.readRequest() != nil {
        try socket.answer(headers: "Keep-Alive: timeout=1, max=100\r\n")
      }
      closed.withLock { $0 += 1 }
    }
    defer { backend.stop() }
    try await withProxy(limits: limits) { proxy in
      try await proxy.route([backend.port])
      _ = try await onThread { try proxy.connect().get() }
      try await eventually("the router closes it first") { closed.withLock { $0 == 1 } }
    }
  }
}
