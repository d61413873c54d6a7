internal import COpenSSL

/// A certificate in OpenSSL's hands.
///
/// Sendable because nothing changes it once it is made; OpenSSL counts its references atomically.
final class Identity: @unchecked Sendable {
  private var identity = segue_identity()
  let summary: CertificateSummary

  init(_ files: CertificateFiles) throws(CertificateFault) {
    func fault(_ source: CertificateFiles.Source, _ problem: String) -> CertificateFault {
      CertificateFault(
        name: files.name, file: CertificateFiles.place(source), problem: problem)
    }
    guard let chain = CertificateFiles.read(files.certificate) else {
      throw fault(files.certificate, "can't be read; check that it exists, and who may read it")
    }
    guard let key = CertificateFiles.read(files.key) else {
      throw fault(files.key, "can't be read; check that it exists, and who may read it")
    }
    let result = segue_identity_read(chain, chain.count, key, key.count, &identity)
    ERR_clear_error()
    switch result {
    case SEGUE_IDENTITY_READ:
      summary = Self.summarize(files.name, identity.leaf)
    case SEGUE_IDENTITY_NO_CERTIFICATE:
      throw fault(
        files.certificate,
        "holds no intact chain of certificates in PEM; write the certificate, then its issuers")
    case SEGUE_IDENTITY_NO_KEY:
      throw fault(files.key, "holds no private key in PEM without a passphrase")
    default:
      throw fault(files.key, "is not the key of this certificate; give the one it was issued for")
    }
  }

  deinit { segue_identity_free(&identity) }

  /// Has a connection present this certificate.
  func use(on connection: OpaquePointer) -> Bool {
    withUnsafePointer(to: identity) { segue_identity_use(connection, $0) }
  }

  private static func summarize(
    _ name: String, _ certificate: OpaquePointer?
  ) -> CertificateSummary {
    let names = String(decoding: Octets.take(segue_certificate_names(certificate)), as: UTF8.self)
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var count: UInt32 = 0
    X509_digest(certificate, EVP_sha256(), &digest, &count)
    let digits = Array("0123456789abcdef")
    return CertificateSummary(
      name: name, hosts: names.lowercased().split(separator: "\n").map(String.init),
      notBefore: segue_certificate_begin(certificate),
      notAfter: segue_certificate_expiry(certificate),
      fingerprint: String(
        digest.prefix(Int(count)).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }))
  }
}

enum Octets {
  /// Takes over what the shim allocated; empty if it failed.
  static func take(_ octets: segue_octets) -> [UInt8] {
    defer { segue_octets_free(octets) }
    return [UInt8](UnsafeRawBufferPointer(start: octets.base, count: octets.count))
  }
}
