import Foundation
import Testing

@testable import TransportSecurity

/// What port 80 shows a certificate authority, and what it shows nobody.
@Suite struct ChallengeFolderTests {
  @Test func onlyAnswersAreShown() throws {
    let root = FileManager.default.temporaryDirectory.appending(path: "segue-\(UUID())")
    defer { try? FileManager.default.removeItem(at: root) }
    let folder = ChallengeFolder(certificates: root.path)
    for path in [folder.http, folder.tls] {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    func write(_ text: String, to path: String) throws {
      try Data(text.utf8).write(to: URL(filePath: path))
    }
    try write("token-1_A.thumb", to: folder.http + "/token-1_A")
    try write("something else", to: folder.http + "/other")
    try write("long." + String(repeating: "x", count: 600), to: folder.http + "/long")
    try write("", to: folder.http + "/empty")
    try write("a secret", to: root.path + "/account.key")
    try FileManager.default.createSymbolicLink(
      atPath: folder.http + "/link", withDestinationPath: folder.http + "/token-1_A")
    try FileManager.default.createDirectory(
      atPath: folder.http + "/folder", withIntermediateDirectories: true)

    let prefix = "/.well-known/acme-challenge/"
    #expect(folder.answer(toPath: prefix + "token-1_A") == Array("token-1_A.thumb".utf8))
    for path in [
      "", "/", "token-1_A", "/token-1_A", prefix, prefix + "unknown", prefix + "other",
      prefix + "long", prefix + "empty", prefix + "link", prefix + "folder",
      prefix + "../../account.key", prefix + "token-1_A/", prefix + "token-1_A?x",
      prefix + "token-1%5FA", prefix + ".", prefix + "..", prefix + "a\u{0}b", prefix + "é",
      prefix + String(repeating: "x", count: 129), "/x" + prefix + "token-1_A",
    ] {
      #expect(folder.answer(toPath: path) == nil, "\(path)")
    }
  }

  @Test func validityIsRead() throws {
    let key = try PrivateKey.generate()
    let summary = try CertificateSummary.read(
      CertificateFiles(
        name: "shop.example",
        certificatePEM: try SelfSigned.pem(hosts: ["shop.example"], keyPEM: key), keyPEM: key))
    // From an hour ago for a week.
    #expect(summary.notAfter - summary.notBefore == 7 * 86_400 + 3_600)
    #expect(summary.hosts == ["shop.example"])
  }
}
