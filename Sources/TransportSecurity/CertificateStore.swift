internal import COpenSSL

/// All certificates that a server can present. It never changes: a reload makes another one, and
/// connections keep the one they began with.
///
/// A client that names a host gets the certificate with that very name, or else one whose wildcard
/// covers it (one label deep, RFC 6125 section 6.4.3). One that names none, or an unknown one, gets
/// the first certificate, so that it sees an error about the name instead of a reset. Of two
/// certificates with the same name the first one counts.
///
/// Sendable because nothing changes it once it is made; OpenSSL makes connections of one context on
/// any number of threads.
public final class CertificateStore: @unchecked Sendable {
  /// What could not be read, and is therefore not served.
  public let faults: [CertificateFault]
  /// What is served, the first one first.
  public let certificates: [CertificateSummary]

  let context: OpaquePointer
  private let fallback: Identity?
  private let exact: [String: Identity]
  /// By what follows the asterisk's dot.
  private let wildcards: [String: Identity]
  private let validations: [String: Identity]

  /// Reads certificates. A pair that can't be read, or whose key doesn't match, is left out and
  /// reported, and the others are served.
  ///
  /// - Parameters:
  ///   - files: what to serve; each is found by the DNS names in its subjectAltName.
  ///   - tickets: the keys for resuming sessions.
  ///   - validations: certificates by which a certificate authority sees that a host is ours, each
  ///     for the DNS names in it. They are shown only to a client that offers nothing but
  ///     `acme-tls/1` (RFC 8737 section 3).
  /// - Throws: `TLSFault` of kind `resources`; never because of a file.
  public init(
    _ files: [CertificateFiles], tickets: TicketKeys, validations: [CertificateFiles] = []
  ) throws(TLSFault) {
    var faults: [CertificateFault] = []
    let served = Self.read(files, &faults)
    let answers = Self.read(validations, &faults)
    var exact: [String: Identity] = [:]
    var wildcards: [String: Identity] = [:]
    for identity in served.reversed() {
      for host in identity.summary.hosts {
        if host.hasPrefix("*.") {
          wildcards[String(host.dropFirst(2))] = identity
        } else {
          exact[host] = identity
        }
      }
    }
    var byHost: [String: Identity] = [:]
    for identity in answers {
      for host in identity.summary.hosts { byHost[host] = identity }
    }
    let keys = tickets.octets
    guard let context = segue_server_context(keys, keys.count / TicketKeys.keySize) else {
      throw TLSFault.first(.resources)
    }
    SSL_CTX_set_client_hello_cb(context, TLSConnection.clientHello, nil)
    SSL_CTX_set_alpn_select_cb(context, TLSConnection.selectProtocol, nil)
    self.context = context
    self.faults = faults
    certificates = served.map(\.summary)
    fallback = served.first
    self.exact = exact
    self.wildcards = wildcards
    self.validations = byHost
  }

  deinit { SSL_CTX_free(context) }

  /// The certificate for a host in lower case; nil only if there is none at all.
  func identity(for host: String?) -> Identity? {
    guard let host else { return fallback }
    if let identity = exact[host] { return identity }
    guard let dot = host.firstIndex(of: ".") else { return fallback }
    return wildcards[String(host[host.index(after: dot)...])] ?? fallback
  }

  /// The certificate that proves to a certificate authority that this host is ours.
  func validation(for host: String?) -> Identity? { host.flatMap { validations[$0] } }

  private static func read(
    _ files: [CertificateFiles], _ faults: inout [CertificateFault]
  ) -> [Identity] {
    var identities: [Identity] = []
    for pair in files {
      do throws(CertificateFault) {
        identities.append(try Identity(pair))
      } catch {
        faults.append(error)
      }
    }
    return identities
  }
}
