import Glibc
import NIOCore
import NIOHTTP1
import Ports

/// Sends one request and turns what comes back into an answer.
final class ProbeHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundOut = HTTPClientRequestPart

  private enum State {
    case waiting
    /// The head was a pass; the body is still coming.
    case reading(UInt, bytes: Int)
    case decided
  }

  private let path: String
  private let host: String
  private let answer: EventLoopPromise<ProbeAnswer>
  private var state = State.waiting

  init(path: String, host: String, answer: EventLoopPromise<ProbeAnswer>) {
    self.path = path
    self.host = host
    self.answer = answer
  }

  func channelActive(context: ChannelHandlerContext) {
    let headers: HTTPHeaders = [
      "Host": host, "User-Agent": "segue-health/1", "Accept": "*/*", "Connection": "close",
    ]
    let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: path, headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch (unwrapInboundIn(data), state) {
    case (.head(let head), .waiting):
      switch head.status.code {
      case 200...299:
        state = .reading(head.status.code, bytes: 0)
      case 300...399:
        decide(.fail("GET \(path) answered \(head.status.code) (redirects are not followed)"))
      default:
        decide(.fail("GET \(path) answered \(head.status.code)"))
      }
    case (.body(let part), .reading(let status, let bytes)):
      let total = bytes + part.readableBytes
      state = .reading(status, bytes: total)
      if total > HTTPProbe.bodyLimit { decide(.pass) }
    case (.end, .reading):
      decide(.pass)
    case (.head, .reading), (.head, .decided), (.body, .waiting), (.body, .decided),
      (.end, .waiting), (.end, .decided):
      break
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    switch error {
    case HTTPParserError.invalidEOFState:
      closedEarly()
    case is HTTPParserError:
      decide(.fail("GET \(path) got an answer that is not HTTP/1.1"))
    case let error as IOError where error.errnoCode == ECONNRESET:
      decide(.fail("GET \(path): the connection was reset"))
    default:
      decide(.fail("GET \(path) failed: \(error)"))
    }
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    closedEarly()
    context.fireChannelInactive()
  }

  private func closedEarly() {
    switch state {
    case .waiting:
      decide(.fail("GET \(path): the connection was closed without an answer"))
    case .reading(let status, _):
      decide(.fail("GET \(path) answered \(status) but its body was cut short"))
    case .decided:
      break
    }
  }

  private func decide(_ verdict: ProbeAnswer) {
    state = .decided
    answer.succeed(verdict)
  }
}
