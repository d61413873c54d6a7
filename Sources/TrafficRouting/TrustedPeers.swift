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
    guard parts.count <= 2, let octets = isSix ? six(parts[0]) : four(parts[0]).map({ mapped + $0 })
    else { throw NetworkFault(description: "\(Excerpt.quoted(text.utf8)) is no network") }
    let width = isSix ? 128 : 32
    var bits = width
    if parts.count == 2 {
      guard let number = decimal(parts[1], limit: width) else {
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

  /// No sign and no zeros in front, which some read as octal.
  private static func decimal(_ text: Substring, limit: Int) -> Int? {
    guard (1...3).contains(text.utf8.count), text.utf8.allSatisfy(\.isDigit),
      text == "0" || !text.hasPrefix("0"), let number = Int(text), number <= limit
    else { return nil }
    return number
  }

  private static func four(_ text: Substring) -> [UInt8]? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    let octets = parts.compactMap { decimal($0, limit: 255).map { UInt8($0) } }
    return octets.count == 4 ? octets : nil
  }

  /// RFC 4291 section 2.2: groups, `::` once for at least one group of zeros, and perhaps IPv4 at the
  /// end.
  private static func six(_ text: Substring) -> [UInt8]? {
    guard let gap = text.firstRange(of: "::") else {
      let octets = groups(text)
      return octets?.count == 16 ? octets : nil
    }
    let head = text[..<gap.lowerBound]
    let tail = text[gap.upperBound...]
    guard !head.contains("."), let front = head.isEmpty ? [] : groups(head),
      let back = tail.isEmpty ? [] : groups(tail), front.count + back.count <= 14
    else { return nil }
    return front + [UInt8](repeating: 0, count: 16 - front.count - back.count) + back
  }

  private static func groups(_ text: Substring) -> [UInt8]? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 8 else { return nil }
    var octets: [UInt8] = []
    for (index, part) in parts.enumerated() {
      if index == parts.count - 1, part.contains(".") {
        guard let last = four(part) else { return nil }
        octets += last
        continue
      }
      guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy({ $0.hexadecimalValue != nil }),
        let group = UInt16(part, radix: 16)
      else { return nil }
      octets += [UInt8(group >> 8), UInt8(group & 0xFF)]
    }
    return octets
  }
}
