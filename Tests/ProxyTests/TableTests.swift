import Foundation
import Ports
import SegueModel
import Synchronization
import Testing

@testable import Proxy

/// Requests in a row on keep-alive connections until told to stop.
private final class Load: Sendable {
  /// What the instances executed.
  let ledger = Ledger()
  private let state = Mutex((isOver: false, served: 0, failures: [String]()))

  var served: Int { state.withLock { $0.served } }
  var failures: [String] { state.withLock { $0.failures } }
  func stop() { state.withLock { $0.isOver = true } }

  func run(on client: Socket, from first: Int) throws {
    var number = first
    while !state.withLock({ $0.isOver }) {
      number += 1
      do {
        let path = "/\(first)/\(number)"
        let response = number % 2 == 0 ? try client.get(path) : try client.post(path, body: "x")
        guard response.status == 200, !response.closes else {
          return state.withLock { $0.failures.append(response.head) }
        }
        state.withLock { $0.served += 1 }
      } catch {
        return state.withLock { $0.failures.append("\(error)") }
      }
    }
  }
}

/// Tables: swapped, fenced, kept.
@Suite struct TableTests {
  @Test func swapsUnderLoadLoseNothing() async throws {
    let load = Load()
    let first = try load.ledger.backend()
    let second = try load.ledger.backend()
    defer {
      first.stop()
      second.stop()
    }
    try await withProxy { proxy in
      try await proxy.route([first.port])
      try await withThrowingTaskGroup(of: Void.self) { group in
        // Also when a table is not taken: the group waits for everybody.
        defer { load.stop() }
        for worker in 0..<8 {
          group.addTask {
            try await onThread { try load.run(on: proxy.connect(), from: worker) }
          }
        }
        for generation in 2...60 as ClosedRange<UInt64> {
          let ports = generation % 2 == 0 ? [second.port] : [first.port, second.port]
          try await proxy.route(ports, generation: generation)
          let target = load.served + 20
          try await eventually("requests go on") {
            load.served >= target || !load.failures.isEmpty
          }
        }
        load.stop()
        try await group.waitForAll()
      }
      #expect(load.failures == [])
      #expect(load.ledger.repeated == [:])
      #expect(load.ledger.order.count == load.served)
      let report = try await proxy.report()
      #expect(report.versions.map(\.failed).reduce(0, +) == 0)
      #expect(report.versions.map(\.requests).reduce(0, +) == UInt64(load.served))
      #expect(report.generation == Generation(60))
    }
  }

  @Test func afterTheAcknowledgementNoRequestGoesByTheOldTable() async throws {
    let first = try Backend.named("first")
    let second = try Backend.named("second")
    defer {
      first.stop()
      second.stop()
    }
    try await withProxy { proxy in
      try await proxy.route([first.port])
      let clients = try await onThread {
        let clients = try (0..<8).map { _ in try proxy.connect() }
        for client in clients { #expect(try client.get().text == "first") }
        return clients
      }
      try await proxy.route([second.port], generation: 2)
      try await onThread {
        for client in clients {
          let response = try client.get()
          #expect(response.text == "second")
        }
      }
    }
  }

  @Test func whatIsInFlightEndsWhereItBegan() async throws {
    let go = Mutex(false)
    let old = try Backend.http { _, socket in
      while !go.withLock({ $0 }) { usleepMicroseconds(1_000) }
      try socket.answer(body: "old")
    }
    let new = try Backend.named("new")
    defer {
      go.withLock { $0 = true }
      old.stop()
      new.stop()
    }
    try await withProxy { proxy in
      try await proxy.route([old.port])
      async let slow = onThread { try proxy.connect().get() }
      let instance = InstanceID("i-\(old.port)")
      try await eventually("it is in flight") {
        try await proxy.report().inFlight[instance] == 1
      }
      try await proxy.route([new.port], generation: 2)
      #expect(try await proxy.report().inFlight[instance] == 1, "also after it left the table")
      #expect(try await onThread { try proxy.connect().get().text } == "new")
      go.withLock { $0 = true }
      #expect(try await slow.text == "old")
      try await eventually("it has left") { try await proxy.report().inFlight[instance] ?? 0 == 0 }
    }
  }

  @Test func unusedConnectionsToWhatLeftAreClosed() async throws {
    let closed = Mutex(false)
    let old = try Backend { socket in
      while try socket.readRequest() != nil { try socket.answer(body: "old") }
      closed.withLock { $0 = true }
    }
    let new = try Backend.named("new")
    defer {
      old.stop()
      new.stop()
    }
    try await withProxy { proxy in
      try await proxy.route([old.port])
      _ = try await onThread { try proxy.connect().get() }
      try await proxy.route([new.port], generation: 2)
      try await eventually("the connection is closed") { closed.withLock { $0 } }
    }
  }

  @Test func olderGenerationsAreRefusedForGood() async throws {
    try await withProxy { proxy in
      try await proxy.route([8_001], generation: 5)
      try await proxy.route([8_001], generation: 5)
      for (ports, generation) in [([8_001], 4 as UInt64), ([8_002], 5)] {
        do {
          try await proxy.route(ports, generation: generation)
          Issue.record("generation \(generation) was taken")
        } catch let error as PortError {
          #expect(error.retry == .never)
          #expect(error.causes.joined().contains("generation"))
        }
      }
      await #expect(throws: PortError.self) {
        try await proxy.director.remove(Fixture.key, generation: Generation(4))
      }
      try await proxy.director.remove(Fixture.key, generation: Generation(6))
      #expect(try await proxy.director.report().isEmpty)
      await #expect(throws: PortError.self) { try await proxy.route([8_001], generation: 6) }
      try await proxy.route([8_001], generation: 7)
    }
  }

  @Test func aNameIsNotAnAddress() async throws {
    try await withProxy { proxy in
      var table = Fixture.table([80])
      table.versions[0].endpoints[0].host = "metadata.internal"
      await #expect(throws: PortError.self) { try await proxy.director.apply(table) }
      let reports = try await proxy.director.report()
      #expect(reports.isEmpty)
    }
  }

  @Test func aNewProxyServesByTheLastTables() async throws {
    let backend = try Backend.named("served")
    defer { backend.stop() }
    let directory = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try await withProxy(directory: directory) { try await $0.route([backend.port], generation: 9) }
    try await withProxy(directory: directory) { proxy in
      let response = try await onThread { try proxy.connect().get() }
      let report = try await proxy.report()
      #expect(response.text == "served")
      #expect(report.generation == Generation(9))
      await #expect(throws: PortError.self) { try await proxy.route([1], generation: 8) }
    }
  }

  @Test(arguments: ["truncated", "flipped", "empty", "garbage", "missing"])
  func aTornFileIsSurvived(_ damage: String) async throws {
    let backend = try Backend.named("served")
    defer { backend.stop() }
    let directory = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try await withProxy(directory: directory) { proxy in
      try await proxy.route([backend.port], generation: 1)
      try await proxy.route([backend.port], generation: 2)
    }
    try Self.spoil(directory + "/tables.json", damage)
    try await withProxy(directory: directory) { proxy in
      #expect(try await onThread { try proxy.connect().get().text } == "served")
      #expect(try await proxy.report().generation == Generation(1))
      try await proxy.route([backend.port], generation: 3)
    }
    try await withProxy(directory: directory) { proxy in
      let report = try await proxy.report()
      #expect(report.generation == Generation(3))
    }
  }

  private static func spoil(_ path: String, _ damage: String) throws {
    var data = try Data(contentsOf: URL(fileURLWithPath: path))
    switch damage {
    case "truncated": data = data.prefix(data.count / 2)
    case "flipped": data[data.count / 2] ^= 1
    case "empty": data = Data()
    case "garbage": data = Data("not json".utf8)
    default: return try FileManager.default.removeItem(atPath: path)
    }
    try data.write(to: URL(fileURLWithPath: path))
  }

  @Test func lostTablesAreNotTheClientsMistake() async throws {
    let directory = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    for name in ["tables.json", "tables.json.previous"] {
      try Data("torn".utf8).write(to: URL(fileURLWithPath: directory + "/" + name))
    }
    try await withProxy(directory: directory) { proxy in
      #expect(try await onThread { try proxy.connect().get().status } == 503)
      try await proxy.director.apply(
        Fixture.table([], route: RouteSpec(host: "other.test", pathPrefix: "/")))
      #expect(try await onThread { try proxy.connect().get().status } == 404)
    }
  }

  @Test func anUnwritableStateRefusesTheTable() async throws {
    try await withProxy { proxy in
      try await proxy.route([8_001], generation: 1)
      try FileManager.default.createDirectory(
        atPath: proxy.directory + "/tables.json.new", withIntermediateDirectories: false)
      do {
        try await proxy.route([8_002], generation: 2)
        Issue.record("it was acknowledged without being kept")
      } catch let error as PortError {
        #expect(error.fault == .platform)
      }
      #expect(try await proxy.report().generation == Generation(1))
    }
  }

  @Test func countersOutliveTheirRelease() async throws {
    let backend = try Backend.named("x")
    defer { backend.stop() }
    try await withProxy(threads: 1) { proxy in
      let client = try proxy.connect()
      for generation in 1...40 as ClosedRange<UInt64> {
        try await proxy.director.apply(
          Fixture.table(
            [backend.port], generation: generation, release: ReleaseID("r-\(generation)")))
        #expect(try await onThread { try client.get().status } == 200)
      }
      let report = try await proxy.report()
      #expect(report.versions.count == 33)
      #expect(report.versions.last?.release == "r-40")
      #expect(report.versions.first?.release == "r-8")
      #expect(report.versions.allSatisfy { $0.responses[1] == 1 && $0.latency.reduce(0, +) == 1 })
    }
  }
}
