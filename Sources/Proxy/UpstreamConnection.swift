import NIOCore
import SegueModel
import TrafficRouting

#if canImport(Glibc)
  import Glibc
#endif

/// One connection to an instance: busy with one request, tunnelling, or unused in its pool.
final class UpstreamConnection: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private enum State {
    /// Connected, and not yet given a request, or unused in the pool.
    case unused
    case busy(ClientConnection)
    case tunnel(ClientConnection)
    case closed
  }

  private let worker: Worker
  var instance: Instance?
  private var context: ChannelHandlerContext?
  private var state = State.unused
  private(set) var parser: ResponseParser
  private var method = RequestMethod.get
  private var framer = BodyFramer(.none)
  private var framing = BodyFraming.none
  private var input: ByteBuffer
  private var headIsDone = false
  private var hasReceived = false
  private var hasFailed = false
  private var hasServed = false
  private var isPaused = false
  private var withholdsRead = false
  private(set) var idleSince: UInt64 = 0
  private(set) var idleDeadline: UInt64 = 0

  init(worker: Worker) {
    self.worker = worker
    parser = ResponseParser(limits: worker.headLimits)
    input = worker.empty
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }
  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  var isUsable: Bool {
    if case .unused = state { return context?.channel.isActive ?? false }
    return false
  }

  var isWritable: Bool { context?.channel.isWritable ?? false }

  /// Asks the kernel whether an end of stream waits unread: the one thing an event loop that has not
  /// come round yet cannot know.
  func peerIsStillThere() -> Bool {
    #if os(Linux)
      guard let provider = context?.channel as? any SocketOptionProvider else { return false }
      var established = false
      provider.getTCPInfo().assumeIsolated().whenSuccess { info in
        established = info.tcpi_state == UInt8(TCP_ESTABLISHED)
      }
      return established
    #else
      return true
    #endif
  }

  // MARK: The request's way

  func begin(_ client: ClientConnection, method: RequestMethod) {
    state = .busy(client)
    self.method = method
    parser.reset()
    headIsDone = false
    hasReceived = false
    framing = .none
  }

  func write(_ buffer: ByteBuffer) { context?.write(wrapOutboundOut(buffer), promise: nil) }
  func flush() { context?.flush() }
  func closeOutput() { context?.close(mode: .output, promise: nil) }

  /// Closes without a word to whoever used it.
  func discard() {
    if case .closed = state { return }
    state = .closed
    context?.close(promise: nil)
  }

  /// Everything from now on is another protocol.
  func becomeTunnel() -> ByteBuffer {
    if case .busy(let client) = state { state = .tunnel(client) }
    defer { input = worker.empty }
    return input
  }

  /// Goes back to its pool after a whole exchange.
  func release() {
    guard let instance, context?.channel.isActive ?? false else { return discard() }
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

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var buffer = unwrapInboundIn(data)
    switch state {
    case .closed: return
    case .unused:
      // An instance that speaks out of turn cannot be trusted with the next request.
      leavePool()
      discard()
    case .tunnel(let client): client.sendTunnelled(buffer)
    case .busy(let client):
      hasReceived = true
      if headIsDone {
        deliver(&buffer, to: client)
      } else {
        if input.readableBytes == 0 { input = buffer } else { input.writeBuffer(&buffer) }
        readHeads(for: client)
      }
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    switch state {
    case .busy(let client), .tunnel(let client): client.flushOut()
    case .unused, .closed: break
    }
  }

  private func readHeads(for client: ClientConnection) {
    while true {
      do {
        guard try parser.parse(input.readableBytesUInt8Span) else { return }
      } catch {
        discard()
        return client.attemptFailed(.notUnderstood)
      }
      guard let head = input.readSlice(length: parser.length) else { return }
      guard parser.isInterim else {
        headIsDone = true
        framing = parser.bodyFraming(answering: method)
        framer = BodyFramer(framing)
        guard client.beginResponse(parser, head: head, framing: framing) else { return }
        break
      }
      client.forwardInterim(parser, head: head)
      parser.reset()
    }
    var rest = input
    input = worker.empty
    deliver(&rest, to: client)
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

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    hasFailed = true
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
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

  private func leavePool() { instance?.idle.removeAll { $0 === self } }

  // MARK: Back-pressure

  func setPaused(_ paused: Bool) {
    isPaused = paused
    if !paused, withholdsRead {
      withholdsRead = false
      context?.read()
    }
  }

  func read(context: ChannelHandlerContext) {
    if isPaused { withholdsRead = true } else { context.read() }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    switch state {
    case .busy(let client), .tunnel(let client): client.resumeReading()
    case .unused, .closed: break
    }
  }
}
