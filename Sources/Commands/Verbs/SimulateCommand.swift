internal import ArgumentParser
internal import ControlProtocol
internal import Foundation
internal import SimulationKit

struct SimulateCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Run rollouts in simulated worlds in which everything goes wrong.",
    discussion: """
      Each seed is one world: releases, strategies, deadlines, and faults that strike. Every event \
      is held against the rules that Segue promises (docs/guarantees.md), each seed is run twice, \
      and the two runs must be equal. Touches nothing of this machine.

      Exits with 1 when a rule was broken; the line it prints then runs that very world again.

      FAULTS:
        \(Fault.allCases.map(\.rawValue).joined(separator: ", "))

      EXAMPLES:
        segue simulate --seeds 1..1000
        segue simulate --seeds 4711 --faults crash,clock --verbose
      """)

  @OptionGroup var common: CommonOptions
  @Option(
    help: ArgumentHelp("Which worlds: A..B, or one number.", valueName: "range"),
    transform: Self.range)
  var seeds = SeedRange(1...1_000)
  @Option(
    help: ArgumentHelp(
      "What may go wrong: all, none, or names separated by commas.", valueName: "list"),
    transform: Self.faults)
  var faults = FaultSet.all
  @Option(help: "Worlds at a time. Default: one for each core.")
  var jobs: Int?
  @Flag(help: "With the last events of the first world in which a rule was broken.")
  var verbose = false

  private static func range(_ text: String) throws -> SeedRange {
    guard let range = SeedRange(parsing: text) else {
      throw ValidationError("'\(text)' is not a range of seeds, such as 1..1000, or one number")
    }
    return range
  }

  private static func faults(_ text: String) throws -> FaultSet {
    guard let faults = FaultSet(parsing: text) else {
      let names = Fault.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("'\(text)' names no faults: all, none, or of \(names)")
    }
    return faults
  }

  func validate() throws {
    if let jobs, jobs < 1 { throw ValidationError("--jobs must be at least 1") }
  }

  func run(in context: Context) async throws -> ExitStatus {
    let console = context.console(common)
    let jobs = jobs ?? ProcessInfo.processInfo.activeProcessorCount
    let batch = SimulationBatch(
      seeds: seeds.seeds, options: SimulationOptions(faults: faults))
    let began = ContinuousClock.now
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await batch.run(jobs: jobs) }
      if console.isTerminal, !common.json {
        group.addTask { await Self.showProgress(of: batch, on: console) }
      }
      await group.next()
      group.cancelAll()
    }
    let took = ContinuousClock.now - began
    let report = SimulationReport(
      batch.summary, seeds: seeds, faults: faults, jobs: jobs, took: took)
    try await console.print(common.json ? JSONText.document(report) : report.text)
    if verbose, !common.json, let failed = batch.summary.first.first {
      try await console.print(trace(of: failed))
    }
    return report.violations == 0 ? .success : .negative
  }

  private static func showProgress(of batch: SimulationBatch, on console: Console) async {
    let total = batch.seeds.upperBound - batch.seeds.lowerBound + 1
    while (try? await Task.sleep(for: .seconds(1))) != nil {
      let summary = batch.summary
      let line = "\(summary.seeds) of \(total) seeds, \(summary.rollouts) rollouts"
      try? await console.write("\r\u{1B}[K" + line)
      if Task.isCancelled { break }
    }
    try? await console.write("\r\u{1B}[K")
  }

  private func trace(of failed: SimulationResult) -> String {
    var again = Simulation(
      seed: failed.seed, options: SimulationOptions(faults: faults, traceLimit: 60))
    return again.run().trace.map { "  " + $0 }.joined(separator: "\n")
  }
}

/// What `segue simulate` says.
struct SimulationReport: Encodable {
  struct Violation: Encodable {
    var seed: UInt64
    var rule: Int
    var message: String
    /// What to type to see it again.
    var again: String
  }

  var seeds: String
  var faults: String
  var rollouts: Int
  var outcomes: [String: Int]
  var events: Int
  var requests: Int
  var crashes: Int
  var violations: Int
  var first: [Violation]
  /// Equal for equal worlds, on every machine.
  var digest: String
  var milliseconds: Int64
  /// Each rollout, run twice, counts once.
  var rolloutsPerSecondPerCore: Int

  init(
    _ summary: SimulationSummary, seeds: SeedRange, faults: FaultSet, jobs: Int, took: Duration
  ) {
    self.seeds = "\(seeds)"
    self.faults = "\(faults)"
    rollouts = summary.rollouts
    outcomes = Dictionary(
      uniqueKeysWithValues: zip(SimulationResult.outcomeNames, summary.outcomes))
    events = summary.events
    requests = summary.requests
    crashes = summary.crashes
    violations = summary.violations
    first = summary.first.compactMap { result in
      result.violation.map {
        Violation(
          seed: result.seed, rule: $0.rule.rawValue, message: "\($0)",
          again: result.reproduction(faults: faults))
      }
    }
    digest = String(summary.digest, radix: 16)
    milliseconds =
      took.components.seconds * 1_000
      + took.components.attoseconds / 1_000_000_000_000_000
    rolloutsPerSecondPerCore = Int(
      Double(rollouts) * 1_000 / Double(max(milliseconds, 1)) / Double(jobs))
  }

  var text: String {
    var lines = first.flatMap { violation in
      ["seed \(violation.seed): \(violation.message)", "  \(violation.again)"]
    }
    let ends = SimulationResult.outcomeNames.map { "\(outcomes[$0] ?? 0) \($0)" }
    lines += [
      "seeds \(seeds), faults \(faults): \(rollouts) rollouts, \(events) events, "
        + "\(requests) requests, \(crashes) crashes",
      "  \(ends.joined(separator: ", "))",
      "  \(rolloutsPerSecondPerCore) rollouts a second and core, each run twice; digest \(digest)",
      violations == 0 ? "no rule was broken" : "\(violations) seeds broke a rule",
    ]
    return lines.joined(separator: "\n")
  }
}
