import CNGHTTP2

extension HTTP2Session {
  /// The client begins a head, or trailers.
  func begin(_ id: Int32, isTrailers: Bool) {
    guard fault == nil else { return }
    if isTrailers {
      streams[id]?.trailers = RequestTrailers()
    } else {
      streams[id] = HTTP2Stream(id: id, limits: limits)
    }
  }

  func addField(_ id: Int32, _ name: Span<UInt8>, _ value: Span<UInt8>) {
    guard let stream = streams[id] else { return }
    if stream.head != nil {
      stream.head?.add(name, value)
    } else {
      stream.trailers?.add(name, value)
    }
  }

  func addMalformedField(_ id: Int32) {
    guard let stream = streams[id] else { return }
    stream.head?.reject("a malformed field")
    stream.trailers?.reject()
  }

  func received(_ frame: segue_h2_frame) {
    guard fault == nil, !budget.isSpent else { return }
    let endsStream = frame.flags & 1 == 1
    switch frame.type {
    case 0:  // DATA
      if frame.length == 0, !endsStream { budget.spend() }
      if endsStream, let stream = streams[frame.stream] { endInput(of: stream) }
    case 1:  // HEADERS
      guard let stream = streams[frame.stream] else { return }
      if let head = stream.head {
        stream.head = nil
        budget.expectUpdates()
        open(stream, head.finish(endsHere: endsStream), endsHere: endsStream)
      }
      if endsStream { endInput(of: stream) }
    case 3:  // RST_STREAM
      // To leave in the middle of a response is anybody's right.
      if streams[frame.stream]?.hasResponded != true { budget.spend() }
    case 4:  // SETTINGS
      if frame.flags & 1 == 0 { budget.spend() }
    case 6:  // PING
      budget.spend()
    case 8:  // WINDOW_UPDATE
      budget.spendUpdate()
    default:
      break
    }
  }

  private func open(_ stream: HTTP2Stream, _ outcome: RequestHead.Outcome, endsHere: Bool) {
    switch outcome {
    case .malformed:
      resetInside(stream, .protocolError)
    case .refused(let status):
      answer(stream, status)
    case .request(let octets, let isHead, let framing):
      stream.body = RequestBody(framing)
      stream.response = ResponseReader(isHead: isHead)
      stream.isAttached = true
      delegate?.http2Opened(stream.id)
      deliver(octets, to: stream)
    }
  }

  /// Answers for the engine, which never hears of the stream.
  private func answer(_ stream: HTTP2Stream, _ status: Int) {
    stream.hasResponded = true
    stream.isResponseWhole = true
    FieldList(status).withFields { octets, fields, count in
      _ = segue_h2_submit_response(inner, stream.id, octets, fields, count, false)
    }
  }

  private func deliver(_ octets: [UInt8], to stream: HTTP2Stream) {
    guard stream.isAttached, !octets.isEmpty else { return }
    stream.credit.deliver(octets.count, ofBody: 0)
    octets.withUnsafeBytes { delegate?.http2Received($0, on: stream.id) }
  }

  /// Octets of a request's body.
  func receivedData(_ id: Int32, _ octets: UnsafeRawBufferPointer) {
    guard fault == nil, !budget.isSpent, let stream = streams[id], stream.isAttached else {
      segue_h2_consume(inner, id, octets.count)
      return
    }
    guard let prefix = stream.body.prefix(for: octets.count) else {
      segue_h2_consume(inner, id, octets.count)
      return resetInside(stream, .protocolError)
    }
    stream.credit.deliver(octets.count, ofBody: octets.count)
    deliver(prefix, to: stream)
    if stream.isAttached { delegate?.http2Received(octets, on: id) }
  }

  private func endInput(of stream: HTTP2Stream) {
    guard !stream.hasInputEnded else { return }
    stream.hasInputEnded = true
    guard stream.isAttached else { return }
    guard stream.trailers?.isMalformed != true, let rest = stream.body.end(stream.trailers) else {
      return resetInside(stream, .protocolError)
    }
    deliver(rest, to: stream)
    if stream.isAttached { delegate?.http2EndedInput(stream.id) }
  }

  /// Resets a stream for what the client did. The engine hears of it when the stream closes.
  func resetInside(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
    stream.pending.removeAll()
    segue_h2_reset(inner, stream.id, code.rawValue)
  }

  /// A stream is gone from both sides.
  func closed(_ id: Int32) {
    guard let stream = streams.removeValue(forKey: id) else { return }
    let rest = stream.credit.takeRest()
    if rest > 0 { segue_h2_consume_connection(inner, rest) }
    detach(stream)
  }

  private func detach(_ stream: HTTP2Stream) {
    guard stream.isAttached else { return }
    stream.isAttached = false
    delegate?.http2Closed(stream.id)
  }

  /// Ends the session for good, with a GOAWAY of its own: the frame layer may be in no state to
  /// make one.
  func fail(_ fault: HTTP2Fault) {
    self.fault = fault
    var frame: [UInt8] = [0, 0, 8, 7, 0, 0, 0, 0, 0]
    for word in [UInt32(bitPattern: segue_h2_last_stream(inner)), fault.code.rawValue] {
      for shift in [24, 16, 8, 0] { frame.append(UInt8(truncatingIfNeeded: word >> UInt32(shift))) }
    }
    output.append(frame)
  }

  /// Closes whatever is still open once the session has ended.
  func buryStreams() {
    let left = streams.values.sorted { $0.id < $1.id }
    streams.removeAll()
    drained.removeAll()
    for stream in left { detach(stream) }
  }
}
