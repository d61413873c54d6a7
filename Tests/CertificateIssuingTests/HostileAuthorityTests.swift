import Foundation
import Logging
import Ports
import SegueModel
import Testing

@testable import CertificateIssuing

/// An authority that breaks the protocol gets an error, and nothing else happens.
@Suite(.serialized) struct HostileAuthorityTests {
  struct Case: Sendable {
    /// The path whose answer is another one.
    var path: String
    var reply: ScriptedAuthority.Reply
    /// Each has to be in the message.
    var words: [String]
  }

  private static func authorization(
    _ status: String, host: String = "shop.example.test", challenges: String = ""
  ) -> ScriptedAuthority.Reply {
    .init(
      body: #"{"status":"\#(status)","identifier":{"type":"dns","value":"\#(host)"},"#
        + #""challenges":[\#(challenges)]}"#)
  }

  private static func challenge(_ type: String, token: String) -> String {
    #"{"type":"\#(type)","url":"BASE/challenge","status":"pending","token":"\#(token)"}"#
  }

  static let cases = [
    Case(path: "/dir", reply: .init(body: "<html>"), words: ["is no directory of ACME"]),
    Case(path: "/dir", reply: .init(body: "{}"), words: ["is no directory of ACME"]),
    Case(
      path: "/dir", reply: .init(body: String(repeating: " ", count: 70_000)),
      words: ["directory", "cannot be read"]),
    Case(
      path: "/dir", reply: .init(status: "301 Moved", headers: ["Location": "BASE/nonce"]),
      words: ["It answers 301"]),
    Case(
      path: "/dir",
      reply: .init(
        body: #"{"newNonce":"http+unix://x/","newAccount":"file:///x","newOrder":"x"}"#),
      words: ["http+unix://x/ does not begin with https://"]),
    Case(path: "/nonce", reply: .init(hasNonce: false), words: ["gives no nonce"]),
    Case(path: "/account", reply: .init(body: "{}"), words: ["gave the account no address"]),
    Case(path: "/account", reply: .init(status: "500 No"), words: ["account", "It answers 500"]),
    Case(
      path: "/new-order",
      reply: .init(
        status: "429 Slowly", headers: ["Retry-After": "7200"],
        body: #"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many"}"#),
      words: ["refused the order for shop.example.test: too many (rateLimited)", "Wait"]),
    Case(
      path: "/new-order", reply: .init(headers: ["Location": "BASE/order"], body: "[]"),
      words: ["cannot be understood"]),
    Case(
      path: "/new-order",
      reply: .init(body: #"{"status":"pending","authorizations":[],"finalize":"x"}"#),
      words: ["gave the order no address"]),
    Case(
      path: "/authorization", reply: authorization("pending"),
      words: ["does not validate shop.example.test by http-01", "It offers nothing"]),
    Case(
      path: "/authorization",
      reply: authorization("pending", challenges: challenge("dns-01", token: "t")),
      words: ["It offers dns-01", "http-01 or tls-alpn-01"]),
    Case(
      path: "/authorization", reply: authorization("pending", host: "other.test"),
      words: ["wants to validate other.test, which was not asked for"]),
    Case(
      path: "/authorization",
      reply: authorization("pending", challenges: challenge("http-01", token: "../../account")),
      words: ["challenge for shop.example.test has no token"]),
    Case(
      path: "/authorization", reply: authorization("revoked"),
      words: ["could not validate shop.example.test", "The authorization is revoked"]),
    Case(
      path: "/order",
      reply: .init(body: #"{"status":"processing","authorizations":[],"finalize":"x"}"#),
      words: ["does not issue", "The order is processing"]),
    Case(
      path: "/order",
      reply: .init(body: #"{"status":"invalid","authorizations":[],"finalize":"x"}"#),
      words: ["does not issue", "The order is invalid"]),
    Case(
      path: "/order",
      reply: .init(
        body: #"{"status":"pending","authorizations":[],"finalize":"BASE/final"}"#),
      words: ["did not decide in time"]),
    Case(path: "/chain", reply: .init(body: "no PEM"), words: ["holds no intact chain"]),
    Case(
      path: "/chain", reply: .init(body: String(repeating: "x", count: 70_000)),
      words: ["cannot be reached"]),
  ]

  @Test func whatBreaksTheProtocolIsTold() async throws {
    for wrong in Self.cases {
      let directory = try Scratch.directory()
      defer { try? FileManager.default.removeItem(atPath: directory) }
      let replies = ScriptedAuthority.dialogue.merging([wrong.path: wrong.reply]) { $1 }
      let authority = try await ScriptedAuthority.start(in: directory + "/authority", replies)
      var settings = IssuingSettings(
        directory: authority.directory, rootFile: authority.rootFile, stateDirectory: directory)
      settings.limits.answer = 65_536
      settings.limits.order = .seconds(1)
      settings.limits.serving = .seconds(1)
      var logger = Logger(label: "test")
      logger.logLevel = .critical
      let issuer = CertificateIssuer(settings, time: TestTime(), logger: logger)
      try await issuer.want([HostGroup(["shop.example.test"])])
      do {
        try await PebbleTests.running(issuer) {
          try await until("it failed: \(wrong)") { await issuer.status.first?.failures == 1 }
        }
      } catch {
        await authority.stop()
        throw error
      }
      await authority.stop()
      let problem = await issuer.status.first?.problem
      let message = problem?.description ?? "no problem"
      for word in wrong.words {
        #expect(message.contains(word), "\(wrong.path): \(message)")
      }
      let files = FileManager.default.enumerator(atPath: directory + "/certificates")?
        .compactMap { $0 as? String }.sorted()
      #expect(
        files == [
          "account.key", "challenges", "challenges/http", "challenges/tls", "failures.json",
        ])
      if wrong.reply.headers["Retry-After"] != nil {
        #expect(problem?.retry == .after(.seconds(7_200)))
      }
    }
  }
}
