import COpenSSL
import Testing
import TransportSecurity

@Suite struct TLSConnectionTests {
  @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func carriesOctetsBothWays(_ version: Int32) throws {
    let server = try Certificates.connection()
    let client = TestClient(host: "Shop.Example", version: version)
    #expect(!server.isEstablished)
    try server.talk(to: client)
    #expect(server.isEstablished && client.isEstablished)
    #expect(client.version == version)
    #expect(server.serverName == "shop.example")
    #expect(!server.isResumed)

    let long = String(repeating: "request ", count: 10_000)
    client.send(long)
    #expect(try server.talk(to: client) == Array(long.utf8))
    try server.send(long)
    #expect(server.outputCount > long.utf8.count)
    try server.talk(to: client)
    #expect(client.received == Array(long.utf8))
    #expect(server.outputCount == 0)
  }

  @Test func refusesTLS11() throws {
    let server = try Certificates.connection()
    let client = TestClient(version: TLS1_1_VERSION)
    // A client of today does not even try, unless its security level is lowered.
    SSL_set_security_level(client.handle, 0)
    #expect(throws: TLSFault.self) { try server.talk(to: client) }
    #expect(client.hasFailed)
  }

  @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION], [1, 3, 7])
  func takesOctetsInAnyPieces(_ version: Int32, _ size: Int) throws {
    let server = try Certificates.connection()
    let client = TestClient(alpn: ["h2"], version: version)
    try server.talk(to: client, by: size)
    client.send("ping")
    #expect(try server.talk(to: client, by: size) == Array("ping".utf8))
  }

  @Test func givesItsOutputInPieces() throws {
    let server = try Certificates.connection()
    let client = TestClient()
    try server.talk(to: client)
    try server.send("first ")
    var isFirst = true
    while server.outputCount > 0 {
      server.withOutput {
        client.receive([$0[0]])
        return 1
      }
      if isFirst { try server.send("second") }
      isFirst = false
    }
    #expect(client.received == Array("first second".utf8))
  }

  @Test(arguments: [
    (["http/1.1", "h2"], ApplicationProtocolPolicy.http2AndHTTP1, ApplicationProtocol.http2, "h2"),
    (["h2", "http/1.1"], .http1, .http1, "http/1.1"),
    (["h3", "http/1.1"], .http2AndHTTP1, .http1, "http/1.1"),
    (["h2", "acme-tls/1"], .http2AndHTTP1, .http2, "h2"),
    ([], .http2AndHTTP1, .none, ""),
  ])
  func agreesOnAProtocol(
    _ offered: [String], _ policy: ApplicationProtocolPolicy, _ expected: ApplicationProtocol,
    _ name: String
  ) throws {
    let server = try Certificates.connection(nil, policy)
    let client = TestClient(alpn: offered)
    try server.talk(to: client)
    #expect(server.applicationProtocol == expected)
    #expect(client.applicationProtocol == name)
  }

  @Test func refusesAClientThatOffersOnlyOtherProtocols() throws {
    let server = try Certificates.connection(nil, .http1)
    let client = TestClient(alpn: ["h2", "h3"])
    #expect(throws: TLSFault.self) { try server.talk(to: client) }
    #expect(client.hasFailed)
  }

  @Test func noticesTheEnd() throws {
    let server = try Certificates.connection()
    let client = TestClient()
    try server.talk(to: client)
    client.send("last words")
    client.close()
    #expect(try server.talk(to: client) == Array("last words".utf8))
    #expect(server.hasEnded)
    // The other direction is still open.
    try server.send("answer")
    try server.talk(to: client)
    #expect(client.received == Array("answer".utf8))
    #expect(!client.hasEnded)
    server.close()
    server.close()
    try server.talk(to: client)
    #expect(client.hasEnded)
    #expect(throws: TLSFault.self) { try server.send("more") }
  }

  @Test func isNotToSendBeforeTheHandshake() throws {
    let server = try Certificates.connection()
    let fault = #expect(throws: TLSFault.self) { try server.send("too early") }
    #expect(fault?.kind == .misuse)
    // That harms nobody else.
    let client = TestClient()
    try server.talk(to: client)
    #expect(client.isEstablished)
  }

  @Test func followsKeyUpdates() throws {
    let server = try Certificates.connection()
    let client = TestClient(version: TLS1_3_VERSION)
    try server.talk(to: client)
    client.requestKeyUpdate()
    client.send("new key")
    #expect(try server.talk(to: client) == Array("new key".utf8))
    try server.send("new key here, too")
    try server.talk(to: client)
    #expect(client.received == Array("new key here, too".utf8))
  }
}

@Suite struct HostileInputTests {
  @Test func recognizesPlainHTTP() throws {
    let server = try Certificates.connection()
    let fault = #expect(throws: TLSFault.self) {
      try server.receive(Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
    }
    #expect(fault?.kind == .plaintextHTTP)
    // It stays that way.
    #expect(throws: try #require(fault)) { try server.receive([22]) }
  }

  /// Every octet of a client hello changed, one at a time: a fault or a handshake, never a crash.
  @Test func survivesDamagedHellos() throws {
    let store = try Certificates.store("shop.example")
    let client = TestClient(host: "shop.example", alpn: ["h2"])
    client.receive([])
    let hello = client.takeOutput()
    var faults = 0
    for index in hello.indices {
      for change: UInt8 in [0x01, 0x80, 0xFF] {
        var damaged = hello
        damaged[index] ^= change
        let server = try Certificates.connection(store)
        do throws(TLSFault) {
          _ = try server.receive(damaged)
        } catch {
          faults += 1
          #expect(!server.isEstablished)
        }
      }
    }
    #expect(faults > 50)
  }

  @Test func survivesGarbage() throws {
    let store = try Certificates.store("shop.example")
    var state: UInt64 = 42
    for _ in 0..<500 {
      let octets = (0..<200).map { _ -> UInt8 in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 33)
      }
      // As it is, and as a record of a handshake.
      for prefix: [UInt8] in [[], [22, 3, 1, 0, 200]] {
        let server = try Certificates.connection(store)
        #expect(throws: TLSFault.self) {
          for _ in 0..<100 { _ = try server.receive(prefix + octets) }
        }
      }
    }
  }

  @Test func survivesDamageAfterTheHandshake() throws {
    let server = try Certificates.connection()
    let client = TestClient()
    try server.talk(to: client)
    client.send("request")
    var record = client.takeOutput()
    record[record.count - 1] ^= 1
    let fault = #expect(throws: TLSFault.self) { try server.receive(record) }
    #expect(fault?.kind == .peer)
    #expect(server.outputCount > 0, "an alert says why")
    #expect(!server.isEstablished)
    #expect(throws: try #require(fault)) { try server.send("answer") }
  }

  /// OpenSSL alone would wait for a hello of up to 128 KiB.
  @Test func boundsTheHandshake() throws {
    let server = try Certificates.connection()
    let record: [UInt8] = [22, 3, 1, 64, 0]
    let hello: [UInt8] = [1, 1, 255, 255] + [UInt8](repeating: 0, count: 16_380)
    let more = [UInt8](repeating: 0, count: 16_384)
    for octets in [hello, more, more] { _ = try server.receive(record + octets) }
    let fault = #expect(throws: TLSFault.self) { try server.receive(record + more) }
    #expect(fault?.kind == .handshakeTooLong)
  }

  @Test func theBoundEndsWithTheHandshake() throws {
    let server = try Certificates.connection()
    let client = TestClient()
    try server.talk(to: client)
    let long = String(repeating: "x", count: 4 * TLSConnection.handshakeLimit)
    client.send(long)
    #expect(try server.talk(to: client).count == long.utf8.count)
  }
}
