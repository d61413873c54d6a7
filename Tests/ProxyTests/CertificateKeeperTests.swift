import Foundation
import Logging
import Testing
import TransportSecurity

@testable import Proxy

/// Which certificates are in use while their files change.
@Suite struct CertificateKeeperTests {
  private static func withFolder(
    _ body: (_ folder: String, CertificateKeeper) throws -> Void
  ) throws {
    let folder = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    try body(folder, CertificateKeeper([.directory(folder)], tickets: nil, logger: logger))
  }

  /// A certificate that signs itself, and its key.
  private static func pair(_ host: String) throws -> (certificate: Data, key: Data) {
    let key = try PrivateKey.generate()
    let digest = [UInt8](repeating: 7, count: 32)
    let certificate = try ValidationCertificate.pem(host: host, digest: digest, keyPEM: key)
    return (Data(certificate), Data(key))
  }

  private static func write(_ data: Data, _ path: String) throws {
    try data.write(to: URL(filePath: path), options: .atomic)
  }

  @Test func aPairThatIsHalfReplacedStaysAsItWas() throws {
    try Self.withFolder { folder, keeper in
      #expect(keeper.store.certificates.isEmpty)
      let (old, new) = (try Self.pair("a.test"), try Self.pair("a.test"))
      try Self.write(old.key, folder + "/a.key")
      try Self.write(old.certificate, folder + "/a.crt")
      let first = try #require(keeper.refresh()).certificates
      #expect(first.map(\.hosts) == [["a.test"]])
      #expect(keeper.refresh() == nil, "nothing has changed")

      try Self.write(new.key, folder + "/a.key")
      #expect(keeper.refresh() == nil, "the key is another one's")
      #expect(keeper.store.certificates == first)
      try Self.write(new.certificate, folder + "/a.crt")
      let second = try #require(keeper.refresh()).certificates
      #expect(second.count == 1)
      #expect(second != first)
    }
  }

  @Test func aPairThatStaysWrongIsLeftOut() throws {
    try Self.withFolder { folder, keeper in
      let (good, bad) = (try Self.pair("a.test"), try Self.pair("b.test"))
      try Self.write(good.key, folder + "/a.key")
      try Self.write(good.certificate, folder + "/a.crt")
      try Self.write(good.key, folder + "/b.key")
      try Self.write(bad.certificate, folder + "/b.crt")
      #expect(keeper.refresh() == nil)
      let store = try #require(keeper.refresh(), "it was the same at two looks")
      #expect(store.certificates.map(\.hosts) == [["a.test"]])
      #expect(store.faults.map(\.file) == [folder + "/b.key"])
      #expect(keeper.refresh() == nil)
    }
  }

  @Test func filesAreToldApartBehindALink() throws {
    try Self.withFolder { folder, keeper in
      for version in ["1", "2"] {
        let (home, pair) = ("\(folder)/\(version)", try Self.pair("v\(version).test"))
        try FileManager.default.createDirectory(
          atPath: home, withIntermediateDirectories: true)
        try Self.write(pair.key, home + "/key")
        try Self.write(pair.certificate, home + "/certificate")
      }
      func lead(_ name: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(
          atPath: "\(folder)/\(name)", withDestinationPath: target)
      }
      try lead("current", to: "1")
      try lead("a.key", to: "current/key")
      try lead("a.crt", to: "current/certificate")
      #expect(try #require(keeper.refresh()).certificates.map(\.hosts) == [["v1.test"]])
      try FileManager.default.removeItem(atPath: folder + "/current")
      try lead("current", to: "2")
      #expect(try #require(keeper.refresh()).certificates.map(\.hosts) == [["v2.test"]])
    }
  }

  @Test func onlyAnAuthorityIsShownValidations() throws {
    try Self.withFolder { folder, keeper in
      let challenges = ChallengeFolder(certificates: folder).tls
      try FileManager.default.createDirectory(
        atPath: challenges, withIntermediateDirectories: true)
      let pair = try Self.pair("a.test")
      try Self.write(pair.key, challenges + "/a.test.key")
      try Self.write(pair.certificate, challenges + "/a.test.crt")
      let store = try #require(keeper.refresh())
      #expect(store.certificates.isEmpty)
      #expect(store.faults.isEmpty)
      try FileManager.default.removeItem(atPath: challenges + "/a.test.crt")
      #expect(keeper.refresh() != nil, "it is gone again")
    }
  }
}
