import NIOCore
import SegueModel
import TrafficRouting

/// One instance as one event loop sees it.
final class Instance {
  let endpoint: Endpoint
  let address: SocketAddress
  var inFlight = 0
  /// Those of them that last as long as somebody wants.
  var lasting = 0
  /// Uptime in nanoseconds until which the instance is the last choice.
  var penalisedUntil: UInt64 = 0
  /// Unused connections, the latest used last.
  var idle: [UpstreamConnection] = []
  /// Requests out of a hold that are under way here and have not used up their grace.
  var released = 0
  private(set) var outliers: OutlierWatch
  private(set) var answered = AnswerCounters()
  /// Since when and until when it is being warmed up; both 0: it is warm.
  private var coldSince: UInt64 = 0
  private var warmAt: UInt64 = 0
  /// No longer in any table: what is in flight ends, nothing new begins.
  var isRetired = false

  init(endpoint: Endpoint, address: SocketAddress, outliers: OutlierWatch.Settings) {
    self.endpoint = endpoint
    self.address = address
    self.outliers = OutlierWatch(outliers)
  }

  // MARK: Standing

  /// Gets its full share only after `span`.
  func warmUp(from now: UInt64, for span: UInt64) {
    coldSince = now
    warmAt = now + span
  }

  func warmth(now: UInt64) -> Permille {
    guard warmAt > now else { return .all }
    let share = (now - min(coldSince, now)) * 1_000 / max(warmAt - coldSince, 1)
    // Never nothing at all: it would stay as cold as it is.
    return Permille(max(Int(share), 100))
  }

  func noteAnswer(isFailure: Bool, now: UInt64) -> Bool {
    answered.requests &+= 1
    guard isFailure else {
      outliers.noteSuccess()
      return false
    }
    answered.errors &+= 1
    guard let end = outliers.noteFailure(now: now) else { return false }
    penalisedUntil = max(penalisedUntil, end)
    return true
  }

  /// Closes what nobody uses.
  func closeIdle() {
    let connections = idle
    idle.removeAll()
    for connection in connections { connection.discard() }
  }
}

/// What one event loop counted for one release of one service.
final class VersionTally {
  let release: ReleaseID
  var responses: [UInt64] = [0, 0, 0, 0, 0]
  var failed: UInt64 = 0
  var retried: UInt64 = 0
  var inFlight = 0
  var latency = [UInt64](repeating: 0, count: LatencyHistogram.bucketCount)

  init(release: ReleaseID) { self.release = release }

  func noteResponse(status: Int, microseconds: UInt64) {
    responses[min(max(status / 100, 1), 5) - 1] += 1
    latency[LatencyHistogram.bucket(microseconds: microseconds)] += 1
  }

  var counters: VersionCounters {
    VersionCounters(
      release: release, responses: responses, failed: failed, retried: retried,
      inFlight: inFlight, latency: latency)
  }
}
