import Foundation
import Logging
import Proxy
import SegueModel
import Testing

@testable import CertificateIssuing

/// The real proxy and a real authority, with a folder between them.
@Suite(.serialized) struct IssuingForTheProxyTests {
  private static func withProxy(
    _ body: (ProxyServer, _ directory: String) async throws -> Void
  ) async throws {
    let directory = try Scratch.directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try FileManager.default.createDirectory(
      atPath: directory + "/certificates", withIntermediateDirectories: true)
    var configuration = ProxyConfiguration(
      controlSocket: directory + "/control", stateDirectory: directory + "/proxy")
    configuration.limits.drainIdle = .zero
    configuration.tls = TLSListening(
      host: "127.0.0.1", port: 0, certificates: [.directory(directory + "/certificates")],
      redirects: true)
    configuration.certificateFolder = directory + "/certificates"
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let server = try await ProxyServer.start(configuration, logger: logger)
    do {
      try await body(server, directory)
    } catch {
      await server.shutdownGracefully(deadline: .zero)
      throw error
    }
    await server.shutdownGracefully(deadline: .zero)
  }

  @Test(arguments: ChallengeKind.allCases)
  func aProxyWithoutCertificatesGetsOne(by challenge: ChallengeKind) async throws {
    try await Self.withProxy { server, directory in
      let pebble = try await Pebble.start(
        in: directory + "/pebble", validating: .init(plain: server.port, secure: server.securePort))
      do {
        try await Self.issue(server, directory, pebble, challenge)
      } catch {
        await pebble.stop()
        throw error
      }
      await pebble.stop()
    }
  }

  private static func issue(
    _ server: ProxyServer, _ directory: String, _ pebble: Pebble, _ challenge: ChallengeKind
  ) async throws {
    let settings = IssuingSettings(
      directory: pebble.directory, agreesToTerms: true, challenge: challenge,
      rootFile: pebble.rootFile, stateDirectory: directory,
      plainAddress: ProxyAddress(port: server.port),
      secureAddress: ProxyAddress(port: server.securePort))
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let issuer = CertificateIssuer(settings, time: TestTime(), logger: logger)
    let group = try HostGroup(["shop.example.test", "www.example.test"])
    await issuer.want([group])
    try await PebbleTests.running(issuer) {
      try await until("it is there") { await issuer.status.first?.validity != nil }
    }
    let root = directory + "/root.pem"
    try pebble.issuerRoot().write(toFile: root, atomically: true, encoding: .utf8)
    for host in group.hosts {
      try await until("the proxy serves it for \(host)") {
        // Without a table every path is 404; that there is an answer is what counts.
        let answer = try? Command.run([
          "curl", "-sS", "--max-time", "30", "--cacert", root, "-o", "/dev/null", "-w",
          "%{ssl_verify_result} %{http_code}", "--resolve",
          "\(host):\(server.securePort):127.0.0.1", "https://\(host):\(server.securePort)/",
        ])
        return answer?.hasPrefix("0 ") ?? false
      }
    }
    #expect(
      try FileManager.default.contentsOfDirectory(
        atPath: directory + "/certificates/challenges/tls") == [])
    let folder = directory + "/certificates/challenges/http"
    #expect(((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []) == [])
  }
}
