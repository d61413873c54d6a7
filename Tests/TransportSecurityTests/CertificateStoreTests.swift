import COpenSSL
import Foundation
import Testing
import TransportSecurity

@Suite struct CertificateStoreTests {
  @Test(arguments: [
    ("shop.example", "shop.example\n"),
    ("SHOP.example", "shop.example\n"),
    ("www.shop.example", "*.shop.example\n"),
    ("api.shop.example", "api.shop.example\n"),
    ("a.www.shop.example", "first.example\n"),
    ("elsewhere.example", "first.example\n"),
    (nil, "first.example\n"),
  ])
  func choosesByName(_ host: String?, _ expected: String) throws {
    let store = try Certificates.store(
      "first.example", "*.shop.example", "shop.example", "api.shop.example")
    for version in [TLS1_2_VERSION, TLS1_3_VERSION] {
      let client = TestClient(host: host, version: version)
      try Certificates.connection(store).talk(to: client)
      #expect(client.hosts == expected)
    }
  }

  @Test func oneBadCertificateHarmsNobodyElse() throws {
    let good = try Certificates.files("good.example")
    let key = try PrivateKey.generate()
    let bad = CertificateFiles(
      name: "bad", certificatePEM: Array("-----BEGIN CERTIFICATE-----\nAAAA\n".utf8), keyPEM: key)
    let store = try CertificateStore([bad, good], tickets: TicketKeys())
    #expect(store.faults.map(\.name) == ["bad"])
    #expect(store.certificates.map(\.hosts) == [["good.example"]])
    let client = TestClient(host: "good.example")
    try Certificates.connection(store).talk(to: client)
    #expect(client.isEstablished)
  }

  @Test func saysWhichFileIsWrong() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "tls-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func write(_ name: String, _ octets: [UInt8]) throws -> String {
      let file = folder.appending(path: name)
      try Data(octets).write(to: file)
      return file.path
    }
    let keyPEM = try PrivateKey.generate()
    let key = try write("key.pem", keyPEM)
    let certificate = try write(
      "chain.pem",
      try ValidationCertificate.pem(
        host: "a.example", digest: [UInt8](repeating: 7, count: 32), keyPEM: keyPEM))
    let other = try write("other.pem", try PrivateKey.generate())
    let empty = try write("empty.pem", [])
    let missing = folder.path + "/missing.pem"
    let torn = try write(
      "torn.pem",
      Array(try Data(contentsOf: .init(filePath: certificate)))
        + Array("-----BEGIN CERTIFICATE-----\nMIIB\n".utf8))
    let cases = [
      (missing, key, missing, "can't be read"), (certificate, missing, missing, "can't be read"),
      (empty, key, empty, "no intact chain"), (torn, key, torn, "no intact chain"),
      (certificate, empty, empty, "no private key"),
      (certificate, certificate, certificate, "no private key"),
      (certificate, other, other, "not the key"),
    ]
    for (chain, secret, file, problem) in cases {
      let store = try CertificateStore(
        [CertificateFiles(name: "shop", certificate: chain, key: secret)], tickets: TicketKeys())
      #expect(store.faults.map(\.file) == [file])
      #expect("\(store.faults)".contains(problem))
    }
    let store = try CertificateStore(
      [CertificateFiles(name: "shop", certificate: certificate, key: key)], tickets: TicketKeys())
    #expect(store.faults.isEmpty)
  }

  @Test func withoutCertificatesNobodyIsServed() throws {
    let store = try CertificateStore([], tickets: TicketKeys())
    let client = TestClient(host: "shop.example")
    #expect(throws: TLSFault.self) { try Certificates.connection(store).talk(to: client) }
    #expect(client.hasFailed)
  }

  @Test func summarizesWhatItServes() throws {
    let store = try CertificateStore(
      [try Certificates.files("a.example", "*.B.example")], tickets: TicketKeys())
    let summary = try #require(store.certificates.first)
    #expect(summary.hosts == ["a.example", "*.b.example"])
    #expect(summary.fingerprint.count == 64)
    let week = Date().timeIntervalSince1970 + 7 * 86_400
    #expect(abs(Double(summary.notAfter) - week) < 600)
  }

  @Test func answersValidationsOnlyWithTheirCertificate() throws {
    let key = try PrivateKey.generate()
    let proof = CertificateFiles(
      name: "proof",
      certificatePEM: try ValidationCertificate.pem(
        host: "new.example", digest: [UInt8](1...32), keyPEM: key), keyPEM: key)
    let store = try CertificateStore(
      [try Certificates.files("shop.example")], tickets: TicketKeys(), validations: [proof])

    let authority = TestClient(host: "new.example", alpn: ["acme-tls/1"])
    let server = try Certificates.connection(store)
    try server.talk(to: authority)
    #expect(server.applicationProtocol == .acme)
    #expect(authority.applicationProtocol == "acme-tls/1")
    #expect(authority.hosts == "new.example\n")

    // A browser never sees it.
    let browser = TestClient(host: "new.example", alpn: ["h2"])
    try Certificates.connection(store).talk(to: browser)
    #expect(browser.hosts == "shop.example\n")

    // No other certificate proves anything.
    let early = TestClient(host: "shop.example", alpn: ["acme-tls/1"])
    #expect(throws: TLSFault.self) { try Certificates.connection(store).talk(to: early) }
    #expect(early.hasFailed)
  }
}

@Suite struct ResumptionTests {
  /// A session from a first visit, after which tickets have arrived.
  private func session(_ store: CertificateStore, _ version: Int32) throws -> OpaquePointer? {
    let client = TestClient(host: "shop.example", version: version)
    let server = try Certificates.connection(store)
    try server.talk(to: client)
    server.close()
    client.close()
    try server.talk(to: client)
    return client.session
  }

  private func resumes(
    _ session: OpaquePointer?, _ store: CertificateStore, _ version: Int32
  ) throws -> Bool {
    let client = TestClient(host: "shop.example", version: version, session: session)
    let server = try Certificates.connection(store)
    try server.talk(to: client)
    #expect(server.isEstablished)
    #expect(server.isResumed == client.isResumed)
    // A client forgets a session whose connection was cut.
    client.close()
    return server.isResumed
  }

  @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func sessionsOutliveTheStore(_ version: Int32) throws {
    let keys = try TicketKeys()
    let session = try session(Certificates.store("shop.example", tickets: keys), version)
    defer { SSL_SESSION_free(session) }
    let heirs = try #require(TicketKeys(serialized: keys.serialized))
    let rotated = try heirs.rotated()
    let store = { try Certificates.store("shop.example", tickets: $0) }
    #expect(try resumes(session, store(heirs), version))
    #expect(try resumes(session, store(rotated), version))
    #expect(try !resumes(session, store(rotated.rotated()), version))
    #expect(try !resumes(session, store(TicketKeys()), version))
  }

  @Test func keysAreNotShown() throws {
    let keys = try TicketKeys()
    #expect(keys.serialized.count == 80)
    #expect(try keys.rotated().serialized.count == 160)
    #expect("\(keys)" == "TicketKeys(1)")
    #expect(TicketKeys(serialized: []) == nil)
    #expect(TicketKeys(serialized: Array(keys.serialized.dropLast())) == nil)
  }
}
