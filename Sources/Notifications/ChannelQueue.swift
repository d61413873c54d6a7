public import Ports
public import SegueModel

/// When a channel sends what: one message at a time, in order, with back-off, and several notices in
/// one message where one each would be a flood.
///
/// A machine without a clock: every call is told the time. The time may jump; a jump back makes no
/// wait longer than it was to be.
public struct ChannelQueue: Sendable {
  /// What bounds a channel.
  public struct Limits: Hashable, Sendable {
    /// Notices in memory; the store keeps the others.
    public var capacity = 500
    /// As soon as more are waiting, they are joined.
    public var single = 3
    /// Messages within a minute. After them the channel rests until the first is a minute old, and
    /// what has come in meanwhile is joined.
    public var perMinute = 10
    /// Notices in one message.
    public var digest = 50
    /// How old a notice may get before it is given up.
    public var giveUp = Milliseconds.minutes(24 * 60)
    /// The first wait after a failure; every further one is twice as long.
    public var firstWait = Milliseconds.seconds(2)
    public var longestWait = Milliseconds.minutes(10)
    /// The longest wait that a receiver can ask for.
    public var longestAsked = Milliseconds.minutes(60)

    public init() {}
  }

  /// What to do now.
  public enum Step: Hashable, Sendable {
    /// Send it, then call ``ChannelQueue/sent(at:)`` or ``ChannelQueue/failed(_:at:jitter:)``.
    case send(ChannelMessage)
    /// Record these as given up: they are no longer in the queue.
    case giveUp([Int64], reason: String)
    /// Nothing to do for that long, unless something is offered.
    case wait(Milliseconds)
    /// Nothing to do until something is offered.
    case rest
  }

  private enum Attempt: Hashable {
    case none
    /// Before the first attempt, and after each failed one, of a message that no longer changes.
    case due(ChannelMessage, failures: Int, since: Instant, wait: Milliseconds, reason: String)
    case sending(ChannelMessage, failures: Int)
  }

  private let limits: Limits
  private var waiting: [PendingNotice] = []
  private var attempt = Attempt.none
  /// When the messages of the last minute were sent; at most ``Limits/perMinute``.
  private var recent: [Instant] = []
  private var closed: String?
  /// The greatest sequence that was ever offered.
  public private(set) var lastOffered: Int64 = 0

  public init(limits: Limits = Limits()) { self.limits = limits }

  /// How many more notices can be offered.
  public var room: Int { max(0, limits.capacity - waiting.count) }

  /// Takes what is new, in order; returns how many of them. What was offered before is left out, and
  /// so is what there is no room for: offer it again later.
  @discardableResult
  public mutating func offer(_ notices: [PendingNotice]) -> Int {
    let new = notices.filter { $0.sequence > lastOffered }.prefix(room)
    waiting += new
    lastOffered = new.last?.sequence ?? lastOffered
    return new.count
  }

  /// What to do at `now`.
  public mutating func next(at now: Instant) -> Step {
    if let closed { return abandon(closed) }
    switch attempt {
    case .sending: return .rest
    case .due(let message, let failures, let since, let wait, let reason):
      let expired = message.notices.prefix { now - $0.notice.at >= limits.giveUp }
      if !expired.isEmpty {
        let rest = Array(message.notices.dropFirst(expired.count))
        attempt =
          rest.isEmpty
          ? .none
          : .due(
            ChannelMessage(rest), failures: failures, since: since, wait: wait, reason: reason)
        return .giveUp(
          expired.map(\.sequence), reason: "\(reason); given up after \(limits.giveUp)")
      }
      let passed = now - since
      if passed < .zero {
        // The clock was set back: the wait begins anew, and is no longer than it was.
        attempt = .due(message, failures: failures, since: now, wait: wait, reason: reason)
        return .wait(wait)
      }
      guard passed >= wait else { return .wait(wait - passed) }
      return begin(message, failures: failures, at: now)
    case .none: return fresh(at: now)
    }
  }

  /// The receiver has the message that was to be sent; returns what to record as delivered.
  public mutating func sent(at now: Instant) -> [Int64] {
    guard case .sending(let message, _) = attempt else { return [] }
    attempt = .none
    return message.sequences
  }

  /// The message that was to be sent did not arrive; returns what to record as given up.
  ///
  /// - Parameter jitter: anything from 0 to 1000, at random: it spreads the waits over the upper half
  ///   of their length, so that channels that failed together do not come back together.
  public mutating func failed(
    _ failure: DeliveryFailure, at now: Instant, jitter: Permille
  ) -> [Int64] {
    guard case .sending(let message, let failures) = attempt else { return [] }
    switch failure {
    case .tryAgain(let reason, let asked):
      let wait = max(
        backOff(after: failures + 1, jitter: jitter), min(asked ?? .zero, limits.longestAsked))
      attempt = .due(message, failures: failures + 1, since: now, wait: wait, reason: reason)
      return []
    case .refused:
      attempt = .none
      return message.sequences
    case .closed(let reason):
      attempt = .none
      closed = reason
      return message.sequences
    }
  }

  private func backOff(after failures: Int, jitter: Permille) -> Milliseconds {
    let doublings = min(max(failures - 1, 0), 32)
    let (full, overflow) = limits.firstWait.count.multipliedReportingOverflow(by: 1 << doublings)
    let capped = overflow ? limits.longestWait.count : min(full, limits.longestWait.count)
    return Milliseconds(capped / 2 + (capped - capped / 2) * Int64(jitter.value) / 1_000)
  }

  /// A message of what is waiting.
  private mutating func fresh(at now: Instant) -> Step {
    let expired = waiting.prefix { now - $0.notice.at >= limits.giveUp }
    if !expired.isEmpty {
      waiting.removeFirst(expired.count)
      return .giveUp(
        expired.map(\.sequence), reason: "older than \(limits.giveUp) when its turn came")
    }
    guard !waiting.isEmpty else { return .rest }
    let minute = Milliseconds.minutes(1)
    recent.removeAll { now - $0 >= minute || now < $0 }
    let rested = recent.count < limits.perMinute
    if !rested, let first = recent.first { return .wait(first + minute - now) }
    // The last message that the minute allows takes everything along: what would come after it
    // would have to wait.
    let joins = waiting.count > limits.single || (recent.count + 1 >= limits.perMinute)
    let message = ChannelMessage(Array(waiting.prefix(joins ? max(limits.digest, 1) : 1)))
    waiting.removeFirst(message.notices.count)
    return begin(message, failures: 0, at: now)
  }

  private mutating func begin(
    _ message: ChannelMessage, failures: Int, at now: Instant
  ) -> Step {
    attempt = .sending(message, failures: failures)
    if failures == 0 { recent.append(now) }
    return .send(message)
  }

  private mutating func abandon(_ reason: String) -> Step {
    guard !waiting.isEmpty else { return .rest }
    let sequences = waiting.map(\.sequence)
    waiting = []
    return .giveUp(sequences, reason: reason)
  }
}
