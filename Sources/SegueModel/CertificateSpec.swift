/// Where the certificate of a route's host comes from.
public enum RouteCertificate: Hashable, Codable, Sendable {
  /// From the authority of the file, and kept fresh (``AuthoritySpec``).
  case automatic
  /// From files of this machine, absolute paths, PEM: the certificate with its chain, and its key.
  case files(certificate: String, key: String)
}

/// A certificate authority that speaks ACME (RFC 8555).
public struct AuthoritySpec: Hashable, Codable, Sendable {
  /// How it sees that a host is ours.
  public enum Challenge: String, Hashable, Codable, Sendable, CaseIterable {
    /// RFC 8555 section 8.3.
    case http = "http-01"
    /// RFC 8737.
    case tls = "tls-alpn-01"
  }

  /// The address of its directory; begins with `https://`.
  public var directory: String
  /// Where it may write to; `nil`: nowhere.
  public var email: String?
  public var challenge: Challenge
  /// Whether its terms are agreed to.
  public var agreesToTerms: Bool
  /// The file of this machine, an absolute path, with the root certificate to trust its server by,
  /// PEM; `nil`: what the machine trusts.
  public var root: String?

  /// The directory without being told another one: Let's Encrypt's.
  public static let standardDirectory = "https://acme-v02.api.letsencrypt.org/directory"

  public init(
    directory: String = standardDirectory, email: String? = nil, challenge: Challenge = .http,
    agreesToTerms: Bool, root: String? = nil
  ) {
    self.directory = directory
    self.email = email
    self.challenge = challenge
    self.agreesToTerms = agreesToTerms
    self.root = root
  }
}

extension ProjectSpec {
  /// The hosts that want a certificate of the authority's, in all environments, in the order of the
  /// file and each once.
  public var automaticHosts: [String] {
    var hosts: [String] = []
    for route in routes where route.certificate == .automatic {
      if let host = route.host, !hosts.contains(host) { hosts.append(host) }
    }
    return hosts
  }

  /// The certificates that come from files, in all environments, in the order of the file and each
  /// once.
  public var certificateFiles: [(certificate: String, key: String)] {
    var seen: Set<RouteCertificate> = []
    return routes.compactMap { route in
      guard let source = route.certificate, seen.insert(source).inserted else { return nil }
      switch source {
      case .automatic: return nil
      case .files(let certificate, let key): return (certificate, key)
      }
    }
  }

  private var routes: [RouteSpec] {
    environments.flatMap { environment in
      services.compactMap { environment.services[$0.name]?.route ?? $0.route }
    }
  }
}
