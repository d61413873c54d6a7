import Foundation
import Ports
import SegueModel
import Testing

@testable import CertificateIssuing

/// What cannot work is said in words that help.
@Suite(.serialized) struct RefusalTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var change: @Sendable (inout IssuingSettings) -> Void
    /// Each has to be in the message.
    var words: [String]
  }

  static let cases = [
    Case(
      testDescription: "no directory there", change: { $0.directory += "ectory" },
      words: ["/directory cannot be read", "It answers 404", "Check the address"]),
    Case(
      testDescription: "no TLS",
      change: { $0.directory = $0.directory.replacing("https", with: "http") },
      words: ["does not begin with https://"]),
    Case(
      testDescription: "no address at all", change: { $0.directory = "acme" },
      words: ["acme does not begin with https://"]),
    Case(
      testDescription: "nobody listens", change: { $0.directory = "https://127.0.0.1:1/dir" },
      words: ["cannot be reached", "Check tls.acme.directory"]),
    Case(
      testDescription: "not trusted", change: { $0.rootFile = nil },
      words: ["is not trusted", "name its root certificate's file"]),
    Case(
      testDescription: "no root file", change: { $0.rootFile = "/nowhere/root.pem" },
      words: ["/nowhere/root.pem cannot be read", "Name a PEM file"]),
    Case(
      testDescription: "terms", change: { $0.agreesToTerms = false },
      words: ["terms have not been agreed to", "set tls.acme.agree-to-terms to true"]),
    Case(
      testDescription: "contact", change: { $0.email = "nobody" },
      words: ["refused the account", "Correct the address in tls.acme.email"]),
    Case(
      testDescription: "no proxy",
      change: {
        $0.plainAddress = ProxyAddress(port: 1)
        $0.limits.serving = Milliseconds(300)
      },
      words: ["proxy does not show the answer", "http://127.0.0.1:1/.well-known/acme-challenge/"]),
    Case(
      testDescription: "no TLS at the proxy",
      change: {
        $0.challenge = .tlsALPN01
        $0.secureAddress = $0.plainAddress
        $0.limits.serving = Milliseconds(300)
      },
      words: ["proxy does not show the answer", "speaks TLS on port 443"]),
  ]

  @Test func faultsAreExplained() async throws {
    try await PebbleTests.withWorld(environment: ["PEBBLE_WFE_NONCEREJECT": "0"]) { world in
      for wrong in Self.cases {
        try world.forgetFailures()
        let issuer = world.issuer(wrong.change)
        try await issuer.want([HostGroup(["shop.example.test"])])
        try await PebbleTests.running(issuer) {
          try await until("it failed: \(wrong.testDescription)") {
            await issuer.status.first?.failures == 1
          }
        }
        let problem = try #require(await issuer.status.first).problem.map { "\($0)" } ?? ""
        for word in wrong.words {
          #expect(problem.contains(word), "\(wrong.testDescription): \(problem)")
        }
      }
      #expect(world.certificate("shop.example.test") == nil)
    }
  }

  @Test func aDamagedAccountKeyIsNotReplaced() async throws {
    try await PebbleTests.withWorld { world in
      let file = world.state + "/certificates/account.key"
      try FileManager.default.createDirectory(
        atPath: world.state + "/certificates", withIntermediateDirectories: true)
      try Data("no key".utf8).write(to: URL(filePath: file))
      let issuer = world.issuer()
      try await issuer.want([HostGroup(["shop.example.test"])])
      try await PebbleTests.running(issuer) {
        try await until("it failed") { await issuer.status.first?.failures == 1 }
      }
      let problem = try #require(await issuer.status.first?.problem)
      #expect(problem.what == "\(file) holds no key for an account")
      #expect(problem.nextStep?.contains("remove it") ?? false)
      #expect(FileManager.default.contents(atPath: file) == Data("no key".utf8))
    }
  }

  @Test func whatSomebodyElsePutThereStays() async throws {
    try await PebbleTests.withWorld { world in
      let file = world.state + "/certificates/shop.example.test.crt"
      try FileManager.default.createDirectory(
        atPath: world.state + "/certificates", withIntermediateDirectories: true)
      try Data("mine".utf8).write(to: URL(filePath: file))
      let issuer = world.issuer()
      try await issuer.want([HostGroup(["shop.example.test"])])
      try await PebbleTests.running(issuer) {
        try await until("it failed") { await issuer.status.first?.failures == 1 }
      }
      #expect(await issuer.status.first?.problem?.what == "\(file) is in the way")
      #expect(FileManager.default.contents(atPath: file) == Data("mine".utf8))
    }
  }
}
