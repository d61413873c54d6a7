import Dispatch
import HTTP2Translation
import Logging
import NIOCore
import SegueModel
import Synchronization
import TrafficRouting
import TransportSecurity

/// Everything one event loop knows: its tables, its counters, its connections.
///
/// Unchecked, because every member is touched on `loop` alone; no lock is on a request's path.
final class Worker: @unchecked Sendable {
  let loop = SocketLoop()
  let limits: ProxyLimits
  let headLimits: HeadLimits
  let spans: Spans
  let outliers: OutlierWatch.Settings
  let http2Limits = HTTP2Limits()
  let empty = ByteBuffer()
  /// A message on its way to an instance, for as long as it takes to write it.
  var outgoing = ByteBufferAllocator().buffer(capacity: 4_096)
  /// Buffers for answers, which have theirs only while they pass.
  private var spare: [ByteBuffer] = []
  var random: FastRandom
  let naming: RequestNaming
  /// `nil`: no line is written for a request.
  let accessLane: AccessLane?
  var errorPages: ErrorPages
  /// What a certificate authority is told.
  let challenges: ChallengeFolder?
  /// The router's own lines of a head, while they are put together.
  var lines: [UInt8] = []
  var stamp = ByteBufferAllocator().buffer(capacity: 512)
  /// Uptime in nanoseconds, no older than one tick.
  private(set) var now = SocketLoop.uptime()
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
  let books: ExperimentBooks
  /// The tables on disk were damaged and nobody has brought new ones: no route is then not the
  /// client's mistake.
  var lostTables = false
  private(set) var isDraining = false
  private var drainingSince: UInt64 = 0
  private var clients: [ClientConnection] = []
  private var http2: [ObjectIdentifier: HTTP2Connection] = [:]
  /// In their handshake.
  private var handshakes: [ObjectIdentifier: TLSStream] = [:]
  /// What new TLS connections go by.
  var certificates: CertificateStore?
  /// Requests without TLS are sent to this port, with it.
  var redirectPort: Int?
  private var hasFinishedHTTP2 = false
  private var drained: (@Sendable () -> Void)?
  private var cutTimer: LoopTimer?
  private var acceptors: [Acceptor] = []
  private var connecting: [Connecting] = []
  private let connectionLimit: Int
  /// Since the start.
  private(set) var accepted: UInt64 = 0
  var upgrades: UInt64 = 0
  /// Client connections, for whoever hands out new ones.
  let load = Atomic<Int>(0)

  /// How requests are named, noted and refused.
  struct Manners {
    var naming = RequestNaming()
    var accessLane: AccessLane?
    var errorPages = ErrorPages()
    var challenges: ChallengeFolder?
  }

  /// A connection to an instance that is not there yet.
  private struct Connecting {
    let stream: StreamSocket
    let deadline: UInt64
  }

  /// The limits in nanoseconds, worked out once.
  struct Spans {
    let readHead, clientIdle, responseHead, bodyProgress, responseSilence, tunnelIdle: UInt64
    let linger, poolIdle, poolIdleOnce, penalty, drainIdle, releaseGrace, mirrorAnswer: UInt64
    let connect, slowStart: UInt64

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
      connect = ProxyLimits.nanoseconds(limits.connect)
      slowStart = ProxyLimits.nanoseconds(limits.slowStart)
    }
  }

  /// - Parameters:
  ///   - loops: how many workers there are.
  ///   - comparer: where answers to copied requests are compared.
  ///   - books: where users of experiments are counted.
  init(
    limits: ProxyLimits, connectionLimit: Int, loops: Int, seed: UInt64, comparer: DispatchQueue,
    books: ExperimentBooks, manners: Manners
  ) {
    self.books = books
    naming = manners.naming
    accessLane = manners.accessLane
    errorPages = manners.errorPages
    challenges = manners.challenges
    releaseLimit = max(limits.releasedPerInstance / max(loops, 1), 1)
    self.comparer = comparer
    self.limits = limits
    self.connectionLimit = connectionLimit
    headLimits = HeadLimits(
      bytes: limits.headBytes, fields: limits.headFields, firstLine: limits.requestLine)
    spans = Spans(limits)
    outliers = OutlierWatch.Settings(
      failures: limits.ejectAfter, span: ProxyLimits.nanoseconds(limits.ejection),
      longest: ProxyLimits.nanoseconds(limits.longestEjection))
    random = FastRandom(seed: seed)
  }

  /// Starts the loop's thread and its regular look at deadlines.
  func start(name: String) {
    loop.start(name: name)
    loop.execute { [self] in
      loop.schedule(after: ProxyLimits.nanoseconds(limits.tick), repeats: true) { [unowned self] in
        sweep()
      }
    }
  }

  /// Closes everything and ends the loop.
  func stop() {
    loop.execute { [self] in
      stopAccepting()
      for client in clients { client.cut() }
      for connection in Array(http2.values) { connection.cut() }
      for handshake in Array(handshakes.values) { handshake.close() }
      for service in services { service.retire() }
      for service in retired { service.retire() }
      abandonCopies()
    }
    loop.stop()
  }

  /// Does `body` on the worker's loop; the result comes on `answerLoop`.
  func perform<Value: Sendable>(
    answerOn answerLoop: any EventLoop, _ body: @escaping @Sendable (Worker) -> Value
  ) -> EventLoopFuture<Value> {
    let promise = answerLoop.makePromise(of: Value.self)
    if !loop.execute({ [self] in promise.succeed(body(self)) }) {
      promise.fail(EventLoopError.shutdown)
    }
    return promise.futureResult
  }

  /// 128 bits, for names.
  func randomWords() -> (UInt64, UInt64) { (random.word(), random.word()) }

  /// Reads the clock; the moment then also serves as ``now``.
  @discardableResult
  func readClock() -> UInt64 {
    now = SocketLoop.uptime()
    return now
  }

  private func sweep() {
    readClock()
    for service in services { service.sweep(now: now) }
    for client in clients { client.check(now: now) }
    for connection in Array(http2.values) { connection.check(now: now) }
    for handshake in Array(handshakes.values) { handshake.check(now: now) }
    for attempt in connecting where attempt.deadline <= now { attempt.stream.abandonConnecting() }
    checkCopies(now: now)
    if isDraining, now >= drainingSince + spans.drainIdle {
      for client in clients where client.isIdle { client.closeIdle() }
      if !hasFinishedHTTP2 {
        hasFinishedHTTP2 = true
        for connection in http2.values { connection.finishShutdown() }
      }
    }
    retired.removeAll(where: \.isQuiet)
  }

  // MARK: Tables

  /// Goes over to a new set of tables; nothing in flight notices.
  func adopt(_ tables: [ServiceTable], addresses: [Endpoint: SocketAddress], lost: Bool) {
    loop.preconditionOnLoop()
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
      routes.append(
        RouteSpec(
          host: host, pathPrefix: table.route.pathPrefix, match: table.route.match))
    }
    matcher = RouteMatcher(routes)
  }

  /// The service at an index of the matcher's, and whether it is its preview that was asked for.
  func service(at index: Int) -> (lane: ServiceLane, isPreview: Bool) {
    index < services.count
      ? (services[index], false) : (previews[index - services.count], true)
  }

  /// Hands over what was noted of experiments.
  func flushTaps() {
    for service in services { service.tap?.flush() }
  }

  /// Services without a table are told of until their last request is done.
  var report: [ServiceReport] {
    (services + retired.filter { !$0.isQuiet }).map(\.report)
  }

  // MARK: Clients

  /// Takes clients off `listener`, which stays its owner's. One that another worker has more room
  /// for is handed to it.
  func accept(from listener: CInt, isSecure: Bool, among workers: [Worker]) {
    let acceptor = Acceptor(listener, on: loop) { [unowned self] descriptor, peer in
      let own = load.load(ordering: .relaxed)
      let other = workers.min {
        $0.load.load(ordering: .relaxed) < $1.load.load(ordering: .relaxed)
      }
      if let other, other !== self, other.load.load(ordering: .relaxed) + Self.unevenness < own,
        other.loop.execute({ other.take(descriptor, from: peer, isSecure: isSecure) })
      {
        return
      }
      take(descriptor, from: peer, isSecure: isSecure)
    }
    acceptors.append(acceptor)
    acceptor.open()
  }

  /// Connections that one loop may have more than another before it hands new ones over.
  private static let unevenness = 4

  func stopAccepting() {
    for acceptor in acceptors { acceptor.close() }
    acceptors = []
  }

  private func take(_ descriptor: CInt, from peer: PeerAddress, isSecure: Bool) {
    let stream = StreamSocket(descriptor, on: loop, mayBeHalfOpen: true)
    accepted += 1
    guard clients.count + handshakes.count < connectionLimit else { return stream.close() }
    readClock()
    let facts = PeerFacts(
      address: peer.text, isSecure: isSecure, trusted: naming.trusted)
    if isSecure { startTLS(on: stream, facts) } else { serveHTTP1(on: stream, facts) }
    _ = stream.open()
  }

  private func serveHTTP1(on stream: ByteStream, _ peer: PeerFacts) {
    let client = ClientConnection(worker: self, stream: stream, peer: peer)
    add(client)
    stream.handler = client
  }

  private func startTLS(on wire: StreamSocket, _ peer: PeerFacts) {
    guard let certificates,
      let stream = try? TLSStream(
        worker: self, wire: wire, store: certificates,
        established: { [unowned self] stream, spoken in
          if spoken == .http2 {
            _ = serveHTTP2(on: stream, peer: peer)
          } else {
            serveHTTP1(on: stream, peer)
          }
        })
    else { return wire.close() }
    handshakes[ObjectIdentifier(stream)] = stream
    wire.handler = stream
  }

  /// Its handshake is over, one way or the other.
  func remove(_ stream: TLSStream) { handshakes[ObjectIdentifier(stream)] = nil }

  /// Goes on with `wire` as an HTTP/2 connection.
  func serveHTTP2(on wire: ByteStream, peer: PeerFacts) -> HTTP2Connection {
    let connection = HTTP2Connection(worker: self, wire: wire, peer: peer)
    http2[ObjectIdentifier(connection)] = connection
    wire.handler = connection
    return connection
  }

  func remove(_ connection: HTTP2Connection) {
    http2[ObjectIdentifier(connection)] = nil
    if hasNoClients { finishDraining() }
  }

  private var hasNoClients: Bool { clients.isEmpty && http2.isEmpty }

  func add(_ client: ClientConnection) {
    client.slot = clients.count
    clients.append(client)
    load.store(clients.count, ordering: .relaxed)
  }

  func remove(_ client: ClientConnection) {
    guard client.slot >= 0 else { return }
    let last = clients.removeLast()
    if last !== client {
      clients[client.slot] = last
      last.slot = client.slot
    }
    client.slot = -1
    load.store(clients.count, ordering: .relaxed)
    if hasNoClients { finishDraining() }
  }

  /// Those of HTTP/2 count once for each request.
  var connectionCount: Int { clients.count }

  /// What the figures of the process are made of.
  struct Figures {
    var accepted: UInt64
    var upgrades: UInt64
    /// Microseconds.
    var lag: UInt64
  }

  var figures: Figures {
    Figures(accepted: accepted, upgrades: upgrades, lag: loop.longestLag / 1_000)
  }

  /// Announces the end on every next response, and calls `body` when the last client has gone or was
  /// cut at the deadline.
  func drain(within deadline: Milliseconds, then body: @escaping @Sendable () -> Void) {
    loop.preconditionOnLoop()
    stopAccepting()
    isDraining = true
    drainingSince = readClock()
    for lane in services { lane.settleHeld() }
    drained = body
    leaveTunnels(within: deadline)
    for connection in http2.values { connection.beginShutdown() }
    if hasNoClients { return finishDraining() }
    cutTimer = loop.schedule(after: ProxyLimits.nanoseconds(deadline)) { [unowned self] in
      for client in clients { client.cut() }
      for connection in Array(http2.values) { connection.cut() }
    }
  }

  /// Ends tunnels one after another in the second half of the time there is, so that not all who were
  /// connected come back at once.
  ///
  /// - Parameter instance: only its own, and only if it has not come back by then; `nil`: all.
  func leaveTunnels(of instance: Instance? = nil, within deadline: Milliseconds) {
    let half = max(Int(deadline.count) / 2, 1)
    for client in clients where client.phase == .tunnel {
      if let instance, client.instance !== instance { continue }
      // Whoever does not close at once still gets a moment before the deadline.
      let wait = Milliseconds(Int64(half + random.next(below: max(half * 4 / 5, 1))))
      loop.schedule(after: ProxyLimits.nanoseconds(wait)) {
        if let instance, !instance.isRetired || client.instance !== instance { return }
        client.leaveTunnel()
      }
    }
  }

  private func finishDraining() {
    guard let drained else { return }
    self.drained = nil
    cutTimer?.cancel()
    drained()
  }

  // MARK: Buffers

  /// An empty buffer, which is to come back.
  func borrowBuffer() -> ByteBuffer {
    spare.popLast() ?? ByteBufferAllocator().buffer(capacity: 2_048)
  }

  func giveBack(_ buffer: inout ByteBuffer) {
    guard spare.count < 64, buffer.capacity <= 65_536 else { return }
    var returned = ByteBuffer()
    swap(&returned, &buffer)
    returned.clear()
    spare.append(returned)
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

  /// Opens a connection to an instance.
  ///
  /// - Parameter body: called once, perhaps at once; with `nil` when there was nobody in time.
  func connect(to address: SocketAddress, then body: @escaping (StreamSocket?) -> Void) {
    var isDone = false
    var begun: StreamSocket?
    begun = StreamSocket.connect(to: address, on: loop) { [unowned self] stream in
      isDone = true
      if let begun { connecting.removeAll { $0.stream === begun } }
      body(stream)
    }
    if !isDone, let begun {
      connecting.append(Connecting(stream: begun, deadline: now + spans.connect))
    }
  }

  func penalise(_ instance: Instance) {
    instance.penalisedUntil = max(instance.penalisedUntil, readClock() + spans.penalty)
  }
}
