public import SegueModel

/// All gates of one commit, asked together: who mends one thing should not find the next only after
/// that.
public struct CommitGates: Sendable {
  public var spec: GatesSpec
  /// Of which kinds the steps promise reports.
  public var promised: Set<ReportSpec.Kind>
  public var quarantines: [Quarantine] = []
  public var waivers: [Waiver] = []
  /// From the files that the gate names; those of lists of components come beside them.
  public var statements: [VulnerabilityStatement] = []
  /// What was known of the tests before.
  public var records: [String: TestRecord] = [:]
  public var failingRuns: [String: Set<Int64>] = [:]
  /// Of the commit that this one is compared with.
  public var baseCoverage: CoverageReport?
  /// `nil` when there are none to match components with.
  public var advisories: AdvisoryIndex?
  /// Files that excuse something, or advisories, that cannot be read, by the gate that needs them.
  public var unreadable: [String: String] = [:]

  public init(spec: ProjectSpec) {
    self.spec = spec.gates ?? GatesSpec()
    promised = Set(
      ReportSpec.Kind.allCases.filter { kind in
        spec.pipeline.contains { !$0.reports.patterns(of: kind).isEmpty }
      })
  }

  /// Whether there is nothing to ask.
  public var isEmpty: Bool { promised.isEmpty && spec == GatesSpec() }

  /// The findings of scans, and what advisories say of the components.
  public func findings(in evidence: CommitEvidence) -> [SecurityFinding] {
    evidence.findings + (advisories?.findings(in: evidence.components) ?? [])
  }

  public func report(_ evidence: CommitEvidence, at now: Instant) -> GateReport {
    var answers: [GateAnswer] = []
    if promised.contains(.junit) { answers.append(tests(evidence, at: now)) }
    answers += coverage(evidence)
    if spec.security != nil || promised.contains(.sarif) || promised.contains(.sbom) {
      answers += security(evidence, at: now)
    }
    for (gate, problem) in unreadable.sorted(by: { $0.key < $1.key }) {
      answers.append(
        GateAnswer(
          gate: gate, verdict: .fail,
          reason: problem.split(separator: "\n").first.map(String.init)
            ?? problem,
          evidence: problem.split(separator: "\n").dropFirst().map(String.init),
          remedies: ["Correct what is named; until then nothing is excused by it"]))
    }
    return GateReport(answers)
  }

  // MARK: Tests

  /// The attempts of all steps together: the first runs, then the first retries, and so on.
  public static func attempts(_ evidence: CommitEvidence) -> [TestsGate.Attempt] {
    let most = evidence.tests.values.map(\.count).max() ?? 0
    return (0..<most).map { index in
      var together = TestsGate.Attempt()
      for (_, attempts) in evidence.tests.sorted(by: { $0.key < $1.key })
      where index < attempts.count {
        together.cases += attempts[index].cases
        together.problems += attempts[index].problems
      }
      return together
    }
  }

  private func tests(_ evidence: CommitEvidence, at now: Instant) -> GateAnswer {
    let attempts = Self.attempts(evidence)
    guard !attempts.isEmpty else { return unrun("tests", evidence) }
    let gate = TestsGate(
      // Every retry that there was going to be has been.
      retries: attempts.count - 1, quarantines: quarantines, records: records,
      failingRuns: failingRuns)
    return gate.answer(attempts, at: now)
  }

  private func unrun(_ gate: String, _ evidence: CommitEvidence) -> GateAnswer {
    let names = evidence.unrun.map(\.rawValue).sorted()
    let what = names.isEmpty ? "the step that tells" : "step \(names.named(3))"
    return GateAnswer(
      gate: gate, verdict: .wait, reason: "\(what) did not run, so nothing is known",
      remedies: ["Mend the steps that failed; those that need them run after that"])
  }

  // MARK: Coverage

  private func coverage(_ evidence: CommitEvidence) -> [GateAnswer] {
    if let problems = evidence.problems[.coverage], let first = problems.first {
      return [
        GateAnswer(
          gate: "coverage", verdict: .fail,
          reason: "a report that was promised cannot be believed: \(first)", evidence: problems,
          remedies: [
            "Make the step write every report that segue.yaml promises, also when a test fails"
          ])
      ]
    }
    guard let wanted = spec.coverage else { return [] }
    guard let report = evidence.coverage else { return [unrun("coverage", evidence)] }
    var answers: [GateAnswer] = []
    if let limit = wanted.changedLines {
      answers.append(
        CoverageGate.changedLines(report, diff: evidence.diff, atLeast: limit)
          .answer(of: "coverage.changed-lines"))
    }
    if wanted.neverFalls {
      let answer =
        baseCoverage.map { CoverageGate.neverFalls(base: $0, head: report, diff: evidence.diff) }
        ?? CoverageAnswer(
          passes: true, reason: "tests run \(report.count); nothing is known to compare that with")
      answers.append(answer.answer(of: "coverage.never-falls"))
    }
    return answers
  }

  // MARK: Security

  private func security(_ evidence: CommitEvidence, at now: Instant) -> [GateAnswer] {
    let problems =
      (evidence.problems[.sarif] ?? []) + (evidence.problems[.sbom] ?? [])
    guard let wanted = spec.security else {
      guard !problems.isEmpty else { return [] }
      return [SecurityGate().answer(nil, problems: problems, at: now)]
    }
    if problems.isEmpty, evidence.findings.isEmpty, advisories == nil, !evidence.unrun.isEmpty {
      return [unrun("security", evidence)]
    }
    let gate = SecurityGate(
      level: Severity(wanted.block), waivers: waivers,
      statements: evidence.components.statements + statements)
    return [gate.answer(findings(in: evidence), problems: problems, at: now)]
  }
}

extension Severity {
  /// As `segue.yaml` says it.
  public init(_ level: SecurityGateSpec.Level) {
    switch level {
    case .low: self = .low
    case .medium: self = .medium
    case .high: self = .high
    case .critical: self = .critical
    }
  }
}
