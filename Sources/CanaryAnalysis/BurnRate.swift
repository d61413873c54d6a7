/// How quickly a service uses up the errors that its objective allows: a backstop for the whole
/// service, not a test of a canary.
///
/// The windows and factors are those of Google's Site Reliability Workbook (2018), chapter 5. A long
/// window says that it matters, a short one that it is still going on.
public enum BurnRate {
  public struct Rule: Hashable, Sendable {
    /// How many times faster than allowed.
    public var factor: Double
    public var longSeconds: Int
    public var shortSeconds: Int

    public static let fast = Self(factor: 14.4, longSeconds: 3_600, shortSeconds: 300)
    public static let slow = Self(factor: 6, longSeconds: 21_600, shortSeconds: 1_800)
  }

  public struct Window: Hashable, Codable, Sendable {
    public var requests: UInt64
    public var errors: UInt64

    public init(requests: UInt64, errors: UInt64) {
      self.requests = requests
      self.errors = errors
    }
  }

  /// The part of the requests that failed by the part that may; `nil` without plausible counts, or for an
  /// objective that is not between 0 and 1.
  public static func rate(_ window: Window, objective: Double) -> Double? {
    guard window.requests > 0, window.errors <= window.requests, objective > 0, objective < 1
    else { return nil }
    return Double(window.errors) / Double(window.requests) / (1 - objective)
  }

  /// Whether a rule fires: in both of its windows errors came faster than its factor. Windows
  /// without data never fire.
  public static func fires(
    _ rule: Rule, long: Window, short: Window, objective: Double
  ) -> Bool {
    guard let long = rate(long, objective: objective), let short = rate(short, objective: objective)
    else { return false }
    return long >= rule.factor && short >= rule.factor
  }
}
