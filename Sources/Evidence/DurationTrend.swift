#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif

/// Whether a series of durations rises or falls, and where it jumped.
public enum DurationTrend {
  /// Only so many of the latest values are looked at: the work grows with their square.
  public static let limit = 200

  /// A slope per run, in the unit of the values, with its 95 % interval.
  public struct Slope: Hashable, Sendable {
    public var slope: Double
    public var low: Double
    public var high: Double
  }

  /// The Mann-Kendall test for a trend.
  public struct Trend: Hashable, Sendable {
    /// Rises less falls, over all pairs.
    public var score: Int
    /// Kendall's tau-b, from -1 to 1.
    public var tau: Double
    /// How probable a score at least as far from zero is without a trend.
    public var pValue: Double
  }

  /// The Theil-Sen slope: the median of the slopes of all pairs, which a few outliers cannot move
  /// (Sen, "Estimates of the regression coefficient based on Kendall's tau", 1968). `nil` below
  /// three values.
  public static func slope(_ values: [Double]) -> Slope? {
    let values = finite(values)
    guard values.count >= 3 else { return nil }
    var slopes: [Double] = []
    for first in values.indices {
      for second in values.indices[(first + 1)...] {
        slopes.append((values[second] - values[first]) / Double(second - first))
      }
    }
    slopes.sort()
    let reach = 1.959963984540054 * variance(of: values).squareRoot()
    let pairs = Double(slopes.count)
    let high = Int(((pairs + reach) / 2).rounded(.toNearestOrEven))
    let low = Int(((pairs - reach) / 2).rounded(.toNearestOrEven)) - 1
    return Slope(
      slope: median(ofSorted: slopes), low: slopes[max(0, low)],
      high: slopes[min(high, slopes.count - 1)])
  }

  /// Whether the values rise or fall more than chance would have it. `nil` below three values, or
  /// when all are equal.
  public static func mannKendall(_ values: [Double]) -> Trend? {
    let values = finite(values)
    let variance = variance(of: values)
    guard values.count >= 3, variance > 0 else { return nil }
    var score = 0
    for first in values.indices {
      for second in values.indices[(first + 1)...] {
        score += (values[second] > values[first] ? 1 : 0) - (values[second] < values[first] ? 1 : 0)
      }
    }
    let pairs = Double(values.count * (values.count - 1) / 2)
    let untied = pairs - ties(values).reduce(0) { $0 + Double($1 * ($1 - 1) / 2) }
    let distance = Double(max(0, abs(score) - 1)) / variance.squareRoot()
    return Trend(
      score: score, tau: Double(score) / (pairs * untied).squareRoot(),
      pValue: erfc(distance / 2.0.squareRoot()))
  }

  /// The indices at which the values begin to come from another distribution, in ascending order:
  /// E-divisive (Matteson and James, "A nonparametric approach for multiple change point analysis",
  /// 2014), with 199 permutations at the 5 % level. The permutations come from a fixed seed, so
  /// that the same values always give the same answer.
  ///
  /// Indices are those of `values`, also when only the latest ``limit`` are looked at.
  public static func changePoints(_ values: [Double]) -> [Int] {
    let kept = values.suffix(limit).map { $0.isFinite ? $0 : 0 }
    var found: [Int] = []
    var segments = [kept.indices]
    var shuffler = Shuffler(state: 0x5E6E)
    while let segment = segments.popLast() {
      let part = Array(kept[segment])
      guard let best = bestSplit(part), best.weight > 0 else { continue }
      var above = 0
      for _ in 0..<199 {
        let other = bestSplit(shuffler.shuffled(part))
        if let other, other.weight >= best.weight { above += 1 }
        // No later permutation can make this significant any more.
        if above > 9 { break }
      }
      guard above + 1 <= 10 else { continue }
      let middle = segment.lowerBound + best.index
      found.append(middle + values.count - kept.count)
      segments += [segment.lowerBound..<middle, middle..<segment.upperBound]
    }
    return found.sorted()
  }

  /// Neither side of a change point is shorter.
  private static let shortest = 3

  /// The split with the greatest energy distance between its sides.
  private static func bestSplit(_ values: [Double]) -> (index: Int, weight: Double)? {
    let count = values.count
    guard count >= 2 * shortest else { return nil }
    // Sums of the distances within the left side, within the right side, and between the two.
    var left = 0.0
    var right = 0.0
    var between = 0.0
    for first in values.indices {
      for second in values.indices[(first + 1)...] { right += abs(values[first] - values[second]) }
    }
    var best: (index: Int, weight: Double)?
    for split in 1...(count - shortest) {
      let moved = values[split - 1]
      let toLeft = values[..<(split - 1)].reduce(0) { $0 + abs($1 - moved) }
      let toRight = values[split...].reduce(0) { $0 + abs($1 - moved) }
      left += toLeft
      right -= toRight
      between += toRight - toLeft
      guard split >= shortest else { continue }
      let (m, n) = (Double(split), Double(count - split))
      let energy =
        2 * between / (m * n) - left / (m * (m - 1) / 2) - right / (n * (n - 1) / 2)
      let weight = m * n / (m + n) * energy
      if weight > best?.weight ?? -.infinity { best = (split, weight) }
    }
    return best
  }

  private static func finite(_ values: [Double]) -> [Double] {
    values.suffix(limit).filter(\.isFinite)
  }

  private static func median(ofSorted values: [Double]) -> Double {
    let middle = values.count / 2
    return values.count.isMultiple(of: 2)
      ? (values[middle - 1] + values[middle]) / 2 : values[middle]
  }

  /// The sizes of the groups of equal values.
  private static func ties(_ values: [Double]) -> [Int] {
    Array(values.reduce(into: [:]) { $0[$1, default: 0] += 1 }.values)
  }

  /// The variance of Kendall's score without a trend, corrected for ties.
  private static func variance(of values: [Double]) -> Double {
    func term(_ count: Int) -> Double { Double(count * (count - 1) * (2 * count + 5)) }
    return (term(values.count) - ties(values).reduce(0) { $0 + term($1) }) / 18
  }
}

/// Permutations from a fixed seed (SplitMix64), which is all that a permutation test asks of
/// chance.
private struct Shuffler {
  var state: UInt64

  mutating func shuffled(_ values: [Double]) -> [Double] {
    var values = values
    for index in values.indices.dropFirst().reversed() {
      values.swapAt(index, Int(next() % UInt64(index + 1)))
    }
    return values
  }

  private mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
