internal import Crypto
internal import Foundation
public import Ports

/// A signed text (DSSE, https://github.com/secure-systems-lab/dsse, protocol and envelope version 1).
///
/// The signature covers the type and the length of the text, so that neither can be changed; it does
/// not cover how the envelope is written. That is why an envelope that is not written canonically is
/// refused: there is exactly one file for each statement, and no byte of it can be changed.
public struct Envelope: Hashable, Codable, Sendable {
  public struct Signature: Hashable, Codable, Sendable {
    /// Of the key; see ``VerificationKey/id``.
    public var keyid: String
    /// In Base64.
    public var sig: String
  }

  public var payloadType: String
  /// In Base64.
  public var payload: String
  public var signatures: [Signature]

  /// What in-toto calls its statements.
  public static let statementType = "application/vnd.in-toto+json"
  /// No envelope of ours is larger, in bytes.
  public static let sizeLimit = 4 << 20

  /// Signs a text.
  ///
  /// - Throws: fault `segue` when the key cannot sign, which would be a defect.
  public static func sign(
    _ payload: [UInt8], type: String = statementType, with key: SigningKey
  ) throws(PortError) -> Envelope {
    let signature = try key.signature(of: preAuthenticated(type: type, payload))
    return Envelope(
      payloadType: type, payload: Data(payload).base64EncodedString(),
      signatures: [
        Signature(keyid: key.publicKey.id, sig: Data(signature).base64EncodedString())
      ])
  }

  /// The bytes of the envelope, in canonical JSON.
  public func bytes() throws(PortError) -> [UInt8] { try CanonicalJSON.encode(self) }

  /// Checks an envelope, and gives what it holds.
  ///
  /// - Throws: ``ProvenanceFailure``. Only what comes back here may be believed.
  public static func verified(
    _ bytes: [UInt8], by keys: [VerificationKey]
  ) throws(ProvenanceFailure) -> [UInt8] {
    guard bytes.count <= sizeLimit else { throw .malformed("it is larger than 4 MiB") }
    let envelope: Envelope
    do throws(PortError) {
      envelope = try CanonicalJSON.decode(Envelope.self, from: bytes)
      guard try envelope.bytes() == bytes else {
        throw PortError("it is not written canonically", fault: .user, retry: .never)
      }
    } catch {
      throw .malformed(error.causes.first ?? error.what)
    }
    guard envelope.payloadType == statementType else {
      throw .malformed("its type is \(envelope.payloadType.prefix(80))")
    }
    guard let payload = Data(base64Encoded: envelope.payload),
      payload.base64EncodedString() == envelope.payload
    else { throw .malformed("its text is not Base64") }
    let signed = preAuthenticated(type: envelope.payloadType, Array(payload))
    guard !envelope.signatures.isEmpty else { throw .unsigned }
    for signature in envelope.signatures {
      guard let key = keys.first(where: { $0.id == signature.keyid }) else {
        throw .unknownKey(String(signature.keyid.prefix(80)))
      }
      guard let data = Data(base64Encoded: signature.sig),
        data.base64EncodedString() == signature.sig, key.accepts(Array(data), for: signed)
      else { throw .wrongSignature(key: key.id) }
    }
    return Array(payload)
  }

  /// What is signed: `PAE` of the protocol.
  static func preAuthenticated(type: String, _ payload: [UInt8]) -> [UInt8] {
    Array("DSSEv1 \(type.utf8.count) \(type) \(payload.count) ".utf8) + payload
  }
}

/// Why a release's papers are not believed.
public enum ProvenanceFailure: Error, Hashable, Sendable, CustomStringConvertible {
  case missing
  case malformed(String)
  case unsigned
  case unknownKey(String)
  case wrongSignature(key: String)
  /// It is about something else.
  case mismatch(what: String, expected: String, found: String)

  /// A sentence, with what to do.
  public var description: String {
    switch self {
    case .missing:
      "the release has no provenance. Build its commit again"
    case .malformed(let how):
      "the provenance of the release is no signed statement: \(how). Build its commit again"
    case .unsigned: "the provenance of the release is not signed. Build its commit again"
    case .unknownKey(let id):
      "the provenance of the release is signed with the key \(id), which is not trusted here. "
        + "Trust that key if you know it, or build the commit again"
    case .wrongSignature(let key):
      "the provenance of the release was changed after it was signed with the key \(key). "
        + "Find out who can write to the state directory, and build the commit again"
    case .mismatch(let what, let expected, let found):
      "the provenance is of another release: its \(what) is \(found), not \(expected). "
        + "Find out who can write to the state directory, and build the commit again"
    }
  }
}
