import SimulationKit

/// `segue simulate` alone, in a program that is built in seconds: SEEDS [FAULTS] [JOBS].
let arguments = CommandLine.arguments.dropFirst()
guard let range = SeedRange(parsing: arguments.first ?? "1..1000"),
  let faults = FaultSet(parsing: arguments.dropFirst().first ?? "all"),
  let jobs = Int(arguments.dropFirst(2).first ?? "2")
else {
  preconditionFailure("usage: segue-simulate [SEEDS [FAULTS [JOBS]]]")
}
let batch = SimulationBatch(seeds: range.seeds, options: SimulationOptions(faults: faults))
let clock = ContinuousClock()
let began = clock.now
await batch.run(jobs: jobs)
let took = (clock.now - began) / .seconds(1)
let summary = batch.summary
for failed in summary.first {
  print("seed \(failed.seed): \(failed.violation.map { "\($0)" } ?? "")")
}
if let worst = summary.first.first, arguments.count > 3 {
  var again = Simulation(
    seed: worst.seed,
    options: SimulationOptions(faults: faults, traceLimit: Int(arguments[4]) ?? 60))
  for line in again.run().trace { print("  \(line)") }
}
print(
  "seeds \(range), faults \(faults): \(summary.rollouts) rollouts,",
  zip(SimulationResult.outcomeNames, summary.outcomes).map { "\($1) \($0)" }.joined(separator: ", ")
)
print(
  "\(summary.events) events, \(summary.requests) requests, \(summary.crashes) crashes, digest",
  String(summary.digest, radix: 16))
print("\(summary.violations) violations, \(took) s, \(Double(summary.rollouts) / took) rollouts/s")
