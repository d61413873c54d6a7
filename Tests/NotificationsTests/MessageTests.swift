import Foundation
import Ports
import SegueModel
import Testing

@testable import Notifications

private let at = Instant(milliseconds: 1_800_000_000_000)

private func slack(_ notices: [PendingNotice]) throws -> String {
  String(decoding: try JSONBody.encode(SlackPayload(ChannelMessage(notices))), as: UTF8.self)
}

@Test func aChatMessageCannotCallEverybodyOrForgeALink() throws {
  let text = "<!channel> a & b <https://evil.example|here>\n*bold*\u{202E}"
  let payload = try slack([notice(1, text: text, at: at, link: "https://segue.example/r/1")])
  #expect(payload.contains("&lt;!channel&gt; a &amp; b &lt;https://evil.example|here&gt; *bold* "))
  #expect(payload.contains("<https://segue.example/r/1|Open>"))
  #expect(!payload.contains("<!"))
}

@Test(arguments: ["javascript:alert(1)", "https://a b", "https://a|b>", "https://a\"", "//x"])
func whatIsNoPlainLinkIsNotShown(link: String) throws {
  let payload = try slack([notice(1, at: at, link: link)])
  #expect(!payload.contains("|Open>"))
}

@Test func aDigestForAChatStaysWithinItsBoundsAndListsAll() throws {
  let notices = (1...50).map { notice($0, text: String(repeating: "&x", count: 600), at: at) }
  let payload = SlackPayload(ChannelMessage(notices))
  #expect(payload.blocks.count <= SlackPayload.blockLimit)
  #expect(
    payload.blocks.allSatisfy { ($0.text?.text.utf16.count ?? 0) <= SlackPayload.sectionLimit })
  let lines = payload.blocks.compactMap(\.text?.text).joined(separator: "\n")
  #expect(lines.components(separatedBy: "• ").count == 51)
  #expect(payload.text == "50 notices: 50 rollout finished")
}

@Test func anInstantIsWrittenInUTC() {
  #expect(NoticeText.timestamp(at) == "2027-01-15T08:00:00.000Z")
  #expect(NoticeText.timestamp(Instant(milliseconds: 1)) == "1970-01-01T00:00:00.001Z")
}

@Test(arguments: [
  (NoticeSelection(), true),
  (NoticeSelection(kinds: [.rolledBack]), false),
  (NoticeSelection(kinds: [.rolloutFinished]), true),
  (NoticeSelection(teams: ["web"]), true),
  (NoticeSelection(teams: ["data"]), false),
  (NoticeSelection(projects: ["shop"], environments: ["production"]), true),
  (NoticeSelection(environments: ["staging"]), false),
  (NoticeSelection(projects: ["other"]), false),
  (NoticeSelection(services: ["web"]), true),
  (NoticeSelection(services: ["api"]), false),
  (NoticeSelection(teams: ["core"], services: ["api"]), true),
])
func aChannelGetsWhatItWants(selection: NoticeSelection, wanted: Bool) {
  var item = notice(1, at: at).notice
  item.teams = ["web", "core"]
  #expect(selection.wants(item) == wanted)
}

@Test func whatConcernsEverybodyIsWantedByEveryTeam() {
  var item = notice(1, at: at).notice
  item.environment = nil
  #expect(NoticeSelection(teams: ["web"], environments: ["staging"]).wants(item))
}
