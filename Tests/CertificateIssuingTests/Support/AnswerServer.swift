import NIOCore
import NIOPosix
import TransportSecurity

/// Shows the answers in a folder on a port of its own, as a proxy does on port 80.
final class AnswerServer: Sendable {
  private let channel: any Channel

  /// - Parameter certificates: the folder of certificates.
  static func start(certificates: String) async throws -> AnswerServer {
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(
            AnswerHandler(ChallengeFolder(certificates: certificates)))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    return AnswerServer(channel)
  }

  private init(_ channel: any Channel) { self.channel = channel }

  var port: Int { channel.localAddress?.port ?? 0 }

  func stop() async { try? await channel.close() }
}

/// One request, one answer.
private final class AnswerHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let folder: ChallengeFolder
  private var head = ""

  init(_ folder: ChallengeFolder) { self.folder = folder }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    head += String(buffer: unwrapInboundIn(data))
    guard head.contains("\r\n\r\n") else { return }
    let words = head.split(separator: " ")
    head = ""
    let answer = words.count > 1 ? folder.answer(toPath: words[1]) : nil
    let status = answer == nil ? "404 Not Found" : "200 OK"
    var buffer = context.channel.allocator.buffer(
      string: "HTTP/1.1 \(status)\r\nConnection: close\r\nContent-Length: \(answer?.count ?? 0)"
        + "\r\n\r\n")
    buffer.writeBytes(answer ?? [])
    let channel = context.channel
    context.writeAndFlush(wrapOutboundOut(buffer)).whenComplete { _ in channel.close(promise: nil) }
  }
}
