import Crypto
import Foundation
public import Ports
public import SegueModel

/// What is wrong with a key for signing: what, and what to do, without the key.
public struct WebhookKeyFault: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}

/// The signature of a generic webhook, as the Standard Webhooks specification 1.0 has it, so that its
/// libraries can check it.
///
/// Three headers belong together: `webhook-id`, `webhook-timestamp` (seconds since 1970, of the
/// attempt) and `webhook-signature`: one or more, with blanks between, each `v1,` and the Base64 of
/// HMAC-SHA256 over `ID.TIMESTAMP.BODY`. A receiver
///
/// 1. computes it over the octets as they came, before it parses them,
/// 2. compares in constant time with each one given (there are two while a key is changed),
/// 3. refuses a timestamp that is more than five minutes away from its own clock,
/// 4. drops an id that it has had, and within a digest each notice whose id it has had.
public struct WebhookSignature: Sendable {
  /// How far a timestamp may be from the receiver's clock, either way.
  public static let tolerance = Milliseconds.minutes(5)

  private let keys: [SymmetricKey]

  /// - Parameter secrets: the current key first, and while keys are changed the old one after it. Each
  ///   is `whsec_` and the Base64 of 24 to 64 octets.
  public init(_ secrets: [Secret]) throws(WebhookKeyFault) {
    var keys: [SymmetricKey] = []
    for secret in secrets {
      let text = secret.reveal()
      guard text.hasPrefix("whsec_"), let octets = Data(base64Encoded: String(text.dropFirst(6))),
        (24...64).contains(octets.count)
      else {
        throw WebhookKeyFault(
          "a key for signing is not 'whsec_' and the Base64 of 24 to 64 octets; make one with: "
            + "echo whsec_$(openssl rand -base64 32)")
      }
      keys.append(SymmetricKey(data: octets))
    }
    guard !keys.isEmpty, keys.count <= 4 else {
      throw WebhookKeyFault("a signed webhook needs one to four keys")
    }
    self.keys = keys
  }

  /// The value of `webhook-signature`.
  public func sign(id: String, at instant: Instant, body: [UInt8]) -> String {
    keys.map { key in
      let code = HMAC<SHA256>.authenticationCode(
        for: Self.signed(id, "\(Self.seconds(instant))", body), using: key)
      return "v1," + Data(code).base64EncodedString()
    }.joined(separator: " ")
  }

  /// Whether a request is from somebody who has a key, and was signed a short time ago.
  public func verify(
    id: String, timestamp: String, signature: String, body: [UInt8], now: Instant
  ) -> Bool {
    guard let seconds = Int64(timestamp), (0...253_402_300_799).contains(seconds),
      abs(seconds - Self.seconds(now)) <= Self.tolerance.count / 1_000
    else { return false }
    return signature.split(separator: " ").prefix(8).contains { part in
      guard part.hasPrefix("v1,"), let code = Data(base64Encoded: String(part.dropFirst(3)))
      else { return false }
      return keys.contains {
        HMAC<SHA256>.isValidAuthenticationCode(
          code, authenticating: Self.signed(id, timestamp, body), using: $0)
      }
    }
  }

  /// What stands in `webhook-timestamp`.
  public static func seconds(_ instant: Instant) -> Int64 { instant.milliseconds / 1_000 }

  private static func signed(_ id: String, _ timestamp: String, _ body: [UInt8]) -> [UInt8] {
    Array("\(id).\(timestamp).".utf8) + body
  }
}
