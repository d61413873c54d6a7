import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOSSL
import Ports
import SegueModel

extension ACMEClient {
  /// Connections for one round of asking, shut down when `body` is done.
  static func withConnections<Result: Sendable>(
    _ settings: IssuingSettings, _ body: (HTTPClient) async throws(PortError) -> Result
  ) async throws(PortError) -> Result {
    var configuration = HTTPClient.Configuration(
      redirectConfiguration: .disallow, timeout: .init(connect: .seconds(10)))
    configuration.connectionPool.retryConnectionEstablishment = false
    if let file = settings.rootFile {
      var tls = TLSConfiguration.makeClientConfiguration()
      tls.trustRoots = .certificates(try roots(file))
      configuration.tlsConfiguration = tls
    }
    let http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    do {
      let result = try await body(http)
      try? await http.shutdown()
      return result
    } catch {
      try? await http.shutdown()
      throw error
    }
  }

  private static func roots(_ file: String) throws(PortError) -> [NIOSSLCertificate] {
    let certificates: [NIOSSLCertificate]
    do {
      certificates = try NIOSSLCertificate.fromPEMFile(file)
    } catch {
      throw PortError(
        "The file of root certificates \(file) cannot be read", fault: .user, retry: .safe,
        causes: ["\(error)"],
        nextStep: "Name a PEM file with the certificate that signed the authority's own")
    }
    guard !certificates.isEmpty else {
      throw PortError(
        "The file of root certificates \(file) has none", fault: .user, retry: .safe,
        nextStep: "Name a PEM file with the certificate that signed the authority's own")
    }
    return certificates
  }

  /// Sends one request, and reads the answer whole.
  static func send(
    _ request: HTTPClientRequest, _ settings: IssuingSettings, _ http: HTTPClient,
    _ time: any TimeSource
  ) async throws(PortError) -> Reply {
    // Everything of ACME's is over TLS (RFC 8555 section 6.1), also what the authority names.
    guard request.url.hasPrefix("https://") else {
      throw PortError(
        "\(request.url) does not begin with https://", fault: .user, retry: .safe,
        nextStep: "Name the authority's directory by its https address")
    }
    do {
      let response = try await http.execute(
        request, deadline: .now() + TimeAmount(settings.limits.request.duration))
      let body = try await response.body.collect(upTo: settings.limits.answer)
      let wait = response.headers.first(name: "retry-after").flatMap {
        RetryAfter.span($0, now: time.now())
      }
      return Reply(
        status: response.status.code, headers: response.headers,
        body: Array(body.readableBytesView),
        wait: wait)
    } catch {
      throw unreachable(request.url, error)
    }
  }

  private static func unreachable(_ url: String, _ error: any Error) -> PortError {
    let cause = "\(error)"
    let isDistrust = cause.contains("CERTIFICATE_VERIFY_FAILED")
    return PortError(
      "The certificate authority cannot be reached", fault: .network, retry: .safe,
      causes: [isDistrust ? "\(url) shows a certificate that is not trusted" : "\(url): \(cause)"],
      nextStep: isDistrust
        ? "For an authority of your own, name its root certificate's file"
        : "Check tls.acme.directory, and this machine's way to it")
  }
}
