import Foundation
import Ports
import SegueModel
import Synchronization

@testable import Notifications

/// A store in memory that counts what it is told.
final class MemoryStore: NoticeStore {
  struct Content {
    var notices: [PendingNotice] = []
    var settled: [ChannelName: Set<Int64>] = [:]
    var delivered: [ChannelName: [Int64]] = [:]
    var failed: [ChannelName: [Int64: String]] = [:]
    var refusals = 0
  }

  private let content = Mutex(Content())

  init(_ notices: [PendingNotice] = []) { add(notices) }

  func add(_ notices: [PendingNotice]) { content.withLock { $0.notices += notices } }
  func delivered(on channel: ChannelName) -> [Int64] {
    content.withLock { $0.delivered[channel] ?? [] }
  }
  func failed(on channel: ChannelName) -> [Int64: String] {
    content.withLock { $0.failed[channel] ?? [:] }
  }
  /// The next `count` calls fail.
  func refuse(_ count: Int) { content.withLock { $0.refusals = count } }

  private func admit(_ content: inout Content) throws(PortError) {
    guard content.refusals > 0 else { return }
    content.refusals -= 1
    throw PortError("the store is busy", fault: .platform, retry: .safe)
  }

  func pending(
    on channel: ChannelName, after sequence: Int64, limit: Int
  ) async throws(PortError) -> [PendingNotice] {
    try content.withLock { (content) throws(PortError) in
      try admit(&content)
      let settled = content.settled[channel] ?? []
      return Array(
        content.notices.filter { $0.sequence > sequence && !settled.contains($0.sequence) }
          .prefix(limit))
    }
  }

  func delivered(_ sequences: [Int64], on channel: ChannelName) async throws(PortError) {
    try content.withLock { (content) throws(PortError) in
      try admit(&content)
      content.settled[channel, default: []].formUnion(sequences)
      content.delivered[channel, default: []] += sequences
    }
  }

  func failed(
    _ sequences: [Int64], on channel: ChannelName, reason: String
  ) async throws(PortError) {
    try content.withLock { (content) throws(PortError) in
      try admit(&content)
      content.settled[channel, default: []].formUnion(sequences)
      for sequence in sequences { content.failed[channel, default: [:]][sequence] = reason }
    }
  }
}

/// A clock that begins at the machine's time and goes twenty times as fast: back-off in tests.
struct HastyTime: TimeSource {
  private static let haste: Int64 = 20
  private let start = RealTime().now()

  func now() -> Instant { start + (RealTime().now() - start) * Self.haste }
  func sleep(for span: Milliseconds) async throws {
    let deadline = Duration.milliseconds(span.count / Self.haste + 1)
    try await Task.sleep(for: deadline)
  }
}

/// The machine's clock.
struct RealTime: TimeSource {
  func now() -> Instant {
    Instant(milliseconds: Int64(Date.now.timeIntervalSince1970 * 1_000))
  }
  func sleep(for span: Milliseconds) async throws {
    let deadline = span.duration
    try await Task.sleep(for: deadline)
  }
}

func notice(
  _ number: Int, kind: Notice.Kind = .rolloutFinished, text: String? = nil, at: Instant? = nil,
  link: String? = nil
) -> PendingNotice {
  PendingNotice(
    sequence: Int64(number),
    notice: Notice(
      id: "n-\(number)", kind: kind, project: "shop", environment: "production", service: "web",
      release: "r-0123456789abcdef", commit: "0123456789abcdef0123456789abcdef01234567",
      author: "Ada", link: link, text: text ?? "Release \(number) is live",
      at: at ?? RealTime().now()))
}

final class OffsetBox: Sendable {
  private let offset = Mutex(Milliseconds.zero)
  var value: Milliseconds { offset.withLock { $0 } }
  func advance(_ span: Milliseconds) { offset.withLock { $0 = $0 + span } }
}
