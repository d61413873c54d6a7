/// Why a network of trusted peers was not understood: one sentence without a final period.
public struct NetworkFault: Error, Hashable, Sendable, CustomStringConvertible {
  public var description: String
}

/// The networks whose word about a request is believed, such as those of a load balancer.
public struct TrustedPeers: Hashable, Sendable {
  /// Sixteen octets, IPv4 as `::ffff:0:0/96` (RFC 4291 section 2.5.5.2), and the prefix's bits.
  private struct Network: Hashable, Sendable {
    var octets: [UInt8]
    var bits: Int
  }

  /// Nobody.
  public static let none = TrustedPeers([])
  public static let limit = 256
  private let networks: [Network]

  private init(_ networks: [Network]) { self.networks = networks }

  /// - Parameter list: `10.0.0.0/8`, `::1/128`; an address alone is a network of one.
  public init(parsing list: [String]) throws(NetworkFault) {
    guard list.count <= Self.limit else {
      throw NetworkFault(description: "more than \(Self.limit) networks")
    }
    var networks: [Network] = []
    for text in list { networks.append(try Self.parse(text)) }
    self.init(networks)
  }

  public var isEmpty: Bool { networks.isEmpty }

  /// - Parameter address: 4 or 16 octets in network order. An IPv4 address that came mapped into
  ///   IPv6, as it does to a socket for both, is the IPv4 address.
  public func contains(_ address: Span<UInt8>) -> Bool {
    guard address.count == 4 || address.count == 16 else { return false }
    for network in networks where Self.matches(network, address) { return true }
    return false
  }

  private static func matches(_ network: Network, _ address: Span<UInt8>) -> Bool {
    var remaining = network.bits
    let shift = 16 - address.count
    for index in 0..<16 {
      guard remaining > 0 else { return true }
      let octet =
        index >= shift ? address[index - shift] : mapped[index]
      let mask: UInt8 = remaining >= 8 ? 0xFF : ~(0xFF >> UInt8(remaining))
      guard (octet ^ network.octets[index]) & mask == 0 else { return false }
      remaining -= 8
    }
    return true
  }

  private static let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]

  private static func parse(_ text: String) throws(NetworkFault) -> Network {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    let isSix = text.utf8.contains(.colon)
    guard parts.count <= 2,
      let octets = isSix ? IPAddress.six(parts[0]) : IPAddress.four(parts[0]).map({ mapped + $0 })
    else { throw NetworkFault(description: "\(Excerpt.quoted(text.utf8)) is no network") }
    let width = isSix ? 128 : 32
    var bits = width
    if parts.count == 2 {
      guard let number = IPAddress.decimal(parts[1], limit: width) else {
        throw NetworkFault(
          description: "\(Excerpt.quoted(text.utf8)) has no prefix length from 0 to \(width)")
      }
      bits = number
    }
    bits += 128 - width
    for bit in bits..<128 where octets[bit / 8] & (0x80 >> UInt8(bit % 8)) != 0 {
      throw NetworkFault(
        description: "\(Excerpt.quoted(text.utf8)) says more of the address than its prefix covers")
    }
    return Network(octets: octets, bits: bits)
  }
}
