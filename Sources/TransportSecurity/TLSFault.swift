internal import COpenSSL

/// Why a connection cannot go on. Nothing more may be received or sent on it; what is left in its
/// output (an alert, as a rule) should still be written before it is closed.
public struct TLSFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// Whose fault it is.
  public enum Kind: Hashable, Sendable {
    /// The client speaks HTTP without TLS: it has the wrong port or the wrong scheme.
    case plaintextHTTP
    /// The client sent more than ``TLSConnection/handshakeLimit`` before the handshake was over.
    case handshakeTooLong
    /// The client broke the protocol, gave up, or has nothing in common with this server.
    case peer
    /// The caller used a connection that is not established, or is over.
    case misuse
    /// Out of memory, or OpenSSL could not be set up.
    case resources
  }

  public let kind: Kind
  /// A phrase for a log; for ``Kind/peer`` it is OpenSSL's.
  public let reason: String

  public var description: String { "TLS: \(reason)" }

  init(_ kind: Kind, _ reason: String) {
    self.kind = kind
    self.reason = reason
  }

  /// The first error in OpenSSL's queue, which is emptied.
  static func first(_ fallback: Kind = .peer) -> TLSFault {
    let code = ERR_peek_error()
    defer { ERR_clear_error() }
    guard code != 0 else { return TLSFault(fallback, "the connection broke off") }
    let reason = ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
    let number = Int32(truncatingIfNeeded: code & 0x7F_FFFF)
    return TLSFault(number == SSL_R_HTTP_REQUEST ? .plaintextHTTP : fallback, reason)
  }
}
