import RolloutEngine
import SegueModel
import SimulationKit
import Testing

/// One thing goes wrong in each run, at each place in turn: nothing is left to chance.
@Suite struct ExhaustiveTests {
  static let strategies: [StrategySpec] = [
    .rolling(RollingSpec()),
    .rolling(RollingSpec(maxSurge: 0, maxUnavailable: 1)),
    .blueGreen(BlueGreenSpec(keepOld: .seconds(60))),
    .blueGreen(BlueGreenSpec(preview: PreviewSpec(host: "p.test", hold: .time(.seconds(5))))),
    .canary(CanarySpec(steps: [100, 500].map { .init(weight: Permille($0), hold: hold) })),
    .ab(ABSpec(hold: hold)),
    .ab(ABSpec(audience: .requests(.header(name: "x-b", value: "1")), hold: hold)),
    .shadow(ShadowSpec(hold: hold)),
    .recreate(RecreateSpec()),
  ]
  private static let hold = HoldSpec.time(.seconds(5))

  private func run(
    _ story: Scenario.Story, _ strategy: StrategySpec, migrates: Bool,
    _ injection: Scenario.Injection
  ) -> SimulationResult {
    let scenario = Scenario(
      story, strategy: strategy, hasMigrations: migrates, injection: injection)
    return Simulation.run(
      seed: 1, options: SimulationOptions(faults: .none, scenario: scenario))
  }

  /// The run in which nothing goes wrong, and then every variation of it.
  private func tryEvery(
    _ story: Scenario.Story, _ strategy: StrategySpec, migrates: Bool,
    _ injections: (_ commits: Int, _ effects: Int) -> [Scenario.Injection],
    mayGoBack: Bool
  ) {
    let calm = run(story, strategy, migrates: migrates, .none)
    let rollouts = story == .firstDeploy ? 1 : story == .deploy ? 2 : 3
    #expect(calm.violation == nil && calm.outcomes[0] == rollouts, "\(calm)")
    for injection in injections(calm.commits, calm.effects) {
      let result = run(story, strategy, migrates: migrates, injection)
      #expect(result.violation == nil, "\(story) \(strategy.name) \(injection)")
      // A deploy that was taken back leaves nothing to roll back.
      let least = mayGoBack && story == .rollback ? rollouts - 1 : rollouts
      #expect(result.rollouts >= least, "\(story) \(strategy.name) \(injection)")
      if !mayGoBack {
        #expect(
          result.outcomes[0] == result.rollouts, "\(story) \(strategy.name) \(injection)")
      }
    }
  }

  @Test(arguments: strategies, Scenario.Story.allCases)
  func aCrashBeforeAnyCommitLosesNothing(strategy: StrategySpec, story: Scenario.Story) {
    tryEvery(
      story, strategy, migrates: false,
      { commits, _ in (1...commits).map { .crashBefore(commit: $0) } }, mayGoBack: false)
  }

  @Test(arguments: strategies, Scenario.Story.allCases)
  func aCrashAfterAnyCommitLosesNothing(strategy: StrategySpec, story: Scenario.Story) {
    tryEvery(
      story, strategy, migrates: false,
      { commits, _ in (1...commits).map { .crashAfter(commit: $0) } }, mayGoBack: false)
  }

  @Test(arguments: strategies, Scenario.Story.allCases)
  func aCrashBetweenAnyEffectAndItsResultLosesNothing(
    strategy: StrategySpec, story: Scenario.Story
  ) {
    tryEvery(
      story, strategy, migrates: false,
      { _, effects in (0..<effects).map { .crashWithResult(effect: $0) } }, mayGoBack: false)
  }

  @Test(arguments: strategies, Scenario.Story.allCases)
  func anyEffectMayBeRepeated(strategy: StrategySpec, story: Scenario.Story) {
    tryEvery(
      story, strategy, migrates: false,
      { _, effects in (0..<effects).map { .repeatTwice(effect: $0) } }, mayGoBack: false)
  }

  @Test(arguments: strategies, Scenario.Story.allCases)
  func anyCommitMayBeRefusedOnce(strategy: StrategySpec, story: Scenario.Story) {
    tryEvery(
      story, strategy, migrates: false,
      { commits, _ in (1...commits).map { .refuse(commit: $0) } }, mayGoBack: false)
  }

  @Test(arguments: strategies, Scenario.Story.allCases)
  func anyEffectMayFailOrGetLost(strategy: StrategySpec, story: Scenario.Story) {
    tryEvery(
      story, strategy, migrates: false,
      { _, effects in
        (0..<effects).flatMap { [.fail(effect: $0), .lose(effect: $0)] }
      }, mayGoBack: true)
  }

  @Test(arguments: Scenario.Story.allCases)
  func aMigrationStandsEveryCrash(story: Scenario.Story) {
    tryEvery(
      story, Self.strategies[0], migrates: true,
      { commits, effects in
        (1...commits).flatMap { [.crashBefore(commit: $0), .crashAfter(commit: $0)] }
          + (0..<effects).flatMap { [.crashWithResult(effect: $0), .repeatTwice(effect: $0)] }
      }, mayGoBack: false)
  }

  @Test(arguments: Scenario.Story.allCases)
  func aMigrationMayFailOrGetLost(story: Scenario.Story) {
    tryEvery(
      story, Self.strategies[0], migrates: true,
      { _, effects in
        (0..<effects).flatMap { [.fail(effect: $0), .lose(effect: $0)] }
      }, mayGoBack: true)
  }
}
