import Dispatch
import Foundation
import Logging
import Ports
import Synchronization
import TrafficRouting

/// The access log: one line of JSON for each request, written by a thread of its own.
///
/// No event loop waits for a disk. What the disk does not take in time is dropped, counted, and told in
/// the file itself as soon as there is room again.
final class AccessLog: Sendable {
  /// Between two writes, at most.
  static let interval = DispatchTimeInterval.milliseconds(200)

  /// One for each event loop, which alone writes into it.
  let lanes: [AccessLane]
  private let orders = Mutex(Orders())
  private let wake: DispatchSemaphore
  private let hasEnded = Gate()
  private let lost = Atomic<UInt64>(0)

  private struct Orders {
    var reopens = false
    var ends = false
  }

  private init(lanes: Int, laneLimit: Int) {
    let wake = DispatchSemaphore(value: 0)
    self.wake = wake
    self.lanes = (0..<max(lanes, 1)).map { _ in AccessLane(limit: laneLimit, wake: wake) }
  }

  /// Appends to the file at `path`, which is created with mode 0640.
  ///
  /// - Parameter laneLimit: octets that wait for the disk, for each lane.
  /// - Throws: `PortError` when the file cannot be opened.
  static func open(
    path: String, lanes: Int, laneLimit: Int = 262_144, logger: Logger
  ) throws(PortError) -> AccessLog {
    let log = AccessLog(lanes: lanes, laneLimit: laneLimit)
    let file = try AccessLogFile(path: path, logger: logger)
    let thread = Thread { log.write(to: file) }
    thread.name = "access-log"
    thread.start()
    return log
  }

  /// Lines that were dropped since the start, as far as the writing thread has learnt of them.
  var dropped: UInt64 { lost.load(ordering: .relaxed) }

  /// Opens the file anew, because the one of that name was moved away. A file that cannot be opened
  /// leaves the old one in use.
  func reopen() {
    orders.withLock { $0.reopens = true }
    wake.signal()
  }

  /// Writes what waits and returns when the file is closed. Nothing may be noted any more.
  func close() async {
    orders.withLock { $0.ends = true }
    wake.signal()
    await hasEnded.wait()
  }

  private func write(to file: AccessLogFile) {
    var spare: [UInt8] = []
    var untold: UInt64 = 0
    while true {
      _ = wake.wait(timeout: .now() + Self.interval)
      let orders = orders.withLock { orders in
        defer { orders = Orders() }
        return orders
      }
      if orders.reopens { file.reopen() }
      for lane in lanes {
        var missing = lane.take(into: &spare)
        missing += file.append(spare)
        spare.removeAll(keepingCapacity: true)
        lost.add(missing, ordering: .relaxed)
        untold += missing
      }
      if untold > 0 {
        AccessLogLine.writeDropped(untold, time: AccessLane.milliseconds, to: &spare)
        if file.append(spare) == 0 { untold = 0 }
        spare.removeAll(keepingCapacity: true)
      }
      if orders.ends { break }
    }
    file.close()
    hasEnded.open()
  }
}

/// One event loop's lines on their way to the file.
final class AccessLane: Sendable {
  private struct Buffer {
    var bytes: [UInt8] = []
    var dropped: UInt64 = 0
    var hasCalled = false
  }

  private let buffer = Mutex(Buffer())
  private let limit: Int
  private let wake: DispatchSemaphore

  init(limit: Int, wake: DispatchSemaphore) {
    self.limit = limit
    self.wake = wake
  }

  /// The wall clock, since 1970.
  static var milliseconds: Int64 {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Int64(now.tv_sec) * 1_000 + Int64(now.tv_nsec) / 1_000_000
  }

  /// Adds a line, or counts it when there is no room. The lock is held elsewhere only while two
  /// buffers are exchanged.
  ///
  /// - Parameter head: what the entry's ranges are in.
  func note(_ entry: AccessEntry, head: Span<UInt8>) {
    let time = Self.milliseconds
    let calls = buffer.withLock { buffer in
      let before = buffer.bytes.count
      AccessLogLine.write(entry, head: head, time: time, to: &buffer.bytes)
      if buffer.bytes.count > limit {
        buffer.bytes.removeLast(buffer.bytes.count - before)
        buffer.dropped += 1
      }
      guard !buffer.hasCalled, buffer.bytes.count > limit / 2 else { return false }
      buffer.hasCalled = true
      return true
    }
    if calls { wake.signal() }
  }

  /// Exchanges the lines for an empty buffer.
  ///
  /// - Returns: lines dropped since the last time.
  func take(into spare: inout [UInt8]) -> UInt64 {
    buffer.withLock { buffer in
      swap(&buffer.bytes, &spare)
      defer {
        buffer.dropped = 0
        buffer.hasCalled = false
      }
      return buffer.dropped
    }
  }
}
