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
    guard let gates = record.gates else {
      if record.status.state == .running {
        throw ControlError(
          .refused, "\(commit.id.short) is in the pipeline: its gates are asked when it has ended",
          nextStep: "`segue watch` shows how far it is")
      }
      throw ControlError(
        .notFound, "no gate was asked about \(commit.id.short)",
        nextStep: "Promise reports under a step, and name `gates` in segue.yaml")
    }
    return GateReply(
      commit: commit, passes: record.status.state != .refused && gates.failing.isEmpty,
      verdict: verdict(record, gates), record: gates)
  }

  private func verdict(_ record: ReleaseCatalogue.Record, _ gates: GateRecord) -> String {
    let short = record.acceptance.commit.id.short
    let failing = gates.failing.map(\.gate)
    if !failing.isEmpty { return "\(short) is stopped by \(failing.joined(separator: ", "))." }
    if let reason = record.status.reason {
      return "No gate stops \(short), but it is no release: \(reason)."
    }
    return "Nothing stops \(short)."
  }

  // MARK: Tests

  private static let newFor = Milliseconds(14 * 24 * 3_600_000)
  private static let testsLimit = 1_000

  public func tests(_ request: TestsRequest) async throws -> [TestStanding] {
    guard let desk = world.evidence else {
      throw ControlError(.refused, "this Segue keeps no history of tests")
    }
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
    do throws(PortError) {
      return try await desk.history.tests(of: project, question, limit: limit)
        .map(TestStanding.init)
    } catch {
      throw ControlError(.failed, error.what, causes: error.causes, nextStep: error.nextStep)
    }
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

  init(_ release: Release, objection: String?) {
    self.init(
      question: "provenance", result: objection == nil ? .pass : .fail,
      why: objection.map { $0.asSentence }
        ?? "How \(release.id) came to be is signed, and nothing was changed since.",
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
