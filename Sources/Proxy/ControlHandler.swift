import Foundation
import Logging
import NIOCore
import Ports
import SegueModel

/// Answers one control connection: a line in, a line out, one at a time.
final class ControlHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let server: ProxyServer
  private let keeper: TableKeeper
  private var input = ByteBuffer()
  private var isBusy = false
  private var inputEnded = false

  init(server: ProxyServer, keeper: TableKeeper) {
    self.server = server
    self.keeper = keeper
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var buffer = unwrapInboundIn(data)
    input.writeBuffer(&buffer)
    advance(context)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard let event = event as? ChannelEvent, event == .inputClosed else { return }
    inputEnded = true
    if !isBusy { context.close(promise: nil) }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }

  private func advance(_ context: ChannelHandlerContext) {
    guard !isBusy else {
      if input.readableBytes > ControlWire.requestLimit { context.close(promise: nil) }
      return
    }
    guard let end = input.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) else {
      if input.readableBytes > ControlWire.requestLimit {
        reply(to: context, .init(error: WireError(Self.malformed("the line is too long"))))
        context.close(promise: nil)
      } else if inputEnded {
        context.close(promise: nil)
      }
      return
    }
    let line = input.readSlice(length: end - input.readerIndex) ?? ByteBuffer()
    input.moveReaderIndex(forwardBy: 1)
    input.discardReadBytes()
    isBusy = true
    answer(line, on: context.eventLoop).assumeIsolated().whenComplete { [self] result in
      isBusy = false
      switch result {
      case .success(let answer): reply(to: context, answer)
      case .failure(let error):
        reply(to: context, .init(error: WireError(Self.portError(error))))
      }
      advance(context)
    }
  }

  private func reply(to context: ChannelHandlerContext, _ reply: ControlReply) {
    guard context.channel.isActive, let data = try? JSONEncoder().encode(reply) else { return }
    var buffer = context.channel.allocator.buffer(capacity: data.count + 1)
    buffer.writeBytes(data)
    buffer.writeStaticString("\n")
    context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
  }

  private func answer(
    _ line: ByteBuffer, on loop: any EventLoop
  ) -> EventLoopFuture<ControlReply> {
    let request: ControlRequest
    do {
      request = try JSONDecoder().decode(ControlRequest.self, from: Data(line.readableBytesView))
    } catch {
      return loop.makeFailedFuture(Self.malformed("\(error)"))
    }
    guard request.version == ControlWire.version else {
      return loop.makeFailedFuture(
        PortError(
          "The proxy speaks version \(ControlWire.version) of the control protocol, not "
            + "\(request.version)", fault: .segue, retry: .never,
          nextStep: "Start the proxy of the same Segue version"))
    }
    switch request.verb {
    case .apply:
      guard let table = request.table else {
        return loop.makeFailedFuture(Self.malformed("no table"))
      }
      return keeper.apply(table).map { ControlReply() }
    case .remove:
      guard let key = request.key, let generation = request.generation else {
        return loop.makeFailedFuture(Self.malformed("no key or generation"))
      }
      return keeper.remove(key, generation: generation).map { ControlReply() }
    case .report: return keeper.report().map { ControlReply(reports: $0) }
    case .credit:
      guard let reached = request.reached else {
        return loop.makeFailedFuture(Self.malformed("no goal"))
      }
      return keeper.credit(reached).map { ControlReply(fate: $0) }
    case .ping: return server.status().map { ControlReply(status: $0) }
    case .shutdown:
      server.beginShutdown(within: request.deadline)
      return server.status().map { ControlReply(status: $0) }
    }
  }

  private static func malformed(_ reason: String) -> PortError {
    PortError(
      "The proxy does not understand the request", fault: .segue, retry: .never, causes: [reason])
  }

  private static func portError(_ error: any Error) -> PortError {
    error as? PortError
      ?? PortError("The proxy failed", fault: .traffic, retry: .safe, causes: ["\(error)"])
  }
}
