import SegueModel
import Testing

@Suite struct QuantityTests {
  @Test(arguments: [
    (0, "0 ms"), (250, "250 ms"), (1_000, "1 s"), (1_500, "1.5 s"), (60_000, "1 m"),
    (90_000, "1 m 30 s"), (3_600_000, "1 h"), (3_900_000, "1 h 5 m"), (-250, "-250 ms"),
  ])
  func timeIsSaidAsPeopleSayIt(count: Int64, text: String) {
    #expect(Milliseconds(count).description == text)
  }

  @Test func durationsConvertBothWays() {
    #expect(Milliseconds(.seconds(2) + .milliseconds(5)) == Milliseconds(2_005))
    #expect(Milliseconds(1_234).duration == .milliseconds(1_234))
  }

  @Test func sharesStayWithinTheirRange() {
    #expect(Permille(1_200) == .all)
    #expect(Permille(-5) == .none)
    #expect(Permille(250).complement == Permille(750))
    #expect(Permille(5).description == "0.5%")
    #expect(Permille(250).description == "25%")
  }
}

@Suite struct LatencyHistogramTests {
  @Test func everyLatencyLiesBelowItsBucketsBound() {
    for latency in [0, 1, 7, 8, 9, 15, 16, 17, 100, 999, 1_000, 12_345, 1_000_000] as [UInt64] {
      let bucket = LatencyHistogram.bucket(microseconds: latency)
      #expect(latency < LatencyHistogram.upperBound(ofBucket: bucket))
      if bucket > 0 { #expect(latency >= LatencyHistogram.upperBound(ofBucket: bucket - 1)) }
    }
  }

  @Test func bucketsAreAnEighthWide() {
    for bucket in 16..<LatencyHistogram.bucketCount - 1 {
      let low = Double(LatencyHistogram.upperBound(ofBucket: bucket - 1))
      let high = Double(LatencyHistogram.upperBound(ofBucket: bucket))
      #expect((high - low) / low <= 0.125)
    }
  }

  @Test func quantilesComeFromTheCounts() {
    var counts = [UInt64](repeating: 0, count: LatencyHistogram.bucketCount)
    counts[LatencyHistogram.bucket(microseconds: 100)] = 99
    counts[LatencyHistogram.bucket(microseconds: 10_000)] = 1
    let median = LatencyHistogram.quantile(0.5, of: counts)
    #expect(median.map { (100...113).contains($0) } == true)
    let worst = LatencyHistogram.quantile(0.999, of: counts)
    #expect(worst.map { $0 > 10_000 } == true)
    #expect(LatencyHistogram.quantile(0.5, of: [0, 0]) == nil)
  }
}
