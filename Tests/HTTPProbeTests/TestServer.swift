import Foundation
import Glibc
import NIOCore
import NIOPosix
import SegueModel
import Synchronization

/// What a test server does with a connection once it has read the request's head.
enum Behaviour: Sendable {
  case answer(String)
  case answerAndClose(String)
  case close
  case silence
  /// A body without an end.
  case flood
}

/// What a test server was asked, one entry per connection.
final class RequestLog: Sendable {
  private let requests = Mutex<[String]>([])
  func add(_ request: String) { requests.withLock { $0.append(request) } }
  var all: [String] { requests.withLock { $0 } }
}

/// Runs a server that treats every connection alike for as long as `body` takes.
func withServer(
  _ behaviour: Behaviour, onSocket: Bool = false,
  _ body: (Endpoint, RequestLog) async throws -> Void
) async throws {
  let log = RequestLog()
  let path = "/tmp/segue-probe-\(UUID().uuidString).sock"
  let server = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
    .childChannelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        try channel.pipeline.syncOperations.addHandler(Reply(behaviour, log))
      }
    }
  let bound =
    onSocket
    ? server.bind(unixDomainSocketPath: path) : server.bind(host: "127.0.0.1", port: 0)
  let channel = try await bound.get()
  let result: Result<Void, any Error>
  do {
    let port = channel.localAddress?.port ?? 0
    let endpoint =
      onSocket
      ? Endpoint(instance: "web-1", socket: path) : Endpoint(instance: "web-1", port: port)
    result = .success(try await body(endpoint, log))
  } catch {
    result = .failure(error)
  }
  try await channel.close()
  if onSocket { unlink(path) }
  try result.get()
}

private final class Reply: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let behaviour: Behaviour
  private let log: RequestLog
  private var request = ""

  init(_ behaviour: Behaviour, _ log: RequestLog) {
    self.behaviour = behaviour
    self.log = log
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    request += String(buffer: unwrapInboundIn(data))
    guard request.hasSuffix("\r\n\r\n") else { return }
    log.add(request)
    switch behaviour {
    case .answer(let text):
      send(text, context)
    case .answerAndClose(let text):
      send(text, context)
      context.close(promise: nil)
    case .close:
      context.close(promise: nil)
    case .silence:
      break
    case .flood:
      send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", context)
      let chunk = "1000\r\n" + String(repeating: "x", count: 4_096) + "\r\n"
      for _ in 0..<64 { send(chunk, context) }
    }
  }

  /// The prober may be gone already; that is no error here.
  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }

  private func send(_ text: String, _ context: ChannelHandlerContext) {
    context.writeAndFlush(
      wrapOutboundOut(context.channel.allocator.buffer(string: text)), promise: nil)
  }
}
