internal import Foundation

/// JSON for machines: sorted keys, so that the same answer is the same text.
enum JSONText {
  /// On one line.
  static func line(_ value: some Encodable) throws -> String { try text(value, []) }
  /// Over many lines.
  static func document(_ value: some Encodable) throws -> String { try text(value, .prettyPrinted) }

  private static func text(
    _ value: some Encodable, _ formatting: JSONEncoder.OutputFormatting
  ) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = formatting.union([.sortedKeys, .withoutEscapingSlashes])
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}
