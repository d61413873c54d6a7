import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
public import Ports
public import SegueModel

/// The address of a receiver. It is a secret: whoever has a chat's webhook address can write there.
public struct WebhookAddress: Hashable, Sendable {
  let url: Secret

  /// - Throws: a sentence about what is wrong, without the address.
  public init(_ url: Secret, allowsPlainHTTP: Bool = false) throws(ChannelFault) {
    guard url.reveal().utf8.count <= 4_096, let parts = URLComponents(string: url.reveal()),
      let host = parts.host, !host.isEmpty, parts.user == nil, parts.password == nil
    else {
      throw ChannelFault("the webhook's address is not a complete URL; write https://HOST/PATH")
    }
    let isLocal = ["127.0.0.1", "localhost", "[::1]", "::1"].contains(host)
    switch parts.scheme?.lowercased() {
    case "https": break
    case "http" where isLocal || allowsPlainHTTP: break
    default:
      throw ChannelFault(
        "the webhook's address does not begin with https://; without TLS everybody on the way "
          + "reads it. Use https, or allow plain HTTP for this channel")
    }
    self.url = url
  }
}

/// What is wrong with a channel's settings: what, and what to do.
public struct ChannelFault: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}

/// Sends requests to webhooks. Redirects are not followed: they would carry what is secret elsewhere.
public final class WebhookClient: Sendable {
  private let http: HTTPClient
  private let time: any TimeSource
  private let deadline: Milliseconds

  /// - Parameter deadline: for one attempt, from the first packet to the receiver's answer.
  public init(time: any TimeSource, deadline: Milliseconds = .seconds(15)) {
    var configuration = HTTPClient.Configuration(
      redirectConfiguration: .disallow,
      timeout: .init(connect: .milliseconds(max(deadline.count, 1))))
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.httpVersion = .http1Only
    http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    self.time = time
    self.deadline = deadline
  }

  /// Closes every connection. Required before the last reference goes.
  public func shutdown() async { try? await http.shutdown() }

  /// Posts once, and tells a refusal from a failure that may pass.
  func post(
    _ body: [UInt8], to address: WebhookAddress, headers: KeyValuePairs<String, String>,
    at now: Instant
  ) async throws(DeliveryFailure) {
    var request = HTTPClientRequest(url: address.url.reveal())
    request.method = .POST
    request.headers.add(name: "user-agent", value: "segue-notifications/1")
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    request.body = .bytes(ByteBuffer(bytes: body))
    let outgoing = request
    let http = http
    let answer = await Deadline.run(deadline, time: time) { () -> Answer in
      do {
        return try await Self.execute(outgoing, http)
      } catch {
        return .failed(Self.reason(error))
      }
    }
    switch answer {
    case nil: throw .tryAgain("it did not answer within \(deadline)", after: nil)
    case .failed(let reason)?: throw .tryAgain(reason, after: nil)
    case .status(let status, let retryAfter, let word)?:
      if let failure = Self.failure(status, word, RetryAfter.wait(retryAfter, now: now)) {
        throw failure
      }
    }
  }

  private enum Answer: Sendable {
    case status(Int, retryAfter: String?, word: String?)
    case failed(String)
  }

  private static func execute(
    _ request: HTTPClientRequest, _ http: HTTPClient
  ) async throws -> Answer {
    let response = try await http.execute(request, deadline: .distantFuture)
    let status = Int(response.status.code)
    // The answer stands once its head is there; the body is read for its one word, if it is one.
    let body = try? await response.body.collect(upTo: 4_096)
    let word = body.map { String(buffer: $0) }.flatMap { text in
      text.wholeMatch(of: /[a-z_]{2,40}/) == nil ? nil : text
    }
    return .status(status, retryAfter: response.headers.first(name: "retry-after"), word: word)
  }

  static func failure(
    _ status: Int, _ word: String?, _ after: Milliseconds?
  ) -> DeliveryFailure? {
    let reason = "it answered \(status)" + (word.map { " (\($0))" } ?? "")
    switch status {
    case 200...299: return nil
    case 410: return .closed(reason + ": it takes nothing any more")
    // What is wrong with the message itself stays wrong.
    case 400, 406, 411, 413, 414, 415, 422, 431: return .refused(reason)
    case 300...399: return .tryAgain(reason + ": redirects are not followed", after: after)
    // Others, 401 and 404 among them, may be put right by somebody before the notice is too old.
    default: return .tryAgain(reason, after: after)
    }
  }

  /// A phrase without the address, which the errors of the client may hold.
  static func reason(_ error: any Error) -> String {
    switch error {
    case let error as HTTPClientError where error == .connectTimeout: "no connection in time"
    case let error as HTTPClientError where error == .remoteConnectionClosed:
      "it closed the connection without an answer"
    case is HTTPParserError: "its answer is not HTTP/1.1"
    case is NIOConnectionError: "no connection could be made"
    case let error as IOError: "no connection could be made (error \(error.errnoCode))"
    case is CancellationError: "the attempt was cancelled"
    default: "the request failed (\(type(of: error)))"
    }
  }
}

/// How long a receiver asks to be left alone (RFC 9110 section 10.2.3).
enum RetryAfter {
  /// - Parameter text: seconds, or a date as `Sun, 06 Nov 1994 08:49:37 GMT`; `nil` for anything else.
  static func wait(_ text: String?, now: Instant) -> Milliseconds? {
    guard let text, text.utf8.count <= 64 else { return nil }
    if let seconds = Int64(text) {
      return (0...1_000_000).contains(seconds) ? .seconds(seconds) : nil
    }
    let format = DateFormatter()
    format.locale = Locale(identifier: "en_US_POSIX")
    format.timeZone = .gmt
    format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
    guard let date = format.date(from: text) else { return nil }
    let then = Instant(milliseconds: Int64(date.timeIntervalSince1970) * 1_000)
    return max(then - now, .zero)
  }
}

/// Work that must be over in time.
enum Deadline {
  /// What `work` came to, or `nil` when it took longer than `span`. It is cancelled then.
  static func run<Value: Sendable>(
    _ span: Milliseconds, time: any TimeSource, _ work: @escaping @Sendable () async -> Value
  ) async -> Value? {
    await withTaskGroup(of: Value?.self) { group in
      group.addTask { await work() }
      group.addTask {
        try? await time.sleep(for: span)
        return nil
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      return first
    }
  }
}
