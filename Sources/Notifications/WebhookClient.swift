import Foundation
import NIOHTTP1
import OutboundHTTP
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

/// Sends requests to webhooks.
public final class WebhookClient: Sendable {
  private let http: OutboundClient

  /// - Parameter deadline: for one attempt, from the first packet to the receiver's answer.
  public init(time: any TimeSource, deadline: Milliseconds = .seconds(15)) {
    http = OutboundClient(time: time, deadline: deadline)
  }

  /// Closes every connection. Required before the last reference goes.
  public func shutdown() async { await http.shutdown() }

  /// Posts once, and tells a refusal from a failure that may pass.
  func post(
    _ body: [UInt8], to address: WebhookAddress, headers: KeyValuePairs<String, String>,
    at now: Instant
  ) async throws(DeliveryFailure) {
    var fields: HTTPHeaders = ["user-agent": "segue-notifications/1"]
    for (name, value) in headers { fields.add(name: name, value: value) }
    let answer: OutboundClient.Answer
    do throws(OutboundClient.Failure) {
      // The answer stands once its head is there; the body is read for its one word, if it is one.
      answer = try await http.exchange(
        address.url.reveal(), method: .POST, headers: fields, body: body, limit: 4_096,
        statusSuffices: true)
    } catch {
      throw .tryAgain("\(error)", after: nil)
    }
    let text = String(decoding: answer.body, as: UTF8.self)
    let word = text.wholeMatch(of: /[a-z_]{2,40}/) == nil ? nil : text
    let after = RetryAfter.wait(answer.headers.first(name: "retry-after"), now: now)
    if let failure = Self.failure(answer.status, word, after) { throw failure }
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
