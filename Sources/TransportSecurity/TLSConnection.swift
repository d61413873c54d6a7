internal import COpenSSL

/// Which protocols a server speaks inside of TLS, the preferred one first (RFC 7301).
public enum ApplicationProtocolPolicy: Hashable, Sendable {
  case http2AndHTTP1
  case http1
}

/// What client and server agreed upon.
public enum ApplicationProtocol: Hashable, Sendable {
  /// The client did not ask, or the handshake is not over: by custom HTTP/1.1.
  case none
  case http1
  case http2
  /// A certificate authority validates a host (RFC 8737). The handshake is all it wants, so the
  /// connection is closed after it.
  case acme
}

/// The server's side of one connection, in memory: octets from the wire go in, octets for the wire
/// come out. It has no socket, no clock and no thread, and is used by one thread at a time.
///
/// An established connection that is idle holds no buffers.
public final class TLSConnection {
  /// How many octets a client may send before the handshake is over.
  public static let handshakeLimit = 65_536

  private enum State: Hashable {
    case handshake
    case established
    case failed(TLSFault)
  }

  private let store: CertificateStore
  private let policy: ApplicationProtocolPolicy
  private let connection: OpaquePointer
  private let wire: UnsafeMutablePointer<segue_wire>
  private var state = State.handshake
  private var selected = ApplicationProtocol.none
  private var isValidation = false
  private var isClosed = false

  /// The host that the client named, in lower case.
  public private(set) var serverName: String?
  /// Whether the client said that it sends nothing more (`close_notify`). Without it, the end of the
  /// octets may be an attacker's (RFC 8446 section 6.1).
  public private(set) var hasEnded = false

  /// - Throws: `TLSFault` of kind `resources`.
  public init(store: CertificateStore, alpn: ApplicationProtocolPolicy) throws(TLSFault) {
    ERR_clear_error()
    guard let connection = SSL_new(store.context) else { throw TLSFault.first(.resources) }
    let wire = UnsafeMutablePointer<segue_wire>.allocate(capacity: 1)
    wire.initialize(to: segue_wire())
    wire.pointee.input_allowance = Self.handshakeLimit
    guard segue_wire_attach(connection, wire) else {
      SSL_free(connection)
      wire.deallocate()
      throw TLSFault.first(.resources)
    }
    self.store = store
    policy = alpn
    self.connection = connection
    self.wire = wire
    SSL_set_ex_data(connection, 0, Unmanaged.passUnretained(self).toOpaque())
    SSL_set_accept_state(connection)
  }

  deinit {
    SSL_free(connection)
    segue_wire_clear(wire)
    wire.deallocate()
  }

  /// Whether the handshake is over, and nothing has failed since.
  public var isEstablished: Bool { state == .established }

  /// What client and server agreed upon, once the connection is established.
  public var applicationProtocol: ApplicationProtocol { selected }

  /// Whether an earlier session was resumed, which spares both sides the costly part.
  public var isResumed: Bool { SSL_session_reused(connection) == 1 }

  /// Takes octets from the wire, all of them.
  ///
  /// A client can make the server answer without any request of its own (key updates), so a caller
  /// stops receiving while ``outputCount`` is large.
  ///
  /// - Parameter plaintext: is given what was decrypted, zero or more times. The pointer is valid
  ///   during the call, which may send but not receive.
  /// - Throws: `TLSFault`, also again for a connection that has failed before.
  public func receive(
    _ octets: UnsafeRawBufferPointer, plaintext: (UnsafeRawBufferPointer) -> Void
  ) throws(TLSFault) {
    if case .failed(let fault) = state { throw fault }
    guard !hasEnded else { return }
    wire.pointee.input = octets.baseAddress?.assumingMemoryBound(to: UInt8.self)
    wire.pointee.input_count = octets.count
    defer {
      wire.pointee.input = nil
      wire.pointee.input_count = 0
    }
    if state == .handshake {
      guard try shakeHands() else { return }
    }
    // One record (RFC 8446 section 5.1).
    let fault = withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 16) { buffer in
      self.read(into: buffer, plaintext)
    }
    if let fault { throw fail(fault) }
  }

  /// Encrypts octets; the result waits in the output.
  ///
  /// - Throws: `TLSFault`; of kind `misuse` before the handshake is over and after ``close()``.
  public func send(_ octets: UnsafeRawBufferPointer) throws(TLSFault) {
    switch state {
    case .failed(let fault): throw fault
    case .handshake: throw TLSFault(.misuse, "sent before the handshake was over")
    case .established: break
    }
    guard !isClosed else { throw TLSFault(.misuse, "sent after the end") }
    guard !octets.isEmpty else { return }
    ERR_clear_error()
    var written = 0
    guard SSL_write_ex(connection, octets.baseAddress, octets.count, &written) == 1 else {
      throw fail(TLSFault.first(.resources))
    }
  }

  /// How many octets wait for the wire.
  public var outputCount: Int { wire.pointee.output_count }

  /// Shows the octets for the wire, if there are any; `body` says how many of them it took.
  public func withOutput(_ body: (UnsafeRawBufferPointer) -> Int) {
    guard wire.pointee.output_count > 0, let base = wire.pointee.output else { return }
    let taken = body(
      UnsafeRawBufferPointer(
        start: base + wire.pointee.output_start, count: wire.pointee.output_count))
    precondition(taken >= 0 && taken <= wire.pointee.output_count, "took more than there was")
    if taken > 0 { segue_wire_sent(wire, taken) }
  }

  /// Tells the client that nothing more is sent (`close_notify`); octets can still be received.
  public func close() {
    guard state == .established, !isClosed else { return }
    isClosed = true
    ERR_clear_error()
    SSL_shutdown(connection)
    ERR_clear_error()
  }

  /// Goes on with the handshake; false if it needs more octets.
  private func shakeHands() throws(TLSFault) -> Bool {
    ERR_clear_error()
    let result = SSL_do_handshake(connection)
    if result == 1 {
      state = .established
      wire.pointee.input_allowance = Int.max
      return true
    }
    if SSL_get_error(connection, result) == SSL_ERROR_WANT_READ { return false }
    throw fail(TLSFault.first())
  }

  /// Decrypts until the input is used up.
  private func read(
    into buffer: UnsafeMutableRawBufferPointer, _ plaintext: (UnsafeRawBufferPointer) -> Void
  ) -> TLSFault? {
    while true {
      ERR_clear_error()
      var count = 0
      let result = SSL_read_ex(connection, buffer.baseAddress, buffer.count, &count)
      if result == 1 {
        plaintext(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        if case .failed(let fault) = state { return fault }
        continue
      }
      switch SSL_get_error(connection, result) {
      case SSL_ERROR_WANT_READ: return nil
      case SSL_ERROR_ZERO_RETURN:
        hasEnded = true
        return nil
      default: return TLSFault.first()
      }
    }
  }

  private func fail(_ fault: TLSFault) -> TLSFault {
    let fault =
      wire.pointee.exceeded
      ? TLSFault(.handshakeTooLong, "more than \(Self.handshakeLimit) octets of handshake") : fault
    state = .failed(fault)
    return fault
  }
}

extension TLSConnection {
  private static func of(_ connection: OpaquePointer?) -> TLSConnection? {
    SSL_get_ex_data(connection, 0).map {
      Unmanaged<TLSConnection>.fromOpaque($0).takeUnretainedValue()
    }
  }

  /// Chooses the certificate, before OpenSSL looks at anything else.
  static let clientHello: SSL_client_hello_cb_fn = { connection, alert, _ in
    guard let connection, let own = of(connection) else { return SSL_CLIENT_HELLO_ERROR }
    let hello = ClientHello(connection)
    own.serverName = hello.serverName
    own.isValidation = hello.isValidation
    let identity =
      hello.isValidation
      ? own.store.validation(for: hello.serverName) : own.store.identity(for: hello.serverName)
    guard let identity else {
      alert?.pointee = SSL_AD_UNRECOGNIZED_NAME
      return SSL_CLIENT_HELLO_ERROR
    }
    guard identity.use(on: connection) else {
      alert?.pointee = SSL_AD_INTERNAL_ERROR
      return SSL_CLIENT_HELLO_ERROR
    }
    return SSL_CLIENT_HELLO_SUCCESS
  }

  /// Chooses the protocol; a client that offers only others is refused (RFC 7301 section 3.2).
  static let selectProtocol: SSL_CTX_alpn_select_cb_func = {
    connection, selected, selectedCount, offered, offeredCount, _ in
    guard let own = of(connection), let offered else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    let list = UnsafeBufferPointer(start: offered, count: Int(offeredCount))
    for (name, choice) in own.acceptable {
      guard let range = find(name, in: list) else { continue }
      // OpenSSL copies it; until then it may stay in the client's list.
      selected?.pointee = offered + range.lowerBound
      selectedCount?.pointee = UInt8(range.count)
      own.selected = choice
      return SSL_TLSEXT_ERR_OK
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
  }

  private var acceptable: [(StaticString, ApplicationProtocol)] {
    if isValidation { return [("acme-tls/1", .acme)] }
    switch policy {
    case .http2AndHTTP1: return [("h2", .http2), ("http/1.1", .http1)]
    case .http1: return [("http/1.1", .http1)]
    }
  }

  /// Where a name stands in a list of names that each have their length in front.
  private static func find(
    _ name: StaticString, in list: UnsafeBufferPointer<UInt8>
  ) -> Range<Int>? {
    var index = 0
    while index < list.count {
      let range = index + 1..<index + 1 + Int(list[index])
      guard range.upperBound <= list.count else { return nil }
      let wanted = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
      if list[range].elementsEqual(wanted) { return range }
      index = range.upperBound
    }
    return nil
  }
}
