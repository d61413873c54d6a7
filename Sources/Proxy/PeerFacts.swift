import NIOCore
import TrafficRouting

/// What a connection knows of its client, once for all its requests.
struct PeerFacts {
  /// The literal address, as the access log writes it.
  let octets: [UInt8]
  /// A proxy before this one, whose word about a request is believed.
  let isTrusted: Bool
  /// Inside TLS.
  let isSecure: Bool
  let unit: StickyUnit
  /// The lines that tell an instance.
  let forwarded: ByteBuffer

  init(address: String, isSecure: Bool, trusted: TrustedPeers) {
    octets = Array(address.utf8)
    isTrusted =
      !trusted.isEmpty
      && (IPAddress.octets(address).map { trusted.contains($0.span) } ?? false)
    self.isSecure = isSecure
    unit = StickyUnit(address)
    forwarded = ByteBuffer(
      string: "X-Forwarded-For: \(address)\r\n"
        + "X-Forwarded-Proto: \(isSecure ? "https" : "http")\r\n")
  }
}
