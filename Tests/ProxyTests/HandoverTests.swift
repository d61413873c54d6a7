import Foundation
import Glibc
import Logging
import Ports
import SegueModel
import Synchronization
import Testing

@testable import Proxy

/// One proxy takes over from another that goes on serving until it does.
@Suite struct HandoverTests {
  private static func configuration(_ directory: String, takesOver: Bool) -> ProxyConfiguration {
    var limits = ProxyLimits()
    limits.handover = .seconds(30)
    limits.drainIdle = Milliseconds(200)
    return ProxyConfiguration(
      controlSocket: directory + "/control", stateDirectory: directory, threads: 2,
      takesOver: takesOver, limits: limits)
  }

  private static func start(_ directory: String, takesOver: Bool = true) async throws -> ProxyServer
  {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return try await ProxyServer.start(
      configuration(directory, takesOver: takesOver), logger: logger)
  }

  /// Runs a test with a first proxy, which the test may have had replaced by others.
  private static func withHouse(
    _ body: (String, ProxyServer, ProxyDirector) async throws -> [ProxyServer]
  ) async throws {
    let directory = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let first = try await start(directory, takesOver: false)
    let director = ProxyDirector(controlSocket: directory + "/control", deadline: .seconds(60))
    do {
      for heir in try await body(directory, first, director) {
        await heir.shutdownGracefully(deadline: .zero)
      }
    } catch {
      await first.shutdownGracefully(deadline: .zero)
      throw error
    }
    await first.shutdownGracefully(deadline: .zero)
  }

  @Test func anHeirGoesOnWithAnExperiment() async throws {
    let backends = try [Backend.named("a"), Backend.named("b")]
    defer { for backend in backends { backend.stop() } }
    try await Self.withHouse { directory, first, director in
      var table = Fixture.pair(
        backends[0].port, backends[1].port, share: 500, sticky: .header("x-user"))
      table.experiment = ExperimentTarget(
        rollout: "R1", control: "r-a", variant: "r-b",
        goals: [GoalSpec(name: "visit", source: .path("/"))])
      try await director.apply(table)
      func visit(_ users: Range<Int>) async throws {
        try await onThread {
          let client = try Socket.connect(port: first.port)
          defer { client.close() }
          for user in users { _ = try client.get(headers: "X-User: \(user)\r\n") }
        }
      }
      func arms() async throws -> [ExperimentReport.Arm] {
        try await director.report().first?.experiment?.arms ?? []
      }
      try await visit(0..<20)
      #expect(try await arms().reduce(0) { $0 + $1.units } == 20)
      let heir = try await Self.start(directory)
      await first.waitUntilClosed()
      try await visit(10..<30)
      let counted = try await arms()
      #expect(counted.reduce(0) { $0 + $1.units } == 30)
      #expect(counted.reduce(0) { $0 + $1.sums[0] } == 30)
      return [heir]
    }
  }

  @Test func tenHandoversUnderLoadLoseNothing() async throws {
    let ledger = Ledger()
    let backend = try ledger.backend()
    defer { backend.stop() }
    try await Self.withHouse { directory, first, director in
      try await director.apply(Fixture.table([backend.port]))
      let load = HandoverLoad(port: first.port)
      load.start(clients: 8)
      var current = first
      for round in 1...10 {
        let heir = try await Self.start(directory)
        #expect(heir.port == first.port)
        await current.waitUntilClosed()
        current = heir
        let generation = UInt64(round + 1)
        try await director.apply(Fixture.table([backend.port], generation: generation))
      }
      let (sent, failures) = await load.stop()
      #expect(failures == [])
      #expect(sent > 100)
      #expect(ledger.repeated == [:])
      #expect(ledger.order.count == sent)
      let report = try #require(try await director.report().first)
      #expect(report.generation == Generation(11))
      #expect(report.versions.map(\.requests).reduce(0, +) == UInt64(sent), "counters go on")
      return [current]
    }
  }

  @Test func anHeirThatDiesCostsNothing() async throws {
    let backend = try Backend.named("v1")
    defer { backend.stop() }
    try await Self.withHouse { directory, first, director in
      try await director.apply(Fixture.table([backend.port]))
      let claimed = try Inheritance.claim(directory + "/control", patience: .seconds(30))
      // What a takeover has read must not change under it.
      await #expect(throws: PortError.self) {
        try await director.apply(Fixture.table([backend.port], generation: 2))
      }
      claimed.abandon()
      try await eventually("it takes tables again") {
        (try? await director.apply(Fixture.table([backend.port], generation: 3))) != nil
      }
      #expect(try Socket.connect(port: first.port).get("/").status == 200)
      let heir = try await Self.start(directory)
      #expect(try Socket.connect(port: heir.port).get("/").status == 200)
      return [heir]
    }
  }

  @Test func whatTheOlderOneStillHasInFlightIsReported() async throws {
    let goOn = DispatchSemaphore(value: 0)
    let backend = try Backend.http { _, socket in
      goOn.wait()
      try socket.answer(body: "late")
    }
    defer { backend.stop() }
    try await Self.withHouse { directory, first, director in
      try await director.apply(Fixture.table([backend.port]))
      let slow = try Socket.connect(port: first.port)
      try slow.write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
      try await eventually("it is in flight") {
        try await director.report().first?.inFlight.values.contains(1) ?? false
      }
      let heir = try await Self.start(directory)
      #expect(try await director.report().first?.inFlight.values.contains(1) ?? false)
      // Both answer by the new table before it counts as acknowledged.
      try await director.apply(Fixture.table([backend.port], generation: 2))
      goOn.signal()
      #expect(try slow.readResponse().text == "late")
      await first.waitUntilClosed()
      let report = try #require(try await director.report().first)
      #expect(report.inFlight.values.allSatisfy { $0 == 0 })
      #expect(report.versions.map(\.requests) == [1])
      #expect(report.generation == Generation(2))
      return [heir]
    }
  }

  @Test func withNobodyToTakeOverFromThereIsAClearError() async throws {
    let directory = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let error = await #expect(throws: PortError.self) {
      _ = try await Self.start(directory)
    }
    #expect(error?.what.contains("no proxy to take over from") ?? false)
  }
}

/// Clients that send one request after another, half of them not to be repeated, and obey what they are told of their connections.
private final class HandoverLoad: Sendable {
  private struct State {
    var isOver = false
    var running = 0
    var sent = 0
    var failures: [String] = []
  }

  private let port: Int
  private let state = Mutex(State())

  init(port: Int) { self.port = port }

  func start(clients: Int) {
    state.withLock { $0.running = clients }
    for client in 0..<clients {
      Threads.start { [self] in
        run(client)
        state.withLock { $0.running -= 1 }
      }
    }
  }

  private func run(_ client: Int) {
    var socket: Socket?
    var number = 0
    while !state.withLock({ $0.isOver }) {
      do {
        let connection = try socket ?? Socket.connect(port: port)
        socket = connection
        number += 1
        let path = "/\(client)/\(number)"
        let answer =
          number % 2 == 0
          ? try connection.get(path) : try connection.post(path, body: "once")
        guard answer.status == 200 else { throw Socket.Failure.system(answer.text, 0) }
        state.withLock { $0.sent += 1 }
        if answer.closes {
          connection.close()
          socket = nil
        }
      } catch {
        state.withLock { $0.failures.append("\(error)") }
        socket?.close()
        socket = nil
      }
    }
    socket?.close()
  }

  /// - Returns: the requests that were answered, and why others were not.
  func stop() async -> (sent: Int, failures: [String]) {
    state.withLock { $0.isOver = true }
    while state.withLock({ $0.running }) > 0 {
      await Task.yield()
    }
    return state.withLock { ($0.sent, $0.failures) }
  }
}
