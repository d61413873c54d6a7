import Foundation
import NIOCore
import NIOPosix
import Ports
import Synchronization
import TrafficRouting

/// Where the proxy tells its figures.
enum MetricsAddress: Hashable, Sendable {
  case tcp(host: String, port: Int)
  case unix(path: String)

  /// `127.0.0.1:9464`, `[::1]:9464` or `unix:/path`.
  ///
  /// - Throws: `PortError` for anything else.
  init(parsing text: String) throws(PortError) {
    if text.hasPrefix("unix:/") {
      self = .unix(path: String(text.dropFirst(5)))
      return
    }
    guard let colon = text.lastIndex(of: ":"),
      let port = UInt16(text[text.index(after: colon)...])
    else { throw Self.fault(text) }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      throw Self.fault(text)
    }
    guard !host.isEmpty else { throw Self.fault(text) }
    self = .tcp(host: String(host), port: Int(port))
  }

  private static func fault(_ text: String) -> PortError {
    PortError(
      "\(text) is no address for metrics", fault: .user, retry: .never,
      nextStep: "Write 127.0.0.1:9464 or unix:/path")
  }

  /// Whatever lies at the path and is no socket belongs to somebody else, and stays.
  fileprivate func listen() throws(PortError) -> CInt {
    switch self {
    case .tcp(let host, let port): return try ListeningSocket.tcp(host: host, port: port)
    case .unix(let path):
      var status = stat()
      if lstat(path, &status) == 0, status.st_mode & S_IFMT != S_IFSOCK {
        throw PortError(
          "\(path) is there already and is no socket", fault: .user, retry: .never,
          nextStep: "Choose another path for the metrics")
      }
      return try ListeningSocket.unix(path: path)
    }
  }
}

/// The proxy's figures over HTTP, for monitoring systems: `/metrics` and `/healthz`, nothing else.
///
/// It lives on the control loop, so that reading it takes nothing from a request but the time an event
/// loop needs to copy its counters.
final class MetricsListener: Sendable {
  /// Connections at once; those beyond are closed.
  static let connectionLimit = 64

  /// What it tells. Called on its event loop.
  struct Source: Sendable {
    var text: @Sendable () -> EventLoopFuture<String>
    var isDraining: @Sendable () -> Bool
  }

  private let channel: any Channel
  private let address: MetricsAddress

  private init(channel: any Channel, address: MetricsAddress) {
    self.channel = channel
    self.address = address
  }

  /// - Parameters:
  ///   - patience: how long a connection may last.
  /// - Throws: `PortError` when the address is taken or unusable.
  static func open(
    _ address: MetricsAddress, group: any EventLoopGroup, patience: TimeAmount = .seconds(5),
    source: Source
  ) async throws -> MetricsListener {
    let descriptor = try address.listen()
    let connections = Count()
    let channel = try await ServerBootstrap(group: group)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(
            MetricsConnection(source: source, connections: connections, patience: patience))
        }
      }
      .withBoundSocket(descriptor).get()
    return MetricsListener(channel: channel, address: address)
  }

  /// The port the kernel chose, if there is one.
  var port: Int? { channel.localAddress?.port }

  @discardableResult
  func close() -> EventLoopFuture<Void> {
    if case .unix(let path) = address { unlink(path) }
    return channel.close()
  }

  final class Count: Sendable {
    let value = Atomic<Int>(0)
  }
}

/// One connection of a monitoring system, for one request.
final class MetricsConnection: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  static let headLimits = HeadLimits(bytes: 8_192, fields: 64, firstLine: 2_048)

  private let source: MetricsListener.Source
  private let connections: MetricsListener.Count
  private let patience: TimeAmount
  private var parser = RequestParser(limits: headLimits)
  private var input = ByteBuffer()
  private var isAnswered = false
  private var inputEnded = false
  private var outputEnded = false
  private var deadline: Scheduled<Void>?

  init(
    source: MetricsListener.Source, connections: MetricsListener.Count, patience: TimeAmount
  ) {
    self.source = source
    self.connections = connections
    self.patience = patience
  }

  func channelActive(context: ChannelHandlerContext) {
    let others = connections.value.add(1, ordering: .relaxed).oldValue
    guard others < MetricsListener.connectionLimit else { return context.close(promise: nil) }
    deadline = context.eventLoop.assumeIsolated().scheduleTask(in: patience) {
      context.close(promise: nil)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    connections.value.subtract(1, ordering: .relaxed)
    deadline?.cancel()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard let event = event as? ChannelEvent, event == .inputClosed else { return }
    inputEnded = true
    if !isAnswered || outputEnded { context.close(promise: nil) }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isAnswered else { return }
    var piece = unwrapInboundIn(data)
    input.writeBuffer(&piece)
    let octets = input
    do {
      guard try parser.parse(octets.readableBytesUInt8Span) else { return }
    } catch {
      return answer(context, Answer(error.status, error.reason))
    }
    route(context)
  }

  private func route(_ context: ChannelHandlerContext) {
    let target = input.getString(
      at: input.readerIndex + parser.path.lowerBound, length: parser.path.count)
    let path = target?.prefix { $0 != "?" } ?? ""
    guard path == "/metrics" || path == "/healthz" else {
      return answer(context, Answer(404, "there is /metrics and /healthz"))
    }
    guard parser.method == .get || parser.method == .head else {
      return answer(context, Answer(405, "only GET and HEAD", allow: true))
    }
    if path == "/healthz" {
      return answer(context, source.isDraining() ? Answer(503, "draining") : Answer(200, "ok"))
    }
    isAnswered = true
    source.text().hop(to: context.eventLoop).assumeIsolated().whenComplete { [self] result in
      switch result {
      case .success(let text):
        answer(context, Answer(200, text, type: PrometheusText.contentType))
      case .failure(let error): answer(context, Answer(503, "\(error)"))
      }
    }
  }

  private struct Answer {
    var status: Int
    var body: String
    var type: String
    var allow: Bool

    init(_ status: Int, _ sentence: String, allow: Bool = false) {
      self.init(status, sentence + "\n", type: "text/plain; charset=utf-8")
      self.allow = allow
    }

    init(_ status: Int, _ body: String, type: String) {
      self.status = status
      self.body = body
      self.type = type
      allow = false
    }
  }

  /// Ends our side only, because closing on a client that is still sending would reset the connection
  /// and take the answer with it (RFC 9112 section 9.6); the deadline sees to the rest.
  private func answer(_ context: ChannelHandlerContext, _ answer: Answer) {
    isAnswered = true
    guard context.channel.isActive else { return }
    var message = context.channel.allocator.buffer(capacity: answer.body.utf8.count + 256)
    message.writeString("HTTP/1.1 \(answer.status) \(Self.phrase(answer.status))\r\n")
    message.writeString("Content-Type: \(answer.type)\r\n")
    message.writeString("Content-Length: \(answer.body.utf8.count)\r\n")
    if answer.allow { message.writeString("Allow: GET, HEAD\r\n") }
    message.writeString("Cache-Control: no-store\r\nConnection: close\r\n\r\n")
    if parser.method != .head { message.writeString(answer.body) }
    context.writeAndFlush(wrapOutboundOut(message)).assumeIsolated().whenComplete { [self] _ in
      outputEnded = true
      if inputEnded {
        context.close(promise: nil)
      } else {
        context.close(mode: .output, promise: nil)
      }
    }
  }

  private static func phrase(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 414: "URI Too Long"
    case 431: "Request Header Fields Too Large"
    case 503: "Service Unavailable"
    case 505: "HTTP Version Not Supported"
    default: "Bad Request"
    }
  }
}
