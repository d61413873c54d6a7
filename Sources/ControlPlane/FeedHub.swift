import ControlProtocol
import SegueModel

/// Hands what happens to everybody who watches. A watcher that does not keep up never slows down the
/// others: it misses lines of output first, and events only when even those are too many for it.
actor FeedHub {
  private struct Watcher {
    var continuation: AsyncStream<FeedItem>.Continuation
    /// Room in its queue when an item was last put there.
    var room = FeedHub.queueLimit
    var missed = 0
  }

  private var watchers: [Int: Watcher] = [:]
  private var lastWatcher = 0
  /// The last sequence that was published.
  private(set) var sequence: Int64 = 0

  static let queueLimit = 4_096
  static let watcherLimit = 256

  /// Everything published from now on.
  func subscribe() throws(ControlError) -> AsyncStream<FeedItem> {
    guard watchers.count < Self.watcherLimit else {
      throw ControlError(
        .refused, "\(Self.watcherLimit) watchers are connected already",
        nextStep: "Close one of them")
    }
    lastWatcher += 1
    let id = lastWatcher
    let (stream, continuation) = AsyncStream.makeStream(
      of: FeedItem.self, bufferingPolicy: .bufferingNewest(Self.queueLimit))
    continuation.onTermination = { [weak self] _ in
      guard let self else { return }
      // unstructured: one hop to the actor, at once over.
      Task { await self.forget(id) }
    }
    watchers[id] = Watcher(continuation: continuation)
    return stream
  }

  func publish(_ item: FeedItem) {
    sequence = max(sequence, item.sequence)
    for id in watchers.keys { deliver(item, to: id) }
  }

  /// Half of each queue is kept free of output, so that a loud step cannot push out how it ended.
  private func deliver(_ item: FeedItem, to id: Int) {
    guard var watcher = watchers[id] else { return }
    if item.level == .output, watcher.room < Self.queueLimit / 2 {
      watcher.missed += 1
      // Now and then one is tried all the same, to see whether there is room again.
      guard watcher.missed.isMultiple(of: 64) else {
        watchers[id] = watcher
        return
      }
    }
    switch watcher.continuation.yield(item) {
    case .enqueued(let room): watcher.room = room
    case .dropped: watcher.room = 0
    case .terminated: break
    @unknown default: break
    }
    watchers[id] = watcher
  }

  /// A line of output: it is in no journal, so it takes the sequence of what came before.
  func publishOutput(_ text: String, subject: String, commit: CommitID, at now: Instant) {
    publish(
      FeedItem(
        sequence: sequence, at: now, kind: "output", level: .output, subject: subject, text: text,
        commit: commit))
  }

  /// A sentence that follows from what is going on now, and is in no journal.
  func publishRemark(
    _ text: String, kind: String, subject: String, commit: CommitID?, at now: Instant
  ) {
    publish(
      FeedItem(
        sequence: sequence, at: now, kind: kind, level: .info, subject: subject, text: text,
        commit: commit))
  }

  func advance(to sequence: Int64) { self.sequence = max(self.sequence, sequence) }

  func close() {
    for watcher in watchers.values { watcher.continuation.finish() }
    watchers = [:]
  }

  private func forget(_ id: Int) { watchers[id] = nil }
}
