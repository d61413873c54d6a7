import Glibc
public import NIOCore
import NIOHTTP1
public import NIOPosix
public import Ports
public import SegueModel

/// Asks an instance whether it is ready: by `GET`, or, without a health path, by connecting.
///
/// Each check opens a connection of its own, because a pooled one would prove only that the process
/// lived when it was opened. The whole check, from the first packet to the last byte of the answer,
/// takes at most `health.timeout`. HTTP/1.1 without TLS: instances listen on the loopback.
public struct HTTPProbe: Probe {
  /// An answer's body is read up to here, then the check is decided: a health page is small, and an
  /// endless one must not hold the probe.
  static let bodyLimit = 64 * 1_024

  private let group: any EventLoopGroup

  public init(group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton) {
    self.group = group
  }

  public func check(_ endpoint: Endpoint, health: HealthSpec) async -> ProbeAnswer {
    let address: SocketAddress
    do {
      address =
        if let path = endpoint.socket {
          try SocketAddress(unixDomainSocketPath: path)
        } else {
          try SocketAddress(ipAddress: endpoint.host, port: endpoint.port)
        }
    } catch {
      return .fail(
        endpoint.socket.map { "\($0) is too long for a socket's path" }
          ?? "\(endpoint.host) is not an IP address")
    }
    if let path = health.path, !Self.isRequestTarget(path) {
      return .fail("the health path \(path) is not a valid request target")
    }
    let loop = group.next()
    let answer = loop.makePromise(of: ProbeAnswer.self)
    let bound = TimeAmount.milliseconds(max(health.timeout.count, 1))
    let what = health.path.map { "GET \($0)" } ?? "the connection"
    let tooLate = loop.scheduleTask(in: bound) {
      answer.succeed(.fail("\(what) was not answered within \(health.timeout)"))
    }
    let connected = Self.connect(
      to: address, on: loop, endpoint: endpoint, health: health, answer: answer)
    // A completed promise ignores later completions, so whatever decides first decides.
    let verdict = await withTaskCancellationHandler {
      (try? await answer.futureResult.get()) ?? .fail("\(what) could not be made")
    } onCancel: {
      answer.succeed(.fail("the check was cancelled"))
    }
    tooLate.cancel()
    connected.whenSuccess { $0.close(promise: nil) }
    return verdict
  }

  /// Connects and, where there is a path, asks; whatever comes of it completes `answer`.
  private static func connect(
    to address: SocketAddress, on loop: any EventLoop, endpoint: Endpoint, health: HealthSpec,
    answer: EventLoopPromise<ProbeAnswer>
  ) -> EventLoopFuture<any Channel> {
    let connected = ClientBootstrap(group: loop)
      .connectTimeout(.milliseconds(max(health.timeout.count, 1)))
      .channelInitializer { channel in
        guard let path = health.path else { return channel.eventLoop.makeSucceededVoidFuture() }
        return channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHTTPClientHandlers()
          try channel.pipeline.syncOperations.addHandler(
            ProbeHandler(path: path, host: host(of: endpoint), answer: answer))
        }
      }
      .connect(to: address)
    connected.whenComplete { result in
      switch result {
      case .failure(let error):
        answer.succeed(.fail(reason(error, endpoint: endpoint, timeout: health.timeout)))
      case .success(let channel)
      where endpoint.socket == nil && channel.localAddress == channel.remoteAddress:
        // TCP lets a socket connect to itself when the kernel happens to pick the very port that
        // nobody listens on as the source port (simultaneous open, RFC 9293 section 3.5).
        answer.succeed(.fail("nobody listens on \(endpoint.place)"))
      case .success where health.path == nil:
        answer.succeed(.pass)
      case .success:
        break
      }
    }
    return connected
  }

  /// A Unix socket has no name of its own, so the machine's stands for it (RFC 9110 section 7.2).
  private static func host(of endpoint: Endpoint) -> String {
    endpoint.socket == nil ? "\(endpoint.host):\(endpoint.port)" : "localhost"
  }

  /// Printable ASCII without blanks, beginning with `/` (RFC 9112 section 3.2.1); anything else could
  /// end the request line early.
  private static func isRequestTarget(_ path: String) -> Bool {
    path.first == "/" && path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
  }

  private static func reason(
    _ error: any Error, endpoint: Endpoint, timeout: Milliseconds
  ) -> String {
    switch error {
    case ChannelError.connectTimeout:
      "no connection to \(endpoint.place) within \(timeout)"
    case let error as IOError where error.errnoCode == ECONNREFUSED:
      "connection refused on \(endpoint.place)"
    case let error as IOError where error.errnoCode == ENOENT:
      "there is no \(endpoint.place) yet"
    default:
      "no connection to \(endpoint.place): \(error)"
    }
  }
}
