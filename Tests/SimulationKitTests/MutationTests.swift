import SimulationKit
import Testing

/// For each of the ten rules a planted defect, which the simulation must notice by that very rule: a rule
/// that nothing can break would show nothing.
@Suite struct MutationTests {
  private static let bound: UInt64 = 400

  @Test(arguments: Mutation.allCases)
  func aPlantedDefectIsNoticed(mutation: Mutation) throws {
    let options = SimulationOptions(mutation: mutation)
    var other: [Violation] = []
    for seed in 1...Self.bound {
      var simulation = Simulation(seed: seed, options: options)
      guard let violation = simulation.run().violation else { continue }
      guard violation.rule != mutation.rule else { return }
      other.append(violation)
    }
    Issue.record(
      "\(mutation) was not noticed in \(Self.bound) seeds; other rules: \(other.prefix(3))")
  }

  @Test func everyRuleOfTheTenHasItsDefect() {
    #expect(Mutation.allCases.map(\.rule.rawValue) == Array(1...10))
  }
}
