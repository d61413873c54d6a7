public import SegueModel

/// How a certificate authority sees that a host is ours.
public enum ChallengeKind: String, Hashable, Sendable, CaseIterable {
  /// A file on port 80 (RFC 8555 section 8.3).
  case http01 = "http-01"
  /// A TLS handshake on port 443 (RFC 8737).
  case tlsALPN01 = "tls-alpn-01"
}

/// Ties an account to one that the authority knows already (RFC 8555 section 7.3.4).
public struct ExternalAccount: Hashable, Sendable, CustomStringConvertible {
  /// What the authority calls the key.
  public var keyID: String
  /// The key itself, base64url as authorities hand it out.
  public var key: String

  public init(keyID: String, key: String) {
    self.keyID = keyID
    self.key = key
  }

  /// Shows nothing of the key.
  public var description: String { "ExternalAccount(\(keyID))" }
}

/// Where the proxy listens.
public struct ProxyAddress: Hashable, Sendable, CustomStringConvertible {
  /// A literal address that can be connected to, so not `0.0.0.0`.
  public var host: String
  public var port: Int

  public init(host: String = "127.0.0.1", port: Int) {
    self.host = host
    self.port = port
  }

  public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Whom to ask for certificates, and how.
public struct IssuingSettings: Hashable, Sendable {
  /// The authority's directory (RFC 8555 section 7.1.1): an `https` address.
  public var directory: String
  /// Where the authority may write to; `nil`: nowhere.
  public var email: String?
  /// Whether whoever runs this agrees to the authority's terms.
  public var agreesToTerms: Bool
  public var challenge: ChallengeKind
  /// A PEM file with the certificates to trust the authority's own server by, and no others; `nil`:
  /// those of this machine.
  public var rootFile: String?
  public var externalAccount: ExternalAccount?
  /// Certificates are kept in its folder `certificates`.
  public var stateDirectory: String
  /// Where the proxy listens without TLS and with it, there is looked whether an answer is
  /// served before the authority does. `nil`: at port 80 or 443 of the host itself.
  public var plainAddress: ProxyAddress?
  public var secureAddress: ProxyAddress?
  public var limits: IssuingLimits

  public init(
    directory: String, email: String? = nil, agreesToTerms: Bool = false,
    challenge: ChallengeKind = .http01, rootFile: String? = nil,
    externalAccount: ExternalAccount? = nil, stateDirectory: String,
    plainAddress: ProxyAddress? = nil, secureAddress: ProxyAddress? = nil,
    limits: IssuingLimits = IssuingLimits()
  ) {
    self.directory = directory
    self.email = email
    self.agreesToTerms = agreesToTerms
    self.challenge = challenge
    self.rootFile = rootFile
    self.externalAccount = externalAccount
    self.stateDirectory = stateDirectory
    self.plainAddress = plainAddress
    self.secureAddress = secureAddress
    self.limits = limits
  }
}

/// Every bound that is kept while certificates are asked for.
public struct IssuingLimits: Hashable, Sendable {
  /// One request to the authority, with its answer.
  public var request = Milliseconds.seconds(30)
  /// One certificate, from the order to the chain.
  public var order = Milliseconds.seconds(300)
  /// Until the proxy serves an answer.
  public var serving = Milliseconds.seconds(20)
  /// Octets of an answer of the authority's.
  public var answer = 1 << 20
  /// Certificates that are asked for at the same time.
  public var concurrency = 4
  /// How often a request is sent again because its nonce was not accepted (RFC 8555 section 6.5).
  public var nonces = 20

  public init() {}
}
