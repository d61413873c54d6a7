import Evidence
import Foundation
import Ports
import Testing

@Suite struct JUnitReaderTests {
  /// Each file is a report in the manner of one tool or with one flaw, then `----------`, then what is
  /// to be read from it. `SEGUE_REGENERATE=1 swift test` writes the second half anew.
  @Test(arguments: Golden.all)
  func readsAsRecorded(_ golden: Golden) throws {
    let read = Golden.description(of: golden.input)
    if ProcessInfo.processInfo.environment["SEGUE_REGENERATE"] == "1" {
      try golden.rewrite(with: read)
    } else {
      #expect(read == golden.output)
    }
  }

  @Test(arguments: Golden.all)
  func readsTheSameInPiecesOfAnySize(_ golden: Golden) {
    let whole = Golden.description(of: golden.input)
    for size in [1, 2, 3, 7, 64] {
      #expect(Golden.description(of: golden.input, pieces: size) == whole, "pieces of \(size)")
    }
  }

  @Test func coversEveryDialect() { #expect(Golden.all.count >= 25) }

  /// Whatever a writer was doing when it died, its report does not pass.
  @Test(arguments: ["pytest", "surefire", "gotestsum", "swift-testing"])
  func noBeginningOfAReportIsAReport(name: String) throws {
    let input = try #require(Golden.all.first { $0.name == name }).input
    let end = try #require(input.lastIndex(of: UInt8(ascii: ">")))
    for length in 0...end - 1 {
      #expect(throws: ReportFailure.self) { try JUnitReader.read(input[..<length]) }
    }
  }

  @Test func boundsWhatItKeepsOfAHugeMessage() throws {
    var reader = JUnitReader()
    try reader.feed(Array(#"<testsuite><testcase name="a"><failure message=""#.utf8))
    let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 16)
    for _ in 0..<32 { try reader.feed(piece) }
    try reader.feed(Array(#"">"#.utf8))
    for _ in 0..<32 { try reader.feed(piece) }
    try reader.feed(Array("</failure></testcase></testsuite>".utf8))
    let report = try reader.finish()
    #expect(report.cases[0].status == .failed)
    #expect(report.cases[0].message.utf8.count <= 500)
  }

  @Test func summariesAddUp() {
    var summary = TestSummary(
      passed: 200, failed: 2, skipped: 9, flaky: 1,
      failures: [TestFailure(test: "a.b", message: "no"), TestFailure(test: "c.d", message: "")])
    summary.add(TestSummary(passed: 0, failed: 1, failures: [TestFailure(test: "e", message: "")]))
    #expect(summary.total == 212)
    #expect(summary.refusal() == "3 of 212 tests failed: a.b, c.d, e")
    #expect(summary.refusal(naming: 1) == "3 of 212 tests failed: a.b and 2 more")
    #expect(TestSummary(passed: 3).refusal() == nil)
    let many = (0..<90).map { TestFailure(test: "t\($0)", message: "") }
    summary.add(TestSummary(failed: 90, failures: many))
    summary.add(TestSummary(failed: 90, failures: many))
    #expect(summary.failures.count == TestSummary.failureLimit)
    #expect(summary.failed == 183)
  }
}

/// A file of `Tests/Fixtures/junit`.
struct Golden: Sendable, CustomTestStringConvertible {
  var name: String
  var path: String
  var input: [UInt8]
  var output: String

  private static let separator = Array("\n----------\n".utf8)
  var testDescription: String { name }

  static let all: [Golden] = {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Fixtures/junit").path
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { $0.hasSuffix(".golden") }.sorted().compactMap { file in
      let path = "\(folder)/\(file)"
      guard let bytes = FileManager.default.contents(atPath: path).map(Array.init),
        let range = bytes.firstRange(of: separator)
      else { return nil }
      return Golden(
        name: String(file.dropLast(7)), path: path, input: Array(bytes[..<range.lowerBound]),
        output: String(decoding: bytes[range.upperBound...], as: UTF8.self))
    }
  }()

  func rewrite(with output: String) throws {
    try Data(input + Self.separator + Array(output.utf8)).write(to: URL(filePath: path))
  }

  /// What a report is read as, line by line.
  static func description(of input: [UInt8], pieces: Int? = nil) -> String {
    do throws(ReportFailure) {
      var reader = JUnitReader()
      let size = pieces ?? max(input.count, 1)
      for start in stride(from: 0, to: input.count, by: size) {
        try reader.feed(input[start..<min(start + size, input.count)])
      }
      let report = try reader.finish()
      let summary = report.summary
      let totals = "\(summary.passed) passed (\(summary.flaky) flaky), \(summary.failed) failed, "
      var text = totals + "\(summary.skipped) skipped\n"
      for test in report.cases {
        text += "\(test.status.rawValue) | \(test.suite) | \(test.className) | \(test.name)"
        text += " | \(test.file ?? "-") | \(test.time) | \(test.message)\n"
      }
      return text
    } catch {
      return "the report \(error)\n"
    }
  }
}
