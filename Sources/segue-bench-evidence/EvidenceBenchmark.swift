import Evidence
import EvidenceStore
import Foundation
import Ports
import SegueModel

/// What evidence costs at a size that few projects reach: a report of 500,000 test cases, and a history
/// of 5,000,000 results. Everything but the times follows from fixed numbers.
@main enum EvidenceBenchmark {
  private static let cases = 500_000
  private static let reportBytes = 100_000_000
  private static let tests = 10_000
  private static let commits = 500
  private static let clock = ContinuousClock()

  static func main() async throws {
    let directory = FileManager.default.temporaryDirectory
      .appending(path: "segue-bench-evidence-\(getpid())").path
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var figures = try readReport(directory + "/report.xml")
    figures += try await askHistory(directory)
    for (name, value, unit) in figures {
      print("\(pad(name, 34))\(pad(short(value), 14))\(unit)")
    }
    if CommandLine.arguments.count > 1 {
      try write(figures, to: CommandLine.arguments[1])
    }
  }

  // MARK: One large report

  private static func readReport(_ path: String) throws -> [Figure] {
    try writeReport(path)
    let before = residentPeak()
    var report = TestReport()
    let took = try clock.measure {
      var reader = JUnitReader()
      guard let file = FileHandle(forReadingAtPath: path) else {
        throw CocoaError(.fileNoSuchFile)
      }
      while let piece = try file.read(upToCount: 1 << 18), !piece.isEmpty {
        try reader.feed(Array(piece))
      }
      report = try reader.finish()
    }
    let peak = residentPeak()
    let summary = report.summary
    precondition(summary.total == cases && summary.failed == cases / 1_000)
    let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
    return [
      ("junit_bytes", Double(size), "bytes"),
      ("junit_cases", Double(summary.total), "test cases"),
      ("junit_read_seconds", took / .seconds(1), "s"),
      ("junit_peak_resident_bytes", Double(peak), "bytes, \(before) of them before"),
    ]
  }

  /// In the manner of pytest, with messages such as to make 100 MB of it.
  private static func writeReport(_ path: String) throws {
    try Data().write(to: URL(filePath: path))
    guard let file = FileHandle(forWritingAtPath: path) else { throw CocoaError(.fileNoSuchFile) }
    var text = #"<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="all">"#
    let filler = String(repeating: "captured output ", count: 3)
    for number in 0..<cases {
      let name = "test_\(number % 100)_of_component[\(number)]"
      text += """
        <testcase classname="tests.integration.test_module_\(number / 100)" name="\(name)" \
        time="0.0\(number % 90 + 10)">
        """
      if number % 1_000 == 999 {
        text += #"<failure message="assert \#(number) == 0">at line \#(number)</failure>"#
      }
      text += "<system-out>\(filler)\(number)</system-out></testcase>\n"
      if text.utf8.count > 1 << 20 {
        try file.write(contentsOf: Data(text.utf8))
        text = ""
      }
    }
    text += "</testsuite></testsuites>"
    try file.write(contentsOf: Data(text.utf8))
    try file.close()
  }

  // MARK: A long history

  private static func askHistory(_ directory: String) async throws -> [Figure] {
    let store = try await EvidenceStore.open(directory: directory)
    let filling = clock.now
    for commit in 0..<commits { try await store.record(batch(commit)) }
    let filled = clock.now - filling
    var figures: [Figure] = [
      ("history_results", Double(tests * commits), "results"),
      (
        "history_record_per_run_seconds", filled / .seconds(1) / Double(commits),
        "s, for \(tests) results"
      ),
    ]
    let recent = Instant(milliseconds: Int64(commits - 20) * 3_600_000)
    for (name, question) in [
      ("flaky", TestQuestion.flaky), ("slow", .slow), ("new", .new(since: recent)),
      ("failing", .failing),
    ] {
      var times: [Double] = []
      var found = 0
      for _ in 0..<5 {
        let began = clock.now
        found = try await store.tests(of: "shop", question, limit: 1_000).count
        times.append((clock.now - began) / .seconds(1))
      }
      figures.append(("history_\(name)_seconds", times.sorted()[2], "s, \(found) found"))
    }
    let beganTrend = clock.now
    let studies = try await store.durationStudies(of: "shop", limit: 20)
    figures.append(
      (
        "history_trend_seconds", (clock.now - beganTrend) / .seconds(1),
        "s, \(studies.tests.count) found"
      ))
    let began = clock.now
    _ = try await store.runs(of: "suite 7 > case 1234", in: "shop")
    figures.append(("history_runs_of_one_seconds", (clock.now - began) / .seconds(1), "s"))
    try await store.close()
    let size = try FileManager.default.attributesOfItem(atPath: store.path)[.size] as? Int ?? 0
    figures.append(
      ("history_bytes_per_result", Double(size) / Double(tests * commits), "bytes"))
    return figures
  }

  /// Every test fails now and then with its commit; one in twenty also without.
  private static func batch(_ commit: Int) -> TestBatch {
    var results: [TestResult] = []
    for test in 0..<tests {
      let name = "suite \(test % 100) > case \(test)"
      let noise = (commit &* 7_919 &+ test &* 104_729) % 997
      let isBroken = commit % 50 == test % 50
      let isFlaky = test % 20 == 3 && noise < 20
      if test % 100 == 50, commit < commits - 10 { continue }
      let message = "expected 1 but was \(commit)"
      let duration = Milliseconds(Int64(test % 1_000 + noise % 10))
      if isFlaky || isBroken {
        results.append(
          TestResult(test: name, status: .failed, duration: duration, message: message))
      }
      results.append(
        TestResult(
          test: name, attempt: isFlaky || isBroken ? 2 : 1, status: isBroken ? .failed : .passed,
          duration: duration, message: isBroken ? message : ""))
    }
    return TestBatch(
      project: "shop", commit: CommitID("commit-\(commit)"), branch: "main",
      at: Instant(milliseconds: Int64(commit) * 3_600_000), results: results)
  }

  // MARK: Output

  private typealias Figure = (name: String, value: Double, unit: String)

  /// The most memory that this process ever held, in bytes (`VmHWM` of proc_pid_status(5)).
  private static func residentPeak() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0)
      * 1_024
  }

  private static func short(_ value: Double) -> String {
    value >= 100 ? String(Int(value.rounded())) : String((value * 10_000).rounded() / 10_000)
  }

  private static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }

  private static func write(_ figures: [Figure], to path: String) throws {
    let url = URL(fileURLWithPath: path)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    let data = try JSONSerialization.data(
      withJSONObject: Dictionary(uniqueKeysWithValues: figures.map { ($0.name, $0.value) }),
      options: [.prettyPrinted, .sortedKeys])
    try data.write(to: url, options: .atomic)
  }
}
