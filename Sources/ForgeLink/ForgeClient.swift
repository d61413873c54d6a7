import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
public import Ports
public import SegueModel

/// Speaks to the API of one forge or tracker. Every call has a deadline; errors hold no token and no
/// address.
public final class ForgeClient: Sendable {
  /// Octets of an answer that are read.
  static let answerLimit = 4 * 1_024 * 1_024

  let account: ForgeAccount
  private let http: HTTPClient
  private let time: any TimeSource
  private let deadline: Milliseconds

  /// - Parameter deadline: for one call, from the first packet to the last.
  public init(
    _ account: ForgeAccount, time: any TimeSource, deadline: Milliseconds = .seconds(10)
  ) {
    var configuration = HTTPClient.Configuration(
      redirectConfiguration: .disallow,
      timeout: .init(connect: .milliseconds(max(deadline.count, 1))))
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.httpVersion = .http1Only
    http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    self.account = account
    self.time = time
    self.deadline = deadline
  }

  /// Closes every connection. Required before the last reference goes.
  public func shutdown() async { try? await http.shutdown() }

  struct Answer: Sendable {
    var status: Int
    var body: Data
  }

  /// - Throws: a phrase, when there is no whole answer.
  func call(
    _ method: String, _ path: String, body: [UInt8]? = nil
  ) async throws(Unreachable) -> Answer {
    var request = HTTPClientRequest(url: account.base + path)
    request.method = .init(rawValue: method)
    request.headers.add(name: "user-agent", value: "segue-forge/1")
    request.headers.add(
      name: "accept",
      value: account.kind == .gitHub ? "application/vnd.github+json" : "application/json")
    if account.kind == .gitHub {
      request.headers.add(name: "x-github-api-version", value: "2022-11-28")
    }
    if let (name, value) = account.authorization { request.headers.add(name: name, value: value) }
    if let body {
      request.headers.add(name: "content-type", value: "application/json")
      request.body = .bytes(ByteBuffer(bytes: body))
    }
    let outgoing = request
    let http = http
    let time = time
    let deadline = deadline
    let result = await withTaskGroup(of: Result<Answer, Unreachable>?.self) { group in
      group.addTask {
        do {
          let response = try await http.execute(outgoing, deadline: .distantFuture)
          let body = try await response.body.collect(upTo: Self.answerLimit)
          return .success(
            Answer(status: Int(response.status.code), body: Data(body.readableBytesView)))
        } catch {
          return .failure(Unreachable(Self.reason(error)))
        }
      }
      group.addTask {
        try? await time.sleep(for: deadline)
        return nil
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      return first
    }
    guard let result else { throw Unreachable("it did not answer within \(deadline)") }
    return try result.get()
  }

  struct Unreachable: Error {
    var reason: String
    init(_ reason: String) { self.reason = reason }
  }

  private static func reason(_ error: any Error) -> String {
    switch error {
    case is NIOTooManyBytesError: "its answer is too long"
    case is NIOConnectionError: "no connection could be made"
    case let error as IOError: "no connection could be made (error \(error.errnoCode))"
    case is HTTPClientError: "it closed the connection without a whole answer"
    default: "the request failed (\(type(of: error)))"
    }
  }

  /// What a status other than 2xx means for somebody who wanted to write.
  func failure(_ status: Int, _ what: String) -> PortError {
    let name = "\(account.kind.rawValue) answered \(status)"
    switch status {
    case 401, 403:
      return PortError(
        what, fault: .user, retry: .after(.minutes(10)), causes: [name],
        nextStep: "Check that the token is valid and may write statuses and comments")
    case 404, 410:
      return PortError(
        what, fault: .user, retry: .never, causes: [name],
        nextStep: "Check the repository's name, and that the token may see it")
    case 408, 429, 500...599:
      return PortError(what, fault: .network, retry: .after(.seconds(30)), causes: [name])
    default: return PortError(what, fault: .segue, retry: .never, causes: [name])
    }
  }

  /// A segment of a path: everything but unreserved characters is encoded, slashes included.
  static func segment(_ text: String) -> String {
    text.addingPercentEncoding(
      withAllowedCharacters: .init(
        charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")) ?? ""
  }

  /// `/repos/OWNER/NAME`, or `/projects/GROUP%2FNAME` at GitLab.
  func repositoryPath(_ repository: String) -> String {
    switch account.kind {
    case .gitLab: return "/projects/" + Self.segment(repository)
    case .gitHub, .gitea, .jira:
      return "/repos/"
        + repository.split(separator: "/").map { Self.segment(String($0)) }
        .joined(separator: "/")
    }
  }
}
