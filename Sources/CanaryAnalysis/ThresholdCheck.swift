/// A bound that a version's own value must keep, checked every so often: what other tools call an
/// analysis. It compares with nothing, so that it is silent where the bound is far from the value, and
/// it is here for those who come with such bounds.
public struct ThresholdCheck: Hashable, Codable, Sendable {
  public enum Outcome: Hashable, Sendable {
    case passed
    case failed
    /// A value that is missing is neither.
    case noData
    /// More failures than are allowed: the release is bad.
    case tooManyFailures
  }

  /// The value must be at least, or at most, so much; `nil`: no such bound.
  public var atLeast: Double?
  public var atMost: Double?
  /// Whether the bound itself is still good.
  public var includesBound: Bool
  /// Seconds from one check to the next.
  public var every: Int
  public var failuresAllowed: Int
  public private(set) var failures = 0

  public init(
    atLeast: Double? = nil, atMost: Double? = nil, includesBound: Bool = true, every: Int = 60,
    failuresAllowed: Int = 0
  ) {
    self.atLeast = atLeast
    self.atMost = atMost
    self.includesBound = includesBound
    self.every = every
    self.failuresAllowed = failuresAllowed
  }

  /// Takes in the value of one check; `nil` when there is none.
  public mutating func add(_ value: Double?) -> Outcome {
    guard failures <= failuresAllowed else { return .tooManyFailures }
    guard let value, value.isFinite else { return .noData }
    let low = atLeast.map { includesBound ? value >= $0 : value > $0 } ?? true
    let high = atMost.map { includesBound ? value <= $0 : value < $0 } ?? true
    if low, high { return .passed }
    failures += 1
    return failures > failuresAllowed ? .tooManyFailures : .failed
  }
}
