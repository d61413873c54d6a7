import Dispatch
import Foundation
public import Logging
import NIOCore
import NIOPosix
import Ports
public import SegueModel
import Synchronization
import TrafficRouting

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A running proxy: its event loops, its listener, its control socket.
public final class ProxyServer: Sendable {
  private let configuration: ProxyConfiguration
  private let logger: Logger
  private let group: MultiThreadedEventLoopGroup
  private let controlGroup: MultiThreadedEventLoopGroup
  private let workers: [Worker]
  private let keeper: TableKeeper
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
    var listener: (any Channel)?
    var control: (any Channel)?
    var metrics: MetricsListener?
    var address = ""
    var port = 0
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
    group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
    controlGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let share = max(DescriptorLimit.raise(wanting: configuration.limits.connections) / threads, 1)
    let comparer = comparer
    workers = group.makeIterator().map { loop in
      Worker(
        loop: loop, limits: configuration.limits, connectionLimit: share, loops: threads,
        seed: UInt64.random(in: .min ... .max), comparer: comparer)
    }
    let controlLoop = controlGroup.next()
    keeper = TableKeeper(
      loop: controlLoop, workers: workers,
      file: StateFile(directory: configuration.stateDirectory), logger: logger)
    state = Mutex(State())
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
    for worker in workers { try await worker.loop.submit { worker.start() }.get() }
    let keeper = keeper
    try await controlGroup.next().flatSubmit { keeper.restore() }.get()
    // The control socket tells two proxies of one state directory apart, so it is taken first; it
    // answers last, so that whoever is answered finds the proxy serving.
    let control = try ListeningSocket.unix(path: configuration.controlSocket)
    do {
      try await openListener()
      let metrics = try await Self.openMetrics(
        configuration, group: controlGroup, keeper: keeper, accessLog: accessLog, logger: logger,
        isDraining: { [self] in state.withLock { $0.isDraining } })
      state.withLock { $0.metrics = metrics }
    } catch {
      close(control)
      unlink(configuration.controlSocket)
      throw error
    }
    try await answerControl(control)
  }

  private func openListener() async throws {
    let environment = ProcessInfo.processInfo.environment
    let descriptor =
      try ListeningSocket.inherited(environment, pid: getpid())
      ?? ListeningSocket.tcp(host: configuration.host, port: configuration.port)
    let workersByLoop = Dictionary(
      uniqueKeysWithValues: workers.map { (ObjectIdentifier($0.loop), $0) })
    let channel = try await ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: ListeningSocket.backlog)
      .serverChannelOption(.maxMessagesPerRead, value: 64)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .childChannelOption(.maxMessagesPerRead, value: 4)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          guard let worker = workersByLoop[ObjectIdentifier(channel.eventLoop)] else {
            preconditionFailure("a client came to a loop without a worker")
          }
          try channel.pipeline.syncOperations.addHandler(ClientConnection(worker: worker))
        }
      }
      .withBoundSocket(descriptor).get()
    let address = channel.localAddress
    let text = "\(address?.ipAddress ?? configuration.host):\(address?.port ?? 0)"
    state.withLock { state in
      state.listener = channel
      state.address = text
      state.port = address?.port ?? 0
    }
    logger.info("proxy is listening", metadata: ["address": "\(text)"])
    try writeAddress(text)
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

  /// The port clients connect to.
  public var port: Int { state.withLock { $0.port } }

  /// The port of the figures, if they are told at one.
  var metricsPort: Int? { state.withLock { $0.metrics?.port } }

  /// What ping answers. On the control loop only.
  func status() -> EventLoopFuture<ProxyStatus> {
    let (address, isDraining) = state.withLock { ($0.address, $0.isDraining) }
    return keeper.status().map { services, connections in
      ProxyStatus(
        pid: getpid(), protocolVersion: ControlWire.version, address: address,
        services: services, connections: connections, isDraining: isDraining)
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
    let begun = state.withLock { state -> (listener: (any Channel)?, control: (any Channel)?)? in
      guard !state.isDraining else { return nil }
      state.isDraining = true
      return (state.listener, state.control)
    }
    guard let begun else { return }
    logger.info("proxy is shutting down", metadata: ["deadline": "\(deadline)"])
    begun.listener?.close(promise: nil)
    let empty = workers.map { worker in
      worker.loop.flatSubmit { worker.drain(within: deadline) }
    }
    EventLoopFuture.andAllComplete(empty, on: controlGroup.next()).whenComplete { [self] _ in
      begun.control?.close(promise: nil)
      state.withLock { $0.metrics }?.close()
      unlink(configuration.controlSocket)
      drained.open()
    }
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
    for worker in workers { try? await worker.loop.submit { worker.stop() }.get() }
    // What is being compared still reports to its event loop.
    await withCheckedContinuation { done in comparer.async { done.resume() } }
    for group in [group, controlGroup] {
      do {
        try await group.shutdownGracefully()
      } catch {
        logger.error("an event loop did not end", metadata: ["reason": "\(error)"])
      }
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
