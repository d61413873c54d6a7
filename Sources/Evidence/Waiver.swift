public import SegueModel

/// Leave to deploy in spite of one finding, for a time.
public struct Waiver: Hashable, Sendable {
  public enum Standing: Hashable, Sendable {
    case holds
    /// Holds, and is to be looked at: it ends within ``Waiver/warning``.
    case endsSoon(in: Milliseconds)
    /// Blocks again.
    case expired
  }

  /// How long before its end a waiver begins to warn: a week.
  public static let warning = Milliseconds(7 * 24 * 3_600_000)

  /// The vulnerability or the rule that it is about.
  public var id: String
  public var reason: String
  public var owner: String
  /// From this moment on it does not hold.
  public var expires: Instant

  public init(id: String, reason: String, owner: String, expires: Instant) {
    self.id = id
    self.reason = reason
    self.owner = owner
    self.expires = expires
  }

  public func standing(at now: Instant) -> Standing {
    let left = expires - now
    if left <= .zero { return .expired }
    return left <= Self.warning ? .endsSoon(in: left) : .holds
  }
}
