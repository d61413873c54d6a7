import Evidence
import Foundation
import Ports
import Testing

/// Reports as tools wrote them, in `Tests/Fixtures/reports`: a folder for each format, the names those
/// of the tools. The texts that say what a rule or a package is about, addresses, and names of machines
/// and people were taken out; nothing else was changed.
@Suite struct RealReportTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures/reports")

  static let files: [String] = {
    let names = (try? FileManager.default.subpathsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { $0.contains("/") && !$0.hasPrefix(".") }.sorted()
  }()

  static func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: folder.appending(path: name)))
  }

  /// What is read from each, in one line: compared with `expected.txt`, which
  /// `SEGUE_REGENERATE=1 swift test` writes anew.
  @Test func readsEachAsRecorded() throws {
    let read = try Self.files.map { "\($0): \(try Self.summary($0))\n" }.joined()
    let record = Self.folder.appending(path: "expected.txt")
    if ProcessInfo.processInfo.environment["SEGUE_REGENERATE"] == "1" {
      try Data(read.utf8).write(to: record)
    } else {
      #expect(read == String(decoding: try Data(contentsOf: record), as: UTF8.self))
    }
  }

  /// Those in the manner of a tool, which are the goldens of the JUnit reader, are not among them.
  @Test func thereAreAtLeastSixty() { #expect(Self.files.count >= 60) }

  /// A report that is cut short anywhere is refused or says no more than the whole.
  @Test(
    arguments: files.filter {
      // Without a test there is nothing to be cut off.
      $0.hasPrefix("junit/") && !$0.contains("swift-xctest") && !$0.contains("checkov")
    })
  func aCutReportIsRefused(name: String) throws {
    let bytes = try Self.bytes(name)
    let end = bytes.lastIndex(of: UInt8(ascii: ">")) ?? 0
    for length in stride(from: 0, to: end, by: max(1, end / 97)) {
      #expect(throws: ReportFailure.self) { try JUnitReader.read(bytes[..<length]) }
    }
  }

  static func summary(_ name: String) throws -> String {
    let bytes = try bytes(name)
    do throws(ReportFailure) {
      switch name.prefix(while: { $0 != "/" }) {
      case "junit":
        let summary = try JUnitReader.read(bytes).summary
        return "\(summary.passed) passed, \(summary.flaky) flaky, \(summary.failed) failed, "
          + "\(summary.skipped) skipped; " + summary.failures.map(\.test).joined(separator: ", ")
      case "sarif":
        let report = try SARIFReport.read(bytes)
        return "\(report.scanFailures.count) failures; "
          + report.findings.map { "\($0.rule) \($0.level) \($0.path ?? "-"):\($0.line ?? 0)" }
          .joined(separator: ", ")
      case "cyclonedx":
        return try ComponentList.cycloneDX(bytes).components.map { "\($0.package, default: "-")" }
          .joined(separator: ", ")
      case "spdx":
        return try ComponentList.spdx(bytes).components.map { "\($0.package, default: "-")" }
          .joined(separator: ", ")
      case "locks":
        let file = name.split(separator: "/").last.map(String.init) ?? ""
        let list =
          file == "dpkg-status"
          ? ComponentList.dpkgStatus(bytes) : try ComponentList.lockFile(named: file, bytes)
        return (list?.components ?? []).map { "\($0.package, default: "-")" }
          .joined(separator: ", ")
      case let kind: return try coverage(kind, bytes)
      }
    } catch {
      return "the report \(error)"
    }
  }

  private static func coverage(
    _ kind: Substring, _ bytes: [UInt8]
  ) throws(ReportFailure) -> String {
    let report =
      switch kind {
      case "lcov": try CoverageReport.lcov(bytes)
      case "cobertura": try CoverageReport.cobertura(bytes)
      case "jacoco": try CoverageReport.jacoco(bytes)
      default: try CoverageReport.llvmCov(bytes)
      }
    return report.files.sorted { $0.key < $1.key }
      .map { "\($0.key) \($0.value.count.covered)/\($0.value.count.coverable)" }
      .joined(separator: ", ")
  }

  /// pytest-rerunfailures writes a case for each attempt, and nothing of what failed but the last.
  @Test func pytestsRerunsAreOneTestAndFlaky() throws {
    let plain = try JUnitReader.read(try Self.bytes("junit/pytest.xml")).summary
    let rerun = try JUnitReader.read(try Self.bytes("junit/pytest-reruns.xml"))
    #expect(rerun.summary.total == plain.total)
    #expect(rerun.cases.filter { $0.status == .flaky }.map(\.name) == ["test_flaky"])
    #expect(rerun.summary.failed == plain.failed - 1)
  }

  /// gcovr's JaCoCo report has lines without counts: none of them may pass for not run, or for run.
  @Test func linesThatDoNotSayWhetherTheyRanAreRefused() throws {
    #expect(throws: ReportFailure.self) {
      try CoverageReport.jacoco(try Self.bytes("jacoco/gcovr.xml"))
    }
  }

  /// Formats of one run of one program agree.
  @Test(arguments: [
    ["lcov/coverage-py.info", "cobertura/coverage-py.xml"],
    ["lcov/gcovr.info", "cobertura/gcovr.xml"],
    ["lcov/llvm-cov.info", "llvm/clang.json"],
    ["lcov/llvm-cov-swift.info", "llvm/swift-test.json"],
  ])
  func formatsOfOneRunAgree(names: [String]) throws {
    let counts = try names.map { name in
      let text = try Self.summary(name)
      return text.split(separator: ", ").compactMap { $0.split(separator: " ").last }
    }
    #expect(Set(counts).count == 1, "\(counts)")
    #expect(counts.first?.isEmpty == false)
  }

  @Test func thisPackagesOwnPinsAreListed() throws {
    let root = Self.folder.deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let bytes = Array(try Data(contentsOf: root.appending(path: "Package.resolved")))
    let list = try #require(try ComponentList.lockFile(named: "Package.resolved", bytes))
    #expect(!list.components.isEmpty)
    #expect(list.components.allSatisfy { $0.version != nil })
  }
}
