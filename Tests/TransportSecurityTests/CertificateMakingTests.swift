import Foundation
import Testing
import TransportSecurity

@Suite struct CertificateMakingTests {
  /// What the `openssl` command says about octets; nil if it refuses them.
  private func openssl(_ arguments: String..., input: [UInt8]) throws -> String? {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["openssl"] + arguments
    let (into, out) = (Pipe(), Pipe())
    process.standardInput = into
    process.standardOutput = out
    process.standardError = FileHandle.nullDevice
    try process.run()
    try into.fileHandleForWriting.write(contentsOf: Data(input))
    try into.fileHandleForWriting.close()
    let data = try out.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return process.terminationStatus == 0 ? String(decoding: data, as: UTF8.self) : nil
  }

  @Test func makesKeysOnP256() throws {
    let key = try PrivateKey.generate()
    let text = try #require(try openssl("pkey", "-noout", "-text", input: key))
    #expect(text.contains("NIST CURVE: P-256"))
    #expect(try PrivateKey.generate() != key)
  }

  @Test func requestsCertificates() throws {
    let request = try CertificateRequest.der(
      hosts: ["shop.example", "*.shop.example"], keyPEM: PrivateKey.generate())
    let text = try #require(
      try openssl("req", "-inform", "DER", "-verify", "-noout", "-text", input: request))
    #expect(text.contains("DNS:shop.example, DNS:*.shop.example"))
  }

  @Test func provesAHost() throws {
    let certificate = try ValidationCertificate.pem(
      host: "shop.example", digest: [UInt8](1...32), keyPEM: PrivateKey.generate())
    let text = try #require(try openssl("x509", "-noout", "-text", input: certificate))
    #expect(text.contains("1.3.6.1.5.5.7.1.31: critical"))
    #expect(text.contains("DNS:shop.example"))
    let der = try #require(
      Data(
        base64Encoded: String(
          decoding: certificate, as: UTF8.self
        ).split(separator: "\n").dropFirst().dropLast().joined()))
    // The extension's value: an OCTET STRING of 34 octets that holds one of 32.
    let value = Data([4, 34, 4, 32] + [UInt8](1...32))
    #expect(der.range(of: value) != nil)
  }

  @Test(arguments: [[], [""], ["a,DNS:b"], ["*."], ["a b"], ["*.*.a"], ["a\nb"], ["é.example"]])
  func refusesWhatIsNoName(_ hosts: [String]) throws {
    let key = try PrivateKey.generate()
    let fault = #expect(throws: TLSFault.self) {
      try CertificateRequest.der(hosts: hosts, keyPEM: key)
    }
    #expect(fault?.kind == .misuse)
  }

  @Test func refusesOtherDigestsAndKeys() throws {
    let key = try PrivateKey.generate()
    #expect(throws: TLSFault.self) {
      try ValidationCertificate.pem(host: "a.example", digest: [1], keyPEM: key)
    }
    #expect(throws: TLSFault.self) {
      try CertificateRequest.der(hosts: ["a.example"], keyPEM: Array("no key".utf8))
    }
  }
}
