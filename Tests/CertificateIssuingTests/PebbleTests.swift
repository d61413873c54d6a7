import Foundation
import Logging
import Ports
import Proxy
import SegueModel
import Testing
import TransportSecurity

@testable import CertificateIssuing

/// Certificates from a real authority, which looks at real answers.
@Suite(.serialized) struct PebbleTests {
  static func certificate(_ host: String, _ state: String) -> CertificateSummary? {
    let path = "\(state)/certificates/\(host)"
    return try? CertificateSummary.read(
      CertificateFiles(name: host, certificate: path + ".crt", key: path + ".key"))
  }

  /// What an issuer is tried in: its state, an authority, and what shows its answers.
  struct World {
    var state: String
    var time = TestTime()
    var settings: IssuingSettings
    var pebble: Pebble

    func issuer(_ change: (inout IssuingSettings) -> Void = { _ in }) -> CertificateIssuer {
      var settings = settings
      change(&settings)
      var logger = Logger(label: "test")
      logger.logLevel = .critical
      return CertificateIssuer(settings, time: time, logger: logger)
    }

    func certificate(_ host: String) -> CertificateSummary? { PebbleTests.certificate(host, state) }
  }

  static func withWorld(
    environment: [String: String] = [:], externalKeys: [String: String] = [:],
    _ body: (World) async throws -> Void
  ) async throws {
    let directory = try Scratch.directory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let state = directory + "/state"
    let answers = try await AnswerServer.start(certificates: state + "/certificates")
    do {
      let pebble = try await Pebble.start(
        in: directory + "/pebble", validating: .init(plain: answers.port),
        environment: environment, externalKeys: externalKeys)
      do {
        try await body(
          World(
            state: state,
            settings: IssuingSettings(
              directory: pebble.directory, email: "ops@example.com", agreesToTerms: true,
              rootFile: pebble.rootFile, stateDirectory: state,
              plainAddress: ProxyAddress(port: answers.port)),
            pebble: pebble))
      } catch {
        await pebble.stop()
        throw error
      }
      await pebble.stop()
    } catch {
      await answers.stop()
      throw error
    }
    await answers.stop()
  }

  /// Runs an issuer until `body` is done.
  static func running(
    _ issuer: CertificateIssuer, _ body: () async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await issuer.run() }
      try await body()
      group.cancelAll()
    }
  }

  static func mode(_ path: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(
      atPath: URL(filePath: path).resolvingSymlinksInPath().path)
    return try #require(attributes[.posixPermissions] as? Int)
  }

  @Test func certificatesAreIssuedByHTTP() async throws {
    try await Self.withWorld { world in
      let issuer = world.issuer()
      try await issuer.want([
        HostGroup(["Shop.Example.test", "www.shop.example.test"]), HostGroup(["api.example.test"]),
      ])
      try await Self.running(issuer) {
        try await until("both are there") {
          world.certificate("shop.example.test") != nil
            && world.certificate("api.example.test") != nil
        }
      }
      let shop = try #require(world.certificate("shop.example.test"))
      #expect(Set(shop.hosts) == ["shop.example.test", "www.shop.example.test"])
      let folder = world.state + "/certificates"
      for name in ["shop.example.test.crt", "shop.example.test.key", "account.key"] {
        #expect(try Self.mode("\(folder)/\(name)") == 0o600, "\(name)")
      }
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: folder + "/challenges/http") == [])
      let root = world.state + "/root.pem"
      try world.pebble.issuerRoot().write(toFile: root, atomically: true, encoding: .utf8)
      let chain = "\(folder)/shop.example.test.crt"
      let verdict = try Command.run([
        "openssl", "verify", "-CAfile", root, "-untrusted", chain, chain,
      ])
      #expect(verdict.contains("OK"))
    }
  }
}
