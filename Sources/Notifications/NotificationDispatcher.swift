public import Ports
public import SegueModel
import Synchronization

/// A way to tell people something: its name, how it sends, and within which bounds.
public struct NotificationChannel: Sendable {
  public var name: ChannelName
  public var selection: NoticeSelection
  public var limits: ChannelQueue.Limits
  public var sender: any ChannelSender

  public init(
    name: ChannelName, selection: NoticeSelection = NoticeSelection(),
    limits: ChannelQueue.Limits = .init(), sender: any ChannelSender
  ) {
    self.name = name
    self.selection = selection
    self.limits = limits
    self.sender = sender
  }
}

extension [NotificationChannel] {
  /// The channels that a notice is for: to be asked when it is written down.
  public func names(for notice: Notice) -> [ChannelName] {
    filter { $0.selection.wants(notice) }.map(\.name)
  }
}

/// How a channel is doing.
public struct ChannelHealth: Hashable, Sendable {
  /// When its receiver last took a message.
  public var lastDelivery: Instant?
  /// Why the latest attempt failed; `nil` after one that did not.
  public var failure: String?
  /// Since when every attempt has failed.
  public var failingSince: Instant?
  /// Notices delivered and given up since the start.
  public var delivered = 0
  public var givenUp = 0
}

/// Drives a ``ChannelQueue`` for each channel from what the store holds.
///
/// Each notice is delivered at least once, in the order of the store on each channel. Channels know
/// nothing of one another: one whose receiver hangs holds up nobody else. What was sent and not yet
/// recorded when the process ended is sent again by the next one, with the same id.
public final class NotificationDispatcher: Notifier {
  /// How long to leave a store alone that could not be read or written.
  static let storePause = Milliseconds.seconds(1)
  /// A look at the store although nobody rang, in case the ring was lost with a process.
  static let longestRest = Milliseconds.minutes(1)

  private let channels: [(channel: NotificationChannel, bell: Doorbell)]
  private let store: any NoticeStore
  private let time: any TimeSource
  private let jitter: @Sendable () -> Permille
  private let states = Mutex<[ChannelName: ChannelHealth]>([:])

  /// - Parameter jitter: a random share, anew at each call.
  public init(
    channels: [NotificationChannel], store: any NoticeStore, time: any TimeSource,
    jitter: @escaping @Sendable () -> Permille = { Permille(Int.random(in: 0...1_000)) }
  ) {
    self.channels = channels.map { ($0, Doorbell()) }
    self.store = store
    self.time = time
    self.jitter = jitter
  }

  public func wake() { for (_, bell) in channels { bell.ring() } }

  /// How each channel is doing that has sent anything, or tried to.
  public var health: [ChannelName: ChannelHealth] { states.withLock { $0 } }

  /// Delivers until the task is cancelled.
  public func run() async {
    await withTaskGroup(of: Void.self) { group in
      for (channel, bell) in channels {
        group.addTask { await self.serve(channel, bell) }
      }
    }
  }

  private func serve(_ channel: NotificationChannel, _ bell: Doorbell) async {
    var queue = ChannelQueue(limits: channel.limits)
    while !Task.isCancelled {
      do {
        let new = try await store.pending(
          on: channel.name, after: queue.lastOffered, limit: queue.room)
        queue.offer(new)
      } catch {
        note(channel) { $0.failure = "what is to be sent could not be read: \(error.what)" }
        try? await time.sleep(for: Self.storePause)
        continue
      }
      switch queue.next(at: time.now()) {
      case .send(let message): await attempt(message, on: channel, &queue)
      case .giveUp(let sequences, let reason): await giveUp(sequences, on: channel, reason)
      case .wait(let span): await rest(span, bell, endsByRing: false)
      case .rest: await rest(Self.longestRest, bell, endsByRing: true)
      }
    }
  }

  private func attempt(
    _ message: ChannelMessage, on channel: NotificationChannel, _ queue: inout ChannelQueue
  ) async {
    do {
      try await channel.sender.send(message, at: time.now())
    } catch {
      // An attempt that was cut short says nothing about the receiver.
      if Task.isCancelled { return }
      let now = time.now()
      note(channel) {
        $0.failure = error.reason
        $0.failingSince = $0.failingSince ?? now
      }
      await giveUp(queue.failed(error, at: now, jitter: jitter()), on: channel, error.reason)
      return
    }
    let now = time.now()
    let sequences = queue.sent(at: now)
    note(channel) {
      $0.lastDelivery = now
      $0.failure = nil
      $0.failingSince = nil
      $0.delivered += sequences.count
    }
    await record { () async throws(PortError) in
      try await store.delivered(sequences, on: channel.name)
    }
  }

  private func giveUp(
    _ sequences: [Int64], on channel: NotificationChannel, _ reason: String
  ) async {
    guard !sequences.isEmpty else { return }
    note(channel) { $0.givenUp += sequences.count }
    await record { () async throws(PortError) in
      try await store.failed(sequences, on: channel.name, reason: reason)
    }
  }

  /// Writes until it is written: to go on before would send in another order after a crash.
  private func record(_ write: () async throws(PortError) -> Void) async {
    while !Task.isCancelled {
      do {
        return try await write()
      } catch {
        try? await time.sleep(for: Self.storePause)
      }
    }
  }

  /// Waits, but not longer than ``longestRest``, so that a clock that jumps ahead is noticed.
  private func rest(_ span: Milliseconds, _ bell: Doorbell, endsByRing: Bool) async {
    let time = time
    let span = min(max(span, Milliseconds(1)), Self.longestRest)
    guard endsByRing else {
      try? await time.sleep(for: span)
      return
    }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { try? await time.sleep(for: span) }
      group.addTask { await bell.wait() }
      await group.next()
      group.cancelAll()
    }
  }

  private func note(_ channel: NotificationChannel, _ change: (inout ChannelHealth) -> Void) {
    states.withLock { change(&$0[channel.name, default: ChannelHealth()]) }
  }
}
