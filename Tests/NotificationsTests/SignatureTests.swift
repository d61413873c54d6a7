import Foundation
import Ports
import SegueModel
import Testing
import WebhookSigning

@testable import Notifications

private let key = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
private let old = Secret("whsec_c2VndWUtc2VndWUtc2VndWUtc2VndWUtc2VndWU=")
private let now = Instant(milliseconds: 1_614_265_330_000)

/// The example of the Standard Webhooks libraries' tests.
@Test func theSignatureIsThatOfTheSpecification() throws {
  let signature = try WebhookSignature([key])
  let body = Array(#"{"test": 2432232314}"#.utf8)
  let value = signature.sign(id: "msg_p5jXN8AQM9LWM0D4loKWxJek", at: now, body: body)
  #expect(value == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
}

@Test func aSignatureIsCheckedWithItsIdTimeAndBody() throws {
  let signature = try WebhookSignature([key])
  let body = Array("{}".utf8)
  let value = signature.sign(id: "n-1", at: now, body: body)
  func verify(
    id: String = "n-1", timestamp: String = "1614265330", signature text: String? = nil,
    body changed: [UInt8]? = nil, at instant: Instant = now
  ) -> Bool {
    signature.verify(
      id: id, timestamp: timestamp, signature: text ?? value, body: changed ?? body, now: instant)
  }
  #expect(verify())
  #expect(verify(signature: "v1,AAAA v2,xyz \(value)"))
  #expect(verify(at: now + .seconds(300)))
  #expect(verify(at: now + .seconds(-300)))
  #expect(!verify(at: now + .seconds(301)))
  #expect(!verify(at: now + .seconds(-301)))
  #expect(!verify(id: "n-2"))
  #expect(!verify(timestamp: "1614265331"))
  #expect(!verify(body: Array("{ }".utf8)))
  for text in ["", "v1", "v1,", "v1,====", "v1,AAAA", "v2," + value.dropFirst(3)] {
    #expect(!verify(signature: text))
  }
  for text in ["", "-1", "9223372036854775807", "1e9", " 1614265330"] {
    #expect(!verify(timestamp: text))
  }
}

@Test func whileKeysChangeBothSign() throws {
  let body = Array("{}".utf8)
  let value = try WebhookSignature([key, old]).sign(id: "n-1", at: now, body: body)
  for one in [key, old] {
    let receiver = try WebhookSignature([one])
    #expect(
      receiver.verify(
        id: "n-1", timestamp: "1614265330", signature: value, body: body, now: now))
  }
}

@Test(arguments: ["", "whsec_", "whsec_AAAA", "whsec_!", "c2VndWUtc2VndWUtc2VndWUtc2VndWU="])
func whatIsNoKeyIsRefusedWithoutShowingIt(text: String) {
  let fault = #expect(throws: WebhookKeyFault.self) { try WebhookSignature([Secret(text)]) }
  #expect(text.count < 7 || !(fault?.description.contains(text) ?? true))
}

@Test(arguments: [
  "", "hooks.example/x", "http://hooks.example/x", "ftp://hooks.example/", "https://", "https:///x",
  "https://user:password@hooks.example/", "file:///etc/passwd",
])
func whatIsNoSafeAddressIsRefusedWithoutShowingIt(text: String) {
  let fault = #expect(throws: ChannelFault.self) { try WebhookAddress(Secret(text)) }
  #expect(text.isEmpty || text == "https://" || !(fault?.description.contains(text) ?? true))
}

@Test func noErrorShowsTheAddress() async throws {
  let client = WebhookClient(time: RealTime(), deadline: .seconds(5))
  // Port 1 of the loopback: nobody listens there.
  let address = try WebhookAddress(Secret("http://127.0.0.1:1/services/T0/B0/secret"))
  let failure = await #expect(throws: DeliveryFailure.self) {
    try await SlackSender(to: address, client: client).send(
      ChannelMessage([notice(1)]), at: now)
  }
  await client.shutdown()
  #expect(failure == .tryAgain("no connection could be made (error 111)", after: nil))
  #expect(!"\(address)".contains("secret"))
}

@Test(arguments: [
  ("0", 0), ("120", 120_000), ("Thu, 25 Feb 2021 15:03:10 GMT", 60_000),
  ("Thu, 25 Feb 2021 15:00:00 GMT", 0),
])
func retryAfterIsSecondsOrADate(text: String, wait: Int64) {
  #expect(RetryAfter.wait(text, now: now) == Milliseconds(wait))
}

@Test(arguments: [nil, "", "-1", "soon", "1.5", "99999999999999999999", "Thu, 25 Feb"])
func anyOtherRetryAfterIsNone(text: String?) {
  #expect(RetryAfter.wait(text, now: now) == nil)
}
