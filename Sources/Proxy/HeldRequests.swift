import DequeModule
import NIOCore
import SegueModel
import TrafficRouting

/// The requests to one service that wait on one event loop for an instance.
///
/// They leave in the order in which they came. A request that comes while others are still waiting
/// waits behind them, also once there are instances: it would otherwise take the place of one that has
/// waited for long.
struct HeldRequests {
  fileprivate(set) var waiting: Deque<ClientConnection> = []
  /// Under way, within their grace, in the order of their release.
  fileprivate var underWay: [ClientConnection] = []
  fileprivate var counters = HoldCounters()
  fileprivate var wasUsed = false
  fileprivate var isReleasing = false
  fileprivate var isScheduled = false
  /// Of the last table that had one, for those who come while others still wait.
  fileprivate var limit: UInt64 = 0

  var isEmpty: Bool { waiting.isEmpty }

  /// `nil`: no request was ever held.
  var report: HoldCounters? {
    guard wasUsed else { return nil }
    var report = counters
    report.waiting = waiting.count
    return report
  }
}

extension ServiceLane {
  /// Takes a request in.
  ///
  /// - Returns: for how long it may wait, in nanoseconds; `nil`: there is no room for it.
  func hold(_ client: ClientConnection) -> UInt64? {
    held.wasUsed = true
    if let holdLimit { held.limit = holdLimit }
    guard worker.heldCount < worker.limits.heldRequests else {
      held.counters.expired += 1
      return nil
    }
    worker.heldCount += 1
    held.waiting.append(client)
    updatePlain()
    return held.limit
  }

  /// Takes one out whose client has gone or is being answered.
  func withdraw(_ client: ClientConnection) {
    guard let index = held.waiting.firstIndex(where: { $0 === client }) else { return }
    held.waiting.remove(at: index)
    worker.heldCount -= 1
    updatePlain()
  }

  func noteExpired(after span: UInt64) {
    held.counters.expired += 1
    noteWait(span)
  }

  private func noteWait(_ span: UInt64) {
    held.counters.longest = max(held.counters.longest, span / 1_000)
  }

  /// Does what the table in force says of the held ones: on their way, or refused, or still waiting.
  /// Must not be called while the worker is between two tables.
  func settleHeld() {
    guard !held.isEmpty else { return }
    guard versions.isEmpty else { return releaseHeld() }
    guard holdLimit == nil || worker.isDraining else { return }
    while let client = held.waiting.first {
      noteExpired(after: client.heldSpan)
      client.respondLocally(503, "\(key) has no instance that is ready")
    }
  }

  /// Sends held requests on, as many as there is room for: a burst of all of them would meet instances
  /// that have only just started.
  private func releaseHeld() {
    guard !held.isReleasing else { return }
    held.isReleasing = true
    defer { held.isReleasing = false }
    while !versions.isEmpty, let client = held.waiting.first {
      client.identify()
      guard hasRoom(for: client) else { return }
      held.waiting.removeFirst()
      worker.heldCount -= 1
      updatePlain()
      held.counters.released += 1
      noteWait(client.heldSpan)
      client.leaveHold()
    }
  }

  /// An instance that just refused a connection has no room as long as another one did not: requests
  /// would run through it into the other.
  private func hasRoom(for client: ClientConnection) -> Bool {
    let instances = preferred(client.way, client.unit)
    let sound = instances.filter { $0.penalisedUntil <= worker.now }
    return (sound.isEmpty ? instances : sound).contains { $0.released < worker.releaseLimit }
  }

  func noteUnderWay(_ client: ClientConnection) { held.underWay.append(client) }

  /// The client's request was answered, or has had its grace.
  func noteDone(_ client: ClientConnection) {
    held.underWay.removeAll { $0 === client }
    guard !held.isEmpty, !held.isScheduled else { return }
    held.isScheduled = true
    // Not now: whoever says so is in the middle of ending its own request.
    worker.loop.later { [self] in
      held.isScheduled = false
      settleHeld()
    }
  }

  func sweepHeld(now: UInt64) {
    while let client = held.underWay.first,
      client.releasedAt + worker.spans.releaseGrace <= now
    {
      held.underWay.removeFirst()
      client.returnRoom()
    }
    settleHeld()
  }
}
