import AsyncHTTPClient
import NIOCore
public import NIOHTTP1
import NIOPosix
import NIOSSL
public import Ports
public import SegueModel

/// Requests to servers of others: forges, receivers of notices, sources of metrics. Over TLS where the
/// address says so, with the system's certificates.
///
/// Every exchange has a deadline and its answer a limit. Redirects are not followed: they would carry
/// what is secret elsewhere.
public final class OutboundClient: Sendable {
  public struct Answer: Equatable, Sendable {
    public var status: Int
    public var headers: HTTPHeaders
    public var body: [UInt8]
  }

  /// Why there is no whole answer: a phrase without the address, which may be a secret.
  public struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
  }

  private let http: HTTPClient
  private let time: any TimeSource
  private let deadline: Milliseconds

  /// - Parameters:
  ///   - deadline: for one exchange, from the first packet to the last.
  ///   - rootFile: certificates (PEM) that are trusted in place of the system's.
  public init(time: any TimeSource, deadline: Milliseconds, rootFile: String? = nil) {
    var configuration = HTTPClient.Configuration(
      redirectConfiguration: .disallow,
      timeout: .init(connect: .milliseconds(max(deadline.count, 1))))
    if let rootFile {
      var tls = TLSConfiguration.makeClientConfiguration()
      tls.trustRoots = .file(rootFile)
      configuration.tlsConfiguration = tls
    }
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.httpVersion = .http1Only
    http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    self.time = time
    self.deadline = deadline
  }

  /// Closes every connection. Required before the last reference goes.
  public func shutdown() async { try? await http.shutdown() }

  /// - Parameters:
  ///   - url: `http://` or `https://`.
  ///   - limit: octets of the answer's body. One that is longer, or breaks off, is a failure, unless
  ///     the `statusSuffices`: then the body is empty.
  public func exchange(
    _ url: String, method: HTTPMethod = .GET, headers: HTTPHeaders = [:], body: [UInt8]? = nil,
    limit: Int = 1 << 20, statusSuffices: Bool = false
  ) async throws(Failure) -> Answer {
    var request = HTTPClientRequest(url: url)
    request.method = method
    request.headers = headers
    if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
    let (http, outgoing) = (http, request)
    let result = await Deadline.run(deadline, time: time) { () -> Result<Answer, Failure> in
      do {
        let response = try await http.execute(outgoing, deadline: .distantFuture)
        let body: ByteBuffer?
        do {
          body = try await response.body.collect(upTo: limit)
        } catch  where statusSuffices {
          body = nil
        }
        return .success(
          Answer(
            status: Int(response.status.code), headers: response.headers,
            body: body.map { Array($0.readableBytesView) } ?? []))
      } catch {
        return .failure(Failure(Self.reason(error)))
      }
    }
    guard let result else { throw Failure("it did not answer within \(deadline)") }
    return try result.get()
  }

  private static func reason(_ error: any Error) -> String {
    switch error {
    case is NIOTooManyBytesError: "its answer is too long"
    case let error as HTTPClientError where error == .connectTimeout: "no connection in time"
    case let error as HTTPClientError where error == .remoteConnectionClosed:
      "it closed the connection without a whole answer"
    case let error as HTTPClientError
    where [.invalidURL, .emptyHost, .emptyScheme].contains(error)
      || error.shortDescription == HTTPClientError.unsupportedScheme("").shortDescription:
      "the address does not begin with http:// or https:// and a host"
    case is HTTPParserError: "its answer is not HTTP/1.1"
    case is NIOConnectionError: "no connection could be made"
    case let error as IOError: "no connection could be made (error \(error.errnoCode))"
    case is NIOSSLError, is BoringSSLError: "TLS was not agreed on"
    case is CancellationError: "it was cancelled"
    default: "the request failed (\(type(of: error)))"
    }
  }
}
