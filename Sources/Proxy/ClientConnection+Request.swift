import NIOCore
import SegueModel
import TrafficRouting
import TransportSecurity

/// The request's way to an instance.
extension ClientConnection {
  /// A whole head has been read: from here to the end of the answer is one exchange.
  func beginExchange() {
    startedAt = worker.readClock()
    phase = .exchange
    set(.nothing, 0)
    head.clear()
    input.withUnsafeReadableBytes { bytes in
      _ = head.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[..<parser.length]))
    }
    consumeInput(parser.length)
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
    nameRequest()

    if worker.challenges != nil, !peer.isSecure, answerAuthority() { return }
    if let port = worker.redirectPort, !peer.isSecure { return redirect(toPort: port) }
    let octets = head
    let matched = worker.matcher.match(
      octets.readableBytesUInt8Span, authority: parser.authority, path: parser.path,
      block: parser.block)
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

  /// Answers a certificate authority that wants to see whether a host is ours (RFC 8555 section 8.3).
  ///
  /// - Returns: whether it was one, and there is an answer.
  private func answerAuthority() -> Bool {
    let prefix = ChallengeFolder.pathPrefix.utf8
    guard parser.path.count > prefix.count, parser.path.count < 256 else { return false }
    let path = head.getString(
      at: head.readerIndex + parser.path.lowerBound, length: parser.path.count)
    guard let path, path.hasPrefix(ChallengeFolder.pathPrefix),
      let answer = worker.challenges?.answer(toPath: path.prefix { $0 != "?" })
    else { return false }
    respondLocally(200, "", content: String(decoding: answer, as: UTF8.self))
    return true
  }

  /// Sends the client to the same place inside TLS (RFC 9110 section 15.4.9: with the same method).
  private func redirect(toPort port: Int) {
    func text(_ range: Range<Int>) -> String {
      head.getString(at: head.readerIndex + range.lowerBound, length: range.count) ?? ""
    }
    var host = text(parser.authority)
    if let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") { host = String(host[..<colon]) }
    guard !host.isEmpty else { return respondLocally(400, "no Host to go on with") }
    let suffix = port == 443 ? "" : ":\(port)"
    respondLocally(
      308, "this is served with TLS only", location: "https://\(host)\(suffix)\(text(parser.path))")
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
    worker.connect(to: instance.address) { [self] stream in
      let upstream = stream.map { UpstreamConnection(worker: worker, stream: $0, to: instance) }
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
    // Taking what has come of the body may add it to the replay, which must not hold it twice.
    let before = replay
    let bodyCount: Int
    do {
      bodyCount = try takeBody(of: input)
    } catch {
      return failExchange(error.status, error.reason, blame: false)
    }
    worker.outgoing.clear()
    let own = ownLines()
    MessageWriter.writeRequest(
      parser, head: head,
      edit: MessageWriter.RequestEdit(
        lines: own.lines, name: own.name, replaced: own.replaced, saysHost: own.saysHost,
        fallbackHost: instance?.endpoint.host ?? "", upgrades: upgrades, framing: framing),
      to: &worker.outgoing)
    if let before { worker.outgoing.writeImmutableBuffer(before) }
    if bodyCount > 0, let body = input.getSlice(at: input.readerIndex, length: bodyCount) {
      worker.outgoing.writeImmutableBuffer(body)
    }
    consumeInput(bodyCount)
    upstream.write(worker.outgoing)
    if worker.outgoing.capacity > Self.outgoingLimit { worker.outgoing = worker.empty }
    watchRequest()
    if mirror != nil { offerCopy() }
    updateReading()
  }

  /// Above this a buffer that messages are written to is not kept.
  private static let outgoingLimit = 1 << 20

  /// Up to this size octets are copied behind others, which is cheaper than another write.
  static let copyLimit = 16_384

  /// Passes on what waits here of the request's body.
  func pumpInput() {
    guard !framer.isComplete, input.readableBytes > 0 else { return }
    var octets = input
    let count = octets.readableBytes
    pumpBody(&octets)
    let taken = count - octets.readableBytes
    octets = worker.empty
    if taken > 0, input.readableBytes >= taken { consumeInput(taken) }
  }

  /// Passes on what belongs to the request's body, and leaves the rest in `octets`.
  func pumpBody(_ octets: inout ByteBuffer) {
    guard !framer.isComplete, let upstream else { return }
    do {
      let count = try takeBody(of: octets)
      guard count > 0, let body = octets.readSlice(length: count) else { return }
      upstream.write(body)
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

  /// How many of the octets belong to the body; they are kept as well while they may have to be sent
  /// again.
  private func takeBody(of octets: ByteBuffer) throws(HTTPFault) -> Int {
    guard !framer.isComplete, octets.readableBytes > 0 else { return 0 }
    let count = try framer.advance(over: octets.readableBytesUInt8Span)
    guard count > 0, let held = replay?.readableBytes else { return count }
    if held + count <= worker.limits.replayableBody,
      let piece = octets.getSlice(at: octets.readerIndex, length: count)
    {
      replay?.writeImmutableBuffer(piece)
    } else {
      replay = nil
    }
    return count
  }

  // MARK: Failed attempts

  /// The attempt ended without a whole answer: again, or give up.
  func attemptFailed(_ failure: AttemptFailure) {
    guard phase == .exchange, let failedOn = instance else { return }
    let failedTally = tally
    upstream = nil
    lastFailure = failure
    if failure != .closedBeforeResponse(reusedConnection: true) {
      service?.noteAnswer(of: failedOn, isFailure: true)
    }
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
    failExchange(502, failure.reason, blame: true)
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
    if isLasting { instance?.lasting -= 1 }
    isLasting = false
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

extension AttemptFailure {
  /// A sentence without a final period.
  var reason: String {
    switch self {
    case .notConnected: "no instance accepted a connection"
    case .closedBeforeResponse: "the instance closed the connection without an answer"
    case .closedDuringResponse: "the instance closed the connection in its answer"
    case .notUnderstood: "the instance's answer is not HTTP"
    case .timedOut: "the instance did not answer in time"
    }
  }
}
