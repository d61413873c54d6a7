import Crypto
import Foundation

/// The key that stands for us at an authority, and what is signed with it.
struct AccountKey: Sendable {
  private let key: P256.Signing.PrivateKey

  init() { key = P256.Signing.PrivateKey() }

  /// nil for what is no key on the curve P-256 in PEM.
  init?(pem: String) {
    guard let key = try? P256.Signing.PrivateKey(pemRepresentation: pem) else { return nil }
    self.key = key
  }

  var pem: String { key.pemRepresentation }

  /// The public half as a JSON Web Key (RFC 7518 section 6.2), its members in the order of their names
  /// and without blanks, so that its digest is the thumbprint.
  var publicKey: String {
    let point = key.publicKey.rawRepresentation
    let x = Base64URL.encode(point.prefix(32))
    let y = Base64URL.encode(point.suffix(32))
    return #"{"crv":"P-256","kty":"EC","x":"\#(x)","y":"\#(y)"}"#
  }

  /// RFC 7638.
  var thumbprint: String { Base64URL.encode(SHA256.hash(data: Data(publicKey.utf8))) }

  /// What proves that an answer is ours (RFC 8555 section 8.1).
  func authorization(token: String) -> String { "\(token).\(thumbprint)" }

  /// Who signs: a new account shows its key, one that is known its address (RFC 8555 section 6.2).
  enum Signer: Sendable {
    case key
    case account(String)
  }

  /// A request, signed as ES256 in the flattened form (RFC 7515 section 7.2.2).
  ///
  /// - Parameter payload: `nil` reads what is at the address (RFC 8555 section 6.3).
  func sign(
    _ payload: Data?, to url: String, nonce: String, as signer: Signer
  ) throws -> [UInt8] {
    var header = ["alg": "ES256", "nonce": nonce, "url": url]
    if case .account(let address) = signer { header["kid"] = address }
    let withKey: Bool
    if case .key = signer { withKey = true } else { withKey = false }
    let protected = Base64URL.encode(
      try JSON.encode(header, raw: withKey ? ("jwk", publicKey) : nil))
    let content = payload.map { Base64URL.encode($0) } ?? ""
    let signature = try key.signature(for: Data("\(protected).\(content)".utf8))
    return Self.flattened(protected, content, Array(signature.rawRepresentation))
  }

  /// Our public key, signed with the key of an account elsewhere (RFC 8555 section 7.3.4), as JSON;
  /// nil if that key is not base64url.
  func binding(to external: ExternalAccount, url: String) throws -> String? {
    guard let secret = Base64URL.decode(external.key), !secret.isEmpty else { return nil }
    let header = ["alg": "HS256", "kid": external.keyID, "url": url]
    let protected = Base64URL.encode(try JSON.encode(header))
    let content = Base64URL.encode(publicKey.utf8)
    let code = HMAC<SHA256>.authenticationCode(
      for: Data("\(protected).\(content)".utf8), using: SymmetricKey(data: secret))
    return String(decoding: Self.flattened(protected, content, Array(code)), as: UTF8.self)
  }

  private static func flattened(
    _ protected: String, _ payload: String, _ signature: [UInt8]
  ) -> [UInt8] {
    let value = Base64URL.encode(signature)
    return Array(
      #"{"payload":"\#(payload)","protected":"\#(protected)","signature":"\#(value)"}"#.utf8)
  }
}

/// JSON as signatures need it.
enum JSON {
  /// An object in the order of its names.
  ///
  /// - Parameter raw: a member of which the value is JSON already.
  static func encode(_ members: [String: String], raw: (name: String, value: String)? = nil) throws
    -> Data
  {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let data = try encoder.encode(members)
    guard let raw else { return data }
    let name = String(decoding: try encoder.encode(raw.name), as: UTF8.self)
    return Data("{\(name):\(raw.value),".utf8) + data.dropFirst()
  }
}
