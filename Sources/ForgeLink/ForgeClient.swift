import Foundation
import NIOHTTP1
import OutboundHTTP
public import Ports
public import SegueModel

/// Speaks to the API of one forge or tracker. Every call has a deadline; errors hold no token and no
/// address.
public final class ForgeClient: Sendable {
  /// Octets of an answer that are read.
  static let answerLimit = 4 * 1_024 * 1_024

  let account: ForgeAccount
  private let http: OutboundClient

  /// - Parameter deadline: for one call, from the first packet to the last.
  public init(
    _ account: ForgeAccount, time: any TimeSource, deadline: Milliseconds = .seconds(10)
  ) {
    http = OutboundClient(time: time, deadline: deadline)
    self.account = account
  }

  /// Closes every connection. Required before the last reference goes.
  public func shutdown() async { await http.shutdown() }

  struct Answer: Sendable {
    var status: Int
    var body: Data
  }

  /// - Throws: a phrase, when there is no whole answer.
  func call(
    _ method: String, _ path: String, body: [UInt8]? = nil
  ) async throws(Unreachable) -> Answer {
    let isGitHub = account.kind == .gitHub
    var headers: HTTPHeaders = [
      "user-agent": "segue-forge/1",
      "accept": isGitHub ? "application/vnd.github+json" : "application/json",
    ]
    if isGitHub { headers.add(name: "x-github-api-version", value: "2022-11-28") }
    if let (name, value) = account.authorization { headers.add(name: name, value: value) }
    if body != nil { headers.add(name: "content-type", value: "application/json") }
    do throws(OutboundClient.Failure) {
      let answer = try await http.exchange(
        account.base + path, method: HTTPMethod(rawValue: method), headers: headers, body: body,
        limit: Self.answerLimit)
      return Answer(status: answer.status, body: Data(answer.body))
    } catch {
      throw Unreachable("\(error)")
    }
  }

  struct Unreachable: Error {
    var reason: String
    init(_ reason: String) { self.reason = reason }
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
