import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOTLS
import Ports
import SegueModel
import TransportSecurity

/// Looks whether the proxy shows an answer, before the authority does.
///
/// An authority looks once or a few times, and counts a failure; the proxy takes up what is new within
/// seconds, and may not run at all.
struct ServingCheck: Sendable {
  let settings: IssuingSettings
  let http: HTTPClient
  let time: any TimeSource

  /// Between two looks.
  private static let interval = Milliseconds(250)
  /// One look.
  private static let patience = TimeAmount.seconds(5)

  /// Returns once the answer is shown.
  ///
  /// - Throws: `PortError` if it is not shown in time; what was seen instead is its cause.
  func wait(for answer: Answer) async throws(PortError) {
    let deadline = time.now() + settings.limits.serving
    while true {
      guard let problem = await look(answer) else { return }
      guard time.now() + Self.interval < deadline else {
        throw PortError(
          "The proxy does not show the answer for the certificate authority", fault: .traffic,
          retry: .safe, causes: [problem, "It was waited for \(settings.limits.serving)"],
          nextStep: nextStep(answer))
      }
      try await time.pause(for: Self.interval)
    }
  }

  private func nextStep(_ answer: Answer) -> String {
    switch answer {
    case .http(let host, _, _):
      "See that Segue's proxy runs and listens on port 80, and that \(host) leads to it"
    case .tls(let host, _, _, _):
      "See that Segue's proxy runs and speaks TLS on port 443, and that \(host) leads to it"
    }
  }

  /// nil: it is shown; else what is wrong.
  private func look(_ answer: Answer) async -> String? {
    switch answer {
    case .http(let host, let token, let authorization):
      await lookPlain(host, token, authorization)
    case .tls(let host, let digest, _, _):
      await lookSecure(host, digest)
    }
  }

  private func lookPlain(_ host: String, _ token: String, _ expected: String) async -> String? {
    let place = settings.plainAddress?.description ?? host
    let url = "http://\(place)\(ChallengeFolder.pathPrefix)\(token)"
    var request = HTTPClientRequest(url: url)
    request.headers.add(name: "host", value: host)
    do {
      let response = try await http.execute(request, timeout: Self.patience)
      let body = try await response.body.collect(upTo: 65_536)
      guard response.status == .ok else { return "\(url) answers \(response.status.code)" }
      // White space behind it is allowed (RFC 8555 section 8.3).
      let shown = String(buffer: body).trimmingCharacters(in: .whitespacesAndNewlines)
      return shown == expected ? nil : "\(url) answers something else"
    } catch {
      return "\(url): \(error)"
    }
  }

  private func lookSecure(_ host: String, _ digest: [UInt8]) async -> String? {
    let address = settings.secureAddress ?? ProxyAddress(host: host, port: 443)
    do {
      let shown = try await TLSGlance.certificate(of: host, at: address, within: Self.patience)
      // The digest stands in the certificate as it is, and in no other one.
      return Self.contains(shown, digest) ? nil : "\(address) shows another certificate"
    } catch {
      return "\(address): \(error)"
    }
  }

  static func contains(_ whole: [UInt8], _ part: [UInt8]) -> Bool {
    guard !part.isEmpty, whole.count >= part.count else { return part.isEmpty }
    return (0...whole.count - part.count).contains { whole[$0...].starts(with: part) }
  }
}

/// One handshake by `acme-tls/1`, as an authority makes it (RFC 8737 section 3).
enum TLSGlance {
  /// The certificate that is shown, in DER.
  static func certificate(
    of host: String, at address: ProxyAddress, within patience: TimeAmount
  ) async throws -> [UInt8] {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.applicationProtocols = ["acme-tls/1"]
    // It is signed by itself; what is in it is all that counts.
    configuration.certificateVerification = .none
    let context = try NIOSSLContext(configuration: configuration)
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    let shown = loop.makePromise(of: [UInt8].self)
    let tooLate = loop.scheduleTask(in: patience) {
      shown.fail(ChannelError.connectTimeout(patience))
    }
    let connected = ClientBootstrap(group: loop)
      .connectTimeout(patience)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let tls = try NIOSSLClientHandler(context: context, serverHostname: host)
          try channel.pipeline.syncOperations.addHandlers(tls, HandshakeWatcher(tls, shown))
        }
      }
      .connect(host: address.host, port: address.port)
    connected.whenFailure { shown.fail($0) }
    let result = await shown.futureResult.mapResult()
    tooLate.cancel()
    connected.whenSuccess { $0.close(promise: nil) }
    return try result.get()
  }
}

extension EventLoopFuture where Value: Sendable {
  fileprivate func mapResult() async -> Result<Value, any Error> {
    do { return .success(try await get()) } catch { return .failure(error) }
  }
}

/// Tells what a handshake came to.
private final class HandshakeWatcher: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let tls: NIOSSLClientHandler
  private let shown: EventLoopPromise<[UInt8]>

  init(_ tls: NIOSSLClientHandler, _ shown: EventLoopPromise<[UInt8]>) {
    self.tls = tls
    self.shown = shown
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case TLSUserEvent.handshakeCompleted(_) = event {
      do {
        shown.succeed(try tls.peerCertificate?.toDERBytes() ?? [])
      } catch {
        shown.fail(error)
      }
    }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    shown.fail(error)
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    // A promise that is fulfilled already ignores this.
    shown.fail(ChannelError.eof)
  }
}
