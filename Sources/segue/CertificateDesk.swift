import CertificateIssuing
import Commands
import ControlPlane
import Foundation
import Glibc
import Logging
import Ports
import SegueModel
import ServiceLifecycle

/// Puts the certificates that routes want into the folder that the proxy takes its own from: those of
/// an authority by asking it, those of people as links.
actor CertificateDesk: CertificateKeeping, Service {
  private let folder: String
  private let base: IssuingSettings
  private let logger: Logger
  private let issuer: CertificateIssuer
  private var wishes: CertificateWishes?
  private var refused: [String: String] = [:]

  /// How the links to people's own files begin: no host is named so.
  private static let ownPrefix = "_own-"

  init(_ options: ServeOptions, logger: Logger) {
    self.logger = logger
    folder = Self.folder(in: options.state)
    base = IssuingSettings(
      directory: AuthoritySpec.standardDirectory, stateDirectory: options.state,
      plainAddress: Self.reachable(options.listen),
      secureAddress: options.tls.map { Self.reachable($0.listen) })
    issuer = CertificateIssuer(base, time: SystemTime(), logger: logger)
  }

  static func folder(in state: String) -> String { state + "/certificates" }

  /// Where one connects to what listens everywhere.
  private static func reachable(_ address: ListenAddress) -> ProxyAddress {
    let isEverywhere = ["0.0.0.0", "::"].contains(address.host)
    return ProxyAddress(host: isEverywhere ? "127.0.0.1" : address.host, port: address.port)
  }

  func run() async throws { try await issuer.run() }

  func want(_ wishes: CertificateWishes) async {
    guard wishes != self.wishes else { return }
    self.wishes = wishes
    refused = [:]
    linkOwn(wishes.files)
    var groups: [HostGroup] = []
    for host in wishes.hosts {
      do {
        groups.append(try HostGroup([host]))
      } catch {
        refused[host] = "\(error)"
      }
    }
    guard let authority = wishes.authority else { return await issuer.want([]) }
    var settings = base
    settings.directory = authority.directory
    settings.email = authority.email
    settings.agreesToTerms = authority.agreesToTerms
    settings.challenge = ChallengeKind(rawValue: authority.challenge.rawValue) ?? .http01
    settings.rootFile = authority.root
    await issuer.change(settings)
    await issuer.want(groups)
  }

  func problems() async -> [String: String] {
    var problems = refused
    for status in await issuer.status {
      guard let problem = status.problem else { continue }
      problems[status.group.primary] = "\(problem)"
    }
    return problems
  }

  /// The proxy notices a change of the files behind the links.
  private func linkOwn(_ files: [CertificateWishes.Files]) {
    let manager = FileManager.default
    do {
      try manager.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      for name in try manager.contentsOfDirectory(atPath: folder)
      where name.hasPrefix(Self.ownPrefix) {
        try manager.removeItem(atPath: "\(folder)/\(name)")
      }
      for (index, pair) in files.enumerated() {
        let name = "\(folder)/\(Self.ownPrefix)\(index)"
        try manager.createSymbolicLink(atPath: name + ".key", withDestinationPath: pair.key)
        try manager.createSymbolicLink(atPath: name + ".crt", withDestinationPath: pair.certificate)
      }
    } catch {
      logger.error(
        "certificates of routes cannot be given to the proxy", metadata: ["reason": "\(error)"])
    }
  }
}
