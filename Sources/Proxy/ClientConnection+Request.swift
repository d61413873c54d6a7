import NIOCore
import SegueModel
import TrafficRouting

/// The request's way to an instance.
extension ClientConnection {
  /// A whole head has been read: from here to the end of the answer is one exchange.
  func beginExchange() {
    startedAt = worker.readClock()
    phase = .exchange
    set(.nothing, 0)
    head = input.readSlice(length: parser.length) ?? worker.empty
    if input.readableBytes == 0 { input = worker.empty }
    framing = parser.bodyFraming
    framer = BodyFramer(framing)
    keepsAlive = parser.keepsAlive && !worker.isDraining
    upgrades = asksForUpgrade
    replay = parser.method.isIdempotent && framing != .none ? worker.empty : nil
    tried.removeAll(keepingCapacity: true)
    sentAttempts = 0
    hasSent = false
    responseBegan = false
    responseStatus = 0
    unwrapsChunks = false
    endsByClose = false

    let matched = worker.matcher.match(
      head.readableBytesUInt8Span, authority: parser.authority, path: parser.path)
    guard let matched else {
      return worker.lostTables
        ? respondLocally(503, "the routing tables were lost and have not come back yet")
        : respondLocally(404, "no service has this host and path")
    }
    let (service, isPreview) = worker.service(at: matched)
    self.service = service
    way = .versions
    issued = nil
    mirror = nil
    wasHeld = false
    if service.isPlain { startAttempt(onFreshConnection: false) } else { findWay(isPreview) }
  }

  /// An upgrade that can be tunnelled: not to HTTP/2, which would carry requests past the router, and
  /// not while a body is still to come.
  private var asksForUpgrade: Bool {
    guard parser.block.saysUpgrade, parser.minorVersion >= 1, framing == .none,
      let range = parser.block.upgrade,
      let protocols = head.getString(
        at: head.readerIndex + range.lowerBound, length: range.count)
    else { return false }
    let lowercased = protocols.lowercased()
    return !lowercased.isEmpty && !lowercased.contains("h2c") && !lowercased.contains("http/")
  }

  /// Chooses an instance and a connection to it.
  func startAttempt(onFreshConnection: Bool) {
    attempt &+= 1
    hasSent = false
    guard let service,
      let (tally, instance) = service.choose(
        ServiceLane.Wish(way: way, unit: unit, tried: tried, needsRoom: needsRoom),
        now: worker.now, random: &worker.random)
    else { return noInstance() }
    self.tally = tally
    self.instance = instance
    if wasHeld { takeRoom(on: instance) }
    tally.inFlight += 1
    instance.inFlight += 1
    let onceOnly = !parser.method.isIdempotent
    if !onFreshConnection, let pooled = worker.checkOut(instance, onceOnly: onceOnly) {
      return send(on: pooled)
    }
    let mine = attempt
    worker.connect(to: instance) { [self] upstream in
      guard mine == attempt, phase == .exchange else {
        upstream?.release()
        return
      }
      if let upstream {
        send(on: upstream)
      } else {
        attemptFailed(.notConnected)
      }
    }
  }

  /// Writes the head, what was sent before of the body, and what has come of it since.
  private func send(on upstream: UpstreamConnection) {
    self.upstream = upstream
    upstream.begin(self, method: parser.method)
    hasSent = true
    sentAttempts += 1
    let before = replay
    let body: ByteBuffer?
    do {
      body = try takeBody()
    } catch {
      return failExchange(error.status, error.reason, blame: false)
    }
    let again = before?.readableBytes ?? 0
    let fresh = body?.readableBytes ?? 0
    var message = worker.allocator.buffer(
      capacity: head.readableBytes + 320 + again + min(fresh, Self.copyLimit))
    MessageWriter.writeRequest(
      parser, head: head,
      edit: MessageWriter.RequestEdit(
        forwarded: forwarded, fallbackHost: instance?.endpoint.host ?? "", upgrades: upgrades,
        framing: framing),
      to: &message)
    if let before { message.writeImmutableBuffer(before) }
    if let body {
      if fresh <= Self.copyLimit {
        message.writeImmutableBuffer(body)
      } else {
        upstream.write(message)
        message = body
      }
    }
    upstream.write(message)
    upstream.flush()
    watchRequest()
    if mirror != nil { offerCopy() }
    resumeReading()
  }

  /// Up to this size octets are copied behind a head, which is cheaper than a second element of a
  /// vectored write.
  static let copyLimit = 16_384

  /// Passes on what has come of the request's body.
  func pumpBody() {
    guard !framer.isComplete, let upstream else { return }
    do {
      guard let body = try takeBody() else { return }
      upstream.write(body)
      upstream.flush()
      watchRequest()
      if mirror != nil { offerCopy() }
    } catch {
      failExchange(error.status, error.reason, blame: false)
    }
  }

  private func watchRequest() {
    if responseBegan {
      set(.response, worker.spans.responseSilence)
    } else if framer.isComplete {
      set(.responseHead, worker.spans.responseHead)
    } else {
      set(.upload, worker.spans.bodyProgress)
    }
  }

  /// The octets at hand that belong to the body, exactly as they came.
  private func takeBody() throws(HTTPFault) -> ByteBuffer? {
    guard !framer.isComplete, input.readableBytes > 0 else { return nil }
    let bytes = input
    let offset = try framer.advance(over: bytes.readableBytesUInt8Span)
    guard offset > 0, let piece = input.readSlice(length: offset) else { return nil }
    if input.readableBytes == 0 { input = worker.empty }
    if let held = replay?.readableBytes {
      if held + offset <= worker.limits.replayableBody {
        replay?.writeImmutableBuffer(piece)
      } else {
        replay = nil
      }
    }
    return piece
  }

  // MARK: Failed attempts

  /// The attempt ended without a whole answer: again, or give up.
  func attemptFailed(_ failure: AttemptFailure) {
    guard phase == .exchange, let failedOn = instance else { return }
    let failedTally = tally
    upstream = nil
    if responseBegan {
      failedTally?.failed += 1
      flushOut()
      return cut()
    }
    switch failure {
    case .notConnected, .closedBeforeResponse(reusedConnection: false):
      worker.penalise(failedOn)
    case .closedBeforeResponse(reusedConnection: true), .closedDuringResponse, .notUnderstood,
      .timedOut:
      break
    }
    let decision = RetryPolicy.decide(
      after: failure, method: parser.method,
      bodyIsReplayable: framing == .none || replay != nil, wroteSomething: hasSent,
      sent: sentAttempts)
    switch decision {
    case .onAnotherInstance:
      tried.append(failedOn)
      guard service?.hasUntried(way, tried) ?? false || mayBeHeld else { break }
      failedTally?.retried += 1
      releaseAttempt()
      return startAttempt(onFreshConnection: false)
    case .onFreshConnection:
      failedTally?.retried += 1
      releaseAttempt()
      return startAttempt(onFreshConnection: true)
    case .giveUp: break
    }
    failExchange(502, Self.reason(failure), blame: true)
  }

  private static func reason(_ failure: AttemptFailure) -> String {
    switch failure {
    case .notConnected: "no instance accepted a connection"
    case .closedBeforeResponse: "the instance closed the connection without an answer"
    case .closedDuringResponse: "the instance closed the connection in its answer"
    case .notUnderstood: "the instance's answer is not HTTP"
    case .timedOut: "the instance did not answer in time"
    }
  }

  /// Ends the exchange with an answer of the router's own, or, when an instance's has begun, by
  /// cutting it.
  ///
  /// - Parameter blame: the version counts the request as failed.
  func failExchange(_ status: Int, _ reason: String, blame: Bool) {
    if blame { tally?.failed += 1 }
    guard !responseBegan else { return cut() }
    respondLocally(status, reason)
  }

  /// Takes the request off its instance's account.
  func releaseAttempt() {
    if room != nil { returnRoom() }
    instance?.inFlight -= 1
    tally?.inFlight -= 1
    instance = nil
    tally = nil
  }

  /// Ends the attempt that is under way, if any, and its connection with it.
  func abandonAttempt() {
    attempt &+= 1
    let connection = upstream
    upstream = nil
    connection?.discard()
    if copy != nil { endCopy(isWhole: false) }
    if isHeld { withdraw() }
    releaseAttempt()
    service = nil
  }
}
