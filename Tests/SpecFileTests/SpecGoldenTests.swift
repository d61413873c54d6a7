import Foundation
import SegueModel
import SpecFile
import Testing

/// Each file of `Tests/Fixtures/spec` holds a `segue.yaml`, a line of ten dashes, and what the
/// reader says to it. `SEGUE_UPDATE_GOLDENS=1 swift test --filter SpecGolden` writes them anew.
@Suite struct SpecGoldenTests {
  private static let separator = "\n----------\n"

  @Test("the reader's words", arguments: Fixtures.goldens)
  func golden(_ name: String) throws {
    let file = Fixtures.folder.appending(path: name)
    let content = try String(contentsOf: file, encoding: .utf8)
    let parts = content.components(separatedBy: Self.separator)
    let input = try #require(parts.first)
    let output = Self.outcome(of: input)
    if Fixtures.isUpdating {
      try Data((input + Self.separator + output).utf8).write(to: file)
    } else {
      try #require(parts.count == 2, "\(name) needs exactly one line of ten dashes")
      #expect(output == parts[1], "\(name): the reader says something else now")
    }
  }

  @Test func thereAreEnoughCases() {
    #expect(Fixtures.goldens.count >= 40)
  }

  private static func outcome(of input: String) -> String {
    do throws(SpecReport) {
      let reading = try SpecReader.reading(bytes: Array(input.utf8), file: "segue.yaml")
      let warnings = reading.warnings.map { $0.rendered + "\n\n" }.joined()
      return warnings + Fixtures.json(reading.spec) + "\n"
    } catch {
      return error.rendered + "\n"
    }
  }
}

/// Where fixtures are, and how they are written.
enum Fixtures {
  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
  static let folder = root.appending(path: "Tests/Fixtures/spec")
  static let isUpdating = ProcessInfo.processInfo.environment["SEGUE_UPDATE_GOLDENS"] == "1"

  static let goldens: [String] = {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { $0.hasSuffix(".golden") }.sorted()
  }()

  static func json(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(value) else { return "not encodable" }
    return String(decoding: data, as: UTF8.self)
  }

  static func decode<Value: Decodable>(_: Value.Type, from json: String) throws -> Value {
    try JSONDecoder().decode(Value.self, from: Data(json.utf8))
  }

  /// The diagnostics of a text; empty when it is accepted without a warning.
  static func diagnostics(_ text: String) -> [Diagnostic] {
    do throws(SpecReport) {
      return try SpecReader.reading(bytes: Array(text.utf8)).warnings
    } catch {
      return error.diagnostics
    }
  }
}
