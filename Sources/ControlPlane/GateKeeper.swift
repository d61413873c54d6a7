import ControlProtocol
import Evidence
import Logging
import Ports
import SegueModel

/// Asks the gates about a commit whose steps have ended, and keeps what the reports told.
struct GateKeeper: Sendable {
  let world: Dependencies
  let desk: EvidenceDesk
  let run: PipelineRun
  /// Whether the history learns from it: not from a commit that somebody only asks about.
  var remembers = true

  /// What was decided, and what a release made of the commit consists of.
  struct Judgement: Sendable {
    var record: GateRecord
    var components: ComponentList
  }

  private static let fileLimit = 256 * 1_024
  private static let failuresCompared = 200

  /// - Parameter bases: commits that became releases, the newest first.
  /// - Returns: `nil` when there is nothing to ask.
  /// - Throws: when what the commit left behind cannot be read at all.
  func judge(comparedWith bases: [CommitID]) async throws(PortError) -> Judgement? {
    var gates = CommitGates(spec: run.spec)
    guard !gates.isEmpty else { return nil }
    let evidence = try await desk.reader.evidence(of: run, comparedWith: bases)
    await readFiles(&gates, base: evidence.base)
    await remember(&gates, evidence)
    let report = gates.report(evidence, at: world.time.now())
    if remembers { await keep(evidence, findings: gates.findings(in: evidence)) }
    return Judgement(
      record: GateRecord(answers: report.answers.map(GateResult.init), base: evidence.base),
      components: evidence.components)
  }

  // MARK: Before the steps run

  /// The failures that are excused before they happen, by test: of steps with nothing worse, others
  /// may run. What is decided in the end is for the gates, once the commit is known to descend from
  /// what it is compared with.
  func excused(comparedWith base: CommitID?) async -> [String: String] {
    guard let path = run.spec.gates?.tests?.quarantine, let base else { return [:] }
    do throws(PortError) {
      let entries = try await quarantines(path, base: base)
      let records = try await desk.history.records(
        of: run.spec.project, tests: Set(entries.map(\.test)))
      let now = world.time.now()
      var excused: [String: String] = [:]
      for entry in entries where excused[entry.test] == nil {
        excused[entry.test] = entry.excusedSignature(record: records[entry.test], at: now)
      }
      return excused
    } catch {
      // The gate tells it when it reads the file.
      return [:]
    }
  }

  /// How long tests took before, where a step is split by that.
  func testTimes() async -> [String: Milliseconds] {
    guard run.spec.pipeline.contains(where: { $0.shard != nil }) else { return [:] }
    do throws(PortError) {
      return try await desk.history.durations(of: run.spec.project)
    } catch {
      forgetful(error)
      return [:]
    }
  }

  // MARK: What is gone by

  private func readFiles(_ gates: inout CommitGates, base: CommitID?) async {
    if let path = run.spec.gates?.tests?.quarantine {
      do throws(PortError) {
        gates.quarantines = try await quarantines(path, base: base)
      } catch {
        gates.unreadable["tests.quarantine"] = Self.text(error)
      }
    }
    if let path = run.spec.gates?.security?.waivers {
      do throws(PortError) {
        if let bytes = try await file(path, at: run.commit.id) {
          gates.waivers = try desk.readWaivers(bytes, path)
        }
      } catch {
        gates.unreadable["security.waivers"] = Self.text(error)
      }
    }
    for path in run.spec.gates?.security?.statements ?? [] {
      do throws(PortError) {
        guard let bytes = try await file(path, at: run.commit.id) else {
          throw PortError("the commit has no \(path)", fault: .user, retry: .never)
        }
        gates.statements += try EvidenceDesk.statements(bytes, path)
      } catch {
        gates.unreadable["security.vex"] = Self.text(error)
      }
    }
    if let directory = run.spec.gates?.security?.advisories {
      do throws(PortError) {
        gates.advisories = try await desk.advisories.advisories(in: directory)
      } catch {
        gates.unreadable["security.advisories"] = Self.text(error)
      }
    }
  }

  /// Taken from the commit itself and not from its checkout, where a step could have changed it.
  private func file(_ path: String, at commit: CommitID) async throws(PortError) -> [UInt8]? {
    try await world.source.file(path, at: commit, limit: Self.fileLimit)
  }

  /// An entry that the commit brings in, or changes, cannot excuse that commit.
  private func quarantines(_ path: String, base: CommitID?) async throws(PortError) -> [Quarantine]
  {
    guard let bytes = try await file(path, at: run.commit.id) else { return [] }
    var before: Set<Quarantine> = []
    if let base, let earlier = try? await file(path, at: base),
      let entries = try? desk.readQuarantines(earlier, path)
    {
      before = Set(entries)
    }
    return try desk.readQuarantines(bytes, path).map { entry in
      var entry = entry
      entry.isOfThisCommit = !before.contains(entry)
      return entry
    }
  }

  private func remember(_ gates: inout CommitGates, _ evidence: CommitEvidence) async {
    let failed = CommitGates.attempts(evidence).flatMap(\.cases).filter { $0.status == .failed }
    let names = Set(failed.prefix(Self.failuresCompared).map(\.historyName))
    let project = run.spec.project
    do throws(PortError) {
      if !names.isEmpty {
        gates.records = try await desk.history.records(of: project, tests: names)
        gates.failingRuns = try await desk.history.failingRuns(
          of: names.sorted(), in: project, limit: 50)
      }
      if let base = evidence.base {
        gates.baseCoverage = try await desk.history.coverage(of: base, in: project)
      }
    } catch {
      forgetful(error)
    }
  }

  // MARK: What is kept

  private func keep(_ evidence: CommitEvidence, findings: [SecurityFinding]) async {
    let now = world.time.now()
    let project = run.spec.project
    do throws(PortError) {
      for (step, attempts) in families(evidence).sorted(by: { $0.key < $1.key }) {
        let results = TestBatch.results(of: attempts)
        guard !results.isEmpty else { continue }
        try await desk.history.record(
          TestBatch(
            project: project, commit: run.commit.id, branch: run.spec.deployBranch,
            environment: step.rawValue, at: now, results: results))
      }
      if let coverage = evidence.coverage {
        try await desk.history.record(coverage, of: run.commit.id, in: project, at: now)
      }
      if !findings.isEmpty {
        try await desk.history.record(findings, of: run.commit.id, in: project, at: now)
      }
    } catch {
      forgetful(error)
    }
  }

  /// The attempts by step as the file has them: which of its shards a test runs on may change, and is
  /// no other environment.
  private func families(_ evidence: CommitEvidence) -> [StepName: [[TestCase]]] {
    var families: [StepName: [[TestCase]]] = [:]
    for step in run.spec.pipeline {
      for (number, attempt) in (evidence.tests[step.name] ?? []).enumerated() {
        if families[step.family, default: []].count <= number {
          families[step.family, default: []].append([])
        }
        families[step.family]?[number] += attempt.cases
      }
    }
    return families
  }

  /// Keeps what a release consists of, so that it can be matched again while it is live.
  func keep(_ components: ComponentList, of release: ReleaseID) async {
    do throws(PortError) {
      try await desk.history.record(components, of: release, at: world.time.now())
    } catch {
      forgetful(error)
    }
  }

  /// The history helps to judge, and decides nothing by itself: without it a commit is judged by its
  /// own reports alone, which excuse less.
  private func forgetful(_ error: PortError) {
    world.logger.error("the history of evidence cannot be used", metadata: ["error": "\(error)"])
  }

  private static func text(_ error: PortError) -> String {
    ([error.what] + error.causes).joined(separator: "\n")
  }
}

extension GateResult {
  init(_ answer: GateAnswer) {
    let limit = GateRecord.evidenceLimit
    let verdict: Verdict =
      switch answer.verdict {
      case .pass: .pass
      case .fail: .fail
      case .wait: .wait
      }
    func bounded(_ lines: [String]) -> [String] {
      let more = lines.count - limit
      return lines.prefix(limit).map { String($0.prefix(500)) }
        + (more > 0 ? ["and \(more) more"] : [])
    }
    self.init(
      gate: answer.gate, verdict: verdict, reason: String(answer.reason.prefix(1_000)),
      evidence: bounded(answer.evidence), remedies: bounded(answer.remedies),
      warnings: bounded(answer.warnings))
  }
}

extension GateRecord {
  /// What stops the commit, all of it: each gate that fails, and each step that failed for another
  /// reason. `nil` when nothing does.
  func refusal(of result: PipelineResult, _ spec: ProjectSpec) -> String? {
    let gates = failing.map { answer in
      "\(answer.gate): \(answer.reason)" + (answer.remedies.first.map { " (\($0))" } ?? "")
    }
    let all = gates + steps(result, spec)
    guard let first = all.first else { return nil }
    return all.count == 1
      ? first
      : "\(all.count) things stop it. "
        + all.enumerated().map { "\($0 + 1): \($1)" }
        .joined(separator: "; ")
  }

  /// The steps that did not pass, but for those whose failure a gate has told, or excused.
  private func steps(_ result: PipelineResult, _ spec: ProjectSpec) -> [String] {
    var sentences: [String] = []
    var skipped: [String] = []
    for step in spec.pipeline {
      guard let outcome = result.steps[step.name] else {
        sentences.append("step \(step.name) has no result")
        continue
      }
      if outcome.passed || isTold(step, outcome) || isExcused(step, outcome) { continue }
      if outcome.outcome == .skipped {
        skipped.append("step \(step.name) \(outcome.sentence)")
      } else {
        sentences.append("step \(step.name): \(outcome.sentence)")
      }
    }
    // What was skipped is the consequence of something that is listed, unless all of that is excused.
    return sentences.isEmpty && failing.isEmpty ? skipped : sentences
  }

  private func isTold(_ step: StepSpec, _ result: StepResult) -> Bool {
    switch result.outcome {
    case .failed, .refused: break
    case .passed, .killed, .timedOut, .cancelled, .skipped: return false
    }
    return failing.contains { answer in
      let family = answer.gate.split(separator: ".").first.map(String.init)
      switch family {
      case "tests": return !step.reports.junit.isEmpty && (result.tests?.failed ?? 1) > 0
      case "coverage": return !step.reports.coverage.isEmpty && result.isRefused
      case "security": return !step.reports.sarif.isEmpty || !step.reports.sbom.isEmpty
      default: return false
      }
    }
  }

  /// Whether a step failed only because of tests whose failures do not count.
  private func isExcused(_ step: StepSpec, _ result: StepResult) -> Bool {
    guard let tests = result.tests, tests.failed > 0, !step.reports.junit.isEmpty else {
      return false
    }
    switch result.outcome {
    case .failed, .refused: break
    case .passed, .killed, .timedOut, .cancelled, .skipped: return false
    }
    return answers.contains { $0.gate == "tests" && $0.verdict == .pass }
  }
}

extension StepResult {
  fileprivate var isRefused: Bool {
    if case .refused = outcome { true } else { false }
  }
}
