public import SegueModel

/// How long a certificate is valid.
public struct Validity: Hashable, Sendable {
  public var begin: Instant
  public var end: Instant

  public init(begin: Instant, end: Instant) {
    self.begin = begin
    self.end = end
  }
}

/// When a certificate is replaced.
///
/// At two thirds of its life, as authorities advise: what goes wrong then can be put right for a third
/// of it, be that thirty days or two. Certificates that were issued together are spread, so that they
/// do not all come due in one minute.
public enum RenewalSchedule {
  /// How much of the life the spread takes, at most, before two thirds of it.
  static let spread = 30

  /// - Parameter jitter: where in the spread this certificate stands. It must not change from one look
  ///   to the next, so it is derived from the certificate.
  public static func renewal(of validity: Validity, jitter: Permille) -> Instant {
    let life = max((validity.end - validity.begin).count, 0)
    let earlier = life / Int64(spread) / 1_000 * Int64(jitter.value)
    return validity.begin + Milliseconds(life / 3 * 2 - earlier)
  }

  /// A share that the same fingerprint always gives.
  ///
  /// - Parameter fingerprint: hexadecimal digits.
  public static func jitter(fingerprint: String) -> Permille {
    Permille(Int((UInt64(fingerprint.prefix(8), radix: 16) ?? 0) % 1_001))
  }
}
