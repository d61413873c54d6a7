import Foundation
import Testing

enum Certificates {
  /// Makes `HOST.crt` and `HOST.key`, which trust nobody but themselves, in a directory.
  static func make(for host: String, in directory: String) async throws {
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true)
    let output = try await Command.run([
      "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
      "-days", "2", "-subj", "/CN=\(host)", "-addext", "subjectAltName=DNS:\(host)", "-keyout",
      "\(directory)/\(host).key", "-out", "\(directory)/\(host).crt",
    ])
    try #require(FileManager.default.fileExists(atPath: "\(directory)/\(host).crt"), "\(output)")
  }
}
