internal import COpenSSL

/// A private key for a certificate.
public enum PrivateKey {
  /// A new key on the curve P-256, as PEM (PKCS#8, RFC 5958).
  ///
  /// - Throws: `TLSFault` of kind `resources`.
  public static func generate() throws(TLSFault) -> [UInt8] {
    ERR_clear_error()
    let key = Octets.take(segue_key_generate())
    guard !key.isEmpty else { throw TLSFault.first(.resources) }
    return key
  }
}

/// What is sent to a certificate authority.
public enum CertificateRequest {
  /// A PKCS#10 request in DER (RFC 2986).
  ///
  /// - Parameters:
  ///   - hosts: DNS names, at least one; wildcards are allowed.
  ///   - keyPEM: the private key, whose public half is requested to be certified.
  /// - Throws: `TLSFault` of kind `misuse` if a name is no DNS name or the key can't be read.
  public static func der(hosts: [String], keyPEM: [UInt8]) throws(TLSFault) -> [UInt8] {
    let names = try DNSNames.alternatives(hosts)
    ERR_clear_error()
    let request = Octets.take(segue_request(keyPEM, keyPEM.count, names))
    guard !request.isEmpty else { throw TLSFault.first(.misuse) }
    return request
  }
}

/// What a certificate authority looks at to see that a host is ours (RFC 8737).
public enum ValidationCertificate {
  /// A certificate signed by its own key, as PEM, valid for a week.
  ///
  /// - Parameters:
  ///   - host: the DNS name to be validated.
  ///   - digest: SHA-256 of the key authorization, 32 octets (RFC 8737 section 3).
  ///   - keyPEM: the private key to sign with.
  /// - Throws: `TLSFault` of kind `misuse` if one of them is not what it should be.
  public static func pem(
    host: String, digest: [UInt8], keyPEM: [UInt8]
  ) throws(TLSFault) -> [UInt8] {
    guard digest.count == 32 else { throw TLSFault(.misuse, "a SHA-256 digest has 32 octets") }
    return try SelfSigned.pem(hosts: [host], digest: digest, keyPEM: keyPEM)
  }
}

enum SelfSigned {
  static func pem(
    hosts: [String], digest: [UInt8]? = nil, keyPEM: [UInt8]
  ) throws(TLSFault) -> [UInt8] {
    let names = try DNSNames.alternatives(hosts)
    ERR_clear_error()
    let octets =
      if let digest {
        Octets.take(segue_self_signed(keyPEM, keyPEM.count, names, digest, 7))
      } else {
        Octets.take(segue_self_signed(keyPEM, keyPEM.count, names, nil, 7))
      }
    guard !octets.isEmpty else { throw TLSFault.first(.misuse) }
    return octets
  }
}

enum DNSNames {
  /// Names in the syntax of subjectAltName, in which commas and colons have a meaning, so that only
  /// what can stand in a host name is let in.
  static func alternatives(_ hosts: [String]) throws(TLSFault) -> String {
    guard !hosts.isEmpty, hosts.count <= 100 else {
      throw TLSFault(.misuse, "a certificate is for 1 to 100 names")
    }
    for host in hosts {
      let rest = host.hasPrefix("*.") ? host.dropFirst(2) : host[...]
      let isName =
        !rest.isEmpty && host.utf8.count <= 253
        && rest.utf8.allSatisfy { byte in
          switch byte {
          case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"):
            true
          default: false
          }
        }
      guard isName else { throw TLSFault(.misuse, "'\(host)' is no DNS name") }
    }
    return hosts.map { "DNS:" + $0 }.joined(separator: ",")
  }
}
