/// What two versions did in the same span of time: four whole numbers, and all that the tests of
/// rates ever need.
public struct PairedCounts: Hashable, Codable, Sendable {
  public var canaryRequests: UInt64
  public var canaryErrors: UInt64
  public var baselineRequests: UInt64
  public var baselineErrors: UInt64

  public init(
    canaryRequests: UInt64 = 0, canaryErrors: UInt64 = 0, baselineRequests: UInt64 = 0,
    baselineErrors: UInt64 = 0
  ) {
    self.canaryRequests = canaryRequests
    self.canaryErrors = canaryErrors
    self.baselineRequests = baselineRequests
    self.baselineErrors = baselineErrors
  }

  /// Whether no version has more errors than requests. What is not plausible is no evidence.
  public var isPlausible: Bool {
    canaryErrors <= canaryRequests && baselineErrors <= baselineRequests
  }

  /// `nil` without requests.
  public var canaryRate: Double? { Self.rate(canaryErrors, of: canaryRequests) }
  public var baselineRate: Double? { Self.rate(baselineErrors, of: baselineRequests) }

  /// The canary's error rate by the baseline's; `nil` when the baseline has none to compare with.
  public var ratio: Double? {
    guard let canaryRate, let baselineRate, baselineRate > 0 else { return nil }
    return canaryRate / baselineRate
  }

  /// The canary's part of the requests; `nil` without requests.
  public var share: Double? {
    let all = Double(canaryRequests) + Double(baselineRequests)
    return all > 0 ? Double(canaryRequests) / all : nil
  }

  /// Stays at the greatest number rather than overflow.
  mutating func add(_ other: Self) {
    canaryRequests = Self.sum(canaryRequests, other.canaryRequests)
    canaryErrors = Self.sum(canaryErrors, other.canaryErrors)
    baselineRequests = Self.sum(baselineRequests, other.baselineRequests)
    baselineErrors = Self.sum(baselineErrors, other.baselineErrors)
  }

  static func sum(_ left: UInt64, _ right: UInt64) -> UInt64 {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? .max : sum
  }

  private static func rate(_ errors: UInt64, of requests: UInt64) -> Double? {
    requests > 0 ? Double(errors) / Double(requests) : nil
  }
}
