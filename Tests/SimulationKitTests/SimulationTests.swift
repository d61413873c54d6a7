import Foundation
import RolloutEngine
import SegueModel
import SimulationKit
import Testing

@Suite struct SimulationTests {
  private func expectNoViolation(_ results: [SimulationResult], faults: FaultSet) {
    for result in results {
      guard let violation = result.violation else { continue }
      Issue.record("\(violation)\n  \(result.reproduction(faults: faults))")
    }
  }

  /// The same worlds each time, all faults: what was true yesterday is true today.
  @Test(arguments: 0..<10)
  func everyRuleHoldsInEveryWorld(portion: UInt64) {
    let seeds = (portion * 20 + 1)...(portion * 20 + 20)
    let results = seeds.map { Simulation.run(seed: $0) }
    expectNoViolation(results, faults: .all)
    #expect(results.map(\.rollouts).reduce(0, +) > 100)
  }

  /// Other worlds for each commit, so that every commit looks a little further.
  @Test func everyRuleHoldsInThisCommitsOwnWorlds() {
    let first = CommitSeed.value
    let seeds = first...(first + 49)
    print("seeds of this commit: \(first)..\(first + 49)")
    expectNoViolation(seeds.map { Simulation.run(seed: $0) }, faults: .all)
  }

  /// Each fault alone, so that none is hidden behind another one.
  @Test(arguments: Fault.allCases)
  func everyRuleHoldsWithOneFaultAlone(fault: Fault) {
    let faults = FaultSet([fault])
    expectNoViolation(
      (1...10).map { Simulation.run(seed: $0, options: SimulationOptions(faults: faults)) },
      faults: faults)
  }

  @Test func withoutFaultsEveryGoodReleaseGoesLive() {
    let options = SimulationOptions(faults: .none)
    let results = (1...60).map { Simulation.run(seed: $0, options: options) }
    expectNoViolation(results, faults: .none)
    #expect(results.map { $0.outcomes[0] }.reduce(0, +) > 400)
    #expect(results.allSatisfy { $0.outcomes[2...].allSatisfy { $0 == 0 } })
  }

  @Test func oneSeedIsOneRun() {
    var first = Simulation(seed: 4711, options: SimulationOptions(traceLimit: 10_000))
    var second = Simulation(seed: 4711, options: SimulationOptions(traceLimit: 10_000))
    let (one, other) = (first.run(), second.run())
    #expect(one.hash == other.hash)
    #expect(one.trace == other.trace)
    #expect(Simulation.run(seed: 4712).hash != one.hash)
  }

  /// The faults do happen: a simulation in which nothing goes wrong shows nothing.
  @Test func theWorldsAreEventful() {
    let results = (1...150).map { Simulation.run(seed: $0) }
    #expect(results.map(\.crashes).reduce(0, +) > 100)
    #expect(results.map(\.requests).reduce(0, +) > 10_000)
    for outcome in SimulationResult.outcomeNames.indices {
      let name = SimulationResult.outcomeNames[outcome]
      #expect(results.contains { $0.outcomes[outcome] > 0 }, "nothing ended as \(name)")
    }
  }

  @Test func manySeedsOnSeveralCoresGiveTheSame() async {
    let one = SimulationBatch(seeds: 1...60)
    await one.run(jobs: 1)
    let several = SimulationBatch(seeds: 1...60)
    await several.run(jobs: 3)
    #expect(one.summary.digest == several.summary.digest)
    #expect(one.summary.seeds == 60)
    #expect(one.summary.rollouts == several.summary.rollouts)
  }

  @Test(arguments: ["1..1000", "7..7", "18446744073709551615"])
  func readsARange(text: String) {
    #expect(SeedRange(parsing: text) != nil)
  }

  @Test(arguments: ["", "..", "1..", "..2", "3..1", "1...2", "-1", "a..b", "1.2"])
  func refusesWhatIsNoRange(text: String) {
    #expect(SeedRange(parsing: text) == nil)
  }

  @Test func namesFaultsAsItReadsThem() {
    #expect(FaultSet(parsing: "all") == .all)
    #expect(FaultSet(parsing: "none") == FaultSet.none)
    #expect(FaultSet(parsing: "crash,clock")?.description == "crash,clock")
    #expect(FaultSet(parsing: "crash,,clock") == nil)
    #expect(FaultSet(parsing: "thunder") == nil)
  }
}

/// A number that is the commit's own: from `SEGUE_SIMULATION_SEED`, or from Git, or else always the same.
enum CommitSeed {
  static var value: UInt64 {
    let given = ProcessInfo.processInfo.environment["SEGUE_SIMULATION_SEED"].flatMap { UInt64($0) }
    return given ?? commit.flatMap { UInt64($0.prefix(10), radix: 16) } ?? 1_000_000
  }

  private static var commit: String? {
    let git = Process()
    git.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    git.arguments = ["git", "-C", String(#filePath.prefix(upTo: root)), "rev-parse", "HEAD"]
    let output = Pipe()
    git.standardOutput = output
    git.standardError = FileHandle.nullDevice
    guard (try? git.run()) != nil else { return nil }
    let data = output.fileHandleForReading.readDataToEndOfFile()
    git.waitUntilExit()
    return git.terminationStatus == 0 ? String(decoding: data, as: UTF8.self) : nil
  }

  private static var root: String.Index {
    #filePath.range(of: "/Tests/").map(\.lowerBound) ?? #filePath.startIndex
  }
}
