import Foundation
import Ports
import SecretMasking
import SegueModel
import Synchronization
import Testing

@testable import PipelineRunner

@Suite struct LogTests {
  /// Whatever the pieces that output arrives in, the same is masked.
  @Test(arguments: [1, 2, 3, 5, 8, 13, 1_000])
  func masksAcrossPieces(of size: Int) {
    let secrets = ["abcabd", "abcabdabce", "xyz!", "ab", "top\nbottom"].map { Secret($0) }
    let text = "ab abcabcabd abcabdabce abcabdabc xyz! xyz top\nbottom top bottom abcab"
    var masker = SecretMasker(secrets)
    var output: [UInt8] = []
    let bytes = Array(text.utf8)
    for start in stride(from: 0, to: bytes.count, by: size) {
      output += bytes[start..<min(start + size, bytes.count)].withUnsafeBytes { masker.mask($0) }
    }
    output += masker.finish()
    #expect(
      String(decoding: output, as: UTF8.self)
        == "ab abc*** *** ***abc *** xyz *** top *** abcab")
  }

  @Test func masksBase64AtEveryAlignment() {
    let masker = SecretMasker([Secret("correct horse battery")])
    for prefix in ["", "u", "us", "use"] {
      let encoded = Data("\(prefix)correct horse battery:".utf8).base64EncodedString()
      let masked = masker.masked(encoded)
      #expect(masked.contains("***"))
      #expect(masked.count <= 12)
    }
  }

  @Test func splitsLongLinesBetweenCharacters() {
    let (lines, rest) = StepLog.wholeLines(Array(String(repeating: "é", count: 10_000).utf8))
    let text = String(decoding: lines + rest, as: UTF8.self)
    #expect(!text.contains("\u{FFFD}"))
    #expect(text.split(separator: "\n").allSatisfy { $0.utf8.count <= StepLog.lineLimit })
    #expect(text.filter { $0 == "é" }.count == 10_000)
    let short = StepLog.wholeLines(Array("a\nb\nc".utf8))
    #expect(short.lines == Array("a\nb\n".utf8) && short.rest == Array("c".utf8))
  }

  @Test func repairsWhatIsNotText() async throws {
    let bench = try Bench()
    try await bench.run(StepSpec(name: "raw", run: #"printf 'a\377b\n\303'; printf '\251\n'"#))
    #expect(bench.log("raw") == "a\u{FFFD}b\né\n")
  }

  @Test(arguments: [
    ("plain", "plain"), ("\u{1B}[31mred\u{1B}[0m", "\u{1B}[31mred\u{1B}[0m\u{1B}[0m"),
    ("\u{1B}[2Jcleared", "cleared"), ("\u{1B}]0;title\u{07}x", "x"),
    ("\u{1B}]52;c;Zm9v\u{1B}\\x", "x"), ("\u{1B}Pq#0\u{1B}\\y", "y"), ("\u{1B}cz", "z"),
    ("10%\r50%\r100%\r", "100%"), ("a\u{08}b\u{00}", "ab"), ("tab\there", "tab\there"),
    ("\u{9B}31mc1", "c1"), ("\u{1B}[>4;2mkeys", "keys"), ("\u{1B}", ""), ("é ü 漢", "é ü 漢"),
    ("\u{1B}]unended", ""),
  ])
  func sparesTheTerminal(line: String, shown: String) {
    #expect(TerminalText.safe(line[...]) == shown)
  }

  @Test func keepsHeadAndTail() throws {
    let directory = try TemporaryDirectory()
    let path = "\(directory.path)/x.log"
    var file = try LogFile(path: path, bounds: .init(head: 10, segment: 10))
    for number in 0..<100 { file.append(Array("\(number % 10)".utf8)[...]) }
    file.finish()
    #expect(text(of: path) == "0123456789\n[… 70 bytes left out …]\n01234567890123456789")
    var short = try LogFile(path: path, bounds: .init(head: 10, segment: 10))
    short.append(Array("0123456789abcdefghijKLMNO".utf8)[...])
    short.finish()
    #expect(text(of: path) == "0123456789abcdefghijKLMNO")
  }
}
