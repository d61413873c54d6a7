import NIOCore
import SegueModel
import TrafficRouting

/// The response's way back to the client.
extension ClientConnection {
  /// Passes on a head that comes before the final one. HTTP/1.0 knows none (RFC 9110 section 15.2).
  func forwardInterim(_ parser: ResponseParser, head: ByteBuffer) {
    guard self.parser.minorVersion >= 1 else { return }
    openOut()
    MessageWriter.writeResponse(parser, head: head, framing: .none, end: .interim, to: &out)
    flushOut()
  }

  /// Takes the final head.
  ///
  /// - Returns: whether its body is wanted; `false` when the exchange is over or became a tunnel.
  func beginResponse(_ parser: ResponseParser, head: ByteBuffer, framing: BodyFraming) -> Bool {
    responseStatus = parser.status
    if let tap = service?.tap { tap.note(self, parser, head: head) }
    if parser.status == 101 {
      beginTunnel(parser, head: head)
      return false
    }
    responseBegan = true
    // A request still on its way when its answer begins may never be read to its end.
    var closes = !keepsAlive || !framer.isComplete || inputEnded || worker.isDraining
    var sent = framing
    if framing == .chunked || framing == .untilClose, isEventStream(parser, head) { beginLasting() }
    switch framing {
    case .untilClose:
      closes = true
      endsByClose = true
    case .chunked where self.parser.minorVersion == 0:
      closes = true
      endsByClose = true
      unwrapsChunks = true
      sent = .untilClose
    case .none, .length, .chunked: break
    }
    keepsAlive = !closes
    let end: MessageWriter.ResponseEnd =
      closes ? .close : self.parser.minorVersion == 0 ? .keepAliveSaid : .keepAlive
    copy?.primaryBegan(parser, head: head, framing: framing)
    openOut()
    MessageWriter.writeResponse(
      parser, head: head, framing: sent, end: end, lines: issued, to: &out)
    set(.response, worker.spans.responseSilence)
    return true
  }

  /// Server-sent events, which end when one of the two has enough of it.
  private func isEventStream(_ parser: ResponseParser, _ head: ByteBuffer) -> Bool {
    let bytes = head.readableBytesUInt8Span
    guard let range = parser.block.value(of: Self.contentType, in: bytes),
      range.count >= Self.eventStream.count
    else { return false }
    for (index, octet) in Self.eventStream.enumerated()
    where bytes[range.lowerBound + index] | 0x20 != octet { return false }
    return true
  }

  private static let contentType = Array("content-type".utf8)
  /// Every character of it has the bit that tells upper from lower case.
  private static let eventStream = Array("text/event-stream".utf8)

  private func beginLasting() {
    guard !isLasting, let instance else { return }
    isLasting = true
    instance.lasting += 1
  }

  /// Makes ``out`` ready to be written to.
  func openOut() {
    guard !hasOut else { return }
    hasOut = true
    out = worker.borrowBuffer()
  }

  /// Puts octets in front of the next flush; small ones are gathered into one write.
  func stage(_ piece: ByteBuffer) {
    if piece.readableBytes <= Self.copyLimit, out.readableBytes <= Self.copyLimit {
      openOut()
      out.writeImmutableBuffer(piece)
    } else {
      sendOut()
      octetsOut += UInt64(piece.readableBytes)
      stream.write(piece)
    }
  }

  func flushOut() {
    guard hasOut else { return }
    sendOut()
    if phase == .exchange, responseBegan, stream.isWritable {
      set(.response, worker.spans.responseSilence)
    }
  }

  private func sendOut() {
    guard hasOut else { return }
    var octets = worker.empty
    swap(&octets, &out)
    hasOut = false
    octetsOut += UInt64(octets.readableBytes)
    stream.write(octets)
    worker.giveBack(&octets)
  }

  /// Forgets what was not flushed.
  func dropOut() {
    guard hasOut else { return }
    hasOut = false
    worker.giveBack(&out)
    out = worker.empty
  }

  /// The response is whole.
  func completeResponse(instanceKeepsAlive: Bool) {
    guard phase == .exchange else { return }
    flushOut()
    guard phase == .exchange else { return }
    let end = worker.readClock()
    tally?.noteResponse(
      status: responseStatus, microseconds: end > startedAt ? (end - startedAt) / 1_000 : 0)
    if let instance {
      service?.noteAnswer(
        of: instance, isFailure: OutlierWatch.isFailure(status: responseStatus))
    }
    noteAccess(status: responseStatus)
    if copy != nil { endCopy(isWhole: true) }
    let connection = upstream
    upstream = nil
    releaseAttempt()
    service = nil
    attempt &+= 1
    if let connection {
      if instanceKeepsAlive, framer.isComplete {
        connection.release()
      } else {
        connection.discard()
      }
    }
    // A client that has closed its side may still have sent requests before.
    let isLast = inputEnded && input.readableBytes == 0
    if keepsAlive, framer.isComplete, !isLast { awaitNextRequest() } else { beginLingering() }
  }

  /// Answers in the router's own name.
  ///
  /// - Parameter content: the body, which otherwise says the reason.
  func respondLocally(
    _ status: Int, _ reason: String, location: String? = nil, content: String? = nil
  ) {
    if phase == .head { isNoted = false }
    skipBufferedBody()
    let closes =
      !keepsAlive || !framer.isComplete || inputEnded || worker.isDraining || phase != .exchange
    let head = head
    let form =
      phase == .exchange ? ErrorPages.form(head.readableBytesUInt8Span, parser.block) : .text
    openOut()
    let begun = out.readableBytes
    MessageWriter.writeLocal(
      MessageWriter.LocalAnswer(
        status: status, reason: reason, isHead: parser.method == .head, closes: closes,
        saysKeepAlive: parser.minorVersion == 0, location: location, id: requestName, form: form,
        content: content),
      pages: worker.errorPages, to: &out)
    // It is noted while it is known who failed to answer.
    octetsOut += UInt64(out.readableBytes - begun)
    noteAccess(status: status)
    abandonAttempt()
    flushOut()
    guard phase != .closed else { return }
    if closes { beginLingering() } else { awaitNextRequest() }
  }

  /// A body that is here as a whole need not cost the client its connection.
  private func skipBufferedBody() {
    guard phase == .exchange, !framer.isComplete else { return }
    let octets = input
    let skipped = try? framer.advance(over: octets.readableBytesUInt8Span)
    consumeInput(skipped ?? 0)
  }

  /// Ends our side and goes on reading for a while, because closing on a client that is still sending
  /// would reset the connection and take the response with it (RFC 9112 section 9.6).
  func beginLingering() {
    guard phase != .lingering, phase != .closed else { return }
    phase = .lingering
    input = worker.empty
    watchStall()
    stream.closeOutput { [self] in
      guard phase == .lingering else { return }
      outputEnded = true
      if inputEnded { stream.close() } else { set(.linger, worker.spans.linger) }
    }
    updateReading()
  }

  // MARK: Tunnels

  /// The instance agreed to another protocol: from here on octets go both ways unread.
  private func beginTunnel(_ parser: ResponseParser, head: ByteBuffer) {
    guard upgrades, let upstream else {
      self.upstream?.discard()
      return attemptFailed(.notUnderstood)
    }
    phase = .tunnel
    beginLasting()
    worker.upgrades += 1
    keepsAlive = false
    frames = isWebSocket ? WebSocketFrames() : nil
    openOut()
    MessageWriter.writeResponse(
      parser, head: head, framing: .none, end: .upgrade, lines: issued, to: &out)
    let early = upstream.becomeTunnel()
    if early.readableBytes > 0 {
      frames?.advance(over: early.readableBytesUInt8Span)
      stage(early)
    }
    flushOut()
    if input.readableBytes > 0 {
      upstream.write(input)
      input = worker.empty
    }
    set(.tunnel, worker.spans.tunnelIdle)
    if inputEnded { upstream.closeOutput() }
    updateReading()
  }

  func sendTunnelled(_ buffer: ByteBuffer) {
    set(.tunnel, worker.spans.tunnelIdle)
    stage(buffer)
    guard frames != nil else { return }
    frames?.advance(over: buffer.readableBytesUInt8Span)
    if leavesTunnel { leaveTunnel() }
  }

  private var isWebSocket: Bool {
    guard let range = parser.block.upgrade else { return false }
    let value = head.getString(at: head.readerIndex + range.lowerBound, length: range.count)
    return value?.lowercased() == "websocket"
  }

  /// Ends a tunnel because the proxy goes. A websocket is told so (RFC 6455 section 7.4.1) as soon as
  /// the frame that is under way has ended; of anything else only the end can be seen.
  func leaveTunnel() {
    guard phase == .tunnel else { return }
    guard let frames, frames.isAtBoundary else {
      guard self.frames != nil else { return beginLeaving() }
      leavesTunnel = true
      return set(.tunnel, worker.spans.linger)
    }
    openOut()
    out.writeBytes(WebSocketFrames.goingAway)
    beginLeaving()
  }

  private func beginLeaving() {
    noteAccess(status: responseStatus)
    let connection = upstream
    upstream = nil
    connection?.discard()
    releaseAttempt()
    service = nil
    flushOut()
    beginLingering()
  }

  /// The instance closed its end.
  func tunnelEnded() {
    guard phase == .tunnel else { return }
    noteAccess(status: responseStatus)
    upstream = nil
    releaseAttempt()
    service = nil
    flushOut()
    if phase == .tunnel { beginLingering() }
  }
}
