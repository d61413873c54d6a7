import Foundation
import Ports
import ReceiverProcess
import SegueModel
import Testing

@testable import Notifications

private let word = "correct horse"

private func withMailServer(
  _ security: SMTPSettings.Security, password: String? = nil, _ behaviours: [String] = [],
  _ body: (SMTPSettings, Receiver) async throws -> Void
) async throws {
  let directory = NSTemporaryDirectory() + "segue-mail-" + UUID().uuidString
  try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: directory) }
  let mode =
    switch security {
    case .none: "plain"
    case .startTLS: "starttls"
    case .implicitTLS: "tls"
    }
  try await Receiver.with(
    "smtp-receiver.py", [directory, mode, password ?? "open"] + behaviours
  ) { receiver in
    var settings = SMTPSettings(
      host: "127.0.0.1", port: receiver.port, security: security,
      user: password.map { _ in "segue" }, password: password.map { Secret($0) },
      from: try EmailAddress("segue@shop.example"), to: [try EmailAddress("team@shop.example")])
    if security != .none { settings.trustedCertificates = directory + "/certificate.pem" }
    // It guards against a server that hangs; a machine that is busy must not look like one.
    settings.deadline = .seconds(60)
    try await body(settings, receiver)
  }
}

private func send(_ settings: SMTPSettings, _ notices: [PendingNotice]) async throws {
  try await SMTPSender(settings).send(ChannelMessage(notices), at: RealTime().now())
}

@Test(arguments: [
  (SMTPSettings.Security.none, false), (.none, true), (.startTLS, false), (.startTLS, true),
  (.implicitTLS, false), (.implicitTLS, true),
])
func mailArrivesAsItWasWritten(security: SMTPSettings.Security, hasPassword: Bool) async throws {
  try await withMailServer(security, password: hasPassword ? word : nil) { settings, receiver in
    let text = "Grüße: 日本語 🚀\r\nBcc: everybody@evil.example\r\n.\r\nMAIL"
    var item = notice(1, kind: .rolledBack, text: text)
    item.notice.project = "läden\r\nX-Evil: 1"
    try await send(settings, [item])
    try await eventually("the mail arrives") { receiver.lines.count == 1 }
    let mail = try #require(receiver.lines.first)
    #expect(mail.verified == true)
    #expect(mail.path == "team@shop.example")
    #expect(mail.id == "<n-1@shop.example>")
    #expect(mail.type == "Rolled back: läden X-Evil: 1 production/web")
    #expect(mail.body.contains("Grüße: 日本語 🚀 Bcc: everybody@evil.example . MAIL\r\n"))
    #expect(mail.body.contains("release r-0123456789abcdef, commit 0123456789ab by Ada"))
    #expect(receiver.faults == [])
  }
}

@Test func aDigestListsEveryNotice() async throws {
  try await withMailServer(.none) { settings, receiver in
    try await send(settings, (1...50).map { notice($0, text: "Sentence \($0).") })
    try await eventually("the mail arrives") { receiver.lines.count == 1 }
    let mail = try #require(receiver.lines.first)
    #expect(mail.type == "50 notices: 50 rollout finished")
    #expect((1...50).allSatisfy { mail.body.contains("Sentence \($0).\r\n") })
  }
}

@Test func aServerThatComesAndGoesLosesNoMail() async throws {
  let behaviours = ["451", "ok", "drop", "lose", "554", "ok"]
  try await withMailServer(.startTLS, password: word, behaviours) { settings, receiver in
    let store = MemoryStore((1...3).map { notice($0) })
    let channel = NotificationChannel(name: "mail", sender: try SMTPSender(settings))
    let dispatcher = NotificationDispatcher(
      channels: [channel], store: store, time: HastyTime())
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await dispatcher.run() }
      try await eventually("all are settled") {
        store.delivered(on: "mail").count + store.failed(on: "mail").count == 3
      }
      group.cancelAll()
    }
    // The first came after a 451. The second was dropped, then taken without an answer, and when it
    // was sent again refused for good: to the sender it has failed, and the receiver has it.
    #expect(receiver.accepted.map(\.id) == [1, 2, 3].map { "<n-\($0)@shop.example>" })
    #expect(store.delivered(on: "mail") == [1, 3])
    #expect(store.failed(on: "mail")[2] == "it answered 554 as told")
  }
}

@Test func aRefusedRecipientHoldsUpNobodyAndOneForLaterDelaysAll() async throws {
  try await withMailServer(.none) { settings, receiver in
    var settings = settings
    settings.to = try ["refused@shop.example", "team@shop.example"].map { try EmailAddress($0) }
    try await send(settings, [notice(1)])
    try await eventually("the mail arrives") { receiver.lines.count == 1 }
    #expect(receiver.lines.first?.path == "team@shop.example")
    settings.to = try ["team@shop.example", "later@shop.example"].map { try EmailAddress($0) }
    let later = await #expect(throws: DeliveryFailure.self) {
      try await send(settings, [notice(2)])
    }
    #expect(later == .tryAgain("it answered 450 4.2.0 greylisted", after: nil))
    settings.to = [try EmailAddress("refused@shop.example")]
    let never = await #expect(throws: DeliveryFailure.self) {
      try await send(settings, [notice(3)])
    }
    #expect(never == .refused("it answered 550 5.1.1 nobody of that name"))
    #expect(receiver.lines.count == 1)
  }
}

@Test func aWrongPasswordIsSaidWithoutThePassword() async throws {
  try await withMailServer(.startTLS, password: word) { settings, receiver in
    var settings = settings
    settings.password = Secret("wrong battery")
    let failure = await #expect(throws: DeliveryFailure.self) {
      try await send(settings, [notice(1)])
    }
    #expect(failure == .tryAgain("it refused the user name or password (535)", after: nil))
    #expect(!"\(settings)".contains("battery"))
  }
}

@Test func aCertificateThatIsNotTrustedGetsNothing() async throws {
  for security in [SMTPSettings.Security.startTLS, .implicitTLS] {
    try await withMailServer(security, password: word) { settings, receiver in
      var settings = settings
      settings.trustedCertificates = nil
      let failure = await #expect(throws: DeliveryFailure.self) {
        try await send(settings, [notice(1)])
      }
      #expect(
        failure
          == .tryAgain(
            "no encrypted connection could be made; is its certificate trusted here?",
            after: nil))
      #expect(receiver.lines.isEmpty)
    }
  }
}

@Test func withoutSTARTTLSNothingIsSent() async throws {
  try await withMailServer(.none) { settings, receiver in
    var settings = settings
    settings.security = .startTLS
    let failure = await #expect(throws: DeliveryFailure.self) {
      try await send(settings, [notice(1)])
    }
    #expect(
      failure
        == .tryAgain("it offers no STARTTLS; nothing is sent without encryption", after: nil))
  }
}

@Test(arguments: [
  "", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\r\nDATA", "a@b>", "<a@b>", "a@b,c@d", "ä@b",
])
func whatIsNoAddressIsRefused(text: String) {
  #expect(throws: ChannelFault.self) { try EmailAddress(text) }
}

@Test(arguments: [
  ("", ""), ("a", "a\r\n"), (".", "..\r\n"), ("a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n"),
  ("..a\r\n", "...a\r\n"), ("a.b\r\n", "a.b\r\n"),
])
func dotsAtTheBeginningOfALineAreDoubled(mail: String, sent: String) {
  #expect(String(decoding: SMTPDialogue.stuffed(Array(mail.utf8)), as: UTF8.self) == sent)
}

@Test(arguments: [
  ("220 hello\r\n", [SMTPReply(code: 220, lines: ["hello"])]),
  (
    "250-a\r\n250-AUTH PLAIN\r\n250 b\r\n",
    [SMTPReply(code: 250, lines: ["a", "AUTH PLAIN", "b"])]
  ),
  ("250\r\n", [SMTPReply(code: 250, lines: [""])]),
  ("250 a\n354 b\n", [SMTPReply(code: 250, lines: ["a"]), SMTPReply(code: 354, lines: ["b"])]),
  ("250-a\r\n", []), ("25", []),
])
func repliesArePutTogether(text: String, replies: [SMTPReply]) throws {
  var reader = SMTPReplyReader()
  var read: [SMTPReply] = []
  for byte in text.utf8 {
    reader.append([byte])
    while let reply = try reader.next() { read.append(reply) }
  }
  #expect(read == replies)
}

@Test(arguments: [
  "hello\r\n", "2a0 x\r\n", "999 x\r\n", "250-a\r\n251 b\r\n", "250xa\r\n", "\r\n",
  String(repeating: "a", count: 3_000), String(repeating: "250-a\r\n", count: 200),
  "250 " + String(repeating: "a", count: 3_000) + "\r\n",
])
func whatIsNoReplyIsRefusedInBoundedMemory(text: String) {
  var reader = SMTPReplyReader()
  reader.append(Array(text.utf8))
  #expect(throws: SMTPReplyReader.Malformed.self) { while try reader.next() != nil {} }
}

@Test(arguments: [
  "plain", String(repeating: "ü", count: 100), String(repeating: "x", count: 150),
  "=?utf-8?B?eA==?=",
  "a\u{1F680}" + String(repeating: "日本", count: 60),
])
func aSubjectIsFoldedIntoShortLines(text: String) {
  let lines = EmailMessage.encode(text, after: 9).components(separatedBy: "\r\n")
  #expect(lines.allSatisfy { $0.utf8.count <= 78 && $0.utf8.allSatisfy { $0 < 0x7F } })
  let words = lines.map { $0.trimmingCharacters(in: .whitespaces) }
  guard text != "plain" else {
    #expect(words == ["plain"])
    return
  }
  let decoded = words.compactMap { word in
    Data(base64Encoded: String(word.dropFirst(10).dropLast(2))).map {
      String(decoding: $0, as: UTF8.self)
    }
  }
  #expect(decoded.joined() == text)
}
