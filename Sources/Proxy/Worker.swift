import Dispatch
import Logging
import NIOCore
import NIOPosix
import SegueModel
import TrafficRouting

/// Everything one event loop knows: its tables, its counters, its connections.
///
/// Unchecked, because every member is touched on `loop` alone; no lock is on a request's path.
final class Worker: @unchecked Sendable {
  let loop: any EventLoop
  let limits: ProxyLimits
  let headLimits: HeadLimits
  let spans: Spans
  let allocator = ByteBufferAllocator()
  let empty = ByteBuffer()
  var random: FastRandom
  /// Uptime in nanoseconds, no older than one tick.
  private(set) var now = NIODeadline.now().uptimeNanoseconds
  private(set) var matcher = RouteMatcher([])
  /// In the order of the tables; what the matcher's answers index.
  private(set) var services: [ServiceLane] = []
  /// What the matcher's answers beyond the services index: those with a host for a preview.
  private var previews: [ServiceLane] = []
  /// Without a table, but with requests in flight.
  private var retired: [ServiceLane] = []
  /// Requests held for all services together.
  var heldCount = 0
  /// Requests out of a hold that one instance may have from this event loop at once.
  let releaseLimit: Int
  /// By their ids.
  var copies: [UInt64: MirroredRequest] = [:]
  var lastCopy: UInt64 = 0
  /// Where answers are compared.
  let comparer: DispatchQueue
  private(set) var mirrorConnector: ClientBootstrap?
  /// The tables on disk were damaged and nobody has brought new ones: no route is then not the
  /// client's mistake.
  var lostTables = false
  private(set) var isDraining = false
  private var drainingSince: UInt64 = 0
  private var clients: [ClientConnection] = []
  private var drained: EventLoopPromise<Void>?
  private var connector: ClientBootstrap?
  private var ticker: RepeatedTask?
  private let connectionLimit: Int

  /// The limits in nanoseconds, worked out once.
  struct Spans {
    let readHead, clientIdle, responseHead, bodyProgress, responseSilence, tunnelIdle: UInt64
    let linger, poolIdle, poolIdleOnce, penalty, drainIdle, releaseGrace, mirrorAnswer: UInt64

    init(_ limits: ProxyLimits) {
      readHead = ProxyLimits.nanoseconds(limits.readHead)
      clientIdle = ProxyLimits.nanoseconds(limits.clientIdle)
      responseHead = ProxyLimits.nanoseconds(limits.responseHead)
      bodyProgress = ProxyLimits.nanoseconds(limits.bodyProgress)
      responseSilence = ProxyLimits.nanoseconds(limits.responseSilence)
      tunnelIdle = ProxyLimits.nanoseconds(limits.tunnelIdle)
      linger = ProxyLimits.nanoseconds(limits.linger)
      poolIdle = ProxyLimits.nanoseconds(limits.poolIdle)
      poolIdleOnce = ProxyLimits.nanoseconds(limits.poolIdleOnce)
      penalty = ProxyLimits.nanoseconds(limits.penalty)
      drainIdle = ProxyLimits.nanoseconds(limits.drainIdle)
      releaseGrace = ProxyLimits.nanoseconds(limits.releaseGrace)
      mirrorAnswer = ProxyLimits.nanoseconds(limits.mirrorAnswer)
    }
  }

  /// - Parameters:
  ///   - loops: how many workers there are.
  ///   - comparer: where answers to copied requests are compared.
  init(
    loop: any EventLoop, limits: ProxyLimits, connectionLimit: Int, loops: Int, seed: UInt64,
    comparer: DispatchQueue
  ) {
    releaseLimit = max(limits.releasedPerInstance / max(loops, 1), 1)
    self.comparer = comparer
    self.loop = loop
    self.limits = limits
    self.connectionLimit = connectionLimit
    headLimits = HeadLimits(
      bytes: limits.headBytes, fields: limits.headFields, firstLine: limits.requestLine)
    spans = Spans(limits)
    random = FastRandom(seed: seed)
  }

  /// Must be called on the loop before the first connection.
  func start() {
    loop.preconditionInEventLoop()
    connector = ClientBootstrap(group: loop)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelOption(.maxMessagesPerRead, value: 4)
      .connectTimeout(.milliseconds(limits.connect.count))
      .channelInitializer { [unowned self] channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(UpstreamConnection(worker: self))
        }
      }
    mirrorConnector = makeMirrorConnector()
    let tick = TimeAmount.milliseconds(limits.tick.count)
    ticker = loop.scheduleRepeatedTask(initialDelay: tick, delay: tick) { [unowned self] _ in
      sweep()
    }
  }

  func stop() {
    ticker?.cancel()
    ticker = nil
    for service in services { service.retire() }
    for service in retired { service.retire() }
    abandonCopies()
  }

  /// Reads the clock; the moment then also serves as ``now``.
  @discardableResult
  func readClock() -> UInt64 {
    now = NIODeadline.now().uptimeNanoseconds
    return now
  }

  private func sweep() {
    readClock()
    for service in services { service.sweep(now: now) }
    for client in clients { client.check(now: now) }
    checkCopies(now: now)
    if isDraining, now >= drainingSince + spans.drainIdle {
      for client in clients where client.isIdle { client.closeIdle() }
    }
    retired.removeAll(where: \.isQuiet)
  }

  // MARK: Tables

  /// Goes over to a new set of tables; nothing in flight notices.
  func adopt(_ tables: [ServiceTable], addresses: [Endpoint: SocketAddress], lost: Bool) {
    loop.preconditionInEventLoop()
    lostTables = lost
    let before = services + retired
    services = tables.map { table in
      let lane = before.first { $0.key == table.key } ?? ServiceLane(key: table.key, worker: self)
      if lane.generation != table.generation || !services.contains(where: { $0 === lane }) {
        lane.adopt(table, addresses: addresses)
      }
      return lane
    }
    let kept = Set(services.map { ObjectIdentifier($0) })
    let gone = before.filter { !kept.contains(ObjectIdentifier($0)) }
    for lane in gone { lane.retire() }
    retired = Array(gone.suffix(100))
    adoptRoutes(tables)
    // Only now, when a request that is let go finds everything in its new place.
    for lane in services + gone { lane.settleHeld() }
  }

  /// A preview has the path of its service and a host of its own.
  private func adoptRoutes(_ tables: [ServiceTable]) {
    var routes = tables.map(\.route)
    previews = []
    for (table, lane) in zip(tables, services) {
      guard case .host(let host) = table.side?.role else { continue }
      previews.append(lane)
      routes.append(RouteSpec(host: host, pathPrefix: table.route.pathPrefix))
    }
    matcher = RouteMatcher(routes)
  }

  /// The service at an index of the matcher's, and whether it is its preview that was asked for.
  func service(at index: Int) -> (lane: ServiceLane, isPreview: Bool) {
    index < services.count
      ? (services[index], false) : (previews[index - services.count], true)
  }

  /// Services without a table are told of until their last request is done.
  var report: [ServiceReport] {
    (services + retired.filter { !$0.isQuiet }).map(\.report)
  }

  // MARK: Clients

  /// - Returns: whether there is room for one more.
  func add(_ client: ClientConnection) -> Bool {
    guard clients.count < connectionLimit else { return false }
    client.slot = clients.count
    clients.append(client)
    return true
  }

  func remove(_ client: ClientConnection) {
    guard client.slot >= 0 else { return }
    let last = clients.removeLast()
    if last !== client {
      clients[client.slot] = last
      last.slot = client.slot
    }
    client.slot = -1
    if clients.isEmpty { drained?.succeed() }
  }

  var connectionCount: Int { clients.count }

  /// Announces the end on every next response, and succeeds when the last client has gone or
  /// was cut at the deadline.
  func drain(within deadline: Milliseconds) -> EventLoopFuture<Void> {
    loop.preconditionInEventLoop()
    if let drained { return drained.futureResult }
    isDraining = true
    drainingSince = readClock()
    for lane in services { lane.settleHeld() }
    let promise = loop.makePromise(of: Void.self)
    drained = promise
    if clients.isEmpty {
      promise.succeed()
      return promise.futureResult
    }
    let cut = loop.scheduleTask(in: .milliseconds(deadline.count)) { [unowned self] in
      for client in clients { client.cut() }
    }
    promise.futureResult.whenComplete { _ in cut.cancel() }
    return promise.futureResult
  }

  // MARK: Instances

  /// A connection from the pool, or `nil`. One that must carry a request only once is chosen with
  /// care: little time unused, and no end of stream waiting in the kernel.
  func checkOut(_ instance: Instance, onceOnly: Bool) -> UpstreamConnection? {
    while let connection = instance.idle.popLast() {
      guard connection.isUsable, connection.idleDeadline > now else {
        connection.discard()
        continue
      }
      if onceOnly {
        guard connection.idleSince + spans.poolIdleOnce > now else {
          instance.idle.append(connection)
          return nil
        }
        guard connection.peerIsStillThere() else {
          connection.discard()
          continue
        }
      }
      return connection
    }
    return nil
  }

  func checkIn(_ connection: UpstreamConnection, to instance: Instance) {
    guard !instance.isRetired, instance.idle.count < limits.idlePerInstance else {
      connection.discard()
      return
    }
    instance.idle.append(connection)
  }

  /// Opens a connection; the result comes on the loop.
  func connect(
    to instance: Instance, then body: @escaping (UpstreamConnection?) -> Void
  ) {
    guard let connector else { preconditionFailure("the worker has not been started") }
    connector.connect(to: instance.address).assumeIsolated().whenComplete { result in
      guard case .success(let channel) = result,
        let upstream = try? channel.pipeline.syncOperations.handler(type: UpstreamConnection.self)
      else { return body(nil) }
      upstream.instance = instance
      body(upstream)
    }
  }

  func penalise(_ instance: Instance) { instance.penalisedUntil = readClock() + spans.penalty }
}
