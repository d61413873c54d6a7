import CNGHTTP2
import TrafficRouting

extension HTTP2Session {
  /// Takes octets of the HTTP/1.1 response to a stream's request: interim heads, the final head,
  /// the body in its framing. What is no response, or comes behind its end, is not passed on.
  public func send(_ octets: UnsafeRawBufferPointer, on stream: Int32) {
    guard fault == nil, let stream = streams[stream], stream.isAttached, !stream.isReset else {
      return
    }
    let span = octets.assumingMemoryBound(to: UInt8.self).span
    var offset = 0
    do {
      while let event = try stream.response.next(span, at: &offset) {
        take(event, octets, on: stream)
      }
    } catch {
      abandon(stream, .internalError)
    }
    resume(stream)
    if pendingOctets(stream.id) > limits.pendingHighWater { stream.isEngineWaiting = true }
  }

  /// Octets of the response that are not yet frames. Above ``HTTP2Limits/pendingHighWater`` the
  /// engine should send no more until ``HTTP2SessionDelegate/http2MaySend(_:)``.
  public func pendingOctets(_ stream: Int32) -> Int {
    guard let stream = streams[stream], !stream.isReset else { return 0 }
    return stream.pending.count + stream.response.count
  }

  /// The engine has closed the connection, and is told nothing more about the stream.
  ///
  /// A response that is not whole is cut off with RST_STREAM, so that the client can tell; one that
  /// is delimited by the end of the connection is whole exactly if the engine says so. If the
  /// client is still sending its request it is told to stop (RFC 9113 section 8.1).
  public func endOutput(_ stream: Int32, isWhole: Bool) {
    guard fault == nil, let stream = streams[stream], stream.isAttached else { return }
    letGo(stream)
    guard stream.response.close(), isWhole else { return abandon(stream, .internalError) }
    stream.isResponseWhole = true
    resume(stream)
    stopInputIfAnswered(stream)
  }

  /// Gives up a stream, whatever was said on it. The engine is told nothing more about it.
  public func reset(_ stream: Int32, _ code: HTTP2ErrorCode) {
    guard fault == nil, let stream = streams[stream], stream.isAttached else { return }
    letGo(stream)
    abandon(stream, code)
  }

  /// Gives the client credit for octets of the request that the engine has taken: all that it was
  /// given count, heads and chunk sizes too.
  public func consumed(_ count: Int, on stream: Int32) {
    guard fault == nil, let stream = streams[stream] else { return }
    let due = stream.credit.take(count)
    if due > 0 { segue_h2_consume(inner, stream.id, due) }
  }

  private func letGo(_ stream: HTTP2Stream) {
    stream.isAttached = false
    let rest = stream.credit.takeRest()
    if rest > 0 { segue_h2_consume(inner, stream.id, rest) }
  }

  /// Resets a stream for what the engine did.
  private func abandon(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
    guard !stream.isReset else { return }
    stream.isReset = true
    stream.pending.removeAll()
    segue_h2_reset(inner, stream.id, code.rawValue)
  }

  private func take(
    _ event: ResponseReader.Event, _ octets: UnsafeRawBufferPointer, on stream: HTTP2Stream
  ) {
    switch event {
    case .interim(let list):
      list.withFields { octets, fields, count in
        _ = segue_h2_submit_interim(inner, stream.id, octets, fields, count)
      }
    case .head(let list, let hasBody):
      stream.hasResponded = true
      let result = list.withFields { octets, fields, count in
        segue_h2_submit_response(inner, stream.id, octets, fields, count, hasBody)
      }
      if result != 0 { abandon(stream, .internalError) }
    case .data(let range):
      stream.pending.append(.init(rebasing: octets[range]))
    case .end(let trailers):
      stream.responseTrailers = trailers
      stream.isResponseWhole = true
    }
  }

  private func resume(_ stream: HTTP2Stream) {
    guard stream.isIdle, stream.isResponseWhole || !stream.pending.isEmpty else { return }
    stream.isIdle = false
    segue_h2_resume(inner, stream.id)
  }

  /// Once the answer is out and the engine is gone, nobody wants the rest of the request.
  private func stopInputIfAnswered(_ stream: HTTP2Stream) {
    guard stream.hasOutputEnded, !stream.isAttached, !stream.hasInputEnded, !stream.isReset else {
      return
    }
    stream.isReset = true
    segue_h2_reset(inner, stream.id, HTTP2ErrorCode.noError.rawValue)
  }

  // MARK: Frames

  /// Turns what waits into frames until the output mark, and tells the engine what has drained.
  func makeFrames() {
    precondition(!isBusy, "withOutput(_:) within a call to the delegate")
    isBusy = true
    defer { isBusy = false }
    repeat {
      while true {
        if fault == nil, budget.isSpent {
          fail(HTTP2Fault(.enhanceYourCalm, "too many frames that ask for nothing"))
        }
        guard fault == nil, output.count < limits.outputMark else { break }
        var octets: UnsafePointer<UInt8>?
        let count = segue_h2_pull(inner, &octets)
        guard count != 0 else { break }
        if count < 0 {
          fail(Self.fault(of: Int32(count)))
        } else {
          output.append(UnsafeRawBufferPointer(start: octets, count: count))
        }
      }
      let due = drained
      drained.removeAll(keepingCapacity: true)
      for id in due where streams[id]?.isAttached == true { delegate?.http2MaySend(id) }
    } while !drained.isEmpty
    if fault != nil { buryStreams() }
  }

  /// How much of a body can be sent now.
  func supply(_ id: Int32, limit: Int) -> segue_h2_supply {
    guard let stream = streams[id], !stream.isReset else {
      return segue_h2_supply(count: SEGUE_H2_LOST, is_last: false, has_trailers: false)
    }
    let count = min(stream.pending.count, limit)
    guard count > 0 || stream.isResponseWhole else {
      stream.isIdle = true
      return segue_h2_supply(count: SEGUE_H2_LATER, is_last: false, has_trailers: false)
    }
    let isLast = stream.isResponseWhole && count == stream.pending.count
    var hasTrailers = false
    if isLast, let trailers = stream.responseTrailers {
      stream.responseTrailers = nil
      hasTrailers = trailers.withFields { octets, fields, count in
        segue_h2_submit_trailers(inner, id, octets, fields, count) == 0
      }
    }
    return segue_h2_supply(count: count, is_last: isLast, has_trailers: hasTrailers)
  }

  /// Writes a DATA frame.
  ///
  /// - Returns: whether there was room for it.
  func writeData(_ id: Int32, head: UnsafeRawBufferPointer, count: Int) -> Bool {
    guard output.count < limits.outputMark else { return false }
    guard let stream = streams[id], stream.pending.count >= count else { return false }
    output.append(head)
    stream.pending.move(count, to: &output)
    budget.expectUpdates()
    if stream.isEngineWaiting, stream.pending.count <= limits.pendingLowWater {
      stream.isEngineWaiting = false
      drained.append(id)
    }
    return true
  }

  func sent(_ frame: segue_h2_frame) {
    switch frame.type {
    case 0, 1:  // DATA, HEADERS
      guard frame.flags & 1 == 1, let stream = streams[frame.stream] else { return }
      stream.hasOutputEnded = true
      stopInputIfAnswered(stream)
    case 3:  // RST_STREAM
      // A client that has its requests reset for what it sends costs as much as one that resets
      // them itself. Refusals are not its fault: it may not have heard of the limit yet.
      if streams[frame.stream]?.isReset != true,
        frame.code != HTTP2ErrorCode.refusedStream.rawValue
      {
        budget.spend()
      }
    case 7:  // GOAWAY
      guard let code = HTTP2ErrorCode(rawValue: frame.code), code != .noError else { return }
      fault = HTTP2Fault(code, "the client broke the rules of HTTP/2")
    default:
      break
    }
  }
}
