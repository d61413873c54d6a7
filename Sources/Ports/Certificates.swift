public import SegueModel

/// What routes want of certificates.
public struct CertificateWishes: Hashable, Sendable {
  /// A certificate with its chain and its key, as files of this machine.
  public struct Files: Hashable, Sendable {
    public var certificate: String
    public var key: String

    public init(certificate: String, key: String) {
      self.certificate = certificate
      self.key = key
    }
  }

  /// Whom to ask for those of ``hosts``; `nil`: nobody.
  public var authority: AuthoritySpec?
  /// Each once, sorted.
  public var hosts: [String]
  /// Each once.
  public var files: [Files]

  public init(authority: AuthoritySpec? = nil, hosts: [String] = [], files: [Files] = []) {
    self.authority = authority
    self.hosts = hosts
    self.files = files
  }
}

/// Sees to it that the router has the certificates that routes want.
public protocol CertificateKeeping: Sendable {
  /// From now on; asked again with the same wishes, it does nothing.
  func want(_ wishes: CertificateWishes) async
  /// What keeps a host from having its certificate, by host.
  func problems() async -> [String: String]
}
