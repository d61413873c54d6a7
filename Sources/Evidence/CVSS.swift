#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif

/// How bad a vulnerability is.
public enum Severity: Int, Hashable, Comparable, Sendable, CaseIterable, CustomStringConvertible {
  case none
  case low
  case medium
  case high
  case critical

  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

  /// By the qualitative scale of CVSS 3.1, section 5.
  ///
  /// - Parameter score: from 0 to 10.
  public init(score: Double) {
    switch score {
    case ..<0.1: self = .none
    case ..<4: self = .low
    case ..<7: self = .medium
    case ..<9: self = .high
    default: self = .critical
    }
  }

  public var description: String {
    switch self {
    case .none: "none"
    case .low: "low"
    case .medium: "medium"
    case .high: "high"
    case .critical: "critical"
    }
  }
}

/// Scores of the Common Vulnerability Scoring System.
public enum CVSS {
  /// The base score of a vector of version 3.0 or 3.1 (FIRST, CVSS v3.1 Specification, section 7.1)
  /// or 4.0; temporal and environmental metrics are passed over. `nil` for another version, whose
  /// score is not known here, and for a vector that is not complete.
  public static func baseScore(_ vector: String) -> Double? {
    let parts = vector.split(separator: "/")
    guard let version = parts.first, ["CVSS:3.0", "CVSS:3.1", "CVSS:4.0"].contains(version) else {
      return nil
    }
    var metrics: [Substring: Substring] = [:]
    for part in parts.dropFirst() {
      let halves = part.split(separator: ":")
      guard halves.count == 2, metrics.updateValue(halves[1], forKey: halves[0]) == nil else {
        return nil
      }
    }
    return version == "CVSS:4.0" ? baseScore(version4: metrics) : baseScore(version3: metrics)
  }

  private static func baseScore(version3 metrics: [Substring: Substring]) -> Double? {
    func value(_ metric: Substring, _ weights: [Substring: Double]) -> Double? {
      metrics[metric].flatMap { weights[$0] }
    }
    guard let scope = metrics["S"], scope == "U" || scope == "C" else { return nil }
    let isChanged = scope == "C"
    let impacts: [Substring: Double] = ["H": 0.56, "L": 0.22, "N": 0]
    guard let vector = value("AV", ["N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2]),
      let complexity = value("AC", ["L": 0.77, "H": 0.44]),
      let privileges = value(
        "PR", ["N": 0.85, "L": isChanged ? 0.68 : 0.62, "H": isChanged ? 0.5 : 0.27]),
      let interaction = value("UI", ["N": 0.85, "R": 0.62]),
      let confidentiality = value("C", impacts), let integrity = value("I", impacts),
      let availability = value("A", impacts)
    else { return nil }
    let base = 1 - (1 - confidentiality) * (1 - integrity) * (1 - availability)
    let impact =
      isChanged ? 7.52 * (base - 0.029) - 3.25 * pow(base - 0.02, 15) : 6.42 * base
    guard impact > 0 else { return 0 }
    let exploitability = 8.22 * vector * complexity * privileges * interaction
    return roundedUp(min(10, (isChanged ? 1.08 : 1) * (impact + exploitability)))
  }

  /// The smallest number with one decimal that is not less, computed in whole numbers as appendix A
  /// asks, so that 4.000000001 does not become 4.1.
  private static func roundedUp(_ value: Double) -> Double {
    let units = Int((value * 100_000).rounded())
    return units.isMultiple(of: 10_000)
      ? Double(units) / 100_000 : Double(units / 10_000 + 1) / 10
  }
}

extension Advisory {
  /// By the worst of its vectors that can be scored; `nil` when there is none, which does not mean
  /// that it is harmless.
  public var severity: Severity? {
    severities.compactMap(CVSS.baseScore).max().map(Severity.init(score:))
  }
}
