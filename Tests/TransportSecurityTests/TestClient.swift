import COpenSSL
import TransportSecurity

/// The other side of a connection, by OpenSSL's own client, in memory as well.
final class TestClient {
  private let context: OpaquePointer
  private let connection: OpaquePointer
  private let wire = UnsafeMutablePointer<segue_wire>.allocate(capacity: 1)
  private(set) var isEstablished = false
  private(set) var hasFailed = false
  private(set) var hasEnded = false
  /// What the server sent, decrypted.
  private(set) var received: [UInt8] = []

  init(
    host: String? = nil, alpn: [String] = [], version: Int32? = nil, session: OpaquePointer? = nil
  ) {
    context = SSL_CTX_new(TLS_client_method())
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
    connection = SSL_new(context)
    wire.initialize(to: segue_wire())
    wire.pointee.input_allowance = Int.max
    _ = segue_wire_attach(connection, wire)
    if let version {
      SSL_ctrl(connection, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(version), nil)
      SSL_ctrl(connection, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(version), nil)
    }
    if let host {
      var name = Array(host.utf8CString)
      SSL_ctrl(
        connection, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name), &name)
    }
    let offered = alpn.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
    if !offered.isEmpty { SSL_set_alpn_protos(connection, offered, UInt32(offered.count)) }
    if let session { SSL_set_session(connection, session) }
    SSL_set_connect_state(connection)
  }

  deinit {
    SSL_free(connection)
    SSL_CTX_free(context)
    segue_wire_clear(wire)
    wire.deallocate()
  }

  var handle: OpaquePointer { connection }
  /// A session with whatever tickets came so far.
  var session: OpaquePointer? { SSL_get1_session(connection) }
  var isResumed: Bool { SSL_session_reused(connection) == 1 }
  var version: Int32 { SSL_version(connection) }

  var applicationProtocol: String {
    var base: UnsafePointer<UInt8>?
    var count: UInt32 = 0
    SSL_get0_alpn_selected(connection, &base, &count)
    return String(decoding: UnsafeBufferPointer(start: base, count: Int(count)), as: UTF8.self)
  }

  /// The DNS names of the certificate that the server presented.
  var hosts: String {
    guard let certificate = SSL_get1_peer_certificate(connection) else { return "" }
    defer { X509_free(certificate) }
    let octets = segue_certificate_names(certificate)
    defer { segue_octets_free(octets) }
    let bytes = UnsafeBufferPointer(start: octets.base, count: octets.count)
    return String(decoding: bytes, as: UTF8.self)
  }

  func takeOutput() -> [UInt8] {
    let wired = wire.pointee
    guard let base = wired.output else { return [] }
    let octets = [UInt8](
      UnsafeBufferPointer(start: base + wired.output_start, count: wired.output_count))
    segue_wire_sent(wire, octets.count)
    return octets
  }

  func receive(_ octets: [UInt8]) {
    ERR_clear_error()
    octets.withUnsafeBufferPointer { input in
      wire.pointee.input = input.baseAddress
      wire.pointee.input_count = input.count
      if !isEstablished { shakeHands() }
      if isEstablished { read() }
      wire.pointee.input = nil
      wire.pointee.input_count = 0
    }
  }

  func send(_ text: String) {
    var written = 0
    _ = SSL_write_ex(connection, text, text.utf8.count, &written)
  }

  func requestKeyUpdate() { SSL_key_update(connection, SSL_KEY_UPDATE_REQUESTED) }

  func close() { SSL_shutdown(connection) }

  private func shakeHands() {
    let result = SSL_do_handshake(connection)
    isEstablished = result == 1
    hasFailed = !isEstablished && SSL_get_error(connection, result) != SSL_ERROR_WANT_READ
  }

  private func read() {
    var buffer = [UInt8](repeating: 0, count: 16_384)
    var count = 0
    var result = SSL_read_ex(connection, &buffer, buffer.count, &count)
    while result == 1 {
      received += buffer[..<count]
      result = SSL_read_ex(connection, &buffer, buffer.count, &count)
    }
    hasEnded = SSL_get_error(connection, result) == SSL_ERROR_ZERO_RETURN
  }
}

extension TLSConnection {
  /// Gives octets to the server, in pieces of a size, and returns what it decrypted.
  func receive(_ octets: [UInt8], by size: Int = .max) throws(TLSFault) -> [UInt8] {
    var plain: [UInt8] = []
    var rest = octets[...]
    while !rest.isEmpty {
      let piece = [UInt8](rest.prefix(size))
      rest = rest.dropFirst(size)
      let result = piece.withUnsafeBytes { bytes -> Result<Void, TLSFault> in
        do throws(TLSFault) {
          try self.receive(bytes) { plain += $0 }
          return .success(())
        } catch {
          return .failure(error)
        }
      }
      try result.get()
    }
    return plain
  }

  func send(_ text: String) throws {
    try Array(text.utf8).withUnsafeBytes { try self.send($0) }
  }

  func takeOutput() -> [UInt8] {
    var octets: [UInt8] = []
    withOutput {
      octets = [UInt8]($0)
      return $0.count
    }
    return octets
  }

  /// Carries octets both ways until neither side has anything to say; returns what this side
  /// decrypted.
  @discardableResult
  func talk(to client: TestClient, by size: Int = .max) throws(TLSFault) -> [UInt8] {
    var plain: [UInt8] = []
    client.receive([])
    while true {
      let request = client.takeOutput()
      var fault: TLSFault?
      do throws(TLSFault) {
        plain += try receive(request, by: size)
      } catch {
        fault = error
      }
      let answer = takeOutput()
      if !answer.isEmpty { client.receive(answer) }
      if let fault { throw fault }
      if request.isEmpty, answer.isEmpty { return plain }
    }
  }
}
