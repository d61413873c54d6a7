import SegueModel
import Testing

@testable import RolloutEngine

@Suite struct StagePlanTests {
  @Test func aFirstDeployHasOneStage() {
    let stages = StagePlan.forward(to: release("r1", height: 1, rolling()), outgoing: 0)
    #expect(stages.map(\.incoming) == [3])
  }

  @Test func rollingOneByOneKeepsTheSum() {
    let stages = StagePlan.rolling(incoming: 3, outgoing: 3, RollingSpec())
    #expect(stages.map(\.incoming) == [1, 2, 3])
    #expect(stages.map(\.outgoing) == [2, 1, 0])
    #expect(stages.map(\.weight.value) == [333, 666, 1_000])
  }

  @Test func withoutSurgeOldOnesGoFirst() {
    let stages = StagePlan.rolling(
      incoming: 3, outgoing: 3, RollingSpec(maxSurge: 0, maxUnavailable: 1))
    #expect(
      stages.map { [$0.incoming, $0.outgoing] } == [
        [0, 2], [1, 2], [1, 1], [2, 1], [2, 0], [3, 0],
      ])
  }

  @Test(arguments: 1...6, 0...6)
  func everyRollingPlanStaysWithinItsBounds(target: Int, outgoing: Int) {
    for surge in 0...3 {
      for unavailable in 0..<target where surge + unavailable > 0 {
        let knobs = RollingSpec(maxSurge: surge, maxUnavailable: unavailable)
        let stages = StagePlan.rolling(incoming: target, outgoing: max(outgoing, 1), knobs)
        #expect(stages.last?.incoming == target)
        #expect(stages.last?.outgoing == 0)
        #expect(stages.last?.weight == .all)
        var before = (incoming: 0, outgoing: max(outgoing, 1))
        for stage in stages {
          // While a stage prepares, the old ones of the stage before still run.
          let peak = stage.incoming + before.outgoing
          #expect(peak <= max(target + surge, before.incoming + before.outgoing))
          let floor = min(target - unavailable, max(outgoing, 1))
          #expect(stage.incoming + stage.outgoing >= floor)
          #expect(stage.incoming >= before.incoming && stage.outgoing <= before.outgoing)
          before = (stage.incoming, stage.outgoing)
        }
      }
    }
  }
}
