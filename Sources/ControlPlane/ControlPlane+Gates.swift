public import ControlProtocol
import Evidence
import Ports
import SegueModel

extension ControlPlane {
  // MARK: Gates

  public func gates(_ subject: String?) async throws -> GateReply {
    let record =
      subject.map { catalogue.find($0) } ?? catalogue.all.last { $0.gates != nil }
    guard let record else {
      throw ControlError(
        .notFound,
        subject.map { "Segue knows no commit or release \($0)" }
          ?? "no commit has been judged yet",
        nextStep: "`segue history` lists those that there are")
    }
    let commit = record.acceptance.commit
    if record.gates == nil, record.status.state == .running {
      throw ControlError(
        .refused, "\(commit.id.short) is in the pipeline: its gates are asked when it has ended",
        nextStep: "`segue watch` shows how far it is")
    }
    var gates = record.gates ?? GateRecord()
    let isComplete = record.spec != nil || record.gates == nil
    if !isComplete { gates.answers.append(.stepsWereNotRun(commit.id)) }
    let starts = await startResults(record)
    // A tracker that could not be asked holds a commit up, although it says nothing against it.
    let unknown = gates.waiting.filter { $0.gate.hasPrefix("policy") }
    let stops = gates.failing + unknown + starts.filter { $0.verdict != .pass }
    return GateReply(
      commit: commit, passes: record.status.state != .refused && stops.isEmpty,
      verdict: verdict(record, stops.map(\.gate)), record: gates,
      starts: starts.isEmpty ? nil : starts, isComplete: isComplete)
  }

  private func verdict(_ record: ReleaseCatalogue.Record, _ stops: [String]) -> String {
    let short = record.acceptance.commit.id.short
    if !stops.isEmpty { return "\(short) is stopped by \(stops.joined(separator: ", "))." }
    if let reason = record.status.reason {
      return "No gate stops \(short), but it is no release: \(reason)."
    }
    return "Nothing stops \(short)."
  }

  /// What calendar and people say to a commit that has not begun anywhere.
  private func startResults(_ record: ReleaseCatalogue.Record) async -> [GateResult] {
    guard let release = record.release ?? prospect(record) else { return [] }
    var results: [GateResult] = []
    for environment in release.spec.environments.map(\.name) {
      for service in release.spec.services {
        let key = ServiceKey(environment: environment, service: service.name)
        if await standing(of: release, at: key).hasBegun { return [] }
      }
      results += await startAnswers(of: release, in: environment, hasBegun: false)
        .map(GateResult.init)
    }
    return results
  }

  /// A commit that is no release, as the release that it would be; `nil` when it is not known how it is
  /// to be deployed.
  func prospect(_ record: ReleaseCatalogue.Record) -> Release? {
    guard let spec = record.spec ?? catalogue.newestRelease?.spec else { return nil }
    let commit = record.acceptance.commit
    return Release(
      id: ReleaseID(commit.id.short), commit: commit.id, pipeline: record.acceptance.pipeline,
      subject: commit.subject, author: commit.author, height: commit.height, directory: "",
      digest: "", spec: spec, builtAt: record.acceptedAt)
  }

  // MARK: Tests

  private static let newFor = Milliseconds(14 * 24 * 3_600_000)
  private static let testsLimit = 1_000
  /// Each costs more than a look at a record.
  private static let trendsLimit = 100

  public func tests(_ request: TestsRequest) async throws -> [TestStanding] {
    let question: TestQuestion =
      switch request.question {
      case .flaky: .flaky
      case .slow: .slow
      case .failing: .failing
      case .new:
        .new(
          since: Instant(milliseconds: world.time.now().milliseconds - Self.newFor.count))
      }
    let limit = min(max(0, request.limit), Self.testsLimit)
    return try await history { (history) async throws(PortError) in
      try await history.tests(of: project, question, limit: limit).map(TestStanding.init)
    }
  }

  public func testDurations(_ request: DurationsRequest) async throws -> DurationsReply {
    let limit = min(max(0, request.limit), Self.trendsLimit)
    let studies = try await history { (history) async throws(PortError) in
      try await history.durationStudies(of: project, limit: limit)
    }
    return DurationsReply(
      steps: studies.steps.map(DurationStanding.init),
      tests: studies.tests.map(DurationStanding.init))
  }

  public func testTimes() async throws -> TestTimesReply {
    TestTimesReply(
      times: try await history { (history) async throws(PortError) in
        try await history.durations(of: project)
      })
  }

  private func history<Answer: Sendable>(
    _ ask: (any EvidenceHistory) async throws(PortError) -> Answer
  ) async throws -> Answer {
    guard let desk = world.evidence else {
      throw ControlError(.refused, "this Segue keeps no history of tests")
    }
    do throws(PortError) {
      return try await ask(desk.history)
    } catch {
      throw ControlError(.failed, error.what, causes: error.causes, nextStep: error.nextStep)
    }
  }
}

extension GateRecord {
  /// What passed only because somebody has an excuse for it; `nil`: nothing.
  var excused: [String]? {
    let lines = answers.filter { $0.verdict == .pass }.flatMap { answer -> [String] in
      switch answer.gate {
      case "security": answer.evidence.map { "\(answer.gate): \($0)" }
      case "tests": answer.warnings.map { "\(answer.gate): \($0)" }
      default: []
      }
    }
    return lines.isEmpty ? nil : lines
  }
}

extension GateResult {
  /// Nothing of a commit that the policy refuses is run.
  static func stepsWereNotRun(_ commit: CommitID) -> GateResult {
    GateResult(
      gate: "pipeline", verdict: .wait,
      reason: "its steps were not run, because the policy refused it before, so no report could be "
        + "asked",
      remedies: ["To run them all the same and deploy nothing: segue gate --commit \(commit.short)"]
    )
  }

  init(_ answer: Explanation.Answer) {
    let verdict: Verdict =
      switch answer.result {
      case .pass: .pass
      case .fail: .fail
      case .wait, .unknown: .wait
      }
    self.init(
      gate: answer.question, verdict: verdict, reason: answer.why, evidence: answer.evidence,
      remedies: answer.remedies)
  }
}

extension TestStanding {
  init(_ judged: JudgedTest) {
    let record = judged.record
    let last =
      switch record.lastStatus {
      case .passed: "passed"
      case .failed: "failed"
      case .skipped: "skipped"
      }
    self.init(
      test: record.test, runs: record.runs, failures: record.failures, skips: record.skips,
      last: last, failingInARow: record.failingInARow, failingSince: record.failingSince,
      firstSeen: record.firstSeen, firstCommit: record.firstCommit, lastSeen: record.lastSeen,
      meanDuration: record.meanDuration,
      flakiness: Permille(Int((judged.estimate.flakiness * 1_000).rounded())))
  }
}

extension DurationStanding {
  init(_ study: DurationStudy) {
    func thousandths(_ value: Double) -> Int64 {
      // A slope is between two durations, which are bounded; this is for what is no number.
      value.isFinite ? Int64((max(-1e12, min(1e12, value)) * 1_000).rounded()) : 0
    }
    self.init(
      subject: study.subject, runs: study.runs, last: study.last, median: study.median,
      slope: thousandths(study.slope.slope), slopeLow: thousandths(study.slope.low),
      slopeHigh: thousandths(study.slope.high),
      chance: Permille(Int((study.pValue * 1_000).rounded(.up))), isChange: study.isChange,
      growth: study.growth,
      jumps: study.jumps.map {
        Jump(
          commit: $0.commit, previous: $0.previous, at: $0.at, before: $0.before, after: $0.after)
      })
  }
}

extension Explanation.Answer {
  init(_ gate: GateResult) {
    let result: Result =
      switch gate.verdict {
      case .pass: .pass
      case .fail: .fail
      case .wait: .wait
      }
    self.init(
      question: "gate \(gate.gate)", result: result, why: gate.reason.asSentence,
      evidence: gate.evidence + gate.warnings.map { "! \($0)" },
      remedies: gate.verdict == .pass ? [] : gate.remedies)
  }

  init(_ release: Release, objection: String?, papers: [String]) {
    self.init(
      question: "provenance", result: objection == nil ? .pass : .fail,
      why: objection.map { $0.asSentence }
        ?? "How \(release.id) came to be is signed, and nothing was changed since.",
      evidence: papers,
      remedies: objection == nil ? [] : ["Build the commit again: `segue deploy`"])
  }
}

extension String {
  /// With a capital letter and a final period.
  fileprivate var asSentence: String {
    let begun = prefix(1).uppercased() + dropFirst()
    return begun.hasSuffix(".") ? begun : begun + "."
  }
}
