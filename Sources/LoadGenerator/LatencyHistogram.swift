/// Counts of durations in buckets that grow with the value (log-linear, after HdrHistogram): 64
/// buckets to each power of two, so that any percentile is exact to 1.6 percent. Microseconds, up
/// to an hour; longer ones count as an hour.
struct LatencyHistogram: Sendable {
  private static let linearBits = 6
  private static let subBuckets = 1 << linearBits
  private static let limit: UInt64 = 3_600_000_000

  private var counts = [UInt64](
    repeating: 0, count: LatencyHistogram.index(of: LatencyHistogram.limit) + 1)
  private(set) var count: UInt64 = 0
  private(set) var sum: UInt64 = 0
  private(set) var smallest = UInt64.max
  private(set) var largest: UInt64 = 0

  mutating func record(microseconds: UInt64) {
    let value = min(microseconds, Self.limit)
    counts[Self.index(of: value)] += 1
    count += 1
    sum += value
    smallest = min(smallest, value)
    largest = max(largest, value)
  }

  /// The duration that `permyriad` of 10,000 values do not exceed; 0 when nothing was recorded.
  func percentile(permyriad: UInt64) -> UInt64 {
    guard count > 0 else { return 0 }
    let rank = max(1, (count * permyriad + 9_999) / 10_000)
    var seen: UInt64 = 0
    for (index, bucket) in counts.enumerated() where bucket > 0 {
      seen += bucket
      if seen >= rank { return min(Self.upperBound(of: index), largest) }
    }
    return largest
  }

  /// The buckets that hold something, in ascending order.
  var buckets: [LoadReport.Latency.Bucket] {
    counts.enumerated().compactMap { index, bucket in
      bucket == 0 ? nil : .init(upTo: Self.upperBound(of: index), count: bucket)
    }
  }

  /// Values below 64 have a bucket each; above, the top seven bits choose it.
  static func index(of value: UInt64) -> Int {
    guard value >= subBuckets else { return Int(value) }
    let shift = (UInt64.bitWidth - value.leadingZeroBitCount) - linearBits - 1
    return (shift + 1) * subBuckets + Int(value >> UInt64(shift)) - subBuckets
  }

  /// The largest value that falls into bucket `index`.
  static func upperBound(of index: Int) -> UInt64 {
    guard index >= subBuckets else { return UInt64(index) }
    let shift = UInt64(index / subBuckets - 1)
    return ((UInt64(index % subBuckets + subBuckets) + 1) << shift) - 1
  }
}
