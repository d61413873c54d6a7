internal import COpenSSL

/// The keys under which sessions are handed to clients as tickets (RFC 5077, RFC 8446 section 4.6.1).
///
/// Servers with the same keys resume each other's sessions, so an upgraded proxy takes them over as
/// ``serialized`` octets. Whoever has them can read recorded TLS 1.2 connections that were resumed:
/// keep them out of logs and files that others read, and call ``rotated()`` daily.
public struct TicketKeys: Hashable, Sendable, CustomStringConvertible {
  static let keySize = Int(SEGUE_TICKET_KEY_SIZE)

  /// The current key, and behind it, after a rotation, the previous one.
  let octets: [UInt8]

  /// A new random key.
  ///
  /// - Throws: `TLSFault` of kind `resources` if the system gives no random octets.
  public init() throws(TLSFault) {
    octets = try Self.randomKey()
  }

  /// Keys that ``serialized`` gave; nil for anything else.
  public init?(serialized: [UInt8]) {
    guard serialized.count == Self.keySize || serialized.count == 2 * Self.keySize else {
      return nil
    }
    octets = serialized
  }

  private init(octets: [UInt8]) { self.octets = octets }

  /// One key or two, of 80 octets each.
  public var serialized: [UInt8] { octets }

  /// Keys of which the current one is new. Tickets under the one before it are still accepted,
  /// older ones are not.
  public func rotated() throws(TLSFault) -> TicketKeys {
    TicketKeys(octets: try Self.randomKey() + octets.prefix(Self.keySize))
  }

  /// Shows nothing of the keys.
  public var description: String { "TicketKeys(\(octets.count / Self.keySize))" }

  private static func randomKey() throws(TLSFault) -> [UInt8] {
    var key = [UInt8](repeating: 0, count: keySize)
    guard RAND_priv_bytes(&key, Int32(keySize)) == 1 else {
      throw TLSFault(.resources, "no random octets for a ticket key")
    }
    return key
  }
}
