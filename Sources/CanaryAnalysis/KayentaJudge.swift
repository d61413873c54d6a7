#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Two samples compared by the Mann-Whitney test: the Hodges-Lehmann estimate of their shift and its
/// interval.
public struct Shift: Hashable, Codable, Sendable {
  public var estimate: Double
  public var lower: Double
  public var upper: Double
  /// Of no shift; exact for small samples without ties, else by the normal approximation.
  public var chance: Double
}

public enum MannWhitney {
  /// More values than this are not compared pair by pair.
  public static let limit = 1_000

  /// `nil` for an empty sample, one beyond ``limit``, or values that are not finite.
  ///
  /// The estimate is the median of the pairwise differences, its interval a pair of their order
  /// statistics (Hodges and Lehmann, 1963).
  public static func shift(
    experiment: [Double], control: [Double], confidence: Double = 0.98
  ) -> Shift? {
    guard !experiment.isEmpty, !control.isEmpty, experiment.count <= limit,
      control.count <= limit, (experiment + control).allSatisfy(\.isFinite), confidence > 0,
      confidence < 1
    else { return nil }
    let differences = experiment.flatMap { value in control.map { value - $0 } }.sorted()
    let half = differences.count / 2
    let estimate =
      differences.count % 2 == 1
      ? differences[half] : (differences[half - 1] + differences[half]) / 2
    let tail = (1 - confidence) / 2
    let rank = max(1, min(quantile(tail, experiment.count, control.count), differences.count))
    return Shift(
      estimate: estimate, lower: differences[rank - 1],
      upper: differences[differences.count - rank],
      chance: chance(differences, experiment: experiment, control: control))
  }

  private static let exactLimit = 50

  /// The smallest number of pairs whose distribution function under the null reaches `tail`.
  private static func quantile(_ tail: Double, _ first: Int, _ second: Int) -> Int {
    guard first < exactLimit, second < exactLimit else {
      let pairs = Double(first) * Double(second)
      let deviation = (pairs * Double(first + second + 1) / 12).squareRoot()
      return Int((pairs / 2 + Numerics.normalQuantile(tail) * deviation).rounded())
    }
    var sum = 0.0
    for (pairs, probability) in distribution(first, second).enumerated() {
      sum += probability
      if sum >= tail { return pairs }
    }
    return first * second
  }

  /// How likely each number of pairs is in which the first sample has the greater value, by the
  /// recursion of Mann and Whitney (1947).
  private static func distribution(_ first: Int, _ second: Int) -> [Double] {
    var rows = Array(repeating: [1.0], count: second + 1)
    for m in 1...first {
      var next = [[1.0]]
      for n in 1...second {
        var row = Array(repeating: 0.0, count: m * n + 1)
        let part = Double(m) / Double(m + n)
        for (pairs, probability) in rows[n].enumerated() { row[pairs + n] += part * probability }
        for (pairs, probability) in next[n - 1].enumerated() {
          row[pairs] += (1 - part) * probability
        }
        next.append(row)
      }
      rows = next
    }
    return rows[second]
  }

  private static func chance(
    _ differences: [Double], experiment: [Double], control: [Double]
  ) -> Double {
    let greater = Double(differences.count { $0 > 0 }) + 0.5 * Double(differences.count { $0 == 0 })
    let pairs = Double(differences.count)
    let all = (experiment + control).sorted()
    let count = Double(all.count)
    var ties = 0.0
    var start = 0
    while start < all.count {
      var end = start
      while end < all.count, all[end] == all[start] { end += 1 }
      let tied = Double(end - start)
      ties += tied * tied * tied - tied
      start = end
    }
    if ties == 0, experiment.count < exactLimit, control.count < exactLimit {
      let extreme = Int(min(greater, pairs - greater))
      return min(1, 2 * distribution(experiment.count, control.count)[...extreme].reduce(0, +))
    }
    let variance = pairs / 12 * (count + 1 - ties / (count * (count - 1)))
    guard variance > 0 else { return 1 }
    let distance = max(0, (greater - pairs / 2).magnitude - 0.5)
    return min(1, erfc(distance / variance.squareRoot() / 2.0.squareRoot()))
  }
}

/// The judge that people know from Kayenta: for those who come from there, and to compare with. It
/// has known failures, which the tests name; Segue's own verdicts do not come from it.
public struct KayentaJudge: Hashable, Codable, Sendable {
  public enum Direction: String, Hashable, Codable, Sendable {
    case increase
    case decrease
    case either
  }

  public enum Classification: String, Hashable, Codable, Sendable {
    case pass
    case high
    case low
    case noData = "no-data"
  }

  public enum Outcome: String, Hashable, Codable, Sendable {
    case pass
    case marginal
    case fail
  }

  public struct Metric: Hashable, Sendable {
    public var classification: Classification
    /// Of the score, in any unit.
    public var weight: Double

    public init(_ classification: Classification, weight: Double = 1) {
      self.classification = classification
      self.weight = weight
    }
  }

  /// The part of the estimated shift that the interval's bound has to clear.
  public var tolerance: Double
  public var confidence: Double
  /// Scores of 0 to 100.
  public var passAt: Double
  public var marginalAt: Double

  public init(
    tolerance: Double = 0.25, confidence: Double = 0.98, passAt: Double = 75,
    marginalAt: Double = 50
  ) {
    self.tolerance = tolerance
    self.confidence = confidence
    self.passAt = passAt
    self.marginalAt = marginalAt
  }

  public func classify(
    experiment: [Double], control: [Double], direction: Direction = .increase
  ) -> Classification {
    let experiment = experiment.filter { !$0.isNaN }
    let control = control.filter { !$0.isNaN }
    guard !experiment.isEmpty, !control.isEmpty else { return .noData }
    guard experiment != control else { return .pass }
    guard
      let shift = MannWhitney.shift(
        experiment: experiment, control: control, confidence: confidence)
    else { return .noData }
    let margin = tolerance * shift.estimate.magnitude
    if direction != .decrease, shift.lower > margin { return .high }
    if direction != .increase, shift.upper < -margin { return .low }
    return .pass
  }

  /// The passing part of the weights, 0 to 100; `nil` when no metric has data.
  public func score(_ metrics: [Metric]) -> Double? {
    let counted = metrics.filter {
      $0.classification != .noData && $0.weight > 0 && $0.weight.isFinite
    }
    let whole = counted.reduce(0) { $0 + $1.weight }
    guard whole > 0 else { return nil }
    let passed = counted.filter { $0.classification == .pass }.reduce(0) { $0 + $1.weight }
    return 100 * passed / whole
  }

  public func outcome(score: Double) -> Outcome {
    if score >= passAt { return .pass }
    return score >= marginalAt ? .marginal : .fail
  }
}
