import Foundation
import Glibc
import Ports
import TransportSecurity

/// The folder in which certificates wait for the proxy. Every call blocks.
///
/// A certificate and its key are two files, and whoever reads them must never get one of the old pair
/// and one of the new. So each pair has a folder of its own that nothing changes any more, and the names
/// that the proxy looks for lead there through one symbolic link, which is replaced in one step:
///
///     shop.example.com.crt -> issued/shop.example.com/current/certificate.pem
///     shop.example.com.key -> issued/shop.example.com/current/private.key
///     issued/shop.example.com/current -> 3f9c0a…
struct CertificateFolder: Sendable {
  let path: String
  let challenges: ChallengeFolder

  init(stateDirectory: String) {
    path = stateDirectory + "/certificates"
    challenges = ChallengeFolder(certificates: path)
  }

  private static let (certificate, key, authority) = ("certificate.pem", "private.key", "authority")

  // MARK: The account

  /// The key of our account; made the first time.
  func accountKey() throws(PortError) -> AccountKey {
    let file = path + "/account.key"
    if let data = FileManager.default.contents(atPath: file) {
      guard let key = AccountKey(pem: String(decoding: data, as: UTF8.self)) else {
        throw PortError(
          "\(file) holds no key for an account", fault: .user, retry: .never,
          causes: ["It must be a private key on the curve P-256, in PEM"],
          nextStep: "Put it back from a backup, or remove it, and another account will be made")
      }
      return key
    }
    guard access(file, F_OK) != 0 else { throw DurableFile.failure("cannot read \(file)", errno) }
    let key = AccountKey()
    try DurableFile.makeDirectory(path)
    try DurableFile.write(Array(key.pem.utf8), to: file)
    return key
  }

  // MARK: Certificates

  /// A certificate as it is at hand.
  struct Held: Sendable {
    var summary: CertificateSummary
    /// The directory of whoever issued it.
    var authority: String
  }

  /// The pair that the proxy finds for a group; nil if there is none that can be used.
  func held(_ group: HostGroup) -> Held? {
    let current = "\(path)/issued/\(group.primary)/current"
    let files = CertificateFiles(
      name: group.primary, certificate: "\(path)/\(group.primary).crt",
      key: "\(path)/\(group.primary).key")
    guard let summary = try? CertificateSummary.read(files),
      Set(group.hosts).isSubset(of: summary.hosts)
    else { return nil }
    let authority = FileManager.default.contents(atPath: "\(current)/\(Self.authority)") ?? Data()
    return Held(summary: summary, authority: String(decoding: authority, as: UTF8.self))
  }

  /// Puts a pair in the place of the one before it.
  ///
  /// - Parameter authority: the directory of whoever issued it.
  /// - Throws: `PortError` also if the two are no pair for these hosts; the one before it stays.
  func install(
    _ group: HostGroup, certificate: [UInt8], key: [UInt8], authority: String
  ) throws(PortError) {
    let summary = try Self.verified(group, certificate, key)
    try refuseForeign(group)
    let home = "\(path)/issued/\(group.primary)"
    let version = String(summary.fingerprint.prefix(16))
    let folder = "\(home)/\(version)"
    try DurableFile.makeDirectory(folder)
    try DurableFile.write(key, to: "\(folder)/\(Self.key)")
    try DurableFile.write(certificate, to: "\(folder)/\(Self.certificate)")
    try DurableFile.write(Array(authority.utf8), to: "\(folder)/\(Self.authority)")
    let before = try? FileManager.default.destinationOfSymbolicLink(atPath: home + "/current")
    try DurableFile.link(home + "/current", to: version)
    let target = "issued/\(group.primary)/current"
    // The proxy takes a certificate for one as soon as it is there, so its key comes first.
    try DurableFile.link("\(path)/\(group.primary).key", to: "\(target)/\(Self.key)")
    try DurableFile.link("\(path)/\(group.primary).crt", to: "\(target)/\(Self.certificate)")
    let versions = (try? FileManager.default.contentsOfDirectory(atPath: home)) ?? []
    for old in versions where ![version, before, "current"].contains(old) {
      try? FileManager.default.removeItem(atPath: "\(home)/\(old)")
    }
  }

  private static func verified(
    _ group: HostGroup, _ certificate: [UInt8], _ key: [UInt8]
  ) throws(PortError) -> CertificateSummary {
    let what = "The certificate authority gave no certificate for \(group)"
    let summary: CertificateSummary
    do {
      summary = try CertificateSummary.read(
        CertificateFiles(name: group.primary, certificatePEM: certificate, keyPEM: key))
    } catch {
      throw PortError(what, fault: .network, retry: .safe, causes: [error.problem])
    }
    guard Set(group.hosts).isSubset(of: summary.hosts) else {
      throw PortError(
        what, fault: .network, retry: .safe,
        causes: ["It is for \(summary.hosts.prefix(5).joined(separator: ", "))"])
    }
    return summary
  }

  /// What somebody else put there is not replaced.
  func refuseForeign(_ group: HostGroup) throws(PortError) {
    for file in ["key", "crt"].map({ "\(path)/\(group.primary).\($0)" }) {
      var status = stat()
      guard lstat(file, &status) == 0, status.st_mode & S_IFMT != S_IFLNK else { continue }
      throw PortError(
        "\(file) is in the way", fault: .user, retry: .never,
        causes: ["It was not put there by Segue"],
        nextStep: "Move it elsewhere, or name it as this host's own certificate")
    }
  }

  /// Removes the certificates that nobody wants and that have expired.
  ///
  /// - Parameters:
  ///   - wanted: the primary hosts of all groups.
  ///   - now: in seconds since 1970.
  func prune(wanted: Set<String>, now: Int64) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path + "/issued")) ?? []
    for name in names where !wanted.contains(name) {
      guard let group = try? HostGroup([name]), let held = held(group),
        (0..<now).contains(held.summary.notAfter)
      else { continue }
      unlink("\(path)/\(name).crt")
      unlink("\(path)/\(name).key")
      try? FileManager.default.removeItem(atPath: "\(path)/issued/\(name)")
    }
  }

  // MARK: Answers

  /// Makes the folders of answers, empty: nothing asks for those of an earlier process any more.
  func clearAnswers() throws(PortError) {
    for folder in [challenges.http, challenges.tls] {
      try? FileManager.default.removeItem(atPath: folder)
      try DurableFile.makeDirectory(folder)
    }
  }

  func show(_ answer: Answer) throws(PortError) {
    for (file, octets) in answer.files(in: challenges) { try DurableFile.write(octets, to: file) }
  }

  func withdraw(_ answer: Answer) {
    for (file, _) in answer.files(in: challenges).reversed() { unlink(file) }
  }
}

/// What an authority has to find.
enum Answer: Hashable, Sendable {
  case http(host: String, token: String, authorization: String)
  case tls(host: String, digest: [UInt8], certificate: [UInt8], key: [UInt8])

  /// In the order in which they are written.
  func files(in folder: ChallengeFolder) -> [(String, [UInt8])] {
    switch self {
    case .http(_, let token, let authorization):
      [("\(folder.http)/\(token)", Array(authorization.utf8))]
    case .tls(let host, _, let certificate, let key):
      [("\(folder.tls)/\(host).key", key), ("\(folder.tls)/\(host).crt", certificate)]
    }
  }
}
