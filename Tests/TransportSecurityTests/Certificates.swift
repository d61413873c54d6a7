@testable import TransportSecurity

/// Certificates that sign themselves.
enum Certificates {
  static func files(_ hosts: String...) throws -> CertificateFiles {
    let key = try PrivateKey.generate()
    return CertificateFiles(
      name: hosts[0], certificatePEM: try SelfSigned.pem(hosts: hosts, keyPEM: key), keyPEM: key)
  }

  static func store(
    _ hosts: String..., tickets: TicketKeys? = nil
  ) throws -> CertificateStore {
    try CertificateStore(hosts.map { try files($0) }, tickets: try tickets ?? TicketKeys())
  }

  static func connection(
    _ store: CertificateStore? = nil, _ alpn: ApplicationProtocolPolicy = .http2AndHTTP1
  ) throws -> TLSConnection {
    try TLSConnection(store: try store ?? Self.store("shop.example"), alpn: alpn)
  }
}
