internal import Evidence
internal import Glibc
internal import Ports
internal import SegueModel

/// The test reports that a step promised.
struct ReportCollector: Sendable {
  let checkout: String
  let patterns: [String]
  /// What already lay there when the step began, and so proves nothing about it.
  private let before: [[UInt8]: FileTree.Entry]

  /// What was found: the tests, and why the reports cannot be believed, if they cannot.
  struct Findings: Sendable {
    var tests: TestSummary?
    /// Sentences without a final period.
    var problems: [String] = []
  }

  private static let sizeLimit: Int64 = 256 << 20

  /// Looks around before the step begins.
  init(checkout: String, patterns: [String]) throws(PortError) {
    self.checkout = checkout
    self.patterns = patterns
    var before: [[UInt8]: FileTree.Entry] = [:]
    for pattern in patterns where !Glob.leadsOutside(pattern) {
      for entry in try Glob(pattern).files(under: checkout) { before[entry.path] = entry }
    }
    self.before = before
  }

  /// Reads what the step wrote.
  func collect() -> Findings {
    var findings = Findings()
    var files: [[UInt8]: FileTree.Entry] = [:]
    for pattern in patterns {
      if Glob.leadsOutside(pattern) {
        findings.problems.append("the report \(pattern) lies outside of the checkout")
        continue
      }
      do throws(PortError) {
        let found = try Glob(pattern).files(under: checkout)
        let fresh = found.filter { before[$0.path] != $0 }
        for entry in fresh { files[entry.path] = entry }
        if found.isEmpty {
          findings.problems.append("the report \(pattern) is missing")
        } else if fresh.isEmpty {
          findings.problems.append(
            "the report \(pattern) is there but was not written by this step")
        }
      } catch {
        findings.problems.append("the report \(pattern) cannot be read: \(error)")
      }
    }
    read(files.values.sorted { $0.path.lexicographicallyPrecedes($1.path) }, &findings)
    return findings
  }

  private func read(_ files: [FileTree.Entry], _ findings: inout Findings) {
    var withoutCases: [String] = []
    for file in files {
      let name = String(decoding: file.path, as: UTF8.self)
      do throws(ReportProblem) {
        var summary = findings.tests ?? TestSummary()
        summary.add(try read(file).summary)
        findings.tests = summary
      } catch {
        switch error {
        case .report(.noTestCases(declared: 0)): withoutCases.append(name)
        case .report(let failure): findings.problems.append("the report \(name) \(failure)")
        case .file(let reason): findings.problems.append("the report \(name) \(reason)")
        }
      }
    }
    // Tools write a file per suite, some of them empty; but at least one test must have run.
    if findings.tests == nil, let first = withoutCases.first {
      findings.problems.append("the report \(first) \(ReportFailure.noTestCases(declared: 0))")
    }
  }

  private enum ReportProblem: Error {
    case report(ReportFailure)
    case file(String)
  }

  private func read(_ file: FileTree.Entry) throws(ReportProblem) -> TestReport {
    guard file.size <= Self.sizeLimit else {
      throw .file("has \(file.size) bytes, more than \(Self.sizeLimit)")
    }
    let descriptor = open(
      FileTree.path(checkout, file.path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw .file("cannot be read: \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    var reader = JUnitReader()
    var chunk = [UInt8](repeating: 0, count: 65_536)
    do throws(ReportFailure) {
      while true {
        let count = Glibc.read(descriptor, &chunk, chunk.count)
        if count < 0, errno == EINTR { continue }
        if count <= 0 { break }
        try reader.feed(chunk[..<count])
      }
      return try reader.finish()
    } catch {
      throw .report(error)
    }
  }
}
