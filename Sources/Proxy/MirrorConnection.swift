import NIOCore
import TrafficRouting

/// The connection that carries one copy of a request, and only that.
final class MirrorConnection: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let worker: Worker
  private var context: ChannelHandlerContext?
  private var copy: MirroredRequest?
  private var parser: ResponseParser
  private var framer = BodyFramer(.none)
  private var input: ByteBuffer
  private var headIsDone = false
  private var hasFailed = false

  init(worker: Worker) {
    self.worker = worker
    parser = ResponseParser(limits: worker.headLimits)
    input = worker.empty
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }
  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func send(_ message: ByteBuffer, for copy: MirroredRequest) {
    guard let context, context.channel.isActive else { return copy.shadowEnded(isWhole: false) }
    self.copy = copy
    context.writeAndFlush(wrapOutboundOut(message), promise: nil)
  }

  /// Closes without a word to the copy.
  func close() {
    copy = nil
    context?.close(promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard let copy else { return }
    var buffer = unwrapInboundIn(data)
    if headIsDone { return deliver(buffer, to: copy) }
    input.writeBuffer(&buffer)
    readHeads(for: copy)
  }

  private func readHeads(for copy: MirroredRequest) {
    while true {
      guard let isWhole = try? parser.parse(input.readableBytesUInt8Span) else {
        return end(isWhole: false)
      }
      guard isWhole, let head = input.readSlice(length: parser.length) else { return }
      guard parser.isInterim else {
        // Nobody asked for another protocol.
        guard parser.status != 101 else { return end(isWhole: false) }
        let framing = parser.bodyFraming(answering: copy.method)
        headIsDone = true
        framer = BodyFramer(framing)
        copy.shadowBegan(parser, head: head, framing: framing)
        break
      }
      parser.reset()
    }
    deliver(input, to: copy)
    input = worker.empty
  }

  private func deliver(_ buffer: ByteBuffer, to copy: MirroredRequest) {
    guard let count = try? framer.advance(over: buffer.readableBytesUInt8Span) else {
      return end(isWhole: false)
    }
    if let piece = buffer.getSlice(at: buffer.readerIndex, length: count) {
      copy.shadowTook(piece)
    }
    if framer.isComplete { end(isWhole: true) }
  }

  private func end(isWhole: Bool) {
    guard let copy else { return }
    self.copy = nil
    copy.shadowEnded(isWhole: isWhole)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    hasFailed = true
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    end(isWhole: headIsDone && framer.mayEndHere && !hasFailed)
  }
}
