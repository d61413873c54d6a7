import Ports
import SegueModel
import Synchronization
import Testing

@testable import Proxy

/// Every way to lose a request that can be provoked on one machine.
@Suite struct LossTests {
  @Test func anInstanceThatRefusesCostsNothing() async throws {
    let ledger = Ledger()
    let good = try ledger.backend()
    let dead = try RefusingPort()
    defer {
      good.stop()
      dead.release()
    }
    try await withProxy { proxy in
      try await proxy.route([good.port, dead.port])
      try await onThread {
        for number in 0..<60 {
          let client = try proxy.connect()
          let path = "/\(number)"
          let response = number % 2 == 0 ? try client.get(path) : try client.post(path, body: "x")
          #expect(response.status == 200 && response.text == path)
        }
      }
      ledger.expect((0..<60).map { "/\($0)" })
      let report = try await proxy.report()
      #expect(report.versions[0].failed == 0)
      #expect(report.versions[0].retried >= 1)
      #expect(report.versions[0].responses[1] == 60)
    }
  }

  @Test func allInstancesOfAVersionRefuseAndAnotherVersionAnswers() async throws {
    let good = try Backend.named("good")
    let dead = try RefusingPort()
    defer {
      good.stop()
      dead.release()
    }
    try await withProxy { proxy in
      var table = Fixture.table([dead.port])
      table.versions[0].weight = Permille(999)
      table.versions.append(
        VersionTarget(
          release: "r-2", weight: Permille(1),
          endpoints: [Endpoint(instance: "i-good", port: good.port)]))
      try await proxy.director.apply(table)
      let response = try await onThread { try proxy.connect().get() }
      #expect(response.text == "good")
    }
  }

  @Test func nobodyListeningIsToldPlainly() async throws {
    let dead = try RefusingPort()
    defer { dead.release() }
    try await withProxy { proxy in
      try await proxy.route([dead.port])
      try await onThread {
        let client = try proxy.connect()
        let response = try client.post(body: "x")
        #expect(response.status == 502 && response.text.hasPrefix("Segue: 502"))
        #expect(try client.get().status == 502, "the client's connection lives on")
      }
      #expect(try await proxy.report().versions[0].failed == 2)
    }
  }

  @Test func aGetIsRepeatedOnAnotherInstanceWhenOneDies() async throws {
    let good = try Backend.named("good")
    let dying = try Backend { socket in
      guard try socket.readRequest() != nil else { return }
      socket.reset()
    }
    defer {
      good.stop()
      dying.stop()
    }
    try await withProxy { proxy in
      try await proxy.route([good.port, dying.port])
      try await onThread {
        for _ in 0..<30 { #expect(try proxy.connect().get().text == "good") }
        let put = try proxy.connect().ask(
          "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        #expect(put.text == "good")
      }
      #expect(try await proxy.report().versions[0].failed == 0)
    }
  }

  @Test func aPostIsNeverSentTwice() async throws {
    let ledger = Ledger()
    let backend = try Backend { socket in
      while let request = try socket.readRequest() {
        let id = String(decoding: request.body, as: UTF8.self)
        ledger.note(id)
        // Every third dies after the work is done and before the answer.
        if (Int(id) ?? 0) % 3 == 0 { return socket.reset() }
        try socket.answer(body: id)
      }
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      let answered = try await onThread {
        var answered = 0
        let client = try proxy.connect()
        for id in 0..<90 {
          let response = try client.post(body: "\(id)")
          #expect(response.status == (id % 3 == 0 ? 502 : 200))
          if response.status == 200 { answered += 1 }
        }
        return answered
      }
      #expect(answered == 60)
      ledger.expect((0..<90).map(String.init))
    }
  }

  /// Connections that the instance has closed are never given a request that must not be repeated.
  @Test func aPostNeverGoesToAClosedConnection() async throws {
    let ledger = Ledger()
    let closed = Mutex(0)
    let backend = try Backend { socket in
      guard let request = try socket.readRequest() else { return }
      ledger.note(String(decoding: request.body, as: UTF8.self))
      try socket.answer(body: "ok")
      socket.close()
      closed.withLock { $0 += 1 }
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      try await onThread {
        for id in 0..<100 {
          let response = try proxy.connect().post(body: "\(id)")
          try #require(response.status == 200, "\(response.text)")
          let end = ContinuousClock.now + .seconds(60)
          while closed.withLock({ $0 }) <= id, ContinuousClock.now < end { usleepMicroseconds(200) }
          // pause: lets the end of the instance's connection arrive; the race itself is lawful loss.
          usleepMicroseconds(5_000)
        }
      }
      ledger.expect((0..<100).map(String.init))
    }
  }

  @Test func anInstanceThatSaysCloseIsTakenAtItsWord() async throws {
    let backend = try Backend.http { _, socket in
      try socket.answer(headers: "Connection: close\r\n", body: "bye")
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      try await onThread {
        let client = try proxy.connect()
        for _ in 0..<10 {
          let response = try client.get()
          #expect(response.text == "bye" && !response.closes)
        }
      }
      #expect(backend.accepted == 10)
    }
  }

  @Test func unusedConnectionsAreGivenUpBeforeTheInstanceDoes() async throws {
    var limits = ProxyLimits()
    limits.poolIdle = Milliseconds(100)
    let closed = Mutex(0)
    let backend = try Backend { socket in
      while try socket.readRequest() != nil { try socket.answer() }
      closed.withLock { $0 += 1 }
    }
    defer { backend.stop() }
    try await withProxy(limits: limits) { proxy in
      try await proxy.route([backend.port])
      _ = try await onThread { try proxy.connect().get() }
      try await eventually("the connection is closed") { closed.withLock { $0 == 1 } }
    }
  }

  @Test func nonsenseFromAnInstanceIsNotPassedOn() async throws {
    let backend = try Backend { socket in
      guard try socket.readRequest() != nil else { return }
      try socket.write("220 mail.example.com ESMTP\r\n\r\n")
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      let response = try await onThread { try proxy.connect().get() }
      #expect(response.status == 502 && response.text.contains("not HTTP"))
    }
  }

  @Test func aSilentInstanceIsATimeout() async throws {
    var limits = ProxyLimits()
    limits.responseHead = Milliseconds(150)
    let backend = try Backend { socket in
      while try socket.readRequest() != nil {}
    }
    defer { backend.stop() }
    try await withProxy(limits: limits) { proxy in
      try await proxy.route([backend.port])
      let response = try await onThread { try proxy.connect().get() }
      #expect(response.status == 504)
      let report = try await proxy.report()
      #expect(report.versions[0].failed == 1)
      #expect(report.inFlight.values.allSatisfy { $0 == 0 })
    }
  }
}
