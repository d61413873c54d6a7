import Dispatch
import Foundation
import Logging
import NIOCore
import SegueModel
import Synchronization
import TrafficRouting

/// The ledger of one experiment, which all event loops share. None of them ever waits for it: they
/// hand over what they have seen in batches, and a queue takes it down.
final class ExperimentBook: Sendable {
  /// What one event loop has seen since it last said so.
  struct Batch: Sendable {
    var entries: [UnitLedger.Entry] = []
    var unreadable = 0
  }

  let target: ExperimentTarget
  private let state: Mutex<State>
  private let waiting = Atomic<Int>(0)

  private struct State {
    var ledger: UnitLedger
    /// Since it was last written to disk.
    var hasChanged = false
    var savedAt = SocketLoop.uptime()
  }

  /// Batches that wait to be taken down; what comes on top of them is only counted.
  private static let waitingLimit = 64

  init(_ ledger: UnitLedger) {
    target = ledger.target
    state = Mutex(State(ledger: ledger))
  }

  var report: ExperimentReport { state.withLock { $0.ledger.report } }

  /// Takes a batch down on `queue`, unless too many wait for that already.
  func take(_ batch: Batch, on queue: DispatchQueue) {
    let ahead = waiting.add(1, ordering: .relaxed).oldValue
    queue.async { [self] in
      state.withLock { state in
        state.hasChanged = true
        if ahead < Self.waitingLimit {
          for entry in batch.entries { state.ledger.add(entry) }
        } else {
          state.ledger.noteUncounted(batch.entries.count)
        }
        for _ in 0..<batch.unreadable { state.ledger.noteUnreadable() }
      }
      waiting.subtract(1, ordering: .relaxed)
    }
  }

  func credit(_ reached: ReachedGoal) -> ReachedGoal.Fate {
    state.withLock { state in
      state.hasChanged = true
      return state.ledger.credit(reached)
    }
  }

  /// What has to be written to disk; `nil`: nothing has changed, or it was written not long ago.
  func unsaved(longerThan span: UInt64, now: UInt64) -> UnitLedger? {
    state.withLock { state in
      guard state.hasChanged, now >= state.savedAt + span else { return nil }
      state.hasChanged = false
      state.savedAt = now
      return state.ledger
    }
  }
}

/// The experiments of all services: under way, or the last that there was.
final class ExperimentBooks: Sendable {
  private let file: ExperimentFile
  private let logger: Logger
  let queue = DispatchQueue(label: "segue.proxy-experiments", qos: .utility)
  private let state = Mutex(State())

  private struct State {
    var books: [ServiceKey: ExperimentBook] = [:]
    /// Another proxy goes on with the files.
    var isFrozen = false
  }

  /// Nanoseconds of counting that a crash may cost.
  private static let saveInterval: UInt64 = 20_000_000_000

  init(directory: String, logger: Logger) {
    file = ExperimentFile(directory: directory)
    self.logger = logger
  }

  /// The book of an experiment, a new one if it has none yet.
  func book(of key: ServiceKey, _ target: ExperimentTarget) -> ExperimentBook {
    state.withLock { state in
      if let book = state.books[key], book.target == target { return book }
      let book = ExperimentBook(UnitLedger(target))
      state.books[key] = book
      return book
    }
  }

  func report(of key: ServiceKey) -> ExperimentReport? {
    state.withLock { $0.books[key] }?.report
  }

  // MARK: On the queue

  /// Succeeds when everything that was handed over until now has been taken down.
  func settle(on loop: any EventLoop) -> EventLoopFuture<Void> {
    let promise = loop.makePromise(of: Void.self)
    queue.async { [self] in
      promise.succeed()
      save(longerThan: Self.saveInterval)
    }
    return promise.futureResult
  }

  func credit(_ reached: ReachedGoal, on loop: any EventLoop) -> EventLoopFuture<ReachedGoal.Fate> {
    let promise = loop.makePromise(of: ReachedGoal.Fate.self)
    queue.async { [self] in
      let book = state.withLock { $0.books[reached.key] }
      promise.succeed(book?.credit(reached) ?? .noExperiment)
    }
    return promise.futureResult
  }

  // MARK: Files

  /// Goes on with the experiments that an earlier proxy has counted. Blocks.
  func restore(_ tables: [ServiceTable]) {
    for table in tables {
      guard let target = table.experiment, let ledger = file.load(target, of: table.key) else {
        continue
      }
      state.withLock { $0.books[table.key] = ExperimentBook(ledger) }
    }
  }

  /// Writes everything down and lets another proxy go on with it, or takes it back. Blocks.
  func freeze(_ isFrozen: Bool) {
    queue.sync {
      if isFrozen { save(longerThan: 0) }
      state.withLock { $0.isFrozen = isFrozen }
    }
  }

  /// Succeeds when everything is on disk, or cannot be.
  func saveAll(on loop: any EventLoop) -> EventLoopFuture<Void> {
    let promise = loop.makePromise(of: Void.self)
    queue.async { [self] in
      save(longerThan: 0)
      promise.succeed()
    }
    return promise.futureResult
  }

  private func save(longerThan span: UInt64) {
    let books = state.withLock { $0.isFrozen ? [:] : $0.books }
    let now = SocketLoop.uptime()
    for (key, book) in books {
      guard let ledger = book.unsaved(longerThan: span, now: now) else { continue }
      do {
        try file.save(ledger, of: key)
      } catch {
        logger.error("an experiment's counts are not on disk", metadata: ["reason": "\(error)"])
      }
    }
  }
}

/// The ledgers on disk, one file a service: the experiment as JSON, a line's end, and the users.
///
/// A file is never changed in place, and one that is torn or of another experiment is as good as none.
struct ExperimentFile: Sendable {
  let directory: String

  private struct Head: Codable {
    var target: ExperimentTarget
    var octets: Int
    /// CRC-32 of them, in hexadecimal.
    var checksum: String
  }

  /// No ledger is larger.
  private static let sizeLimit = 128 << 20

  private func path(of key: ServiceKey) -> String {
    "\(directory)/experiment-\(Checksum.crc32(key.description.utf8)).units"
  }

  func save(_ ledger: UnitLedger, of key: ServiceKey) throws {
    let octets = ledger.octets
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    var data = try encoder.encode(
      Head(target: ledger.target, octets: octets.count, checksum: Checksum.crc32(octets)))
    data.append(UInt8(ascii: "\n"))
    data.append(contentsOf: octets)
    try data.write(to: URL(fileURLWithPath: path(of: key)), options: .atomic)
  }

  func load(_ target: ExperimentTarget, of key: ServiceKey) -> UnitLedger? {
    guard let data = FileManager.default.contents(atPath: path(of: key)),
      data.count <= Self.sizeLimit, let end = data.firstIndex(of: UInt8(ascii: "\n")),
      let head = try? JSONDecoder().decode(Head.self, from: data[..<end]), head.target == target
    else { return nil }
    let octets = [UInt8](data[(end + 1)...])
    guard octets.count == head.octets, Checksum.crc32(octets) == head.checksum else { return nil }
    return UnitLedger(target, restoring: octets)
  }
}
