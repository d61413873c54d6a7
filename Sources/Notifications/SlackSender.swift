import Ports
public import SegueModel

/// A chat with incoming webhooks as Slack has them; Mattermost, Rocket.Chat and Zulip take them too.
///
/// Receivers of this kind know no id, so a message that was sent twice is shown twice.
public struct SlackSender: ChannelSender {
  private let address: WebhookAddress
  private let client: WebhookClient

  public init(to address: WebhookAddress, client: WebhookClient) {
    self.address = address
    self.client = client
  }

  public func send(_ message: ChannelMessage, at now: Instant) async throws(DeliveryFailure) {
    try await client.post(
      try JSONBody.encode(SlackPayload(message)), to: address,
      headers: ["content-type": "application/json; charset=utf-8"], at: now)
  }
}

struct SlackPayload: Encodable {
  struct Block: Encodable {
    struct Text: Encodable {
      var type = "mrkdwn"
      var text: String
    }
    var type: String
    var text: Text?
    var elements: [Text]?
  }

  /// What is shown where blocks are not: in notifications, and by other chats.
  var text: String
  var blocks: [Block]

  /// A section holds 3000 characters, and a message 50 blocks.
  static let sectionLimit = 3_000
  static let blockLimit = 50

  init(_ message: ChannelMessage) {
    guard message.isDigest else {
      let notice = message.notices.first?.notice
      let sentence = Self.escape(
        NoticeText.oneLine(notice?.text ?? "", limit: NoticeText.singleLine))
      let subject = Self.escape(NoticeText.subject(message))
      text = "\(subject): \(sentence)"
      blocks = [Self.section("*\(Self.plain(subject))*\n\(sentence)")]
      if let notice, let context = Self.context(notice) { blocks.append(context) }
      return
    }
    text = Self.escape(NoticeText.subject(message))
    blocks = [Self.section("*\(Self.plain(text))*")]
    var lines = ""
    for item in message.notices {
      let line = Self.line(item.notice)
      if !lines.isEmpty, lines.utf16.count + line.utf16.count + 1 > Self.sectionLimit {
        blocks.append(Self.section(lines))
        lines = ""
      }
      lines += (lines.isEmpty ? "" : "\n") + line
    }
    blocks.append(Self.section(lines))
    if blocks.count > Self.blockLimit { blocks = Array(blocks.prefix(Self.blockLimit)) }
  }

  private static func line(_ notice: Notice) -> String {
    let subject = escape(NoticeText.subject(notice))
    let sentence = escape(NoticeText.oneLine(notice.text, limit: NoticeText.digestLine))
    return "• \(subject): \(sentence)" + (link(notice).map { " \($0)" } ?? "")
  }

  private static func context(_ notice: Notice) -> Block? {
    let details = escape(NoticeText.details(notice))
    let parts = ([details].filter { !$0.isEmpty } + [link(notice)].compactMap { $0 })
    guard !parts.isEmpty else { return nil }
    return Block(type: "context", elements: [.init(text: parts.joined(separator: " · "))])
  }

  private static func section(_ text: String) -> Block {
    Block(type: "section", text: .init(text: text))
  }

  private static func link(_ notice: Notice) -> String? {
    NoticeText.link(notice).flatMap { $0.contains("|") ? nil : "<\(escape($0))|Open>" }
  }

  /// The three characters that have a meaning: with them go links, and calls to everybody
  /// (`<!channel>`).
  static func escape(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }

  /// Without the asterisk that would end bold text early.
  private static func plain(_ text: String) -> String { text.replacing("*", with: "∗") }
}

enum JSONBody {
  static func encode(_ value: some Encodable) throws(DeliveryFailure) -> [UInt8] {
    do {
      return try CanonicalJSON.encode(value)
    } catch {
      throw .refused(error.what)
    }
  }
}
