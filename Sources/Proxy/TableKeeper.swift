import Logging
import NIOCore
import Ports
import SegueModel
import TrafficRouting

/// Owns the tables: fences them by generation, keeps them on disk, and moves every event loop over to
/// them.
///
/// Unchecked, because every member is touched on the control loop alone. Writing to disk blocks that
/// loop, which serves nobody else.
final class TableKeeper: @unchecked Sendable {
  private let loop: any EventLoop
  private let workers: [Worker]
  private let books: ExperimentBooks
  private let file: StateFile
  private let logger: Logger
  private var tables = TableSet.empty
  private var addresses: [Endpoint: SocketAddress] = [:]
  private var fileIsGood = false
  private var isLost = false
  /// Somebody is taking over and has read, or is reading, the tables.
  var isFrozen = false
  /// The proxies we took over from that may still have something in flight, or had.
  private var ancestors: [Ancestor] = []

  init(
    loop: any EventLoop, workers: [Worker], books: ExperimentBooks, file: StateFile,
    logger: Logger
  ) {
    self.books = books
    self.loop = loop
    self.workers = workers
    self.file = file
    self.logger = logger
  }

  /// Takes up what an earlier proxy left on disk; damage is told and survived.
  func restore() -> EventLoopFuture<Void> {
    loop.preconditionInEventLoop()
    switch file.load() {
    case .nothing: break
    case .tables(let found):
      tables = found
      fileIsGood = true
    case .previous(let found, let damage):
      logger.error(
        "routing tables are damaged, serving by the ones before them",
        metadata: ["reason": "\(damage)"])
      tables = found
    case .damaged(let damage):
      logger.critical(
        "routing tables are lost, answering 503 until new ones come",
        metadata: ["reason": "\(damage)"])
      isLost = true
    }
    do {
      addresses = try Self.resolve(tables.tables)
    } catch {
      logger.critical("routing tables cannot be used", metadata: ["reason": "\(error)"])
      tables = .empty
      isLost = true
    }
    books.restore(tables.tables)
    return switchWorkers()
  }

  /// Succeeds when the table is on disk and every event loop has switched to it.
  func apply(_ table: ServiceTable) -> EventLoopFuture<Void> {
    change { tables throws(TableRefusal) in try tables.apply(table) }
      .flatMap { [self] in tellAncestors(ControlRequest(verb: .apply, table: table)) }
  }

  func remove(_ key: ServiceKey, generation: Generation) -> EventLoopFuture<Void> {
    change { tables throws(TableRefusal) in try tables.remove(key, generation: generation) }
      .flatMap { [self] in
        tellAncestors(ControlRequest(verb: .remove, key: key, generation: generation))
      }
  }

  // MARK: Ancestors

  /// Counts what `ancestor` has in flight along with our own from now on.
  func adopt(_ ancestor: Ancestor) {
    loop.preconditionInEventLoop()
    ancestors.append(ancestor)
  }

  /// A table is in force when those who still answer requests by it know it, too.
  private func tellAncestors(_ request: ControlRequest) -> EventLoopFuture<Void> {
    let told = ancestors.filter { !$0.isGone }.map { $0.tell(request, on: loop) }
    return EventLoopFuture.andAllComplete(told, on: loop)
  }

  private func change(
    _ body: (inout TableSet) throws(TableRefusal) -> Bool
  ) -> EventLoopFuture<Void> {
    loop.preconditionInEventLoop()
    guard !isFrozen else {
      return loop.makeFailedFuture(
        PortError(
          "Another proxy is taking over from this one", fault: .traffic, retry: .safe,
          nextStep: "Try again in a moment"))
    }
    var next = tables
    do {
      guard try body(&next) else { return switchWorkers() }
    } catch {
      return loop.makeFailedFuture(
        PortError(
          "The router refuses the table", fault: .traffic, retry: .never,
          causes: [error.description]))
    }
    do {
      let addresses = try Self.resolve(next.tables)
      try file.save(next, keepsPrevious: fileIsGood)
      self.addresses = addresses
    } catch {
      return loop.makeFailedFuture(error)
    }
    fileIsGood = true
    isLost = false
    tables = next
    return switchWorkers()
  }

  private func switchWorkers() -> EventLoopFuture<Void> {
    let (tables, addresses, lost) = (tables.tables, addresses, isLost)
    let switched = workers.map { worker in
      worker.perform(answerOn: loop) { $0.adopt(tables, addresses: addresses, lost: lost) }
    }
    return EventLoopFuture.andAllSucceed(switched, on: loop)
  }

  private static func resolve(
    _ tables: [ServiceTable]
  ) throws(PortError) -> [Endpoint: SocketAddress] {
    var addresses: [Endpoint: SocketAddress] = [:]
    for endpoint in tables.flatMap(\.endpoints) where addresses[endpoint] == nil {
      do {
        addresses[endpoint] =
          if let path = endpoint.socket {
            try SocketAddress(unixDomainSocketPath: path)
          } else {
            try SocketAddress(ipAddress: endpoint.host, port: endpoint.port)
          }
      } catch {
        throw PortError(
          "The router refuses the table", fault: .traffic, retry: .never,
          causes: ["\(endpoint.socket ?? endpoint.host) is no address"])
      }
    }
    return addresses
  }

  /// What every event loop counted, added up.
  func report() -> EventLoopFuture<[ServiceReport]> {
    let (loop, books) = (loop, books)
    let parts = workers.map { worker in
      worker.perform(answerOn: loop) { worker in
        worker.flushTaps()
        return worker.report
      }
    }
    let inherited = ancestors.map { $0.report(on: loop) }
    return EventLoopFuture.whenAllSucceed(parts, on: loop)
      .flatMap { parts in books.settle(on: loop).map { parts } }
      .and(EventLoopFuture.whenAllSucceed(inherited, on: loop))
      .map { parts, inherited in
        ReportMerge.merge(parts, inherited: inherited).map { report in
          var report = report
          report.experiment = books.report(of: report.key) ?? report.experiment
          return report
        }
      }
  }

  /// Counts a goal that somebody says a user has reached.
  func credit(_ reached: ReachedGoal) -> EventLoopFuture<ReachedGoal.Fate> {
    let (loop, books) = (loop, books)
    // What the user did a moment ago must be known first.
    return flushTaps().flatMap { books.credit(reached, on: loop) }
  }

  /// Writes down what was counted of experiments.
  func saveExperiments() -> EventLoopFuture<Void> {
    let (loop, books) = (loop, books)
    return flushTaps().flatMap { books.saveAll(on: loop) }
  }

  private func flushTaps() -> EventLoopFuture<Void> {
    let flushed = workers.map { worker in worker.perform(answerOn: loop) { $0.flushTaps() } }
    return EventLoopFuture.andAllComplete(flushed, on: loop)
  }

  /// What each event loop knows of itself, in their order.
  func figures() -> EventLoopFuture<[Worker.Figures]> {
    let parts = workers.map { worker in worker.perform(answerOn: loop) { $0.figures } }
    return EventLoopFuture.whenAllSucceed(parts, on: loop)
  }

  func status() -> EventLoopFuture<(generations: [ProxyStatus.Service], connections: Int)> {
    let services = tables.tables.map { table in
      ProxyStatus.Service(key: table.key, generation: table.generation)
    }
    let counts = workers.map { worker in worker.perform(answerOn: loop) { $0.connectionCount } }
    return EventLoopFuture.whenAllSucceed(counts, on: loop).map { counts in
      (services, counts.reduce(0, +))
    }
  }
}
