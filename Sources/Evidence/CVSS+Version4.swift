extension CVSS {
  /// The base score of a vector of version 4.0 (FIRST, CVSS v4.0 Specification, section 8). Threat,
  /// environmental and supplemental metrics are passed over, as in version 3: what is published is the
  /// base.
  ///
  /// A vector belongs to one of the macro vectors, whose scores experts have ranked: they are the
  /// standard's own figures and follow from no formula. Within a macro vector, the score falls towards
  /// that of the next lower one by how far the vector is from the worst that the macro vector holds.
  static func baseScore(version4 metrics: [Substring: Substring]) -> Double? {
    guard let vector = BaseVector4(metrics) else { return nil }
    return vector.score
  }
}

/// The eleven base metrics, each by its rank: 0 is the worst.
private struct BaseVector4 {
  private let ranks: [Substring: Int]

  private static let values: [(name: Substring, letters: [Substring])] = [
    ("AV", ["N", "A", "L", "P"]), ("AC", ["L", "H"]), ("AT", ["N", "P"]), ("PR", ["N", "L", "H"]),
    ("UI", ["N", "P", "A"]), ("VC", ["H", "L", "N"]), ("VI", ["H", "L", "N"]),
    ("VA", ["H", "L", "N"]), ("SC", ["H", "L", "N"]), ("SI", ["H", "L", "N"]),
    ("SA", ["H", "L", "N"]),
  ]

  init?(_ metrics: [Substring: Substring]) {
    var ranks: [Substring: Int] = [:]
    for (name, letters) in Self.values {
      guard let value = metrics[name], let rank = letters.firstIndex(of: value) else { return nil }
      ranks[name] = rank
    }
    self.ranks = ranks
  }

  private subscript(_ name: Substring) -> Int { ranks[name] ?? 0 }

  /// How far these metrics are, together, from the worst values given.
  private func distance(_ worst: KeyValuePairs<Substring, Int>) -> Int? {
    var sum = 0
    for (name, rank) in worst {
      let own = self[name] - rank
      guard own >= 0 else { return nil }
      sum += own
    }
    return sum
  }

  // MARK: Equivalence classes

  /// How it is reached: who may, and with whose help.
  private var reach: Int {
    let open = ["AV", "PR", "UI"].count { self[$0] == 0 }
    if open == 3 { return 0 }
    return open == 0 || self["AV"] == 3 ? 2 : 1
  }

  private var complexity: Int { self["AC"] == 0 && self["AT"] == 0 ? 0 : 1 }

  /// What is lost of the system itself.
  private var impact: Int {
    if self["VC"] == 0, self["VI"] == 0 { return 0 }
    return ["VC", "VI", "VA"].contains { self[$0] == 0 } ? 1 : 2
  }

  /// What is lost beyond it. Loss of safety, which is class 0, is no base metric.
  private var beyond: Int { ["SC", "SI", "SA"].contains { self[$0] == 0 } ? 1 : 2 }

  // MARK: Score

  var score: Double {
    if ["VC", "VI", "VA", "SC", "SI", "SA"].allSatisfy({ self[$0] == 2 }) { return 0 }
    let table = MacroScores4.self
    let (one, two, three, four) = (reach, complexity, impact, beyond)
    // All requirements are high unless somebody says otherwise, so a high loss is a class of its own.
    guard let own = table.score(one, two, three, three == 2 ? 1 : 0, four) else { return 0 }
    let lowerImpact: Double? =
      switch three {
      case 0:
        [table.score(one, two, 0, 1, four), table.score(one, two, 1, 0, four)]
          .compactMap(\.self).max()
      case 1: table.score(one, two, 1, 1, four)
      default: nil
      }
    let steps: [(lower: Double?, distance: Int, depth: Int)] = [
      (table.score(one + 1, two, three, three == 2 ? 1 : 0, four), reachDistance, [1, 4, 5][one]),
      (table.score(one, two + 1, three, three == 2 ? 1 : 0, four), complexityDistance, two + 1),
      (lowerImpact, impactDistance, [7, 8, 10][three]),
      (
        table.score(one, two, three, three == 2 ? 1 : 0, four + 1), beyondDistance, [6, 5, 4][four]
      ),
    ]
    // The class of exploits that are known counts among those that can fall, though without a report
    // it has not.
    var (sum, count) = (0.0, 1.0)
    for step in steps {
      guard let lower = step.lower else { continue }
      sum += (own - lower) * Double(step.distance) / Double(step.depth)
      count += 1
    }
    let value = max(0, min(10, own - sum / count))
    return (value * 10 + 1e-9).rounded() / 10
  }

  private var reachDistance: Int {
    let worst: [KeyValuePairs<Substring, Int>] =
      switch reach {
      case 0: [["AV": 0, "PR": 0, "UI": 0]]
      case 1:
        [["AV": 1, "PR": 0, "UI": 0], ["AV": 0, "PR": 1, "UI": 0], ["AV": 0, "PR": 0, "UI": 1]]
      default: [["AV": 3, "PR": 0, "UI": 0], ["AV": 1, "PR": 1, "UI": 1]]
      }
    return worst.lazy.compactMap(distance).first ?? 0
  }

  private var complexityDistance: Int {
    let worst: [KeyValuePairs<Substring, Int>] =
      complexity == 0 ? [["AC": 0, "AT": 0]] : [["AC": 1, "AT": 0], ["AC": 0, "AT": 1]]
    return worst.lazy.compactMap(distance).first ?? 0
  }

  private var impactDistance: Int {
    let worst: [KeyValuePairs<Substring, Int>] =
      switch impact {
      case 0: [["VC": 0, "VI": 0, "VA": 0]]
      case 1: [["VC": 1, "VI": 0, "VA": 0], ["VC": 0, "VI": 1, "VA": 0]]
      default: [["VC": 1, "VI": 1, "VA": 1]]
      }
    return worst.lazy.compactMap(distance).first ?? 0
  }

  private var beyondDistance: Int {
    distance(
      beyond == 1 ? ["SC": 0, "SI": 0, "SA": 0] : ["SC": 1, "SI": 1, "SA": 1]) ?? 0
  }
}

/// The scores of the macro vectors that base metrics alone can reach, and of those next below them, in
/// tenths: table of section 8.2 of the specification.
private enum MacroScores4 {
  private static let tenths = [
    100, 93, 96, 90, 93, 88, 92, 80, 79, 69, 95, 92, 91, 81, 92, 84, 82, 70, 71, 63,
    94, 87, 89, 75, 86, 72, 76, 57, 65, 53, 90, 77, 77, 66, 74, 61, 59, 52, 58, 23,
    86, 70, 74, 54, 72, 53, 57, 36, 47, 24, 73, 54, 55, 43, 61, 46, 51, 18, 24, 10,
  ]

  /// By the classes 1, 2, 3, 6 and 4 of the specification; the fifth is 0, for an exploit that is
  /// known. `nil` where there is no such macro vector.
  static func score(_ one: Int, _ two: Int, _ three: Int, _ six: Int, _ four: Int) -> Double? {
    let impacts = [[0, 1], [2, 3], [-1, 4]]
    guard one < 3, two < 2, (1...2).contains(four), impacts[three][six] >= 0 else { return nil }
    return Double(tenths[(one * 2 + two) * 10 + impacts[three][six] * 2 + four - 1]) / 10
  }
}
