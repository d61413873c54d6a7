import NIOCore
import NIOHTTP1
import NIOPosix
import SegueModel

/// One `GET` over plain HTTP/1.1, with a deadline over all of it and a limit on the answer.
enum PlainFetch {
  static let bodyLimit = 1 << 20

  enum Result: Sendable {
    case body(status: UInt, bytes: [UInt8])
    case failed(String)
  }

  /// A parsed `http://host[:port][/path][?query]`.
  struct Address: Hashable, Sendable {
    var host: String
    var port: Int
    var target: String

    /// `nil` for anything else, and for what could end a request line early.
    init?(_ text: String) {
      guard text.hasPrefix("http://"), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
        return nil
      }
      let rest = text.dropFirst(7)
      let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
      let path = rest[end...]
      target = path.isEmpty ? "/" : path.first == "?" ? "/" + path : String(path)
      let authority = rest[..<end]
      let colon = authority.lastIndex(of: ":").flatMap {
        authority[$0...].contains("]") ? nil : $0
      }
      host = String(authority[..<(colon ?? authority.endIndex)])
      guard let colon else {
        port = 80
        if host.isEmpty { return nil }
        return
      }
      guard let number = Int(authority[authority.index(after: colon)...]), !host.isEmpty,
        (1...65_535).contains(number)
      else { return nil }
      port = number
    }

    /// Without the brackets of an IPv6 address.
    var name: String { host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host }
  }

  static func get(
    _ address: Address, deadline: Milliseconds, on group: any EventLoopGroup
  ) async -> Result {
    let loop = group.next()
    let answer = loop.makePromise(of: Result.self)
    let bound = TimeAmount.milliseconds(max(deadline.count, 1))
    let tooLate = loop.scheduleTask(in: bound) {
      answer.succeed(.failed("no answer within \(deadline)"))
    }
    let connected = ClientBootstrap(group: loop)
      .connectTimeout(bound)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHTTPClientHandlers()
          try channel.pipeline.syncOperations.addHandler(
            FetchHandler(address: address, answer: answer))
        }
      }
      .connect(host: address.name, port: address.port)
    connected.whenFailure { _ in
      answer.succeed(.failed("no connection to \(address.host):\(address.port)"))
    }
    // A completed promise ignores later completions, so whatever decides first decides.
    let result = await withTaskCancellationHandler {
      (try? await answer.futureResult.get()) ?? .failed("the request could not be made")
    } onCancel: {
      answer.succeed(.failed("the request was cancelled"))
    }
    tooLate.cancel()
    connected.whenSuccess { $0.close(promise: nil) }
    return result
  }
}

private final class FetchHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundOut = HTTPClientRequestPart

  private let address: PlainFetch.Address
  private let answer: EventLoopPromise<PlainFetch.Result>
  private var status: UInt = 0
  private var bytes: [UInt8] = []

  init(address: PlainFetch.Address, answer: EventLoopPromise<PlainFetch.Result>) {
    self.address = address
    self.answer = answer
  }

  func channelActive(context: ChannelHandlerContext) {
    let headers: HTTPHeaders = [
      "Host": "\(address.host):\(address.port)", "User-Agent": "segue-metrics/1",
      "Accept": "application/json", "Connection": "close",
    ]
    let head = HTTPRequestHead(
      version: .http1_1, method: .GET, uri: address.target, headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): status = head.status.code
    case .body(let part):
      guard bytes.count + part.readableBytes <= PlainFetch.bodyLimit else {
        answer.succeed(.failed("the answer is larger than 1 MiB"))
        context.close(promise: nil)
        return
      }
      bytes.append(contentsOf: part.readableBytesView)
    case .end: answer.succeed(.body(status: status, bytes: bytes))
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    answer.succeed(.failed("the answer is not HTTP/1.1, or was cut short"))
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    answer.succeed(.failed("the connection was closed without an answer"))
    context.fireChannelInactive()
  }
}
