import Foundation
import Logging
import Ports
import SegueModel
import Testing

@testable import Proxy

/// TLS in front of everything else, spoken by curl.
@Suite struct TLSTests {
  private static func start(_ directory: String, takesOver: Bool = false) async throws
    -> ProxyServer
  {
    var configuration = ProxyConfiguration(
      controlSocket: directory + "/control", stateDirectory: directory, takesOver: takesOver)
    configuration.limits.drainIdle = Milliseconds(200)
    configuration.tls = TLSListening(
      host: "127.0.0.1", port: 0, certificates: [.directory(directory + "/certificates")],
      redirects: true)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return try await ProxyServer.start(configuration, logger: logger)
  }

  private static func withServer(
    _ hosts: [String], _ body: (ProxyServer, String) async throws -> ProxyServer?
  ) async throws {
    let directory = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    for host in hosts { try await Certificates.make(for: host, in: directory + "/certificates") }
    let server = try await start(directory)
    do {
      try await body(server, directory)?.shutdownGracefully(deadline: .zero)
    } catch {
      await server.shutdownGracefully(deadline: .zero)
      throw error
    }
    await server.shutdownGracefully(deadline: .zero)
  }

  /// Trusts only the certificate of the very host.
  private static func ask(
    _ host: String, _ server: ProxyServer, _ directory: String, _ more: [String] = []
  ) async throws -> String {
    try await Command.run(
      [
        "curl", "-sS", "--max-time", "60", "--cacert", "\(directory)/certificates/\(host).crt",
        "--resolve", "\(host):\(server.securePort):127.0.0.1",
      ] + more + ["https://\(host):\(server.securePort)/x"])
  }

  private static func route(_ backend: Backend, _ directory: String) async throws {
    try await ProxyDirector(controlSocket: directory + "/control", deadline: .seconds(60))
      .apply(Fixture.table([backend.port]))
  }

  @Test func bothVersionsOfHTTPAreSpokenInside() async throws {
    let backend = try Backend.http { request, socket in
      try socket.answer(body: "\(request.header("x-forwarded-proto") ?? "")")
    }
    defer { backend.stop() }
    try await Self.withServer(["a.test", "b.test"]) { server, directory in
      try await Self.route(backend, directory)
      for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        for host in ["a.test", "b.test"] {
          let output = try await Self.ask(
            host, server, directory, [flag, "-w", " %{http_version} %{http_code}"])
          #expect(output == "https \(version) 200")
        }
      }
      return nil
    }
  }

  /// Catalogue of losses, row 26.
  @Test func oneBadCertificateHarmsItsOwnHostAlone() async throws {
    let backend = try Backend.named("v1")
    defer { backend.stop() }
    try await Self.withServer(["good.test"]) { server, directory in
      try await Self.route(backend, directory)
      let bad = directory + "/certificates/bad"
      try Data("no certificate".utf8).write(to: URL(filePath: bad + ".crt"))
      try Data("no key".utf8).write(to: URL(filePath: bad + ".key"))
      // It comes in while the proxy runs, along with another that is sound.
      try await Certificates.make(for: "new.test", in: directory + "/certificates")
      try await eventually("the new one is served") {
        try await Self.ask("new.test", server, directory) == "v1"
      }
      #expect(try await Self.ask("good.test", server, directory) == "v1")
      return nil
    }
  }

  /// Catalogue of losses, row 25.
  @Test func sessionsAreResumedAcrossAnUpgrade() async throws {
    let backend = try Backend.named("v1")
    defer { backend.stop() }
    try await Self.withServer(["a.test"]) { server, directory in
      try await Self.route(backend, directory)
      let session = directory + "/session"
      func shake(_ how: String, _ server: ProxyServer) async throws -> String {
        try await Command.run([
          "openssl", "s_client", "-tls1_2", "-connect", "127.0.0.1:\(server.securePort)",
          "-servername", "a.test", how, session,
        ])
      }
      #expect(try await shake("-sess_out", server).contains("New, TLSv1.2"))
      let port = server.securePort
      let heir = try await Self.start(directory, takesOver: true)
      #expect(heir.securePort == port)
      #expect(try await shake("-sess_in", heir).contains("Reused, TLSv1.2"))
      #expect(try await Self.ask("a.test", heir, directory) == "v1")
      return heir
    }
  }

  @Test func whoComesWithoutTLSIsSentThere() async throws {
    try await Self.withServer(["a.test"]) { server, _ in
      let client = try Socket.connect(port: server.port)
      let answer = try client.ask("GET /x?y HTTP/1.1\r\nHost: a.test:80\r\n\r\n")
      #expect(answer.status == 308)
      #expect(answer.header("location") == "https://a.test:\(server.securePort)/x?y")
      return nil
    }
  }
}
