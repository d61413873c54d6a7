import NIOCore
import SegueModel
import TrafficRouting

/// One connection to an instance: busy with one request, tunnelling, or unused in its pool.
final class UpstreamConnection: StreamHandler {
  private enum State {
    /// Connected, and not yet given a request, or unused in the pool.
    case unused
    case busy(ClientConnection)
    case tunnel(ClientConnection)
    case closed
  }

  private let worker: Worker
  private let stream: ByteStream
  private let instance: Instance
  private var state = State.unused
  private(set) var parser: ResponseParser
  private var method = RequestMethod.get
  private var framer = BodyFramer(.none)
  private var framing = BodyFraming.none
  private var input: ByteBuffer
  /// What came right behind the head of a 101.
  private var early: ByteBuffer
  private var headIsDone = false
  private var hasReceived = false
  private var hasServed = false
  private(set) var idleSince: UInt64 = 0
  private(set) var idleDeadline: UInt64 = 0

  init(worker: Worker, stream: ByteStream, to instance: Instance) {
    self.worker = worker
    self.stream = stream
    self.instance = instance
    parser = ResponseParser(limits: worker.headLimits)
    input = worker.empty
    early = worker.empty
    stream.handler = self
  }

  var isUsable: Bool {
    if case .unused = state { return stream.isOpen }
    return false
  }

  var isWritable: Bool { stream.isWritable }

  /// Asks the kernel whether an end of stream waits unread: the one thing an event loop that has not
  /// come round yet cannot know.
  func peerIsStillThere() -> Bool { stream.isQuiet() }

  // MARK: The request's way

  func begin(_ client: ClientConnection, method: RequestMethod) {
    state = .busy(client)
    self.method = method
    parser.reset()
    headIsDone = false
    hasReceived = false
    framing = .none
  }

  func write(_ octets: ByteBuffer) { stream.write(octets) }
  func closeOutput() { stream.closeOutput {} }

  /// Closes without a word to whoever used it.
  func discard() {
    if case .closed = state { return }
    state = .closed
    stream.close()
  }

  /// Everything from now on is another protocol.
  func becomeTunnel() -> ByteBuffer {
    if case .busy(let client) = state { state = .tunnel(client) }
    defer { early = worker.empty }
    return early
  }

  /// Goes back to its pool after a whole exchange.
  func release() {
    guard stream.isOpen else { return discard() }
    state = .unused
    hasServed = true
    setPaused(false)
    idleSince = worker.now
    var span = worker.spans.poolIdle
    if let seconds = parser.block.keepAliveTimeout {
      // A second less than the instance says, or half of the only one: its clock runs ahead of ours.
      span = min(span, seconds > 1 ? UInt64(seconds - 1) * 1_000_000_000 : 500_000_000)
    }
    idleDeadline = idleSince + span
    worker.checkIn(self, to: instance)
  }

  // MARK: The response's way

  func streamRead(_ octets: inout ByteBuffer) {
    switch state {
    case .closed: return
    case .unused:
      // An instance that speaks out of turn cannot be trusted with the next request.
      leavePool()
      discard()
    case .tunnel(let client): client.sendTunnelled(octets)
    case .busy(let client):
      hasReceived = true
      if headIsDone {
        deliver(&octets, to: client)
      } else if input.readableBytes == 0 {
        readHeads(from: &octets, for: client)
        if !headIsDone, case .busy = state { input.writeImmutableBuffer(octets) }
      } else {
        input.writeImmutableBuffer(octets)
        var whole = input
        input = worker.empty
        readHeads(from: &whole, for: client)
        if !headIsDone, case .busy = state { input = whole }
      }
    }
  }

  func streamReadComplete() {
    switch state {
    case .busy(let client), .tunnel(let client): client.flushOut()
    case .unused, .closed: break
    }
  }

  /// Leaves in `octets` what is no whole head.
  private func readHeads(from octets: inout ByteBuffer, for client: ClientConnection) {
    while true {
      do {
        guard try parser.parse(octets.readableBytesUInt8Span) else { return }
      } catch {
        discard()
        return client.attemptFailed(.notUnderstood)
      }
      guard let head = octets.readSlice(length: parser.length) else { return }
      guard parser.isInterim else {
        headIsDone = true
        framing = parser.bodyFraming(answering: method)
        framer = BodyFramer(framing)
        early = parser.status == 101 ? octets : worker.empty
        guard client.beginResponse(parser, head: head, framing: framing) else { return }
        break
      }
      client.forwardInterim(parser, head: head)
      parser.reset()
    }
    deliver(&octets, to: client)
  }

  private func deliver(_ buffer: inout ByteBuffer, to client: ClientConnection) {
    let taken: Int
    do {
      taken =
        client.unwrapsChunks
        ? try unwrapChunks(of: buffer, for: client)
        : try framer.advance(over: buffer.readableBytesUInt8Span)
    } catch {
      discard()
      return client.attemptFailed(.closedDuringResponse)
    }
    if taken > 0, let piece = buffer.readSlice(length: taken) {
      client.copy?.primaryTook(piece)
      if !client.unwrapsChunks { client.stage(piece) }
    }
    guard framer.isComplete else { return }
    client.completeResponse(instanceKeepsAlive: parser.keepsAlive && buffer.readableBytes == 0)
  }

  /// Gives an HTTP/1.0 client the payload without the chunks.
  private func unwrapChunks(
    of buffer: ByteBuffer, for client: ClientConnection
  ) throws(HTTPFault) -> Int {
    var offset = 0
    while true {
      let piece = try framer.next(buffer.readableBytesUInt8Span, at: &offset)
      if piece == .needMore || piece == .end { return offset }
      if case .data(let range) = piece,
        let payload = buffer.getSlice(
          at: buffer.readerIndex + range.lowerBound, length: range.count)
      {
        client.stage(payload)
      }
    }
  }

  // MARK: Endings

  func streamClosed(hasFailed: Bool) {
    let before = state
    state = .closed
    switch before {
    case .closed: break
    case .unused: leavePool()
    case .tunnel(let client): client.tunnelEnded()
    case .busy(let client):
      if headIsDone, framer.mayEndHere, !hasFailed {
        client.completeResponse(instanceKeepsAlive: false)
      } else if hasReceived {
        client.attemptFailed(.closedDuringResponse)
      } else {
        client.attemptFailed(.closedBeforeResponse(reusedConnection: hasServed))
      }
    }
  }

  private func leavePool() { instance.idle.removeAll { $0 === self } }

  // MARK: Back-pressure

  func setPaused(_ isPaused: Bool) { stream.setReading(!isPaused) }

  func streamWritabilityChanged() {
    switch state {
    case .busy(let client), .tunnel(let client): client.updateReading()
    case .unused, .closed: break
    }
  }
}
