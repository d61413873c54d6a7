public import Ports
import SegueModel

/// The hosts of one certificate.
public struct HostGroup: Hashable, Sendable, CustomStringConvertible {
  /// In lower case, the primary one first; its name is the certificate's.
  public let hosts: [String]

  /// As many as an authority puts into one certificate.
  static let hostLimit = 100
  /// What has another meaning in the folder of certificates.
  static let reserved: Set = ["account"]

  /// - Parameter hosts: DNS names, at least one; the first one is the primary one.
  /// - Throws: `PortError` if one of them is no name that a certificate is issued for by HTTP-01 or
  ///   TLS-ALPN-01: an address, a wildcard, or not a name at all.
  public init(_ hosts: [String]) throws(PortError) {
    guard !hosts.isEmpty, hosts.count <= Self.hostLimit else {
      throw PortError(
        "A certificate is for 1 to \(Self.hostLimit) hosts, not for \(hosts.count)", fault: .user,
        retry: .never)
    }
    var names: [String] = []
    for host in hosts.map({ $0.lowercased() }) where !names.contains(host) {
      if let problem = Self.problem(host) {
        throw PortError(
          "No certificate can be had for the host '\(host)'", fault: .user, retry: .never,
          causes: [problem],
          nextStep: "Name a host by its DNS name, or give a certificate of your own")
      }
      names.append(host)
    }
    self.hosts = names
  }

  /// Names the certificate and its files.
  public var primary: String { hosts[0] }

  public var description: String { hosts.joined(separator: ", ") }

  private static func problem(_ host: String) -> String? {
    if host.hasPrefix("*.") {
      return "A wildcard is only validated by DNS records, which Segue does not change"
    }
    guard !host.isEmpty, host.utf8.count <= 253 else { return "A name has 1 to 253 characters" }
    if reserved.contains(host) { return "Segue's own files have that name" }
    let labels = host.split(separator: ".", omittingEmptySubsequences: false)
    guard labels.allSatisfy(isLabel) else {
      return "It is no DNS name: letters, digits and hyphens, separated by points"
    }
    // A last label of digits makes an address of it (RFC 3696 section 2).
    guard labels.last?.contains(where: { !$0.isNumber }) ?? false else {
      return "It is an address, and certificates are issued for names"
    }
    return nil
  }

  /// RFC 1123 section 2.1, and underscores, which exist.
  private static func isLabel(_ label: Substring) -> Bool {
    (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
      && label.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
          UInt8(ascii: "-"), UInt8(ascii: "_"):
          true
        default: false
        }
      }
  }
}
