import Foundation
import Ports

/// One answer of a mail server (RFC 5321 section 4.2).
struct SMTPReply: Hashable, Sendable {
  var code: Int
  /// Without the code, one for each line.
  var lines: [String]
}

/// Puts a mail server's octets together to answers. Bounded: a server that talks without an end is
/// refused.
struct SMTPReplyReader {
  static let lineLimit = 2_048
  static let lineCount = 128

  struct Malformed: Error, Hashable {}

  private var buffer: [UInt8] = []
  private var code: Int?
  private var lines: [String] = []

  /// Octets that came and are not part of an answer that was taken.
  var hasLeftover: Bool { !buffer.isEmpty || !lines.isEmpty }

  mutating func append(_ octets: some Sequence<UInt8>) { buffer += octets }

  /// The next whole answer, or `nil` until more has come.
  mutating func next() throws(Malformed) -> SMTPReply? {
    while let end = buffer.firstIndex(of: 0x0A) {
      var line = buffer[..<end]
      if line.last == 0x0D { line = line.dropLast() }
      let text = String(decoding: line, as: UTF8.self)
      buffer.removeSubrange(...end)
      let digits = text.utf8.prefix(3)
      guard text.utf8.count <= Self.lineLimit, digits.count == 3,
        digits.allSatisfy({ (0x30...0x39).contains($0) }),
        let code = Int(String(decoding: digits, as: UTF8.self)), (200...599).contains(code),
        self.code == nil || self.code == code, lines.count < Self.lineCount
      else { throw Malformed() }
      let separator = text.utf8.dropFirst(3).first
      lines.append(String(decoding: text.utf8.dropFirst(4), as: UTF8.self))
      switch separator {
      case UInt8(ascii: "-"): self.code = code
      case UInt8(ascii: " "), nil:
        let reply = SMTPReply(code: code, lines: lines)
        self.code = nil
        lines = []
        return reply
      default: throw Malformed()
      }
    }
    if buffer.count > Self.lineLimit { throw Malformed() }
    return nil
  }
}

/// What is said to a mail server, and in which order: a machine without a connection.
///
/// A refusal of the mail itself (5yz to its sender, recipients or content) is final; one of the whole
/// session, such as a password that was changed, may be put right by somebody. Recipients that are
/// refused for good get nothing as long as another one is accepted; when one asks for another try
/// later, nothing has been sent yet and all are tried again.
struct SMTPDialogue {
  struct Credentials: Sendable {
    var user: String
    var password: Secret
  }

  enum Action: Hashable {
    case send([UInt8])
    /// Encrypt from here on, then call ``secured()``.
    case startTLS
    /// The mail is the server's now; these octets say goodbye.
    case delivered([UInt8])
    case failed(DeliveryFailure)
  }

  private enum State {
    case greeting, hello, startTLS, securing, authPlain, authUser, authPassword, sender
    case recipient(Int)
    case content, end, over
  }

  private let clientName: String
  private let wantsTLS: Bool
  private let credentials: Credentials?
  private let from: EmailAddress
  private let to: [EmailAddress]
  private let mail: [UInt8]
  private var state = State.greeting
  private var isSecured = false
  private var accepted = 0
  private var refusal: DeliveryFailure?

  /// - Parameters:
  ///   - wantsTLS: whether to go on only after STARTTLS (RFC 3207).
  ///   - mail: with CRLF line ends, before dot-stuffing.
  init(
    clientName: String, wantsTLS: Bool, credentials: Credentials?, from: EmailAddress,
    to: [EmailAddress], mail: [UInt8]
  ) {
    self.clientName = clientName
    self.wantsTLS = wantsTLS
    self.credentials = credentials
    self.from = from
    self.to = to
    self.mail = mail
  }

  mutating func secured() -> Action {
    guard case .securing = state else { return fail("out of turn") }
    isSecured = true
    return hello()
  }

  mutating func receive(_ reply: SMTPReply) -> Action {
    switch (state, reply.code) {
    case (.greeting, 220): return hello()
    case (.hello, 250): return afterHello(reply)
    case (.startTLS, 220):
      state = .securing
      return .startTLS
    case (.authPlain, 235), (.authPassword, 235): return sender()
    case (.authUser, 334):
      state = .authPassword
      return line(Data((credentials?.user ?? "").utf8).base64EncodedString())
    case (.authPassword, 334):
      return line(Data((credentials?.password.reveal() ?? "").utf8).base64EncodedString())
    case (.authPlain, _), (.authUser, _), (.authPassword, _):
      // The server's text is left out: it may repeat what it was given.
      return fail(.tryAgain("it refused the user name or password (\(reply.code))", after: nil))
    case (.sender, 250): return recipient(0)
    case (.recipient(let index), _): return afterRecipient(index, reply)
    case (.content, 354):
      state = .end
      return .send(Self.stuffed(mail) + Array(".\r\n".utf8))
    case (.end, 250...259):
      state = .over
      return .delivered(Array("QUIT\r\n".utf8))
    case (.greeting, _), (.hello, _), (.startTLS, _):
      return fail(.tryAgain("it answered \(Self.shown(reply))", after: nil))
    case (.sender, _), (.content, _), (.end, _): return fail(Self.failure(reply))
    case (.securing, _), (.over, _): return fail("it spoke out of turn")
    }
  }

  private mutating func hello() -> Action {
    state = .hello
    return line("EHLO \(clientName)")
  }

  private mutating func afterHello(_ reply: SMTPReply) -> Action {
    let extensions = reply.lines.dropFirst().map { $0.uppercased().split(separator: " ") }
    if wantsTLS, !isSecured {
      guard extensions.contains(where: { $0.first == "STARTTLS" }) else {
        return fail(
          .tryAgain("it offers no STARTTLS; nothing is sent without encryption", after: nil))
      }
      state = .startTLS
      return line("STARTTLS")
    }
    guard let credentials else { return sender() }
    let ways = extensions.first { $0.first == "AUTH" }?.dropFirst() ?? []
    if ways.contains("PLAIN") {
      state = .authPlain
      let token = "\0\(credentials.user)\0\(credentials.password.reveal())"
      return line("AUTH PLAIN " + Data(token.utf8).base64EncodedString())
    }
    guard ways.contains("LOGIN") else {
      return fail(.tryAgain("it takes no password here: neither PLAIN nor LOGIN", after: nil))
    }
    state = .authUser
    return line("AUTH LOGIN")
  }

  private mutating func sender() -> Action {
    state = .sender
    return line("MAIL FROM:<\(from)>")
  }

  private mutating func recipient(_ index: Int) -> Action {
    guard index < to.count else {
      guard accepted > 0 else {
        return fail(refusal ?? .refused("it refused every recipient"))
      }
      state = .content
      return line("DATA")
    }
    state = .recipient(index)
    return line("RCPT TO:<\(to[index])>")
  }

  private mutating func afterRecipient(_ index: Int, _ reply: SMTPReply) -> Action {
    switch reply.code {
    case 250...259: accepted += 1
    case 500...599: refusal = refusal ?? Self.failure(reply)
    default: return fail(Self.failure(reply))
    }
    return recipient(index + 1)
  }

  private mutating func fail(_ failure: DeliveryFailure) -> Action {
    state = .over
    return .failed(failure)
  }

  private mutating func fail(_ reason: String) -> Action {
    fail(.tryAgain(reason, after: nil))
  }

  private func line(_ text: String) -> Action { .send(Array((text + "\r\n").utf8)) }

  private static func failure(_ reply: SMTPReply) -> DeliveryFailure {
    let reason = "it answered \(shown(reply))"
    return (500...599).contains(reply.code) ? .refused(reason) : .tryAgain(reason, after: nil)
  }

  private static func shown(_ reply: SMTPReply) -> String {
    NoticeText.oneLine(
      "\(reply.code) \(reply.lines.joined(separator: " "))", limit: 200)
  }

  /// A dot more before each line that begins with one (RFC 5321 section 4.5.2), and a line end at the
  /// end.
  static func stuffed(_ mail: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(mail.count + 16)
    var isLineStart = true
    for byte in mail {
      if isLineStart, byte == UInt8(ascii: ".") { result.append(byte) }
      result.append(byte)
      isLineStart = byte == 0x0A
    }
    if !isLineStart { result += [0x0D, 0x0A] }
    return result
  }
}
