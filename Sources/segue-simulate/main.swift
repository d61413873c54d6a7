import SimulationKit
import RolloutEngine

let args = CommandLine.arguments
let lower = UInt64(args[1])!
let upper = UInt64(args[2])!
let faults = args.count > 3 ? FaultSet(parsing: args[3])! : .all
var rollouts = 0
var outcomes = [Int](repeating: 0, count: 5)
var events = 0
var bad = 0
let clock = ContinuousClock()
let start = clock.now
for seed in lower...upper {
  var r = Simulation.run(seed: seed, options: SimulationOptions(faults: faults))
  rollouts += r.rollouts
  events += r.events
  for i in 0..<5 { outcomes[i] += r.outcomes[i] }
  if let v = r.violation {
    bad += 1
    if bad <= 12 {
      print("seed \(seed): \(v)")
      if bad == 1 && args.count > 4 {
        var s = Simulation(seed: seed, options: SimulationOptions(faults: faults, traceLimit: Int(args[4])!))
        r = s.run()
        for l in r.trace { print("  ", l) }
      }
    }
  }
}
let t = clock.now - start
print("seeds \(lower)..\(upper) rollouts \(rollouts) outcomes \(outcomes) events \(events) bad \(bad) time \(t)")
let secs = Double(t.components.seconds) + Double(t.components.attoseconds)*1e-18
print("rollouts/s \(Double(rollouts)/secs)")
