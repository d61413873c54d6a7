import Foundation
import Logging
import Ports
import SegueModel
import Synchronization
import Testing

@testable import Proxy

/// The control socket, starting and stopping.
@Suite struct ControlTests {
  @Test func onlyTheOwnerMaySpeak() async throws {
    try await withProxy { proxy in
      let attributes = try FileManager.default.attributesOfItem(
        atPath: proxy.directory + "/control")
      #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
    }
  }

  @Test func pingTellsWhoItIs() async throws {
    try await withProxy { proxy in
      try await proxy.route([8_001], generation: 3)
      let status = try await proxy.director.ping()
      #expect(status.pid == getpid())
      #expect(status.address == "127.0.0.1:\(proxy.port)")
      #expect(status.services.map(\.generation) == [Generation(3)])
      #expect(!status.isDraining)
      let file = try String(contentsOfFile: proxy.directory + "/address", encoding: .utf8)
      #expect(file == "127.0.0.1:\(proxy.port)\n")
    }
  }

  @Test(arguments: [
    "not json", "{}", #"{"version":1,"verb":"fly"}"#, #"{"version":1,"verb":"apply"}"#,
    #"{"version":99,"verb":"ping"}"#,
  ])
  func nonsenseIsRefusedAndSurvived(_ line: String) async throws {
    try await withProxy { proxy in
      let exchange = LineExchange(path: proxy.directory + "/control", deadline: .seconds(20))
      let reply = try await onThread { try exchange.send(Data(line.utf8)) }
      let decoded = try JSONDecoder().decode(ControlReply.self, from: reply)
      #expect(decoded.error?.retry == .never)
      _ = try await proxy.director.ping()
    }
  }

  @Test func aFrameWithoutEndIsCutOff() async throws {
    try await withProxy { proxy in
      let exchange = LineExchange(path: proxy.directory + "/control", deadline: .seconds(20))
      let huge = Data(repeating: 120, count: ControlWire.requestLimit + 100_000)
      _ = try? await onThread { try exchange.send(huge) }
      _ = try await proxy.director.ping()
    }
  }

  @Test func nobodyThereIsWorthAnotherTry() async throws {
    let director = ProxyDirector(controlSocket: "/tmp/segue-no-such-socket")
    do {
      _ = try await director.ping()
      Issue.record("somebody answered")
    } catch {
      #expect(error.retry == .safe && error.fault == .traffic)
    }
  }

  @Test func aTakenPortNamesItsHolder() async throws {
    let backend = try Backend.named("holder")
    defer { backend.stop() }
    let directory = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let configuration = ProxyConfiguration(
      port: backend.port, controlSocket: directory + "/control", stateDirectory: directory)
    do {
      _ = try await ProxyServer.start(configuration, logger: Logger(label: "test"))
      Issue.record("it started")
    } catch let error as PortError {
      #expect(error.what.hasPrefix("127.0.0.1:\(backend.port) is taken by "))
      #expect(error.what.contains("(pid \(getpid()))"))
      #expect(error.nextStep != nil)
    }
  }

  @Test(arguments: [
    [:], ["LISTEN_FDS": "1"], ["LISTEN_FDS": "1", "LISTEN_PID": "1"],
    ["LISTEN_FDS": "0", "LISTEN_PID": "7"], ["LISTEN_FDS": "x", "LISTEN_PID": "7"],
  ])
  func aSocketMeantForAnotherIsLeftAlone(_ environment: [String: String]) {
    #expect(ListeningSocket.inherited(environment, pid: 7) == nil)
    #expect(ListeningSocket.inheritedSecure(environment, pid: 7) == nil)
  }

  private static let passed: [(count: String, names: String?, plain: CInt?, secure: CInt?)] = [
    ("1", nil, 3, nil), ("2", "http:https", 3, 4), ("2", "https:http", 4, 3),
    ("2", "segue-proxy.socket:https", 3, 4), ("1", "https", nil, 3),
    ("9999999999", ":::https", 3, 6),
  ]

  @Test(arguments: passed)
  func theNamesOfSocketsTellWhatTheyAreFor(
    count: String, names: String?, plain: CInt?, secure: CInt?
  ) {
    var environment = ["LISTEN_FDS": count, "LISTEN_PID": "7"]
    environment["LISTEN_FDNAMES"] = names
    #expect(ListeningSocket.inherited(environment, pid: 7) == plain)
    #expect(ListeningSocket.inheritedSecure(environment, pid: 7) == secure)
  }

  @Test func twoProxiesDoNotShareADirectory() async throws {
    try await withProxy { proxy in
      let configuration = ProxyConfiguration(
        controlSocket: proxy.directory + "/control", stateDirectory: proxy.directory)
      await #expect(throws: PortError.self) {
        _ = try await ProxyServer.start(configuration, logger: Logger(label: "test"))
      }
      _ = try await proxy.director.ping()
    }
  }

  @Test func shutdownFinishesWhatItHolds() async throws {
    let go = Mutex(false)
    let backend = try Backend.http { request, socket in
      while request.path == "/slow", !go.withLock({ $0 }) { usleepMicroseconds(1_000) }
      try socket.answer(body: "done")
    }
    defer {
      go.withLock { $0 = true }
      backend.stop()
    }
    var limits = ProxyLimits()
    // However long this machine takes to come to the next line.
    limits.drainIdle = .seconds(60)
    try await withProxy(limits: limits) { proxy in
      try await proxy.route([backend.port])
      let (idle, busy) = try await onThread {
        let idle = try proxy.connect()
        #expect(try idle.get().status == 200)
        let busy = try proxy.connect()
        try busy.write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        return (idle, busy)
      }
      try await eventually("it is in flight") {
        try await proxy.report().inFlight.values.reduce(0, +) == 1
      }
      try await proxy.director.shutdown(deadline: .seconds(120))
      try await onThread {
        // A request on a connection that had been told nothing is still answered, and told now.
        let last = try idle.get()
        #expect(last.status == 200 && last.closes)
        go.withLock { $0 = true }
        let slow = try busy.readResponse()
        #expect(slow.text == "done" && slow.closes)
        #expect(busy.hasEnded())
      }
      await proxy.server.waitUntilClosed()
      #expect(throws: Socket.Failure.self) { _ = try proxy.connect() }
    }
  }

  @Test func theDeadlineOfAShutdownCutsTheRest() async throws {
    let backend = try Backend { socket in
      while try socket.readRequest() != nil {}
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      let client = try proxy.connect()
      try client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      try await eventually("it is in flight") {
        try await proxy.report().inFlight.values.reduce(0, +) == 1
      }
      await proxy.server.shutdownGracefully(deadline: Milliseconds(100))
      #expect(try await onThread { client.hasEnded() })
    }
  }
}
