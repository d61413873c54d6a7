import Foundation
import Testing

@testable import Commands

/// Compares lines with a file of `Tests/Fixtures/commands`; with `SEGUE_REGENERATE=1` writes it.
func expectGolden(
  _ name: String, _ lines: [Line], width: Int = 100, color: Bool = false,
  at location: SourceLocation = #_sourceLocation
) throws {
  let text = lines.map { $0.rendered(width: width, color: color) + "\n" }.joined()
    .replacingOccurrences(of: "\u{1b}", with: "<esc>")
  let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures/commands/\(name).golden")
  if ProcessInfo.processInfo.environment["SEGUE_REGENERATE"] == "1" {
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
  }
  let golden = try String(contentsOf: file, encoding: .utf8)
  #expect(text == golden, sourceLocation: location)
}

let utc = TimeZone.gmt
