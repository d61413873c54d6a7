internal import ControlProtocol
internal import Foundation
internal import SegueModel

/// One thing that happened, on one line: `12:03:04 step test: passed in 3.2 s (212 tests)`.
enum FeedText {
  static func line(_ item: FeedItem, zone: TimeZone) -> Line {
    let time = Line(Words.time(item.at, in: zone) + " ", .dim)
    switch item.level {
    case .output: return time + Line("\(item.subject) | \(item.text)", .dim)
    case .info: return time + Line("\(item.subject): \(item.text)")
    case .success: return time + Line("\(item.subject): \(item.text)", .green)
    case .warning: return time + Line("\(item.subject): \(item.text)", .yellow)
    case .failure: return time + Line("\(item.subject): \(item.text)", .red)
    }
  }
}
