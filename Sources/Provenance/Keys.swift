internal import Crypto
internal import Foundation
internal import Glibc
public import Ports

/// A key that signatures are checked with (Ed25519, RFC 8032).
public struct VerificationKey: Hashable, Sendable {
  private let raw: [UInt8]

  /// - Parameter raw: 32 bytes; `nil` for what is no key.
  public init?(raw: [UInt8]) {
    guard (try? Curve25519.Signing.PublicKey(rawRepresentation: raw)) != nil else { return nil }
    self.raw = raw
  }

  /// SHA-256 of the key in its DER form, in hexadecimal.
  public var id: String { hexadecimal(SHA256.hash(data: der)) }

  /// The key as `openssl` and others read it.
  public var pem: String {
    """
    -----BEGIN PUBLIC KEY-----
    \(Data(der).base64EncodedString())
    -----END PUBLIC KEY-----

    """
  }

  /// SubjectPublicKeyInfo with the algorithm 1.3.101.112 (RFC 8410).
  private var der: [UInt8] {
    [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00] + raw
  }

  func accepts(_ signature: [UInt8], for message: [UInt8]) -> Bool {
    guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: raw) else { return false }
    return key.isValidSignature(signature, for: message)
  }
}

/// The key that Segue signs with. It lies in a file that only its owner may read, and is never shown.
public struct SigningKey: Sendable, CustomStringConvertible {
  private let seed: [UInt8]
  public let publicKey: VerificationKey

  public var description: String { "the signing key \(publicKey.id)" }

  /// The name of the file in the state directory.
  public static let fileName = "provenance.key"

  private init?(seed: [UInt8]) {
    guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed),
      let publicKey = VerificationKey(raw: Array(key.publicKey.rawRepresentation))
    else { return nil }
    self.seed = seed
    self.publicKey = publicKey
  }

  /// Opens the key in `directory`, or makes it if there is none. Blocks for as long as the disk
  /// takes.
  ///
  /// - Throws: fault `user` for a file that others may read, and for one that is no key: it is never
  ///   replaced, because releases signed with it would not be believed any more. Fault `platform`
  ///   when the file cannot be read or written.
  public static func open(directory: String) throws(PortError) -> SigningKey {
    let path = "\(directory)/\(fileName)"
    if let key = try read(path) { return key }
    let made = Array(Curve25519.Signing.PrivateKey().rawRepresentation)
    try write(made, path, directory: directory)
    guard let key = try read(path) else {
      throw PortError("\(path) vanished while it was made", fault: .platform, retry: .safe)
    }
    return key
  }

  func signature(of message: [UInt8]) throws(PortError) -> [UInt8] {
    do {
      let key = try Curve25519.Signing.PrivateKey(rawRepresentation: seed)
      return Array(try key.signature(for: message))
    } catch {
      throw PortError(
        "\(self) cannot sign", fault: .segue, retry: .never, causes: ["\(error)"],
        nextStep: "Report this as a defect of Segue")
    }
  }

  private static func read(_ path: String) throws(PortError) -> SigningKey? {
    let descriptor = Glibc.open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw failed("opening \(path)")
    }
    defer { Glibc.close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failed("looking at \(path)") }
    guard status.st_mode & 0o077 == 0, status.st_uid == geteuid() else {
      throw PortError(
        "others than the user that runs Segue may read or own \(path)", fault: .user,
        retry: .never,
        nextStep: "Run: chown \(geteuid()) \(path) && chmod 600 \(path). If somebody may have read "
          + "it, remove it instead, and build the releases again")
    }
    var text = [UInt8](repeating: 0, count: 256)
    let count = Glibc.read(descriptor, &text, text.count)
    guard count >= 0 else { throw failed("reading \(path)") }
    let line = String(decoding: text.prefix(count), as: UTF8.self).prefix { $0 != "\n" }
    guard let seed = Data(base64Encoded: String(line)), let key = SigningKey(seed: Array(seed))
    else {
      throw PortError(
        "\(path) does not hold a signing key", fault: .user, retry: .never,
        nextStep: "Put back a backup of it, or remove it and build the releases again")
    }
    return key
  }

  /// Makes the whole file under another name and only then gives it its own, so that it is never
  /// half made, and never put over another.
  private static func write(
    _ seed: [UInt8], _ path: String, directory: String
  ) throws(PortError) {
    let new = "\(path).new.\(getpid())"
    guard unlink(new) == 0 || errno == ENOENT else { throw failed("removing \(new)") }
    let descriptor = Glibc.open(new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failed("making \(new)") }
    let line = Array((Data(seed).base64EncodedString() + "\n").utf8)
    let isWritten =
      Glibc.write(descriptor, line, line.count) == line.count
      && fsync(descriptor) == 0
    let failure = failed("writing \(new)")
    Glibc.close(descriptor)
    defer { unlink(new) }
    guard isWritten else { throw failure }
    guard link(new, path) == 0 || errno == EEXIST else { throw failed("naming \(path)") }
    let folder = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw failed("opening \(directory)") }
    defer { Glibc.close(folder) }
    guard fsync(folder) == 0 else { throw failed("syncing \(directory)") }
  }

  private static func failed(_ doing: String) -> PortError {
    PortError(
      "\(doing) failed", fault: .platform, retry: .safe, causes: [String(cString: strerror(errno))],
      nextStep: "Check the permissions and the free space of the state directory")
  }
}

func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  bytes.reduce(into: "") { text, byte in
    text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }
}
