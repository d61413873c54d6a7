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

    /// As if nothing had failed before.
    func forgetFailures() throws {
      let file = state + "/certificates/failures.json"
      if FileManager.default.fileExists(atPath: file) {
        try FileManager.default.removeItem(atPath: file)
      }
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

  @Test func refusedNoncesAreReplaced() async throws {
    try await Self.withWorld(environment: ["PEBBLE_WFE_NONCEREJECT": "60"]) { world in
      let issuer = world.issuer { $0.limits.nonces = 200 }
      try await issuer.want([HostGroup(["shop.example.test"])])
      try await Self.running(issuer) {
        try await until("it is there") { world.certificate("shop.example.test") != nil }
      }
      #expect(await issuer.status.map(\.failures) == [0])
    }
  }

  @Test func aHostThatFailsHarmsOnlyItself() async throws {
    try await Self.withWorld { world in
      let issuer = world.issuer()
      try await issuer.want([
        HostGroup(["a.missing.test"]), HostGroup(["shop.example.test"]),
      ])
      try await Self.running(issuer) {
        try await until("one is there and the other has failed") {
          let failures = await issuer.status.map(\.failures)
          return failures == [1, 0] && world.certificate("shop.example.test") != nil
        }
      }
      let status = try #require(await issuer.status.first)
      let problem = try #require(status.problem)
      #expect(problem.what == "The certificate authority could not validate a.missing.test")
      #expect(problem.fault == .user)
      #expect(problem.nextStep?.contains("A and AAAA") ?? false, "\(problem)")
      #expect(status.next > world.time.now(), "it is not asked for again at once")
      #expect(status.validity == nil)
      // Once it is put right, nobody has to wait.
      await issuer.retry()
      #expect(try #require(await issuer.status.first).next <= world.time.now())
    }
  }

  @Test func aRestartDoesNotForgetWhoFailed() async throws {
    try await Self.withWorld { world in
      let missing = try HostGroup(["a.missing.test"])
      let first = world.issuer()
      await first.want([missing])
      try await Self.running(first) {
        try await until("it has failed twice") {
          let status = try #require(await first.status.first)
          if status.failures == 1 { world.time.advance(to: status.next) }
          return status.failures == 2
        }
      }
      let second = world.issuer()
      await second.want([missing, try HostGroup(["shop.example.test"])])
      try await Self.running(second) {
        try await until("the other is there") {
          world.certificate("shop.example.test") != nil
        }
        let status = try #require(await second.status.first)
        #expect(status.failures == 2)
        #expect(
          status.problem?.what == "The certificate authority could not validate a.missing.test")
        let wait = status.next - world.time.now()
        #expect(wait > .zero && wait <= .minutes(5))
        // Another authority may know the host.
        var settings = world.settings
        settings.email = nil
        await second.change(settings)
        try await until("it was asked for again") {
          try #require(await second.status.first).failures == 1
        }
      }
    }
  }

  @Test func certificatesAreRenewedAtTwoThirds() async throws {
    try await Self.withWorld { world in
      let issuer = world.issuer()
      try await issuer.want([HostGroup(["shop.example.test"])])
      try await Self.running(issuer) {
        try await until("it is there") { await issuer.status.first?.validity != nil }
        let first = try #require(world.certificate("shop.example.test"))
        let next = try #require(await issuer.status.first).next
        let life = first.notAfter - first.notBefore
        let share = Double(next.milliseconds / 1_000 - first.notBefore) / Double(life)
        #expect((0.63...0.667).contains(share))
        world.time.advance(by: next - world.time.now() + .seconds(1))
        try await until("another one is there") {
          world.certificate("shop.example.test").map { $0.fingerprint != first.fingerprint }
            ?? false
        }
        // What it replaced stays beside it, and what that had replaced goes.
        let home = world.state + "/certificates/issued/shop.example.test"
        #expect(try FileManager.default.contentsOfDirectory(atPath: home).count == 3)
      }
    }
  }

  @Test func aRestartKeepsAccountAndCertificate() async throws {
    try await Self.withWorld { world in
      let shop = try HostGroup(["shop.example.test"])
      let first = world.issuer()
      await first.want([shop])
      try await Self.running(first) {
        try await until("it is there") { world.certificate(shop.primary) != nil }
      }
      let account = try Data(
        contentsOf: URL(filePath: world.state + "/certificates/account.key"))
      let before = try #require(world.certificate(shop.primary))
      let second = world.issuer()
      try await second.want([shop, HostGroup(["api.example.test"])])
      try await Self.running(second) {
        try await until("the other is there") { world.certificate("api.example.test") != nil }
      }
      #expect(world.certificate(shop.primary)?.fingerprint == before.fingerprint)
      #expect(
        try Data(contentsOf: URL(filePath: world.state + "/certificates/account.key")) == account)
      // A host more is another certificate under the same name.
      try await second.want([HostGroup(["shop.example.test", "www.shop.example.test"])])
      try await Self.running(second) {
        try await until("it is for both") { world.certificate(shop.primary)?.hosts.count == 2 }
      }
    }
  }

  /// As when somebody has tried things out with an authority for tests.
  @Test func anotherAuthorityIssuesAnew() async throws {
    try await Self.withWorld { world in
      let shop = try HostGroup(["shop.example.test"])
      let first = world.issuer()
      await first.want([shop])
      try await Self.running(first) {
        try await until("it is there") { world.certificate(shop.primary) != nil }
      }
      let before = try #require(world.certificate(shop.primary))
      let other = try await Pebble.start(
        in: world.state + "/other",
        validating: .init(plain: try #require(world.settings.plainAddress).port))
      let second = world.issuer {
        $0.directory = other.directory
        $0.rootFile = other.rootFile
      }
      await second.want([shop])
      do {
        try await Self.running(second) {
          try await until("the other's is there") {
            world.certificate(shop.primary)?.fingerprint != before.fingerprint
          }
        }
      } catch {
        await other.stop()
        throw error
      }
      await other.stop()
    }
  }

  @Test func anExternalAccountIsTiedToOurs() async throws {
    let external = ExternalAccount(
      keyID: "kid-1", key: "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W")
    let keys = [external.keyID: external.key]
    try await Self.withWorld(externalKeys: keys) { world in
      for (account, text): (ExternalAccount?, String?) in [
        (nil, "wants an account of its own first"),
        (ExternalAccount(keyID: "kid-1", key: "?"), "is not base64url"),
        (ExternalAccount(keyID: "kid-2", key: external.key), "refused the account"),
        (external, nil),
      ] {
        try world.forgetFailures()
        let issuer = world.issuer { $0.externalAccount = account }
        try await issuer.want([HostGroup(["shop.example.test"])])
        try await Self.running(issuer) {
          try await until("it was asked for") {
            let status = try #require(await issuer.status.first)
            return status.failures > 0 || status.validity != nil
          }
        }
        let problem = try #require(await issuer.status.first).problem
        #expect(problem == nil ? text == nil : problem?.what.contains(text ?? "?") ?? false)
      }
    }
  }
}
