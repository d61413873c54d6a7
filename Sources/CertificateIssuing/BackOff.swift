public import Ports
public import SegueModel

/// How long a host's certificate is not asked for after it was asked for.
///
/// Authorities count failures of a host by the hour, and refuse for a while when there are many, so a
/// fault that nobody has put right yet must not use that up.
public struct BackOff: Hashable, Sendable {
  /// How often in a row it failed.
  public private(set) var failures = 0
  /// Before this it is not asked for.
  public private(set) var next: Instant?

  /// What is waited after the first failure, the second one, and so on; the last one holds for all
  /// that follow.
  static let steps: [Milliseconds] = [
    .minutes(1), .minutes(5), .minutes(20), .minutes(60), .minutes(180), .minutes(360),
  ]

  /// No certificate is replaced sooner than this after it was issued.
  static let shortestLife = Milliseconds.minutes(60)

  /// The longest wait that is left after a restart, which as a rule means that somebody was here. It
  /// is not zero, for a process that dies and is started again and again.
  static let longestResumed = Milliseconds.minutes(5)

  public init() {}

  /// Goes on where an earlier process was.
  ///
  /// - Parameter now: when this one began.
  public init(failures: Int, next: Instant, resumedAt now: Instant) {
    self.failures = max(failures, 0)
    self.next = min(next, now + Self.longestResumed)
  }

  /// - Parameter jitter: lengthens the wait by up to a tenth, so that hosts that failed together do
  ///   not come back together.
  public mutating func failed(_ retry: PortError.Retry, at now: Instant, jitter: Permille) {
    let (sum, overflow) = failures.addingReportingOverflow(1)
    failures = overflow ? failures : sum
    let step = Self.steps[min(failures, Self.steps.count) - 1]
    let wait: Milliseconds =
      switch retry {
      case .safe, .onlyIfNotSent: step
      // Nothing helps until somebody changes something, perhaps on the other side.
      case .never: Self.steps[Self.steps.count - 1]
      case .after(let span): max(step, span)
      }
    next = now + wait + Milliseconds(wait.count / 10 / 1_000 * Int64(jitter.value))
  }

  /// Even a certificate that is due again at once, as when this machine's clock is years ahead, is not
  /// asked for again at once.
  public mutating func succeeded(at now: Instant) {
    failures = 0
    next = now + Self.shortestLife
  }
}
