import Foundation
import Ports
import SegueModel

/// How a notice is put for people, without any markup.
enum NoticeText {
  /// Characters of a sentence in a digest, and of one that stands alone.
  static let digestLine = 300
  static let singleLine = 2_000

  static func title(_ kind: Notice.Kind) -> String {
    switch kind {
    case .commitAccepted: "Commit accepted"
    case .releaseBuilt: "Release built"
    case .commitDropped: "Commit dropped"
    case .rolloutBegan: "Rollout began"
    case .rolloutFinished: "Rollout finished"
    case .rolledBack: "Rolled back"
    case .waitingForApproval: "Waiting for approval"
    case .frozen: "Frozen"
    case .overridden: "Overridden"
    case .gateFailed: "Gate failed"
    case .incident: "Incident"
    case .lateRegression: "Late regression"
    case .advisoryHit: "Advisory hit"
    }
  }

  /// `Rolled back: shop production/web`
  static func subject(_ notice: Notice) -> String {
    "\(title(notice.kind)): \(place(notice))"
  }

  /// `12 notices: 8 rolled back, 4 frozen`, in the order in which the kinds are declared.
  static func subject(_ message: ChannelMessage) -> String {
    guard message.isDigest else {
      return message.notices.first.map { subject($0.notice) } ?? ""
    }
    let counts = Notice.Kind.allCases.compactMap { kind -> String? in
      let count = message.notices.count { $0.notice.kind == kind }
      return count == 0 ? nil : "\(count) \(title(kind).lowercased())"
    }
    return "\(message.notices.count) notices: " + counts.joined(separator: ", ")
  }

  /// `shop production/web`
  static func place(_ notice: Notice) -> String {
    let target = [notice.environment?.rawValue, notice.service?.rawValue].compactMap { $0 }
    return oneLine(
      ([notice.project.rawValue] + (target.isEmpty ? [] : [target.joined(separator: "/")]))
        .joined(separator: " "), limit: 200)
  }

  /// `release r-1, commit 0123456789ab by Ada`
  static func details(_ notice: Notice) -> String {
    var parts = notice.release.map { ["release \($0)"] } ?? []
    if let commit = notice.commit {
      parts.append("commit \(commit.short)" + (notice.author.map { " by \($0)" } ?? ""))
    }
    return oneLine(parts.joined(separator: ", "), limit: 300)
  }

  /// Without control characters, line breaks included, and not longer than `limit` characters: text
  /// from a commit must not be able to begin a new line, or make a message that no receiver takes.
  static func oneLine(_ text: String, limit: Int) -> String {
    var result = ""
    var count = 0
    for character in text {
      guard count < limit else { return result + "…" }
      count += 1
      let isControl = character.unicodeScalars.contains {
        switch $0.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: true
        // Marks that turn the direction of what follows can make a text read as another one.
        case .format: $0 != "\u{200D}" && $0 != "\u{200C}"
        default: false
        }
      }
      result.append(isControl ? " " : character)
    }
    return result
  }

  /// The notice's link if it is one that may be shown: `http` or `https`, printable ASCII.
  static func link(_ notice: Notice) -> String? {
    guard let link = notice.link, link.utf8.count <= 2_000,
      link.hasPrefix("https://") || link.hasPrefix("http://"),
      link.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x3C && $0 != 0x3E && $0 != 0x22 })
    else { return nil }
    return link
  }

  /// RFC 3339 in UTC, to the millisecond.
  static func timestamp(_ instant: Instant) -> String {
    Date(timeIntervalSince1970: Double(instant.milliseconds) / 1_000).formatted(
      .iso8601.year().month().day().time(includingFractionalSeconds: true))
      + "Z"
  }
}
