import Foundation
import Glibc

/// Answers to a certificate authority, below a folder of certificates: whoever asks for certificates
/// puts them there, and whoever listens on the hosts' ports shows them.
public struct ChallengeFolder: Hashable, Sendable {
  /// How the paths of HTTP-01 begin; the token follows (RFC 8555 section 8.3).
  public static let pathPrefix = "/.well-known/acme-challenge/"
  /// Characters of the longest token that is looked for; authorities use 43 at most.
  static let tokenLimit = 128
  /// Octets of the longest answer: a token, a point and a thumbprint.
  static let answerLimit = 512

  private let certificates: String

  /// - Parameter certificates: the folder that the proxy takes its certificates from.
  public init(certificates: String) { self.certificates = certificates }

  /// Where the answers to HTTP-01 are, each under the name of its token.
  public var http: String { certificates + "/challenges/http" }
  /// Where the answers to TLS-ALPN-01 are, `HOST.crt` and `HOST.key` (RFC 8737).
  public var tls: String { certificates + "/challenges/tls" }

  /// Whether a text can be a token: letters, digits, `-` and `_` only (RFC 8555 section 8), so that it
  /// cannot lead out of a folder.
  public static func isToken(_ text: some StringProtocol) -> Bool {
    (1...tokenLimit).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
          true
        default: false
        }
      }
  }

  /// The answer to a request, or nil if the path is none of HTTP-01's or there is no answer, which is
  /// then an ordinary request. Reads a file of a few octets, and only for a path that could have one.
  ///
  /// - Parameter path: of the request, without a query.
  public func answer(toPath path: some StringProtocol) -> [UInt8]? {
    guard path.hasPrefix(Self.pathPrefix) else { return nil }
    let token = path.dropFirst(Self.pathPrefix.count)
    guard Self.isToken(token) else { return nil }
    let file = open("\(http)/\(token)", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var buffer = [UInt8](repeating: 0, count: Self.answerLimit + 1)
    let count = read(file, &buffer, buffer.count)
    // Anything that is no key authorization of this very token was not put there for it.
    guard count > 0, count <= Self.answerLimit, buffer.starts(with: "\(token).".utf8)
    else { return nil }
    return Array(buffer[..<count])
  }
}
