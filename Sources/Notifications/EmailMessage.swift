import Foundation
import Ports
import SegueModel

/// An address that mail goes to or comes from: ASCII, and nothing that could end a command or a header
/// early.
public struct EmailAddress: Hashable, Sendable, CustomStringConvertible {
  public let description: String

  /// - Throws: a sentence that names the address.
  public init(_ text: String) throws(ChannelFault) {
    let parts = text.split(separator: "@", omittingEmptySubsequences: false)
    let isPlain = text.utf8.allSatisfy { byte in
      byte > 0x20 && byte < 0x7F && !"()<>[]:;,\\\"".utf8.contains(byte)
    }
    guard isPlain, parts.count == 2, let local = parts.first, let domain = parts.last,
      (1...64).contains(local.utf8.count), (1...253).contains(domain.utf8.count)
    else {
      let shown = NoticeText.oneLine(text, limit: 80)
      throw ChannelFault("'\(shown)' is not a mail address; write it as name@example.org")
    }
    description = text
  }
}

/// A message as mail (RFC 5322, MIME).
enum EmailMessage {
  /// Octets of an encoded word with its frame (RFC 2047 section 2).
  static let encodedWord = 75
  /// Characters of a subject.
  static let subjectLimit = 200

  /// The whole message, with CRLF at the end of each line, before dot-stuffing.
  static func render(
    _ message: ChannelMessage, from: EmailAddress, to: [EmailAddress], at now: Instant
  ) -> [UInt8] {
    let domain = from.description.split(separator: "@").last.map(String.init) ?? "localhost"
    let headers = [
      "Date: \(date(now))",
      "From: Segue <\(from)>",
      "To: " + to.map(\.description).joined(separator: ",\r\n "),
      "Subject: " + encode(subject(message), after: 9),
      // The same on each attempt: mail programs show one of two mails with one id.
      "Message-ID: <\(PercentEncoding.encode(message.id).replacing("%", with: "="))@\(domain)>",
      // RFC 3834 section 5: so that nobody's holiday reply answers.
      "Auto-Submitted: auto-generated",
      "MIME-Version: 1.0",
      "Content-Type: text/plain; charset=utf-8",
      "Content-Transfer-Encoding: base64",
    ]
    let text = Data(body(message).utf8).base64EncodedString(
      options: [.lineLength76Characters, .endLineWithCarriageReturn, .endLineWithLineFeed])
    return Array((headers.joined(separator: "\r\n") + "\r\n\r\n" + text + "\r\n").utf8)
  }

  private static func subject(_ message: ChannelMessage) -> String {
    NoticeText.oneLine(NoticeText.subject(message), limit: subjectLimit)
  }

  private static func body(_ message: ChannelMessage) -> String {
    let limit = message.isDigest ? NoticeText.digestLine : NoticeText.singleLine
    return message.notices.map { item in
      let notice = item.notice
      let lines = [
        message.isDigest ? NoticeText.subject(notice) : "",
        NoticeText.oneLine(notice.text, limit: limit),
        NoticeText.details(notice),
        NoticeText.link(notice) ?? "",
        NoticeText.timestamp(notice.at),
      ]
      return lines.filter { !$0.isEmpty }.joined(separator: "\r\n")
    }.joined(separator: "\r\n\r\n") + "\r\n"
  }

  /// A header's text: as it is where it is printable ASCII, and in encoded words (RFC 2047) where it
  /// is not, cut between characters and folded. Line breaks cannot get out of it either way.
  ///
  /// - Parameter used: octets of the line that stand before it.
  static func encode(_ text: String, after used: Int) -> String {
    let isPlain =
      text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F } && !text.contains("=?")
      && text.utf8.count + used <= 78
    if isPlain { return text }
    var words: [String] = []
    var chunk: [UInt8] = []
    func flush() {
      guard !chunk.isEmpty else { return }
      words.append("=?utf-8?B?\(Data(chunk).base64EncodedString())?=")
      chunk = []
    }
    for scalar in text.unicodeScalars {
      let octets = Array(String(scalar).utf8)
      let room = encodedWord - (words.isEmpty ? used : 1) - 12
      if (chunk.count + octets.count + 2) / 3 * 4 > room { flush() }
      chunk += octets
    }
    flush()
    return words.joined(separator: "\r\n ")
  }

  /// `Fri, 15 Jan 2027 08:00:00 +0000` (RFC 5322 section 3.3).
  static func date(_ instant: Instant) -> String {
    let format = DateFormatter()
    format.locale = Locale(identifier: "en_US_POSIX")
    format.timeZone = .gmt
    format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss '+0000'"
    return format.string(
      from: Date(timeIntervalSince1970: Double(instant.milliseconds) / 1_000))
  }
}
