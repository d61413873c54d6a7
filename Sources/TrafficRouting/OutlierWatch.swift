/// Follows the answers of one instance, and says when it should be left alone for a while.
///
/// An instance that fails at once has few requests in flight, so that a router which goes by load alone
/// would send it more and more. Whoever uses this must still send to an ejected instance when no other
/// is left: the last one is never ejected.
public struct OutlierWatch: Hashable, Sendable {
  /// Spans in the unit of the clock that ``noteFailure(now:)`` is given.
  public struct Settings: Hashable, Sendable {
    /// Failures in a row until the instance is ejected; 0: never.
    public var failures: Int
    /// How long the first time; each time after that for one more of these.
    public var span: UInt64
    public var longest: UInt64

    public init(failures: Int, span: UInt64, longest: UInt64) {
      self.failures = failures
      self.span = span
      self.longest = longest
    }
  }

  private let settings: Settings
  private var failures = 0
  private var times: UInt64 = 0
  /// When the last ejection is forgotten.
  private var forgottenAt: UInt64 = 0

  public init(_ settings: Settings) { self.settings = settings }

  public mutating func noteSuccess() { failures = 0 }

  /// - Returns: until when the instance is ejected, if this failure was one too many.
  public mutating func noteFailure(now: UInt64) -> UInt64? {
    failures += 1
    guard settings.failures > 0, failures >= settings.failures else { return nil }
    failures = 0
    times = now < forgottenAt ? times + 1 : 1
    let span = min(
      settings.span.multipliedReportingOverflow(by: times).partialValue, settings.longest)
    forgottenAt = now + 2 * span
    return now + span
  }

  /// Whether an answer with this status counts as a failure: the server's fault, and not one that says
  /// what it cannot do at all.
  public static func isFailure(status: Int) -> Bool {
    status >= 500 && status != 501 && status != 505
  }
}
