public import Evidence
internal import Foundation
public import Ports
public import SegueModel

/// Reads what steps left beside the checkout of their build, and asks git what the commit changes.
public struct BuildEvidence: EvidenceReader {
  private let tool: GitTool

  /// - Parameter environment: Segue's own, of which git gets what it needs.
  public init(environment: [String: String]) { tool = GitTool(environment: environment) }

  private static let diffLimit = 64 << 20
  private static let lockFileLimit = 16 << 20
  /// Builds whose reports are kept.
  private static let keptBuilds = 50

  public func evidence(
    of run: PipelineRun, comparedWith bases: [CommitID]
  ) async throws(PortError) -> CommitEvidence {
    let base = try await base(of: run, among: bases)
    let diff = try await diff(of: run, from: base)
    let tracked = try await git(run, ["ls-files", "-z"], limit: Self.diffLimit).fields
    return try await BlockingWork.run { () throws(PortError) in
      var evidence = CommitEvidence()
      evidence.base = base
      evidence.diff = diff
      let paths = Set(tracked)
      for step in run.spec.pipeline where !step.reports.isEmpty {
        try read(step, of: run, paths, into: &evidence)
      }
      readLockFiles(tracked, of: run, into: &evidence)
      Self.removeOldReports(beside: run)
      return evidence
    }
  }

  /// What reports told is in the history; the reports themselves would fill the disk.
  private static func removeOldReports(beside run: PipelineRun) {
    let builds = FileTree.parent(of: FileTree.parent(of: run.logDirectory))
    let names = FileTree.names(in: FileTree.path(builds, [])) ?? []
    let kept = names.compactMap { name -> FileTree.Entry? in
      let relative = name + Array("/\(KeptReports.folder)".utf8)
      return FileTree.look(at: FileTree.path(builds, relative), relative: relative)
    }
    for old in kept.sorted(by: { $0.modified > $1.modified }).dropFirst(keptBuilds) {
      try? FileTree.remove(FileTree.shown(builds, old.path))
    }
  }

  // MARK: Git

  private func git(
    _ run: PipelineRun, _ arguments: [String], limit: Int = 1 << 20
  ) async throws(PortError) -> GitOutput {
    let output = try await tool.run(["-C", run.directory] + arguments, limit: limit)
    guard output.status == 0 else {
      throw GitError.explain(output, doing: "git failed", at: run.directory)
    }
    return output
  }

  private func base(
    of run: PipelineRun, among bases: [CommitID]
  ) async throws(PortError) -> CommitID? {
    for base in bases where base != run.commit.id {
      let found = try await tool.run([
        "-C", run.directory, "merge-base", "--is-ancestor", base.rawValue, run.commit.id.rawValue,
      ])
      if found.status == 0 { return base }
    }
    let parent = try await tool.run([
      "-C", run.directory, "rev-parse", "--verify", "--quiet", "\(run.commit.id)^1^{commit}",
    ])
    return parent.status == 0 && !parent.line.isEmpty ? CommitID(parent.line) : nil
  }

  private func diff(
    of run: PipelineRun, from base: CommitID?
  ) async throws(PortError) -> UnifiedDiff {
    var begin = base?.rawValue
    if begin == nil {
      begin = try await git(run, ["hash-object", "-t", "tree", "/dev/null"]).line
    }
    let output = try await git(
      run,
      [
        "diff", "--no-color", "--no-ext-diff", "--no-textconv", "--unified=0", "--find-renames",
        begin ?? "", run.commit.id.rawValue, "--",
      ], limit: Self.diffLimit)
    do throws(UnifiedDiff.Malformed) {
      return try UnifiedDiff.read(output.bytes)
    } catch {
      throw PortError(
        "what commit \(run.commit.id.short) changes cannot be read", fault: .segue, retry: .never,
        causes: ["\(error)"])
    }
  }

  // MARK: Reports

  private func read(
    _ step: StepSpec, of run: PipelineRun, _ tracked: Set<String>,
    into evidence: inout CommitEvidence
  ) throws(PortError) {
    var attempts: [TestsGate.Attempt] = []
    // What is not of tests: the last attempt's, but for a retry of some tests, which has no more.
    var last: (kept: KeptReports, directory: String)?
    for number in 1...(TestsGate.mostRetries + 1) {
      let directory = KeptReports.directory(of: step.name, attempt: number, in: run)
      guard let kept = try KeptReports.read(from: directory) else { break }
      if number == 1 || step.rerun == nil { last = (kept, directory) }
      attempts.append(tests(kept, directory))
    }
    guard let (kept, directory) = last else {
      evidence.unrun.append(step.name)
      return
    }
    if !step.reports.junit.isEmpty { evidence.tests[step.name] = attempts }
    for problem in kept.problems where problem.kind != .junit {
      evidence.problems[problem.kind, default: []].append(problem.sentence)
    }
    for file in kept.files where file.kind != .junit {
      do throws(ReportFailure) {
        try read(file, in: directory, of: run, tracked, into: &evidence)
      } catch {
        evidence.problems[file.kind, default: []].append("the report \(file.name) \(error)")
      }
    }
  }

  private func tests(_ kept: KeptReports, _ directory: String) -> TestsGate.Attempt {
    var attempt = TestsGate.Attempt()
    for file in kept.files where file.kind == .junit {
      // Its problems were told when it was collected.
      attempt.cases += Self.cases(in: "\(directory)/\(file.copy)")
    }
    attempt.problems = kept.problems.filter { $0.kind == .junit }.map(\.sentence)
    return attempt
  }

  /// As a stream, because test reports may be large.
  private static func cases(in path: String) -> [TestCase] {
    guard let handle = FileHandle(forReadingAtPath: path) else { return [] }
    defer { try? handle.close() }
    var reader = JUnitReader()
    do {
      while let chunk = try handle.read(upToCount: 1 << 20), !chunk.isEmpty {
        try reader.feed(chunk)
      }
      return try reader.finish().cases
    } catch {
      return []
    }
  }

  private func read(
    _ file: KeptReports.File, in directory: String, of run: PipelineRun, _ tracked: Set<String>,
    into evidence: inout CommitEvidence
  ) throws(ReportFailure) {
    let limit = Int(ReportCollector.reportLimit)
    guard let bytes = SmallFile.read("\(directory)/\(file.copy)", limit: limit) else {
      throw .invalid(line: 1, reason: "its copy cannot be read")
    }
    guard bytes.contains(where: { $0 > 0x20 }) else { throw .empty }
    switch file.kind {
    case .junit: break
    case .coverage:
      let report = try Self.coverage(bytes).below(run.directory, known: tracked)
      if evidence.coverage == nil { evidence.coverage = CoverageReport() }
      evidence.coverage?.merge(report)
    case .sarif:
      let report = try SARIFReport.read(bytes)
      for failure in report.scanFailures {
        evidence.problems[.sarif, default: []].append(
          "the scan that wrote \(file.name) failed: \(failure)")
      }
      evidence.findings += report.findings.compactMap { SecurityFinding($0) }
    case .sbom:
      let list =
        Self.begins(bytes, with: "spdxVersion")
        ? try ComponentList.spdx(bytes) : try ComponentList.cycloneDX(bytes)
      evidence.components.components += list.components
      evidence.components.statements += list.statements
    }
  }

  /// Tells the formats apart by how they begin.
  private static func coverage(_ bytes: [UInt8]) throws(ReportFailure) -> CoverageReport {
    switch bytes.first(where: { $0 > 0x20 && $0 < 0x80 }) {
    case UInt8(ascii: "{"): return try CoverageReport.llvmCov(bytes)
    case UInt8(ascii: "<"):
      return begins(bytes, with: "<report")
        ? try CoverageReport.jacoco(bytes) : try CoverageReport.cobertura(bytes)
    default: return try CoverageReport.lcov(bytes)
    }
  }

  private static func begins(_ bytes: [UInt8], with word: String) -> Bool {
    String(decoding: bytes.prefix(4_096), as: UTF8.self).contains(word)
  }

  // MARK: Lock files

  /// A lock file that cannot be read says nothing of what is in it, and that is no all-clear.
  private func readLockFiles(
    _ tracked: [String], of run: PipelineRun, into evidence: inout CommitEvidence
  ) {
    guard run.spec.gates?.security?.advisories != nil else { return }
    for path in tracked {
      let name = path.split(separator: "/").last.map(String.init) ?? path
      guard ComponentList.isLockFile(named: name),
        let bytes = SmallFile.read("\(run.directory)/\(path)", limit: Self.lockFileLimit)
      else { continue }
      do throws(ReportFailure) {
        guard let list = try ComponentList.lockFile(named: name, bytes) else { continue }
        evidence.components.components += list.components
      } catch {
        evidence.problems[.sbom, default: []].append("the lock file \(path) \(error)")
      }
    }
  }
}
