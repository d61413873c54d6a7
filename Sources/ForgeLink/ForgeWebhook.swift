import Crypto
import Foundation
public import Ports
public import SegueModel
import WebhookSigning

/// Checks and reads what a forge's webhook sends: pure functions of the request and the time.
///
/// The signature is checked over the octets as they came, in constant time, before anything of them is
/// parsed:
/// - GitHub: `X-Hub-Signature-256`, HMAC-SHA256 of the body.
/// - Gitea and Forgejo: `X-Forgejo-Signature` or `X-Gitea-Signature`, the same in bare hexadecimal.
/// - GitLab: `webhook-signature` with a signing token (`whsec_...`), which covers id and time as well;
///   or the secret itself in `X-Gitlab-Token`, which proves nothing about the body and wants TLS.
public struct ForgeWebhook: Sendable {
  /// Octets of a body; forges send at most 25 MB, and 100 times less as a rule.
  public static let bodyLimit = 26_214_400

  public let forge: ForgeKind
  private let secrets: [Secret]

  /// - Parameter secrets: the current one first; an old one may follow while they are changed.
  /// - Throws: status 500, when there is no secret, or one shorter than 16 octets.
  public init(forge: ForgeKind, secrets: [Secret]) throws(WebhookRefusal) {
    guard !secrets.isEmpty, secrets.allSatisfy({ $0.reveal().utf8.count >= 16 }) else {
      throw WebhookRefusal(
        500,
        "a webhook needs a secret of at least 16 characters; make one with: "
          + "openssl rand -hex 32")
    }
    self.forge = forge
    self.secrets = secrets
  }

  /// What the request says.
  ///
  /// - Parameter headers: in any order and case; of one that comes twice the first counts.
  public func read(
    headers: [(name: String, value: String)], body: [UInt8], at now: Instant
  ) throws(WebhookRefusal) -> ForgeDelivery {
    guard body.count <= Self.bodyLimit else {
      throw WebhookRefusal(413, "the body is larger than \(Self.bodyLimit) octets")
    }
    let fields = Dictionary(
      headers.map { ($0.name.lowercased(), $0.value) }, uniquingKeysWith: { first, _ in first })
    let marks = try verify(fields, body, now)
    let type = fields["content-type"]?.lowercased() ?? ""
    guard type.hasPrefix("application/json") else {
      throw WebhookRefusal(
        415, "the body is not JSON; set the webhook's content type to application/json")
    }
    return ForgeDelivery(marks: marks, event: try event(fields, body))
  }

  // MARK: Signatures

  private func verify(
    _ fields: [String: String], _ body: [UInt8], _ now: Instant
  ) throws(WebhookRefusal) -> [String] {
    let bodyMark = "body " + Self.hex(SHA256.hash(data: body))
    switch forge {
    case .gitHub:
      let value = try given(fields, "x-hub-signature-256")
      guard value.hasPrefix("sha256="), isSigned(body, String(value.dropFirst(7))) else {
        throw Self.wrong
      }
      return [bodyMark] + mark(fields["x-github-delivery"])
    case .gitea:
      let value = try given(fields, "x-forgejo-signature", "x-gitea-signature")
      guard isSigned(body, value) else { throw Self.wrong }
      return [bodyMark] + mark(fields["x-forgejo-delivery"] ?? fields["x-gitea-delivery"])
    case .gitLab:
      if let signature = fields["webhook-signature"] {
        let id = fields["webhook-id"] ?? ""
        let keys = secrets.filter { $0.reveal().hasPrefix("whsec_") }
        let isValid =
          (try? WebhookSignature(keys))?.verify(
            id: id, timestamp: fields["webhook-timestamp"] ?? "", signature: signature, body: body,
            now: now) ?? false
        guard isValid else { throw Self.wrong }
        return mark(id)
      }
      let value = try given(fields, "x-gitlab-token")
      // Of digests, so that the time taken tells nothing, not even a length.
      let digest = SHA256.hash(data: Array(value.utf8))
      guard secrets.contains(where: { SHA256.hash(data: Array($0.reveal().utf8)) == digest })
      else { throw Self.wrong }
      return [bodyMark] + mark(fields["idempotency-key"] ?? fields["x-gitlab-event-uuid"])
    }
  }

  private static let wrong = WebhookRefusal(
    401, "the signature is not that of this webhook's secret; give the forge and Segue the same one"
  )

  private func given(
    _ fields: [String: String], _ names: String...
  ) throws(WebhookRefusal) -> String {
    for name in names { if let value = fields[name] { return value } }
    throw WebhookRefusal(
      401, "there is no \(names.last ?? "signature") header; set a secret for the webhook")
  }

  private func isSigned(_ body: [UInt8], _ text: String) -> Bool {
    guard let code = Self.octets(text) else { return false }
    return secrets.contains {
      HMAC<SHA256>.isValidAuthenticationCode(
        code, authenticating: body, using: SymmetricKey(data: Array($0.reveal().utf8)))
    }
  }

  private func mark(_ id: String?) -> [String] {
    guard let id, (1...128).contains(id.utf8.count) else { return [] }
    return ["id " + id]
  }

  private static func octets(_ text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count == 64 else { return nil }
    var octets: [UInt8] = []
    for index in stride(from: 0, to: 64, by: 2) {
      guard let octet = UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16)
      else { return nil }
      octets.append(octet)
    }
    return octets
  }

  private static func hex(_ octets: some Sequence<UInt8>) -> String {
    octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
