/// How an attempt to get an answer from an instance ended without one.
public enum AttemptFailure: Hashable, Sendable {
  /// No connection: nothing was sent, so nothing can have happened.
  case notConnected
  /// The connection ended before the first octet of a response.
  case closedBeforeResponse(reusedConnection: Bool)
  /// Octets of a response had come.
  case closedDuringResponse
  /// The instance sent something that is not HTTP.
  case notUnderstood
  /// The deadline for the response head passed.
  case timedOut
}

/// What a router may do with a request after a failed attempt.
public enum RetryDecision: Hashable, Sendable {
  /// On an instance that this request has not failed on.
  case onAnotherInstance
  /// On a new connection, to any instance.
  case onFreshConnection
  case giveUp
}

public enum RetryPolicy {
  /// Attempts in which something was sent: the first and two more.
  public static let sentAttempts = 3

  /// Whether a request may be sent again (RFC 9110 section 9.2.2): always when nothing was sent; only
  /// an idempotent one, whose body is still at hand, once something was.
  ///
  /// - Parameters:
  ///   - wroteSomething: octets of this attempt may have reached the instance.
  ///   - sent: attempts so far in which something was sent.
  public static func decide(
    after failure: AttemptFailure, method: RequestMethod, bodyIsReplayable: Bool,
    wroteSomething: Bool, sent: Int
  ) -> RetryDecision {
    switch failure {
    case .notConnected: return .onAnotherInstance
    case .closedDuringResponse, .notUnderstood, .timedOut: return .giveUp
    case .closedBeforeResponse(let reused):
      let mayRepeat = !wroteSomething || (method.isIdempotent && bodyIsReplayable)
      guard mayRepeat, sent < sentAttempts else { return .giveUp }
      return reused ? .onFreshConnection : .onAnotherInstance
    }
  }
}
