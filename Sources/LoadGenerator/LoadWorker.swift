import Glibc

/// The loop that sends requests and reads answers, on one thread, over non-blocking sockets.
///
/// `poll` serves: with tens of connections it costs no more than `epoll`, and needs no C target.
final class LoadWorker {
  /// A connection rests after a failure, so that a service that is down is not asked in a tight
  /// loop: 10 milliseconds.
  private static let restAfterFailure: Int64 = 10_000_000

  /// With a pace a request may be sent so much before it is due, in nanoseconds: `poll` waits for
  /// whole milliseconds, and a request that it made late would count as slow.
  private static let early: Int64 = 999_999

  private let plan: LoadPlan
  private let target: LoadTarget
  private let writer: RequestWriter
  private let shared: SharedLoad
  private let connections: [LoadConnection]
  private let buffer: UnsafeMutableRawBufferPointer
  private var polled: [pollfd]
  private let timeout: Int64
  private let interval: Int64

  private let allowed: Int
  private var begun = 0
  private var endsAt = Int64.max
  private var nextDue: Int64 = 0
  /// Grows by the share of POST with each request; at 100 one is due. So the mix is exact.
  private var postCredit = 0
  private var postsBegun = 0
  private var messagesBegun = 0
  private let pace: Int64?
  private var busy = 0

  init(plan: LoadPlan, target: LoadTarget, writer: RequestWriter, shared: SharedLoad) {
    self.plan = plan
    self.target = target
    self.writer = writer
    self.shared = shared
    connections = (0..<plan.connections).map { LoadConnection(number: $0 + 1) }
    buffer = .allocate(byteCount: 65_536, alignment: 16)
    polled = [pollfd(fd: shared.wake.readEnd, events: Int16(POLLIN), revents: 0)]
    polled += connections.map { _ in pollfd(fd: -1, events: 0, revents: 0) }
    timeout = plan.timeout.nanoseconds
    pace = plan.pace?.nanoseconds
    interval = plan.rate.map { 1_000_000_000 / Int64($0) } ?? 0
    allowed = plan.requests ?? .max
  }

  deinit { buffer.deallocate() }

  func run() {
    let now = monotonicNow()
    nextDue = now
    for (index, connection) in connections.enumerated() {
      connection.nextDue = now + (pace ?? 0) * Int64(index) / Int64(connections.count)
    }
    if let duration = plan.duration { endsAt = now + duration.nanoseconds }
    while true {
      beginWhatIsDue()
      if busy == 0, isOver(at: monotonicNow()) { break }
      wait()
      let now = monotonicNow()
      for connection in connections where connection.state != .idle {
        if polled[connection.number].revents != 0 { proceed(connection) }
        if connection.deadline <= now { expire(connection, at: now) }
      }
    }
    for connection in connections { connection.closeSocket() }
    shared.finish()
  }

  private func isOver(at now: Int64) -> Bool {
    begun >= allowed || now >= endsAt || shared.isStopped(after: begun)
  }

  // MARK: Waiting

  private func wait() {
    let now = monotonicNow()
    var until = isOver(at: now) ? Int64.max : endsAt
    var resting = Int64.max
    for connection in connections {
      polled[connection.number].fd = connection.state == .idle ? -1 : connection.descriptor
      polled[connection.number].events = connection.pollEvents
      polled[connection.number].revents = 0
      until = min(until, connection.deadline)
      if connection.state == .idle {
        resting = min(
          resting, max(connection.restsUntil, pace == nil ? 0 : connection.nextDue - Self.early))
      }
    }
    if resting != .max, !isOver(at: now) {
      until = min(until, pace == nil ? max(resting, nextDue) : resting)
    }
    // Whole milliseconds, rounded up: a wait that ends early would only be repeated.
    let left = max(0, until - now)
    let milliseconds = until == .max ? -1 : Int32(min((left + 999_999) / 1_000_000, 60_000))
    polled[0].revents = 0
    let count = poll(&polled, nfds_t(polled.count), milliseconds)
    if count < 0 { for index in polled.indices { polled[index].revents = 0 } }
    if polled[0].revents != 0 { shared.wake.drain() }
  }

  // MARK: Requests

  private func beginWhatIsDue() {
    for connection in connections where connection.state == .idle {
      let now = monotonicNow()
      guard !isOver(at: now), interval == 0 || nextDue <= now else { return }
      if pace != nil, connection.nextDue > now + Self.early { continue }
      if connection.restsUntil <= now { begin(on: connection, at: now) }
    }
  }

  private func begin(on connection: LoadConnection, at now: Int64) {
    var due = now
    if let pace {
      due = min(connection.nextDue, now)
      connection.nextDue += pace
    } else if interval > 0 {
      due = nextDue
      nextDue += interval
    }
    begun += 1
    busy += 1
    let kind = nextKind(of: connection)
    let number = nextNumber(of: kind)
    let refusal = kind == .websocket ? openWebsocket(connection) : openIfNeeded(connection)
    connection.begin(
      kind, number: number, at: now, due: due, deadline: now + timeout
    ) { output in
      write(kind, number, of: connection, into: &output)
    }
    send(on: connection, unless: refusal)
  }

  private func send(on connection: LoadConnection, unless refusal: Refusal?) {
    if let refusal {
      end(connection, failure: refusal.kind, why: refusal.why)
    } else if connection.state == .exchanging {
      _ = connection.send()
    }
  }

  private func nextKind(of connection: LoadConnection) -> TrafficKind {
    guard plan.kinds.isEmpty else {
      return plan.kinds[(connection.number - 1) % plan.kinds.count]
    }
    postCredit += plan.postShare
    guard postCredit >= 100 else { return .get }
    postCredit -= 100
    return .post
  }

  private func nextNumber(of kind: TrafficKind) -> Int {
    switch kind {
    case .get: return 0
    case .post, .chunkedPost:
      postsBegun += 1
      return postsBegun
    case .websocket:
      messagesBegun += 1
      return messagesBegun
    }
  }

  private func write(
    _ kind: TrafficKind, _ number: Int, of connection: LoadConnection, into output: inout [UInt8]
  ) {
    switch kind {
    case .get: writer.writeGet(into: &output)
    case .post: writer.writePost(number, into: &output)
    case .chunkedPost: writer.writeChunkedPost(number, into: &output)
    case .websocket:
      guard connection.frames != nil else { return writer.writeUpgrade(into: &output) }
      connection.message = writer.message(number)
      WebsocketFrames.write(.text, connection.message, mask: .random(in: 0 ... .max), into: &output)
    }
  }

  /// Why a request could not be begun.
  private struct Refusal {
    var kind: LoadReport.FailureKind
    var why: String

    init(connecting failure: SocketFailure) {
      kind = failure.kind
      why = "connecting: \(errnoText(failure.number))"
    }

    init(kind: LoadReport.FailureKind, why: String) {
      self.kind = kind
      self.why = why
    }
  }

  /// A websocket has to be closed with a frame that says so: an end without one is a failure, also
  /// between two messages.
  private func openWebsocket(_ connection: LoadConnection) -> Refusal? {
    guard connection.frames != nil else { return openIfNeeded(connection) }
    switch connection.readBetweenMessages(buffer) {
    case .pending: return nil
    case .answered: return Refusal(kind: .malformed, why: "a message that nobody asked for")
    case .failed(let kind, let why): return Refusal(kind: kind, why: why)
    case .closedPolitely:
      connection.closeSocket()
      shared.update { tally, _ in tally.announcedCloses += 1 }
      return openIfNeeded(connection)
    }
  }

  /// The message that was under way is lost with its websocket, which the other side had announced:
  /// the request becomes that for a new one.
  private func reopen(_ connection: LoadConnection) {
    connection.closeSocket()
    shared.update { tally, _ in tally.announcedCloses += 1 }
    let refusal = openIfNeeded(connection)
    connection.prepare { writer.writeUpgrade(into: &$0) }
    send(on: connection, unless: refusal)
  }

  private func openIfNeeded(_ connection: LoadConnection) -> Refusal? {
    switch connection.checkBeforeReuse() {
    case .open: return nil
    case .closed: break
    case .endedWhileIdle:
      connection.closeSocket()
      shared.update { tally, _ in tally.closedWhileIdle += 1 }
    case .unsolicited:
      connection.closeSocket()
      shared.update { tally, _ in tally.unsolicited += 1 }
    }
    shared.update { tally, _ in tally.connects += 1 }
    switch target.connect() {
    case .success(let descriptor): connection.adopt(descriptor)
    case .failure(let failure): return Refusal(connecting: failure)
    }
    return nil
  }

  private func proceed(_ connection: LoadConnection) {
    switch connection.step(buffer) {
    case .pending: break
    case .answered: takeAnswer(connection)
    case .closedPolitely: reopen(connection)
    case .failed(let kind, let why): end(connection, failure: kind, why: why)
    }
  }

  private func expire(_ connection: LoadConnection, at now: Int64) {
    let state = connection.state
    guard state != .idle else { return }
    let why = state == .connecting ? "the connection was not accepted" : "no whole answer in time"
    end(connection, failure: .timeout, why: why)
  }

  private func takeAnswer(_ connection: LoadConnection) {
    // An upgrade, or an echo.
    if connection.frames != nil { return end(connection, failure: nil, why: "", answered: true) }
    let status = connection.parser.status
    let expected =
      connection.kind == .websocket
      ? false
      : plan.expectedStatuses.isEmpty
        ? (200...299).contains(status) : plan.expectedStatuses.contains(status)
    guard expected else {
      return end(connection, failure: .status, why: "the status is \(status)", answered: true)
    }
    let fault =
      connection.kind.isPost
      ? writer.findFault(
        in: connection.parser.body, ofPost: connection.requestNumber, echo: plan.checksEcho) : nil
    switch fault {
    case .duplicate: end(connection, failure: .duplicate, why: "executed before", answered: true)
    case let fault?: end(connection, failure: fault, why: "another id", answered: true)
    case nil: end(connection, failure: nil, why: "", answered: true)
    }
  }

  /// Counts the request and makes the connection ready for the next one.
  private func end(
    _ connection: LoadConnection, failure: LoadReport.FailureKind?, why: String,
    answered: Bool = false
  ) {
    let now = monotonicNow()
    let closes = answered && connection.parser.closes
    let surplus = answered && connection.hasSurplus
    shared.update { tally, began in
      let ending = Tally.Ending(
        kind: connection.kind, connection: connection.number,
        status: answered && connection.parser.status > 0 ? connection.parser.status : nil,
        failure: failure, microseconds: UInt64(max(0, now - connection.dueAt) / 1_000),
        at: (now - began) / 1_000)
      tally.add(ending, version: connection.parser.version) {
        describe(connection, why: why, at: now)
      }
      if closes { tally.announcedCloses += 1 }
      if surplus { tally.unsolicited += 1 }
    }
    if failure != nil { connection.restsUntil = now + Self.restAfterFailure }
    connection.end(reusable: answered && !closes && !surplus)
    busy -= 1
  }

  private func describe(_ connection: LoadConnection, why: String, at now: Int64) -> String {
    let request =
      switch connection.kind {
      case .get: "GET \(writer.getPath)"
      case .post: "POST \(writer.postPath) with id \(postID(of: connection))"
      case .chunkedPost: "chunked POST \(writer.postPath) with id \(postID(of: connection))"
      case .websocket: "websocket \(writer.websocketPath), message \(connection.requestNumber)"
      }
    let place =
      connection.requestsOnSocket == 0
      ? "before it was sent"
      : "request \(connection.requestsOnSocket) of its connection"
    let microseconds = (now - connection.startedAt) / 1_000
    let version = String(decoding: connection.parser.version, as: UTF8.self)
    return "\(request): \(why); \(place) (slot \(connection.number)), after \(microseconds) us, "
      + "\(connection.parser.received) bytes of an answer"
      + (version.isEmpty ? "" : " from version \(version)")
  }

  private func postID(of connection: LoadConnection) -> String {
    "\(writer.postIDPrefix)\(connection.requestNumber)"
  }
}
