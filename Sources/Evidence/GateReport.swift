/// What one gate says of a commit.
public struct GateAnswer: Hashable, Sendable {
  public enum Verdict: String, Hashable, Sendable {
    case pass
    case fail
    /// Not decided yet: something is still running, or somebody has still to act.
    case wait
  }

  /// The gate's name, such as `tests`.
  public var gate: String
  public var verdict: Verdict
  /// One sentence for a newcomer, without a final period.
  public var reason: String
  /// What the answer rests on, one fact each: what failed, what was found, where.
  public var evidence: [String]
  /// What would change the answer, in the imperative; empty when it passes.
  public var remedies: [String]
  /// What does not count now but may soon: waivers and quarantines that end, statements that match
  /// nothing.
  public var warnings: [String]

  public init(
    gate: String, verdict: Verdict, reason: String, evidence: [String] = [],
    remedies: [String] = [], warnings: [String] = []
  ) {
    self.gate = gate
    self.verdict = verdict
    self.reason = reason
    self.evidence = evidence
    self.remedies = remedies
    self.warnings = warnings
  }
}

/// What all gates together say of a commit. Every one is listed, also when the first has failed: who
/// mends one thing should not find the next only after that.
public struct GateReport: Hashable, Sendable, CustomStringConvertible {
  public var answers: [GateAnswer]

  public init(_ answers: [GateAnswer] = []) { self.answers = answers }

  /// Fails when one fails, else waits when one waits.
  public var verdict: GateAnswer.Verdict {
    let verdicts = Set(answers.map(\.verdict))
    return verdicts.contains(.fail) ? .fail : verdicts.contains(.wait) ? .wait : .pass
  }

  /// The answers that stop the commit, those that failed first.
  public var obstacles: [GateAnswer] {
    answers.filter { $0.verdict == .fail } + answers.filter { $0.verdict == .wait }
  }

  /// How many facts of a gate are shown.
  private static let shown = 10

  /// For people: each gate with its answer, reason, evidence, and what would change it.
  public var description: String {
    var lines: [String] = []
    for answer in answers {
      lines.append("\(answer.verdict.rawValue)  \(answer.gate): \(answer.reason)")
      lines += answer.evidence.prefix(Self.shown).map { "        \($0)" }
      let more = answer.evidence.count - Self.shown
      if more > 0 { lines.append("        and \(more) more") }
      lines += answer.remedies.map { "      > \($0)" }
      lines += answer.warnings.prefix(Self.shown).map { "      ! \($0)" }
    }
    return lines.joined(separator: "\n")
  }
}

extension CoverageAnswer {
  /// This as the answer of a gate.
  ///
  /// - Parameter gate: `coverage.changed-lines` or `coverage.never-falls`.
  public func answer(of gate: String) -> GateAnswer {
    GateAnswer(
      gate: gate, verdict: passes ? .pass : .fail, reason: reason,
      remedies: passes
        ? [] : ["Add tests that run the lines named, or lower the limit in segue.yaml"])
  }
}

extension Collection<String> {
  /// `a, b and 3 more`
  func named(_ limit: Int) -> String {
    let more = count - limit
    return prefix(limit).joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
  }
}
