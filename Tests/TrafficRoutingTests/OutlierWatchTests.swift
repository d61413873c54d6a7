import SegueModel
import Testing

@testable import TrafficRouting

@Suite struct OutlierWatchTests {
  private static let settings = OutlierWatch.Settings(failures: 3, span: 10, longest: 25)

  @Test func onlyFailuresInARowCount() {
    var watch = OutlierWatch(Self.settings)
    #expect(watch.noteFailure(now: 0) == nil)
    #expect(watch.noteFailure(now: 0) == nil)
    watch.noteSuccess()
    #expect(watch.noteFailure(now: 0) == nil)
    #expect(watch.noteFailure(now: 0) == nil)
    #expect(watch.noteFailure(now: 100) == 110)
  }

  @Test func whoFailsAgainSoonIsLeftAloneForLonger() {
    var watch = OutlierWatch(Self.settings)
    func ejected(_ now: UInt64) -> UInt64? {
      _ = watch.noteFailure(now: now)
      _ = watch.noteFailure(now: now)
      return watch.noteFailure(now: now)
    }
    #expect(ejected(0) == 10)
    #expect(ejected(15) == 35)
    #expect(ejected(50) == 75, "and never for longer than the longest")
    #expect(ejected(1_000) == 1_010, "what is long ago is forgotten")
  }

  @Test func zeroMeansNever() {
    var watch = OutlierWatch(.init(failures: 0, span: 10, longest: 10))
    for _ in 0..<100 { #expect(watch.noteFailure(now: 0) == nil) }
  }

  @Test(arguments: [
    (200, false), (404, false), (500, true), (501, false), (503, true), (505, false),
  ])
  func whatIsTheServersFault(_ status: Int, _ expected: Bool) {
    #expect(OutlierWatch.isFailure(status: status) == expected)
  }
}

@Suite struct SlowStartTests {
  private static func share(of cold: Permille, among count: Int) -> Int {
    var random = FastRandom(seed: 7)
    var chosen = 0
    for _ in 0..<10_000 {
      let index = InstanceChoice.choose(count: count, random: &random) { index in
        InstanceStanding(warmth: index == 0 ? cold : .all)
      }
      if index == 0 { chosen += 1 }
    }
    return chosen * 100 / 10_000
  }

  @Test func aColdInstanceGetsItsShareStepByStep() {
    let shares = [100, 300, 600, 1_000].map { Self.share(of: Permille($0), among: 4) }
    #expect(shares == shares.sorted() && shares[0] > 0 && shares[0] < 10)
    #expect((24...26).contains(shares[3]))
  }

  @Test func whereAllAreColdEachGetsTheSame() {
    var random = FastRandom(seed: 7)
    var counts = [0, 0]
    for _ in 0..<10_000 {
      let index = InstanceChoice.choose(count: 2, random: &random) { _ in
        InstanceStanding(warmth: Permille(100))
      }
      if let index { counts[index] += 1 }
    }
    #expect(abs(counts[0] - counts[1]) < 500)
  }
}
