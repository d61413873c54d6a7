internal import COpenSSL

/// What a client says first that decides which certificate it gets.
struct ClientHello {
  /// `acme-tls/1` with the length in front of it, as it stands in a list.
  static let acme: [UInt8] = [10] + Array("acme-tls/1".utf8)

  /// The host it wants, in lower case.
  let serverName: String?
  /// Whether it offers `acme-tls/1` and nothing else (RFC 8737 section 3).
  let isValidation: Bool

  /// Reads extensions; valid only inside of OpenSSL's callback for the client hello.
  init(_ connection: OpaquePointer) {
    serverName = Self.serverName(Self.read(connection, UInt32(TLSEXT_TYPE_server_name)))
    let offered = Self.read(
      connection, UInt32(TLSEXT_TYPE_application_layer_protocol_negotiation))
    isValidation =
      offered.map { $0.count == Self.acme.count + 2 && $0.dropFirst(2).elementsEqual(Self.acme) }
      ?? false
  }

  private static func read(_ connection: OpaquePointer, _ type: UInt32) -> [UInt8]? {
    var base: UnsafePointer<UInt8>?
    var count = 0
    guard SSL_client_hello_get0_ext(connection, type, &base, &count) == 1 else { return nil }
    return [UInt8](UnsafeBufferPointer(start: base, count: count))
  }

  /// A list of one host name (RFC 6066 section 3). OpenSSL refuses what is malformed here afterwards,
  /// so that this only has to be safe.
  static func serverName(_ octets: [UInt8]?) -> String? {
    guard let octets, octets.count > 5, octets[2] == 0 else { return nil }
    let count = Int(octets[3]) << 8 | Int(octets[4])
    guard count > 0, count <= 255, octets.count == 5 + count else { return nil }
    let name = octets[5...]
    guard name.allSatisfy({ $0 > 32 && $0 < 127 }) else { return nil }
    return String(decoding: name, as: UTF8.self).lowercased()
  }
}
