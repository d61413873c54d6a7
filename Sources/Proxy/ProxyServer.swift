import Dispatch
import Foundation
import Glibc
public import Logging
import NIOCore
import NIOPosix
import Ports
public import SegueModel
import Synchronization
import TrafficRouting
import TransportSecurity

/// A running proxy: its event loops, its listener, its control socket.
public final class ProxyServer: Sendable {
  let configuration: ProxyConfiguration
  let logger: Logger
  private let controlGroup: MultiThreadedEventLoopGroup
  let workers: [Worker]
  private let keeper: TableKeeper
  private let books: ExperimentBooks
  /// Its lane of the same number is each worker's.
  let accessLog: AccessLog?
  /// One thread's worth, so that comparing never takes all cores from serving.
  private let comparer = DispatchQueue(label: "segue.proxy-mirror", qos: .utility)
  private let state: Mutex<State>
  /// The last client has gone.
  private let drained = Gate()
  /// The event loops have ended.
  private let stopped = Gate()

  private struct State {
    /// The listening socket; -1: not open, or closed.
    var listener: CInt = -1
    /// That of TLS; -1 likewise.
    var secureListener: CInt = -1
    var securePort = 0
    var certificates: CertificateKeeper?
    var control: (any Channel)?
    var metrics: MetricsListener?
    var address = ""
    var port = 0
    /// Where the control socket's file is.
    var controlPath: String
    var desk: HandoverDesk?
    var isDraining = false
    var isStopped = false
  }

  private init(_ configuration: ProxyConfiguration, logger: Logger) throws {
    self.configuration = configuration
    self.logger = logger
    let threads = max(configuration.threads, 1)
    accessLog = try configuration.accessLog.map { path in
      try AccessLog.open(path: path, lanes: threads, logger: logger)
    }
    controlGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let share = max(DescriptorLimit.raise(wanting: configuration.limits.connections) / threads, 1)
    let comparer = comparer
    let books = ExperimentBooks(directory: configuration.stateDirectory, logger: logger)
    self.books = books
    let pages = try configuration.errorPages.map { try ErrorPages(directory: $0) } ?? ErrorPages()
    workers = (0..<threads).map { [accessLog] index in
      Worker(
        limits: configuration.limits, connectionLimit: share, loops: threads,
        seed: UInt64.random(in: .min ... .max), comparer: comparer, books: books,
        manners: Worker.Manners(
          naming: configuration.naming, accessLane: accessLog?.lanes[index], errorPages: pages,
          challenges: configuration.certificateFolder.map { ChallengeFolder(certificates: $0) }))
    }
    let controlLoop = controlGroup.next()
    keeper = TableKeeper(
      loop: controlLoop, workers: workers, books: books,
      file: StateFile(directory: configuration.stateDirectory), logger: logger)
    state = Mutex(State(controlPath: configuration.controlSocket))
  }

  /// Starts serving by the last good tables.
  ///
  /// - Throws: `PortError` when the address is taken, or a directory or socket cannot be made.
  public static func start(
    _ configuration: ProxyConfiguration, logger: Logger
  ) async throws -> ProxyServer {
    signal(SIGPIPE, SIG_IGN)
    try makeDirectory(configuration.stateDirectory)
    let server = try ProxyServer(configuration, logger: logger)
    do {
      try await server.open()
    } catch {
      await server.stopLoops()
      throw error
    }
    return server
  }

  private static func makeDirectory(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw PortError(
        "The proxy cannot create \(path)", fault: .platform, retry: .never, causes: ["\(error)"])
    }
  }

  private func open() async throws {
    for (index, worker) in workers.enumerated() { worker.start(name: "segue-loop-\(index)") }
    if configuration.takesOver { return try await takeOver() }
    try await restoreTables()
    // The control socket tells two proxies of one state directory apart, so it is taken first; it
    // answers last, so that whoever is answered finds the proxy serving.
    let control = try ListeningSocket.unix(path: configuration.controlSocket)
    do {
      let environment = ProcessInfo.processInfo.environment
      try listen(
        on: ListeningSocket.inherited(environment, pid: getpid())
          ?? ListeningSocket.tcp(host: configuration.host, port: configuration.port))
      try await listenWithTLS(
        on: ListeningSocket.inheritedSecure(environment, pid: getpid()), tickets: nil)
      try openDesk()
      try await openMetrics()
    } catch {
      close(control)
      unlink(configuration.controlSocket)
      throw error
    }
    try await answerControl(control)
  }

  private func openMetrics() async throws {
    let metrics = try await Self.openMetrics(
      configuration, group: controlGroup, keeper: keeper, accessLog: accessLog, logger: logger,
      standing: Standing(
        isDraining: { [self] in state.withLock { $0.isDraining } },
        certificates: { [self] in
          let store = state.withLock { $0.certificates }?.store
          return (store?.certificates ?? []).map { ($0.name, $0.notAfter) }
        }))
    state.withLock { $0.metrics = metrics }
  }

  private func restoreTables() async throws {
    let keeper = keeper
    try await controlGroup.next().flatSubmit { keeper.restore() }.get()
  }

  /// Takes the place of the proxy that runs (``HandoverWire``).
  private func takeOver() async throws {
    let (path, patience) = (configuration.controlSocket, configuration.limits.handover)
    let inheritance = try await Blocking.run { () throws(PortError) in
      try Inheritance.claim(path, patience: patience)
    }
    // What happens now is bounded by the other side's patience: if it loses that, it goes on, and we
    // end.
    let next = HandoverWire.nextControl(path)
    let control: CInt
    do {
      try await restoreTables()
      control = try ListeningSocket.unix(path: next)
    } catch {
      inheritance.abandon()
      throw error
    }
    do {
      try listen(on: inheritance.listener)
      try await listenWithTLS(on: inheritance.secureListener, tickets: inheritance.tickets)
      try await answerControl(control)
      let ancestor = try await Blocking.run { () throws(PortError) in try inheritance.confirm() }
      if let ancestor {
        let keeper = keeper
        try await controlGroup.next().submit { keeper.adopt(Ancestor(path: ancestor)) }.get()
      }
      try openDesk()
      try await openMetrics()
      logger.info("proxy has taken over", metadata: ["from": "\(inheritance.pid)"])
    } catch {
      unlink(next)
      beginShutdown(within: nil)
      await drained.wait()
      throw error
    }
  }

  /// Lets another proxy take over from this one.
  private func openDesk() throws {
    let desk = try HandoverDesk(
      beside: configuration.controlSocket, patience: configuration.limits.handover, logger: logger)
    let loop = controlGroup.next()
    let keeper = keeper
    desk.open(
      HandoverDesk.Estate(
        listeners: { [self] in
          state.withLock { [$0.listener, $0.secureListener].filter { $0 >= 0 } }
        },
        tickets: { [self] in state.withLock { $0.certificates?.tickets.serialized } },
        freeze: { [books] isFrozen in
          loop.execute { keeper.isFrozen = isFrozen }
          books.freeze(isFrozen)
        },
        yield: { [self] () throws(HandoverFailure) in try yieldControl() }))
    state.withLock { $0.desk = desk }
  }

  /// Gives the control socket's path to the heir, which listens beside it, and begins to drain.
  private func yieldControl() throws(HandoverFailure) -> String {
    let path = configuration.controlSocket
    let own = "\(path).\(getpid())"
    unlink(own)
    // The path leads to one of us at any moment.
    guard link(path, own) == 0, rename(HandoverWire.nextControl(path), path) == 0 else {
      let reason = String(cString: strerror(errno))
      unlink(own)
      throw .system("the control socket cannot be handed over: \(reason)")
    }
    let desk = state.withLock { state in
      state.controlPath = own
      defer { state.desk = nil }
      return state.desk
    }
    unlink(HandoverWire.path(beside: path))
    // Its address is the heir's from now on.
    let metrics = state.withLock { state in
      defer { state.metrics = nil }
      return state.metrics
    }
    try? metrics?.close().wait()
    desk?.close(removesPath: false)
    let (loop, keeper) = (controlGroup.next(), keeper)
    loop.execute { keeper.isFrozen = false }
    beginShutdown(within: nil)
    return own
  }

  private func listen(on descriptor: CInt) throws {
    ListeningSocket.prepare(descriptor)
    let address = ListeningSocket.address(of: descriptor)
    let text = "\(address?.ipAddress ?? configuration.host):\(address?.port ?? 0)"
    state.withLock { state in
      state.listener = descriptor
      state.address = text
      state.port = address?.port ?? 0
    }
    accept(from: descriptor, isSecure: false)
    logger.info("proxy is listening", metadata: ["address": "\(text)"])
    try writeAddress(text)
  }

  func accept(from descriptor: CInt, isSecure: Bool) {
    let workers = workers
    for worker in workers {
      worker.loop.execute {
        worker.accept(from: descriptor, isSecure: isSecure, among: workers)
      }
    }
  }

  /// For people and scripts; the control socket's ping says the same.
  private func writeAddress(_ text: String) throws {
    let path = configuration.stateDirectory + "/address"
    do {
      try Data((text + "\n").utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw PortError(
        "The proxy cannot write \(path)", fault: .platform, retry: .safe, causes: ["\(error)"])
    }
  }

  private func answerControl(_ descriptor: CInt) async throws {
    let keeper = keeper
    let channel = try await ServerBootstrap(group: controlGroup)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelInitializer { [self] channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(
            ControlHandler(server: self, keeper: keeper))
        }
      }
      .withBoundSocket(descriptor).get()
    state.withLock { $0.control = channel }
  }

  /// Where clients connect to, as `127.0.0.1:8080`.
  public var localAddress: String { state.withLock { $0.address } }

  var controlLoop: any EventLoop { controlGroup.next() }

  func setSecure(_ descriptor: CInt, port: Int, _ keeper: CertificateKeeper) {
    state.withLock { state in
      state.secureListener = descriptor
      state.securePort = port
      state.certificates = keeper
    }
  }

  /// The port clients connect to with TLS; 0: none.
  public var securePort: Int { state.withLock { $0.securePort } }

  /// The port clients connect to.
  public var port: Int { state.withLock { $0.port } }

  /// The port of the figures, if they are told at one.
  var metricsPort: Int? { state.withLock { $0.metrics?.port } }

  /// What ping answers. On the control loop only.
  func status() -> EventLoopFuture<ProxyStatus> {
    let (address, listener, isDraining) = state.withLock {
      ($0.address, $0.listener, $0.isDraining)
    }
    return keeper.status().map { services, connections in
      ProxyStatus(
        pid: getpid(), protocolVersion: ControlWire.version, address: address,
        services: services, connections: connections, isDraining: isDraining,
        listener: listener >= 0 ? listener : nil)
    }
  }

  /// Opens the access log anew, and reads the error pages again. Pages that cannot be read leave those
  /// of before in use.
  func reopenFiles() {
    accessLog?.reopen()
    guard let directory = configuration.errorPages else { return }
    do {
      let pages = try ErrorPages(directory: directory)
      for worker in workers { worker.loop.execute { worker.errorPages = pages } }
      logger.info("error pages were read again")
    } catch {
      logger.error("error pages stay as they are", metadata: ["reason": "\(error)"])
    }
  }

  // MARK: Shutting down

  /// Stops accepting, announces the end on every next response, and returns when the last
  /// client has gone or was cut at the deadline.
  public func shutdownGracefully(deadline: Milliseconds? = nil) async {
    beginShutdown(within: deadline)
    await waitUntilClosed()
  }

  /// Begins to shut down, once; later calls change nothing.
  func beginShutdown(within deadline: Milliseconds?) {
    let deadline = deadline ?? configuration.limits.shutdown
    let begun = state.withLock { state -> (listeners: [CInt], control: (any Channel)?)? in
      guard !state.isDraining else { return nil }
      state.isDraining = true
      defer {
        state.listener = -1
        state.secureListener = -1
      }
      state.desk?.close(removesPath: true)
      return ([state.listener, state.secureListener].filter { $0 >= 0 }, state.control)
    }
    guard let begun else { return }
    logger.info("proxy is shutting down", metadata: ["deadline": "\(deadline)"])
    let loop = controlGroup.next()
    let deaf = workers.map { $0.perform(answerOn: loop) { $0.stopAccepting() } }
    EventLoopFuture.andAllComplete(deaf, on: loop).whenComplete { _ in
      for listener in begun.listeners { close(listener) }
    }
    let empty = workers.map { worker in
      let promise = loop.makePromise(of: Void.self)
      let isHeard = worker.loop.execute {
        worker.drain(within: deadline) { promise.succeed() }
      }
      if !isHeard { promise.succeed() }
      return promise.futureResult
    }
    EventLoopFuture.andAllComplete(empty, on: loop)
      .flatMap { [keeper] in keeper.saveExperiments() }
      .flatMap { [self] in leaveTestament() }
      .whenComplete { [self] _ in
        begun.control?.close(promise: nil)
        state.withLock { $0.metrics }?.close()
        unlink(state.withLock(\.controlPath))
        drained.open()
      }
  }

  /// Writes down what was counted, for the heir, if there is one.
  private func leaveTestament() -> EventLoopFuture<Void> {
    let path = state.withLock(\.controlPath)
    guard path != configuration.controlSocket else {
      return controlGroup.next().makeSucceededVoidFuture()
    }
    return keeper.report().map { reports in Testament.write(reports, beside: path) }
  }

  /// Returns when the proxy has shut down and its threads have ended.
  public func waitUntilClosed() async {
    await drained.wait()
    await stopLoops()
  }

  private func stopLoops() async {
    let isFirst = state.withLock { state in
      defer { state.isStopped = true }
      return !state.isStopped
    }
    guard isFirst else { return await stopped.wait() }
    // What is being compared still reports to its event loop.
    await withCheckedContinuation { done in comparer.async { done.resume() } }
    for worker in workers {
      worker.stop()
      await worker.loop.waitUntilEnded()
    }
    let left = state.withLock { state in
      defer {
        state.listener = -1
        state.secureListener = -1
      }
      return [state.listener, state.secureListener].filter { $0 >= 0 }
    }
    for listener in left { close(listener) }
    do {
      try await controlGroup.shutdownGracefully()
    } catch {
      logger.error("the control loop did not end", metadata: ["reason": "\(error)"])
    }
    await accessLog?.close()
    stopped.open()
  }
}

/// How many descriptors the process may have.
enum DescriptorLimit {
  /// Raises the soft limit to the hard one.
  ///
  /// - Returns: how many client connections fit: each may need one more to an instance.
  static func raise(wanting connections: Int) -> Int {
    var limit = rlimit()
    #if canImport(Glibc)
      let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
      let resource = RLIMIT_NOFILE
    #endif
    guard getrlimit(resource, &limit) == 0 else { return connections }
    limit.rlim_cur = limit.rlim_max
    _ = setrlimit(resource, &limit)
    guard getrlimit(resource, &limit) == 0 else { return connections }
    let room = Int(clamping: limit.rlim_cur) - 64
    return max(min(connections, room / 2), 1)
  }
}
