import Foundation
import SegueModel
import Testing

@testable import SpecFile

/// Files that want to hurt the reader, and files that are no text at all.
@Suite struct HostileInputTests {
  private static let sound = "version: 1\nproject: shop\npipeline: [{ step: a, run: a }]\n"

  private static func report(_ bytes: [UInt8]) -> [Diagnostic] {
    do throws(SpecReport) {
      return try SpecReader.reading(bytes: bytes).warnings
    } catch {
      return error.diagnostics
    }
  }

  // MARK: Bytes

  @Test func byteOrderMarkIsPassedOver() throws {
    let spec = try SpecReader.read(bytes: [0xEF, 0xBB, 0xBF] + Array(Self.sound.utf8))
    #expect(spec.project == "shop")
  }

  @Test func windowsLineEndsAreRead() throws {
    let text = Self.sound.replacing("\n", with: "\r\n")
    #expect(try SpecReader.read(bytes: Array(text.utf8)).pipeline.first?.run == "a")
  }

  @Test func bytesThatAreNotUTF8AreLocated() {
    let bytes = Array("version: 1\nproject: \u{E9}".utf8) + [0xC3, 0x28] + Array("\nx: 1\n".utf8)
    let diagnostics = Self.report(bytes)
    #expect(diagnostics.map(\.message) == ["this is not UTF-8 text"])
    #expect(diagnostics.map(\.line) == [2])
    #expect(diagnostics.map(\.column) == [11])
  }

  @Test func utf16IsNamed() {
    let bytes: [UInt8] = [0xFF, 0xFE, 0x61, 0x00]
    #expect(Self.report(bytes).map(\.message) == ["the file is UTF-16"])
  }

  @Test(
    "invisible characters",
    arguments: ["\u{0}", "\u{7}", "\u{1B}", "\r", "\u{85}", "\u{2028}", "\u{202E}", "\u{FEFF}"])
  func invisible(_ character: String) {
    let text = "version: 1\nproject: a\(character)b\n"
    let diagnostics = Self.report(Array(text.utf8))
    #expect(diagnostics.map(\.line) == [2])
    #expect(diagnostics.map(\.column) == [11])
    #expect(diagnostics.allSatisfy { !$0.rendered.contains(character) })
  }

  // MARK: Size and depth

  @Test func sizeIsLimited() {
    let comment = "#" + String(repeating: "x", count: SpecLimits.fileBytes)
    let diagnostics = Self.report(Array((Self.sound + comment).utf8))
    #expect(diagnostics.count == 1)
    #expect(diagnostics.first?.message.contains("Segue reads up to 262144") == true)
    let fitting =
      Self.sound + "#"
      + String(
        repeating: "x", count: SpecLimits.fileBytes - Self.sound.utf8.count - 1)
    #expect(Self.report(Array(fitting.utf8)).isEmpty)
  }

  @Test(
    "depth", arguments: ["[", "{a: ", "- ", "[{a: ", "? ", "a:\n "])
  func depth(_ opening: String) {
    let count = SpecLimits.fileBytes / opening.utf8.count - 10
    var text = "a: "
    if opening.contains("\n") {
      text = (0..<600).map { String(repeating: " ", count: $0) + "a:\n" }.joined()
    } else {
      text +=
        (opening == "- " || opening == "? " ? "\n" : "")
        + String(repeating: opening, count: count)
    }
    let start = ContinuousClock.now
    let diagnostics = Self.report(Array(text.utf8))
    #expect(diagnostics.contains { $0.severity == .error })
    #expect(diagnostics.count <= SpecLimits.diagnostics + 1)
    #expect(ContinuousClock.now - start < .seconds(20))
  }

  @Test func listsInPlaceOfIndentationAreCounted() {
    // Each level is a list as far left as its mapping: two levels of the tree, one indentation.
    var text = ""
    for level in 0..<30 {
      let spaces = String(repeating: " ", count: level * 2)
      text += level == 0 ? "a:\n" : ""
      text += "\(spaces)- a:\n"
    }
    let diagnostics = Self.report(Array(text.utf8))
    #expect(diagnostics.contains { $0.message.contains("nested more than 32 levels") })
  }

  @Test func laughsStayFew() {
    var text = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    for (before, name) in zip("abcdefghi", "bcdefghij") {
      text +=
        "\(name): &\(name) [\(Array(repeating: "*\(before)", count: 9).joined(separator: ","))]\n"
    }
    text += "*j : 1\n"
    let diagnostics = Self.report(Array(text.utf8))
    #expect(diagnostics.allSatisfy { $0.message.contains("not allowed") })
    #expect(diagnostics.count <= SpecLimits.diagnostics + 1)
  }

  @Test func manyErrorsAreCutShort() {
    let text = Self.sound + (0..<5_000).map { "key\($0): 1\n" }.joined()
    let diagnostics = Self.report(Array(text.utf8))
    #expect(diagnostics.count == SpecLimits.diagnostics + 1)
    #expect(diagnostics.last?.message == "4900 more errors are not shown")
  }

  @Test func manyDuplicatesEnd() {
    let text = Self.sound + (0..<2_000).map { "key\($0 % 500): 1\n" }.joined()
    #expect(Self.report(Array(text.utf8)).contains { $0.message.contains("more than once") })
  }

  // MARK: The scanner and the parser

  /// What the scanner lets through holds nothing that it is there to keep out. Every alias in these
  /// texts is undefined, so that the parser says so whenever it gets to see one.
  @Test func nothingHidesFromTheScanner() {
    let fragments = [
      "a", "b", "key: ", "k:", ": ", ":", "- ", "-", "? ", "?", "[", "]", "{", "}", ",", ", ",
      "\"", "'", "''", "\\", "\\\"", "\n", "\n", "\n ", "\n  ", "\n    ", " ", "  ", "#", " # ",
      "|\n", ">-\n", "|2\n", "|+1\n", "x: |\n", "- >\n", "|", ">", "*a", " *a", "*a ", "!t ", "!",
      "! ", "!!int 1", "%", "%YAML 1.1", "---", "\n---\n", "--- ", "...", "\n...\n", "\t", "é",
      "@", "`", "<<: ", "~", "\n\n", "x y", "\n\t", "\n  - ", "\n- ", "\n  k: ",
    ]
    var random = Generator(state: 0x5E60E)
    let rounds =
      ProcessInfo.processInfo.environment["SEGUE_FUZZ_ROUNDS"].flatMap(Int.init) ?? 20_000
    var parsed = 0
    for _ in 0..<rounds {
      let count = 1 + Int(random.next() % 24)
      let text = (0..<count).map { _ in
        fragments[Int(random.next() % UInt64(fragments.count))]
      }.joined()
      guard let source = try? SourceText(bytes: Array(text.utf8), file: "f"),
        SpecScanner.refusals(in: source).isEmpty
      else { continue }
      var reader = YAMLTreeReader(source)
      if reader.read() != nil { parsed += 1 }
      let missed = reader.diagnostics.map(\.message).filter { message in
        ["alias", "tags", "another document", "directive", "tag handle", "nested"].contains {
          message.contains($0)
        }
      }
      #expect(missed == [], "the scanner let this through: \(text.debugDescription)")
    }
    #expect(parsed > rounds / 100, "too few of the texts reached the parser to prove anything")
  }

  /// Every prefix and every text with one byte changed is answered, with places inside the file.
  @Test func damagedFilesAreAnswered() {
    let bytes = Array(SpecReference.example.utf8)
    var random = Generator(state: 7)
    for length in 0..<bytes.count { check(Array(bytes.prefix(length))) }
    for _ in 0..<500 {
      var damaged = bytes
      damaged[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
      check(damaged)
    }
  }

  private func check(_ bytes: [UInt8]) {
    let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
    for diagnostic in Self.report(bytes) {
      #expect((1...max(1, lines.count)).contains(diagnostic.line))
      #expect(diagnostic.column >= 1)
      #expect(diagnostic.column <= (lines[diagnostic.line - 1].count) + 1)
    }
  }

  /// SplitMix64: the same texts on every machine.
  private struct Generator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var value = state
      value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
      value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
      return value ^ (value >> 31)
    }
  }
}
