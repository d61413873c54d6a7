import Foundation
import Glibc
import Logging
import NIOCore
import NIOPosix
import Ports
import SegueModel
import Testing

@testable import Proxy

/// Runs a test against a listener of its own.
private func withListener(
  _ address: String = "127.0.0.1:0", patience: TimeAmount = .seconds(60),
  isDraining: Bool = false, text: @escaping @Sendable () throws -> String = { "a 1\n" },
  _ body: (MetricsListener) async throws -> Void
) async throws {
  let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  let loop = group.next()
  let source = MetricsListener.Source(
    text: { loop.makeCompletedFuture { try text() } }, isDraining: { isDraining })
  do {
    let listener = try await MetricsListener.open(
      MetricsAddress(parsing: address), group: group, patience: patience, source: source)
    try await body(listener)
    listener.close()
  } catch {
    try await group.shutdownGracefully()
    throw error
  }
  try await group.shutdownGracefully()
}

private func exchange(_ port: Int?, _ request: String) async throws -> String {
  let port = try #require(port)
  return try await onThread {
    let socket = try Socket.connect(port: port)
    try socket.write(request)
    return String(decoding: try socket.readToEnd(), as: UTF8.self)
  }
}

@Suite struct MetricsListenerTests {
  static let host = " HTTP/1.1\r\nHost: a.test\r\n\r\n"

  @Test(arguments: [
    ("GET /metrics", "200 OK", "a 1\n"), ("GET /metrics?x=1", "200 OK", "a 1\n"),
    ("HEAD /metrics", "200 OK", ""), ("GET /healthz", "200 OK", "ok\n"),
    ("POST /metrics", "405 Method Not Allowed", "only GET and HEAD\n"),
    ("DELETE /healthz", "405 Method Not Allowed", "only GET and HEAD\n"),
    ("GET /", "404 Not Found", "there is /metrics and /healthz\n"),
    ("GET /metrics/", "404 Not Found", "there is /metrics and /healthz\n"),
    ("GET /../metrics", "404 Not Found", "there is /metrics and /healthz\n"),
  ])
  func answers(_ line: String, _ status: String, _ body: String) async throws {
    try await withListener { listener in
      let answer = try await exchange(listener.port, line + Self.host)
      #expect(answer.hasPrefix("HTTP/1.1 \(status)\r\n"))
      #expect(answer.hasSuffix("\r\n\r\n" + body))
      #expect(answer.contains("\r\nConnection: close\r\n"))
    }
  }

  @Test(arguments: [
    ("GET /metrics\r\n\r\n", 400), ("GET /metrics HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    ("GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "x", count: 9_000), 431),
    ("GET /" + String(repeating: "x", count: 4_000), 414),
  ])
  func refuses(_ request: String, _ status: Int) async throws {
    try await withListener { listener in
      let answer = try await exchange(listener.port, request)
      #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
    }
  }

  @Test func sayingThatItDrainsAndThatItFails() async throws {
    struct Failure: Error {}
    let failing: @Sendable () throws -> String = { throw Failure() }
    try await withListener(isDraining: true, text: failing) { listener in
      let health = try await exchange(listener.port, "GET /healthz" + Self.host)
      #expect(health.hasPrefix("HTTP/1.1 503 "))
      #expect(health.hasSuffix("draining\n"))
      let metrics = try await exchange(listener.port, "GET /metrics" + Self.host)
      #expect(metrics.hasPrefix("HTTP/1.1 503 "))
    }
  }

  @Test func aClientThatSaysNothingIsCut() async throws {
    try await withListener(patience: .milliseconds(20)) { listener in
      let answer = try await exchange(listener.port, "GET /metr")
      #expect(answer.isEmpty)
    }
  }

  @Test func onlySoManyAtOnce() async throws {
    try await withListener { listener in
      let port = try #require(listener.port)
      try await onThread {
        let sockets = try (0..<MetricsListener.connectionLimit).map { _ in
          let socket = try Socket.connect(port: port)
          try socket.write("G")
          return socket
        }
        let last = try Socket.connect(port: port)
        let answer = try last.readSome()
        #expect(answer.isEmpty)
        try sockets[0].write("ET /healthz" + Self.host)
        #expect(try sockets[0].readToEnd().count > 0)
        sockets[0].close()
      }
      try await eventually("there is room again") {
        try await exchange(port, "GET /healthz" + Self.host).hasPrefix("HTTP/1.1 200")
      }
    }
  }

  @Test func aUnixSocketIsPrivateAndIsTakenAway() async throws {
    let directory = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let path = directory + "/metrics"
    try await withListener("unix:" + path) { _ in
      var status = stat()
      #expect(lstat(path, &status) == 0)
      #expect(status.st_mode & 0o777 == 0o600)
      let answer = try await onThread {
        var address = try #require(UnixAddress(path))
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let socket = Socket(descriptor: descriptor)
        #expect(address.withSockaddr { connect(descriptor, $0, $1) } == 0)
        try socket.write("GET /metrics" + Self.host)
        return String(decoding: try socket.readToEnd(), as: UTF8.self)
      }
      #expect(answer.hasSuffix("a 1\n"))
    }
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test func aFileInTheWayStays() async throws {
    let directory = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try Data("mine".utf8).write(to: URL(fileURLWithPath: directory + "/metrics"))
    await #expect(throws: PortError.self) {
      try await withListener("unix:\(directory)/metrics") { _ in }
    }
    #expect(FileManager.default.contents(atPath: directory + "/metrics") == Data("mine".utf8))
  }

  @Test(
    arguments: [
      ("127.0.0.1:9464", .tcp(host: "127.0.0.1", port: 9_464)),
      ("[::1]:1", .tcp(host: "::1", port: 1)), ("unix:/run/x", .unix(path: "/run/x")),
      ("9464", nil), (":9464", nil), ("::1:9464", nil), ("a:65536", nil), ("a:", nil),
      ("unix:x", nil), ("[]:1", nil), ("", nil),
    ] as [(String, MetricsAddress?)])
  func addresses(_ text: String, _ expected: MetricsAddress?) {
    #expect((try? MetricsAddress(parsing: text)) == expected)
  }
}

@Suite struct ProxyMetricsTests {
  @Test func aProxyTellsWhatItHasServed() async throws {
    let backend = try Backend.named("one")
    defer { backend.stop() }
    let directory = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var configuration = ProxyConfiguration(
      controlSocket: directory + "/control", stateDirectory: directory)
    configuration.metrics = "127.0.0.1:0"
    configuration.accessLog = directory + "/access.log"
    configuration.version = "9.9"
    let server = try await ProxyServer.start(
      configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    do {
      let director = ProxyDirector(
        controlSocket: directory + "/control", deadline: .seconds(60))
      try await director.apply(Fixture.table([backend.port]))
      for _ in 0..<3 {
        let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        #expect(try await exchange(server.port, request).hasPrefix("HTTP/1.1 200"))
      }
      let text = try await exchange(
        server.metricsPort, "GET /metrics" + MetricsListenerTests.host)
      let labels = #"service="web",environment="production",release="r-1""#
      #expect(text.contains("\nsegue_requests_total{\(labels),class=\"2xx\"} 3\n"))
      #expect(text.contains("\nsegue_proxy_build_info{version=\"9.9\"} 1\n"))
      #expect(text.contains("\nsegue_proxy_access_log_dropped_total 0\n"))
      #expect(text.contains("\nsegue_proxy_connections_accepted_total 3\n"))
      #expect(text.contains("\nsegue_proxy_upgrades_total 0\n"))
      #expect(text.contains("\nsegue_proxy_loop_lag_seconds{loop=\"1\"} "))
      #expect(text.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"))
    } catch {
      await server.shutdownGracefully(deadline: .zero)
      throw error
    }
    await server.shutdownGracefully(deadline: .zero)
    #expect(FileManager.default.fileExists(atPath: directory + "/access.log"))
  }

  /// A proxy that waits for its predecessor's address must serve meanwhile.
  @Test func aTakenAddressCostsTheFiguresAlone() async throws {
    let taken = try RefusingPort()
    defer { taken.release() }
    let directory = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var configuration = ProxyConfiguration(
      controlSocket: directory + "/control", stateDirectory: directory)
    configuration.metrics = "127.0.0.1:\(taken.port)"
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let server = try await ProxyServer.start(configuration, logger: logger)
    #expect(server.metricsPort == nil)
    #expect(server.port > 0)
    await server.shutdownGracefully(deadline: .zero)
    configuration.metrics = "nowhere"
    let wrong = configuration
    await #expect(throws: PortError.self) {
      _ = try await ProxyServer.start(wrong, logger: logger)
    }
  }
}
