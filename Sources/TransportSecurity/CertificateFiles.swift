import Foundation

/// A certificate with its chain, and its private key, both as PEM.
public struct CertificateFiles: Sendable {
  enum Source: Sendable {
    case path(String)
    case octets([UInt8])
  }

  /// What faults call it, such as the service it is for.
  public let name: String
  let certificate: Source
  let key: Source

  /// Files, which are read when a store is made of them. The certificate itself comes first, then
  /// its chain. A key under a passphrase can't be used.
  public init(name: String, certificate: String, key: String) {
    self.name = name
    self.certificate = .path(certificate)
    self.key = .path(key)
  }

  /// The contents of such files.
  public init(name: String, certificatePEM: [UInt8], keyPEM: [UInt8]) {
    self.name = name
    certificate = .octets(certificatePEM)
    key = .octets(keyPEM)
  }

  /// A file larger than this many octets is no certificate.
  static let sizeLimit = 1 << 20

  /// The contents, or nil if there is no such readable file.
  static func read(_ source: Source) -> [UInt8]? {
    switch source {
    case .octets(let octets): return octets
    case .path(let path):
      guard let file = FileHandle(forReadingAtPath: path) else { return nil }
      defer { try? file.close() }
      // At the end of a file there is nothing, which is not a failure.
      guard let data = try? file.read(upToCount: sizeLimit + 1) ?? Data(),
        data.count <= sizeLimit
      else { return nil }
      return [UInt8](data)
    }
  }

  static func place(_ source: Source) -> String {
    switch source {
    case .octets: "the given PEM"
    case .path(let path): path
    }
  }
}

/// A certificate that is not served, and why.
public struct CertificateFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// The ``CertificateFiles/name``.
  public let name: String
  /// The path of the file that is wrong.
  public let file: String
  /// What is wrong with it, and what to do.
  public let problem: String

  public var description: String { "certificate '\(name)': \(file): \(problem)" }
}

/// A certificate that is served.
public struct CertificateSummary: Hashable, Sendable {
  /// The ``CertificateFiles/name``.
  public let name: String
  /// Its DNS names in lower case, wildcards included.
  public let hosts: [String]
  /// The begin of its validity, in seconds since 1970; -1 if that can't be read.
  public let notBefore: Int64
  /// The end of its validity, in seconds since 1970; -1 if that can't be read.
  public let notAfter: Int64
  /// SHA-256 of the certificate, as 64 hexadecimal digits.
  public let fingerprint: String
}

extension CertificateSummary {
  /// What a certificate says, without serving it.
  ///
  /// - Throws: `CertificateFault` if it can't be read, or the key is another one's.
  public static func read(_ files: CertificateFiles) throws(CertificateFault) -> CertificateSummary
  {
    try Identity(files).summary
  }
}
