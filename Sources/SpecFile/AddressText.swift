import Glibc
import SegueModel

/// An address to take requests at: `8080`, `0.0.0.0:8080`, `[::1]:8080`.
enum AddressText {
  /// Whether the host is a literal address is for the reader to say: no pattern holds all of IPv6.
  static let pattern = "^([0-9.]{7,15}:|\\[[0-9A-Fa-f:.]{2,45}\\]:)?[1-9][0-9]{0,4}$"

  static func parse(_ text: String) throws(Misreading) -> SharedAddress {
    let colon = text.lastIndex(of: ":")
    let digits = colon.map { text[text.index(after: $0)...] } ?? text[...]
    guard digits.utf8.count <= 5, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let port = Int(digits), (1...65_535).contains(port)
    else {
      throw Misreading(
        message: "\(Printable.quoted(text)) is not a port, nor an address with one",
        hint: "write `8080`, `0.0.0.0:8080` or `\"[::]:8080\"`")
    }
    guard let colon else { return SharedAddress(port: port) }
    let host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      let inner = String(host.dropFirst().dropLast())
      var octets = in6_addr()
      if inet_pton(AF_INET6, inner, &octets) == 1 { return SharedAddress(host: inner, port: port) }
    } else {
      var octets = in_addr()
      if inet_pton(AF_INET, String(host), &octets) == 1 {
        return SharedAddress(host: String(host), port: port)
      }
    }
    throw Misreading(
      message: "\(Printable.quoted(String(host))) is not a literal address",
      hint: "write `127.0.0.1:\(port)` for this machine alone, or `0.0.0.0:\(port)` for everybody")
  }
}
