import NIOCore
import TrafficRouting

/// What a connection knows of its client, once for all its requests.
struct PeerFacts {
  let address: String
  /// Inside TLS.
  let isSecure: Bool
  let unit: StickyUnit
  /// The lines that tell an instance.
  let forwarded: ByteBuffer

  init(address: String, isSecure: Bool) {
    self.address = address
    self.isSecure = isSecure
    unit = StickyUnit(address)
    forwarded = ByteBuffer(
      string: "X-Forwarded-For: \(address)\r\n"
        + "X-Forwarded-Proto: \(isSecure ? "https" : "http")\r\n")
  }
}
