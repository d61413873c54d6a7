public import Ports
public import SegueModel

/// What is sent at once: one notice, or a digest of several.
public struct ChannelMessage: Hashable, Sendable {
  /// The same on every attempt, so that receivers can drop what they have had. A digest is named
  /// after its first and last notice; after a crash they may be joined differently, and then the ids
  /// of the notices in it tell.
  public let id: String
  /// Oldest first; never empty.
  public let notices: [PendingNotice]

  init(_ notices: [PendingNotice]) {
    self.notices = notices
    let first = notices.first?.notice.id ?? ""
    let last = notices.last?.notice.id ?? ""
    id = notices.count == 1 ? first : "\(first)..\(last)"
  }

  public var isDigest: Bool { notices.count > 1 }
  /// When the newest of it happened.
  public var at: Instant { notices.last?.notice.at ?? Instant(milliseconds: 0) }
  var sequences: [Int64] { notices.map(\.sequence) }
}

/// Why a message did not arrive. The texts hold no address and no password: they are kept and shown.
public enum DeliveryFailure: Error, Hashable, Sendable {
  /// It may arrive later.
  ///
  /// - Parameter after: how long the receiver asked to be left alone.
  case tryAgain(String, after: Milliseconds?)
  /// The receiver will never take this message.
  case refused(String)
  /// The receiver wants nothing any more, such as a chat channel that was archived.
  case closed(String)

  public var reason: String {
    switch self {
    case .tryAgain(let reason, _), .refused(let reason), .closed(let reason): reason
    }
  }
}

/// Brings a message to one receiver.
public protocol ChannelSender: Sendable {
  /// Makes one attempt, which takes at most the sender's own deadline.
  func send(_ message: ChannelMessage, at now: Instant) async throws(DeliveryFailure)
}
