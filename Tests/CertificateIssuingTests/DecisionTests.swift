import Ports
import SegueModel
import Testing

@testable import CertificateIssuing

/// What is decided without asking anybody.
@Suite struct DecisionTests {
  @Test(arguments: [
    // Ninety days: at sixty, or up to three before.
    (90 * 86_400, 0, 60 * 86_400), (90 * 86_400, 1_000, 57 * 86_400),
    // Six days.
    (6 * 86_400, 0, 4 * 86_400),
    // Ends before it begins.
    (-5, 500, 0), (0, 1_000, 0),
  ])
  func renewalIsDueAtTwoThirds(life: Int, jitter: Int, after: Int) {
    let begin = Instant(milliseconds: 1_700_000_000_000)
    let validity = Validity(begin: begin, end: begin + .seconds(Int64(life)))
    let due = RenewalSchedule.renewal(of: validity, jitter: Permille(jitter))
    #expect((due - begin) == .seconds(Int64(after)))
  }

  @Test func jitterIsTheSameForTheSameCertificate() {
    let first = RenewalSchedule.jitter(fingerprint: "00ff00ff")
    #expect(first == RenewalSchedule.jitter(fingerprint: "00ff00ff"))
    #expect(first != RenewalSchedule.jitter(fingerprint: "00ff0100"))
    #expect(RenewalSchedule.jitter(fingerprint: "no digits") == .none)
  }

  @Test func failuresAreFollowedByLongerWaits() {
    var backOff = BackOff()
    let now = Instant(milliseconds: 0)
    var minutes: [Int64] = []
    for _ in 0..<8 {
      backOff.failed(.safe, at: now, jitter: .none)
      minutes.append(((backOff.next ?? now) - now).count / 60_000)
    }
    #expect(minutes == [1, 5, 20, 60, 180, 360, 360, 360])
    #expect(backOff.failures == 8)
    backOff.succeeded(at: now)
    #expect(backOff.failures == 0)
    #expect(backOff.next == now + .minutes(60))
  }

  @Test(arguments: [
    (PortError.Retry.safe, 0, 60_000), (.safe, 1_000, 66_000), (.onlyIfNotSent, 0, 60_000),
    (.never, 0, 21_600_000), (.after(.seconds(5)), 0, 60_000), (.after(.minutes(90)), 0, 5_400_000),
  ])
  func waitsGoByWhatWentWrong(retry: PortError.Retry, jitter: Int, wait: Int64) {
    var backOff = BackOff()
    backOff.failed(retry, at: Instant(milliseconds: 7), jitter: Permille(jitter))
    #expect(backOff.next == Instant(milliseconds: 7 + wait))
  }

  @Test func aRestartShortensTheWait() {
    let now = Instant(milliseconds: 1_000_000_000)
    for (next, left): (Milliseconds, Milliseconds) in [
      (.minutes(2), .minutes(2)), (.minutes(300), .minutes(5)), (.minutes(-1), .minutes(-1)),
    ] {
      let backOff = BackOff(failures: 3, next: now + next, resumedAt: now)
      #expect(backOff.failures == 3)
      #expect(backOff.next == now + left)
    }
    #expect(BackOff(failures: -1, next: now, resumedAt: now).failures == 0)
  }

  @Test(arguments: [
    ("0", 0), (" 3 ", 3), ("86399", 86_399), ("86400", 86_400),
    ("99999999999999999999", 86_400), ("-1", nil), ("1.5", nil), ("soon", nil), ("", nil),
    ("Wed, 15 Nov 2023 00:00:10 GMT", 10), ("Tue, 14 Nov 2023 23:59:59 GMT", 0),
    ("Wed, 15 Nov 2073 00:00:10 GMT", 86_400),
  ])
  func retryAfterIsASpanOrADate(value: String, seconds: Int64?) {
    let now = Instant(milliseconds: 1_700_006_400_000)
    #expect(RetryAfter.span(value, now: now) == seconds.map { .seconds($0) })
  }

  @Test(
    arguments: [
      (["Shop.Example.com"], ["shop.example.com"]),
      (["a.test", "A.test", "b.test"], ["a.test", "b.test"]),
      (["localhost"], ["localhost"]), (["x_y.test"], ["x_y.test"]),
      ([], nil), ([""], nil), (["*.example.com"], nil), (["192.0.2.1"], nil), (["::1"], nil),
      (["a..b"], nil), (["a.test."], nil), (["-a.test"], nil), (["../etc"], nil), (["a/b"], nil),
      (["account"], nil), (["bücher.example"], nil), (["good.test", "bad host"], nil),
      ([String(repeating: "a", count: 64) + ".test"], nil),
      ([Array(repeating: "abcdefg.", count: 40).joined() + "test"], nil),
      (Array(repeating: "a.test", count: 101), nil),
    ] as [([String], [String]?)])
  func hostsAreNames(given: [String], hosts: [String]?) {
    #expect((try? HostGroup(given))?.hosts == hosts)
  }

  @Test(
    arguments: [
      ("rateLimited", nil, PortError.Fault.network, PortError.Retry.after(.minutes(60))),
      ("rateLimited", 5, .network, .after(.seconds(5))), ("dns", nil, .user, .safe),
      ("connection", nil, .user, .safe), ("caa", nil, .user, .safe),
      ("rejectedIdentifier", nil, .user, .never), ("invalidContact", nil, .user, .never),
      ("userActionRequired", nil, .user, .never), ("serverInternal", nil, .network, .safe),
      ("neverHeardOf", nil, .network, .safe),
    ] as [(String, Int64?, PortError.Fault, PortError.Retry)])
  func problemsSayWhoseFaultTheyAre(
    kind: String, wait: Int64?, fault: PortError.Fault, retry: PortError.Retry
  ) {
    let problem = ACMEProblem(type: "urn:ietf:params:acme:error:" + kind, detail: "Because.")
    let failure = problem.failure("It failed", wait: wait.map { .seconds($0) })
    #expect(failure.fault == fault)
    #expect(failure.retry == retry)
    #expect(failure.causes == ["Because. (\(kind))"])
  }

  @Test func problemsAreToldInFullAndInOneLine() {
    let problem = ACMEProblem(
      type: "urn:ietf:params:acme:error:malformed", detail: "Some\nare\u{1B}[31m wrong",
      subproblems: [
        .init(type: nil, detail: "no", identifier: ACMEIdentifier(value: "a.test")),
        .init(type: "about:blank", detail: String(repeating: "x", count: 5_000), identifier: nil),
      ])
    let causes = problem.causes
    #expect(causes.count == 3)
    #expect(causes[0] == "Some are [31m wrong (malformed)")
    #expect(causes[1] == "a.test no")
    #expect(causes[2].count < 600)
    #expect(ACMEProblem().causes == ["It gives no reason"])
  }

  @Test func keysSurviveBeingWritten() throws {
    let key = AccountKey()
    let again = try #require(AccountKey(pem: key.pem))
    #expect(again.thumbprint == key.thumbprint)
    #expect(key.authorization(token: "t") == "t.\(key.thumbprint)")
    #expect(key.thumbprint.utf8.count == 43)
    #expect(AccountKey(pem: "no key") == nil)
  }

  @Test(
    arguments: [
      // RFC 7515 appendix C.
      ([3, 236, 255, 224, 193], "A-z_4ME"), ([], ""), ([0], "AA"),
    ] as [([UInt8], String)])
  func base64IsThatOfAddresses(octets: [UInt8], text: String) {
    #expect(Base64URL.encode(octets) == text)
    #expect(Base64URL.decode(text).map(Array.init) == octets)
  }

  @Test func base64OfAnotherAlphabetIsRefused() {
    #expect(Base64URL.decode("A+z/4ME") == nil)
    #expect(Base64URL.decode("?") == nil)
  }

  @Test func aPartIsFoundWhereverItIs() {
    for (whole, part, isFound): ([UInt8], [UInt8], Bool) in [
      ([1, 2, 3], [2, 3], true), ([1, 2, 3], [1], true), ([1, 2], [2, 1], false),
      ([1], [1, 2], false), ([], [1], false),
    ] {
      #expect(ServingCheck.contains(whole, part) == isFound)
    }
  }
}
