import Foundation
import ReleaseCalendar
import SegueModel
import Testing

/// The machine's own time zones, and moments as tests write them.
enum Zones {
  static let folder = "/usr/share/zoneinfo/"

  static let names: [String] = {
    let table = (try? String(contentsOfFile: folder + "tzdata.zi", encoding: .utf8)) ?? ""
    return table.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ")
      switch fields.first {
      case "Z" where fields.count > 1: return String(fields[1])
      case "L" where fields.count > 2: return String(fields[2])
      default: return nil
      }
    }
  }()

  static let library = ZoneLibrary(names: names) { name in
    FileManager.default.contents(atPath: folder + name).map { Array($0) }
  }

  static func named(_ name: String) throws -> TimeZoneRules { try library.rules(named: name) }

  static func pattern(_ text: String) throws -> TimePattern {
    try TimePattern(text, zones: library)
  }
}

extension Instant {
  /// `2026-03-29T01:00:00Z`
  init(_ text: String) throws {
    let date = try Date(text, strategy: .iso8601)
    self.init(milliseconds: Int64(date.timeIntervalSince1970) * 1_000)
  }

  /// `2026-03-29T01:00:00Z`
  var text: String {
    Date(timeIntervalSince1970: Double(milliseconds / 1_000)).formatted(.iso8601)
  }
}

extension TimePattern {
  /// The occurrences of a few days, as `begin/end`.
  func occurrences(_ from: String, _ to: String, _ purpose: Purpose) throws -> [String] {
    let range = TimeSpan(start: try Instant(from), end: try Instant(to))
    return occurrences(in: range, to: purpose).map { "\($0.start.text)/\($0.end.text)" }
  }
}
