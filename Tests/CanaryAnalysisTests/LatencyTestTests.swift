import CanaryAnalysis
import SegueModel
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@Suite struct LatencyTestTests {
  /// Latencies around 20 ms, log-normal with a deviation of 0.5, times `factor`.
  private func histogram(
    _ requests: Int, factor: Double = 1, from generator: inout SeededGenerator
  ) -> [UInt64] {
    var counts = Array(repeating: UInt64(0), count: LatencyHistogram.bucketCount)
    for _ in 0..<requests {
      let radius = sqrt(-2 * log(1 - Double.random(in: 0..<1, using: &generator)))
      let normal = radius * cos(2 * Double.pi * Double.random(in: 0..<1, using: &generator))
      let microseconds = UInt64(20_000 * exp(0.5 * normal) * factor)
      counts[LatencyHistogram.bucket(microseconds: microseconds)] += 1
    }
    return counts
  }

  @Test func theSameLatencyRaisesNoAlarm() {
    var generator = SeededGenerator(state: 3)
    var alarms = 0
    for _ in 0..<150 {
      var test = LatencyTest(toleratedRatio: 1)
      for _ in 0..<20 {
        test.add(
          canary: histogram(10, from: &generator), baseline: histogram(90, from: &generator))
      }
      #expect(test.logEvidence.isFinite)
      if test.chance <= 0.05 { alarms += 1 }
    }
    #expect(alarms < 18)
  }

  @Test func aFifthSlowerIsFoundInAboutAThousandRequests() {
    var generator = SeededGenerator(state: 4)
    var requests: [Int] = []
    for _ in 0..<15 {
      var test = LatencyTest(toleratedRatio: 1)
      var seen = 0
      while test.chance > 0.01, seen < 6_000 {
        seen += 50
        test.add(
          canary: histogram(50, factor: 1.2, from: &generator),
          baseline: histogram(450, from: &generator))
      }
      requests.append(seen)
    }
    #expect(requests.sorted()[7] < 1_500)
    #expect(requests.sorted()[7] > 50)
  }

  @Test func fasterIsNoCrime() {
    var generator = SeededGenerator(state: 5)
    var test = LatencyTest(toleratedRatio: 1)
    for _ in 0..<40 {
      test.add(
        canary: histogram(50, factor: 0.5, from: &generator),
        baseline: histogram(200, from: &generator))
    }
    #expect(test.chance > 0.05)
    #expect(test.mostTelling == nil)
  }

  @Test func oddHistogramsSayNothing() {
    let whole = Array(repeating: UInt64.max, count: LatencyHistogram.bucketCount)
    let tooLong = Array(repeating: UInt64(3), count: 999)
    var test = LatencyTest()
    for (canary, baseline) in [([], []), ([1], []), ([], [1]), (whole, whole), (tooLong, [1, 2])] {
      test.add(canary: canary, baseline: baseline)
      #expect(test.logEvidence.isFinite)
    }
    var none = LatencyTest(boundaries: [-1, 999])
    none.add(canary: [1], baseline: [1])
    #expect(none.boundaries.isEmpty && none.chance == 1)
    #expect(LatencyTest.standardBoundaries.count == 64)
  }
}
