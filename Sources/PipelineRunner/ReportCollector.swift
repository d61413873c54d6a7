internal import Evidence
internal import Glibc
internal import Ports
internal import SecretMasking
internal import SegueModel

/// The reports that a step promised: found, and kept with the build.
struct ReportCollector: Sendable {
  let checkout: String
  let reports: ReportSpec
  /// What already lay there when the step began, and so proves nothing about it.
  private let before: [[UInt8]: FileTree.Entry]

  /// What was found: the tests, and why the reports cannot be believed, if they cannot.
  struct Findings: Sendable {
    var tests: TestSummary?
    var cases: [TestCase] = []
    var kept = KeptReports()
    /// Sentences without a final period.
    var problems: [String] { kept.problems.map(\.sentence) }
  }

  /// Bytes of one test report; they are read as a stream.
  private static let testReportLimit: Int64 = 256 << 20
  /// Bytes of any other report.
  static let reportLimit: Int64 = 64 << 20

  /// Looks around before the step begins.
  init(checkout: String, reports: ReportSpec) throws(PortError) {
    self.checkout = checkout
    self.reports = reports
    var before: [[UInt8]: FileTree.Entry] = [:]
    for kind in ReportSpec.Kind.allCases {
      for pattern in reports.patterns(of: kind) where !Glob.leadsOutside(pattern) {
        for entry in try Glob(pattern).files(under: checkout) { before[entry.path] = entry }
      }
    }
    self.before = before
  }

  /// Reads what the step wrote, and keeps a copy of it in `directory`, with secrets masked.
  func collect(into directory: String, masker: SecretMasker) -> Findings {
    var findings = Findings()
    do throws(PortError) {
      try FileTree.remove(directory)
      try FileTree.makeDirectory(directory, mode: 0o700)
      for kind in ReportSpec.Kind.allCases {
        let files = find(kind, &findings)
        var withoutCases: [String] = []
        for file in files {
          try keep(file, kind, in: directory, masker, &findings, &withoutCases)
        }
        // Tools write a file per suite, some of them empty; but at least one test must have run.
        if findings.tests == nil, let first = withoutCases.first {
          findings.kept.add(
            kind, "the report \(first) \(ReportFailure.noTestCases(declared: 0))")
        }
      }
      try findings.kept.write(to: directory)
    } catch {
      findings.kept.add(.junit, "the reports cannot be kept: \(error.what)")
    }
    return findings
  }

  private func find(_ kind: ReportSpec.Kind, _ findings: inout Findings) -> [FileTree.Entry] {
    var files: [[UInt8]: FileTree.Entry] = [:]
    for pattern in reports.patterns(of: kind) {
      if Glob.leadsOutside(pattern) {
        findings.kept.add(kind, "the report \(pattern) lies outside of the checkout")
        continue
      }
      do throws(PortError) {
        let found = try Glob(pattern).files(under: checkout)
        let fresh = found.filter { before[$0.path] != $0 }
        for entry in fresh { files[entry.path] = entry }
        if found.isEmpty {
          findings.kept.add(kind, "the report \(pattern) is missing")
        } else if fresh.isEmpty {
          findings.kept.add(
            kind, "the report \(pattern) is there but was not written by this step")
        }
      } catch {
        findings.kept.add(kind, "the report \(pattern) cannot be read: \(error)")
      }
    }
    return files.values.sorted { $0.path.lexicographicallyPrecedes($1.path) }
  }

  private func keep(
    _ file: FileTree.Entry, _ kind: ReportSpec.Kind, in directory: String, _ masker: SecretMasker,
    _ findings: inout Findings, _ withoutCases: inout [String]
  ) throws(PortError) {
    let name = String(decoding: file.path, as: UTF8.self)
    let limit = kind == .junit ? Self.testReportLimit : Self.reportLimit
    guard file.size <= limit else {
      findings.kept.add(
        kind, "the report \(name) has \(file.size) bytes, more than \(limit)")
      return
    }
    let copy = "\(kind)-\(findings.kept.files.count)"
    var reader: JUnitReader? = kind == .junit ? JUnitReader() : nil
    var failure: ReportFailure?
    let isCopied = try self.copy(file, to: "\(directory)/\(copy)", masker) { bytes in
      guard failure == nil, reader != nil else { return }
      do throws(ReportFailure) {
        try reader?.feed(bytes)
      } catch {
        failure = error
      }
    }
    guard isCopied else {
      findings.kept.add(
        kind, "the report \(name) cannot be read: \(String(cString: strerror(errno)))")
      return
    }
    findings.kept.files.append(KeptReports.File(kind: kind, name: name, copy: copy))
    guard let reader else { return }
    do throws(ReportFailure) {
      if let failure { throw failure }
      let report = try reader.finish()
      var summary = findings.tests ?? TestSummary()
      summary.add(report.summary)
      findings.tests = summary
      findings.cases += report.cases
    } catch .noTestCases(declared: 0) {
      withoutCases.append(name)
    } catch {
      findings.kept.add(kind, "the report \(name) \(error)")
    }
  }

  /// - Returns: whether the file could be read; `errno` says why not.
  private func copy(
    _ file: FileTree.Entry, to path: String, _ masker: SecretMasker,
    _ take: ([UInt8]) -> Void
  ) throws(PortError) -> Bool {
    let input = open(
      FileTree.path(checkout, file.path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard input >= 0 else { return false }
    defer { close(input) }
    let output = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard output >= 0 else { throw .system("cannot write \(path)", errno) }
    defer { close(output) }
    var masker = masker
    var chunk = [UInt8](repeating: 0, count: 65_536)
    var isAtEnd = false
    while !isAtEnd {
      let count = Glibc.read(input, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      if count < 0 { return false }
      isAtEnd = count == 0
      let safe =
        isAtEnd
        ? masker.finish() : unsafe chunk[..<count].withUnsafeBytes { unsafe masker.mask($0) }
      guard FileTree.write(safe, to: output) else { throw .system("cannot write \(path)", errno) }
      take(safe)
    }
    return true
  }
}

/// What is kept of the reports of one attempt at one step, beside the files themselves.
struct KeptReports: Sendable, Codable {
  struct File: Sendable, Codable {
    var kind: ReportSpec.Kind
    /// In the checkout.
    var name: String
    /// In the directory.
    var copy: String
  }

  struct Problem: Sendable, Codable {
    var kind: ReportSpec.Kind
    var sentence: String
  }

  var files: [File] = []
  var problems: [Problem] = []

  private static let fileName = "index.json"

  mutating func add(_ kind: ReportSpec.Kind, _ problem: String) {
    problems.append(Problem(kind: kind, sentence: problem))
  }

  func write(to directory: String) throws(PortError) {
    try FileTree.replace("\(directory)/\(Self.fileName)", with: try CanonicalJSON.encode(self))
  }

  /// `nil` when the attempt was not made, or was cut off.
  static func read(from directory: String) throws(PortError) -> KeptReports? {
    guard let bytes = SmallFile.read("\(directory)/\(fileName)", limit: 16 << 20) else {
      return nil
    }
    return try CanonicalJSON.decode(KeptReports.self, from: bytes)
  }

  /// Where the reports of an attempt are kept; the first is 1.
  static func directory(of step: StepName, attempt: Int, in run: PipelineRun) -> String {
    "\(directory(of: step, in: run))/\(attempt)"
  }

  static func directory(of step: StepName, in run: PipelineRun) -> String {
    "\(FileTree.parent(of: run.logDirectory))/\(folder)/\(step)"
  }

  static let folder = "evidence"
}
