import SegueModel

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Whether the canary is slower than the baseline, from nothing but histograms.
///
/// For each boundary of the histogram the requests that took longer are counted and compared as
/// errors are; the evidence is the mean over the boundaries. Valid for the null that the canary's
/// part beyond any boundary is at most the tolerated ratio of the baseline's: with a ratio of 1, that
/// it is not stochastically slower.
public struct LatencyTest: Hashable, Sendable {
  /// 64 buckets of ``LatencyHistogram``, from 10 microseconds to more than a minute.
  public static let standardBoundaries = Array(
    stride(from: 8, to: LatencyHistogram.bucketCount, by: 3))

  /// The buckets beyond whose upper bound requests count as slow.
  public let boundaries: [Int]
  private var tests: [RatioTest]
  public private(set) var logEvidence = 0.0
  public private(set) var greatestLogEvidence = 0.0

  public init(toleratedRatio: Double = 1.1, boundaries: [Int] = standardBoundaries) {
    self.boundaries = boundaries.filter { $0 >= 0 && $0 < LatencyHistogram.bucketCount }
    tests = self.boundaries.map { _ in RatioTest(toleratedRatio: toleratedRatio) }
  }

  /// Takes in one block: counts per bucket of ``LatencyHistogram``.
  public mutating func add(canary: [UInt64], baseline: [UInt64], dispersion: Double = 1) {
    let canary = Self.exceedances(canary)
    let baseline = Self.exceedances(baseline)
    guard let first = tests.first, canary[0] > 0, baseline[0] > 0 else { return }
    let increments = RatioIncrements(
      alternatives: first.alternatives, tolerated: first.toleratedRatio, canary: canary[0],
      baseline: baseline[0])
    for (index, boundary) in boundaries.enumerated() {
      tests[index].add(
        increments, canaryErrors: canary[boundary + 1], baselineErrors: baseline[boundary + 1],
        dispersion: dispersion)
    }
    logEvidence = Numerics.logMeanExp(tests.map(\.logEvidence))
    greatestLogEvidence = max(greatestLogEvidence, logEvidence)
  }

  /// The boundary, in microseconds, that says most against the canary; `nil` before there is any.
  public var mostTelling: UInt64? {
    guard let best = tests.indices.max(by: { tests[$0].logEvidence < tests[$1].logEvidence }),
      tests[best].logEvidence > 0
    else { return nil }
    return LatencyHistogram.upperBound(ofBucket: boundaries[best])
  }

  /// The chance of ever seeing so much under the null, at most: valid at any moment.
  public var chance: Double { min(1, exp(-greatestLogEvidence)) }

  /// At `i`: how many are in bucket `i` or beyond. One more than there are buckets.
  private static func exceedances(_ counts: [UInt64]) -> [UInt64] {
    var result = Array(repeating: UInt64(0), count: LatencyHistogram.bucketCount + 1)
    for bucket in stride(from: LatencyHistogram.bucketCount - 1, through: 0, by: -1) {
      let count = bucket < counts.count ? counts[bucket] : 0
      result[bucket] = PairedCounts.sum(result[bucket + 1], count)
    }
    return result
  }
}
