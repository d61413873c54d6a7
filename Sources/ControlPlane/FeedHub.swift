import ControlProtocol
import SegueModel

/// Hands what happens to everybody who watches. A watcher that does not keep up loses the oldest
/// items it has not read, never slows down the others.
actor FeedHub {
  private var watchers: [Int: AsyncStream<FeedItem>.Continuation] = [:]
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
    watchers[id] = continuation
    return stream
  }

  func publish(_ item: FeedItem) {
    sequence = max(sequence, item.sequence)
    for watcher in watchers.values { watcher.yield(item) }
  }

  /// A line of output: it is in no journal, so it takes the sequence of what came before.
  func publishOutput(_ text: String, subject: String, commit: CommitID, at now: Instant) {
    publish(
      FeedItem(
        sequence: sequence, at: now, kind: "output", level: .output, subject: subject, text: text,
        commit: commit))
  }

  func advance(to sequence: Int64) { self.sequence = max(self.sequence, sequence) }

  func close() {
    for watcher in watchers.values { watcher.finish() }
    watchers = [:]
  }

  private func forget(_ id: Int) { watchers[id] = nil }
}
