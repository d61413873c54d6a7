import Foundation
import NIOCore
import NIOPosix
import NIOSSL

/// An authority that says what a test wants, however wrong: the same answer to every request for a
/// path, over TLS on a port of its own.
final class ScriptedAuthority: Sendable {
  struct Reply: Sendable {
    var status = "200 OK"
    var headers: [String: String] = [:]
    var body = ""
    var hasNonce = true
  }

  let directory: String
  let rootFile: String
  private let channel: any Channel

  /// A whole dialogue that ends with a certificate, for tests to change. `BASE` stands for the
  /// address of the server.
  static let dialogue: [String: Reply] = [
    "/dir": Reply(
      body: #"{"newNonce":"BASE/nonce","newAccount":"BASE/account","newOrder":"BASE/new-order"}"#),
    "/nonce": Reply(),
    "/account": Reply(status: "201 Created", headers: ["Location": "BASE/account/1"], body: "{}"),
    "/new-order": Reply(
      status: "201 Created", headers: ["Location": "BASE/order"],
      body: #"{"status":"pending","authorizations":["BASE/authorization"],"finalize":"BASE/final"}"#
    ),
    "/authorization": Reply(
      body: #"""
        {"status":"valid","identifier":{"type":"dns","value":"shop.example.test"},"challenges":[]}
        """#),
    "/order": Reply(
      body: #"""
        {"status":"valid","authorizations":[],"finalize":"BASE/final","certificate":"BASE/chain"}
        """#),
    "/chain": Reply(body: "no certificate"),
  ]

  static func start(in folder: String, _ replies: [String: Reply]) async throws -> ScriptedAuthority
  {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let (certificate, key) = try Pebble.serverCertificate(in: folder)
    let context = try NIOSSLContext(
      configuration: .makeServerConfiguration(
        certificateChain: try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) },
        privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))))
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let port = channel.localAddress?.port ?? 0
          try channel.pipeline.syncOperations.addHandlers(
            NIOSSLServerHandler(context: context),
            ScriptHandler(replies, base: "https://localhost:\(port)"))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    return ScriptedAuthority(channel, certificate)
  }

  private init(_ channel: any Channel, _ rootFile: String) {
    self.channel = channel
    self.rootFile = rootFile
    directory = "https://localhost:\(channel.localAddress?.port ?? 0)/dir"
  }

  func stop() async { try? await channel.close() }
}

/// Reads a head and as much body as it announces, and answers by the path.
private final class ScriptHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let replies: [String: ScriptedAuthority.Reply]
  private let base: String
  private var request = ""

  init(_ replies: [String: ScriptedAuthority.Reply], base: String) {
    self.replies = replies
    self.base = base
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    request += String(buffer: unwrapInboundIn(data))
    guard let end = request.firstRange(of: "\r\n\r\n") else { return }
    let head = request[..<end.lowerBound]
    let announced = head.firstMatch(of: #/(?i)content-length: (\d+)/#).flatMap { Int($0.1) } ?? 0
    guard request[end.upperBound...].utf8.count >= announced else { return }
    let words = head.split(separator: " ")
    let reply = replies[String(words[1])] ?? ScriptedAuthority.Reply(status: "404 Not Found")
    request = ""
    var headers = reply.headers
    headers["Connection"] = "close"
    if reply.hasNonce { headers["Replay-Nonce"] = "nonce" }
    let body = words[0] == "HEAD" ? "" : reply.body.replacing("BASE", with: base)
    headers["Content-Length"] = "\(body.utf8.count)"
    let lines = headers.map { "\($0): \($1.replacing("BASE", with: base))\r\n" }.joined()
    let buffer = context.channel.allocator.buffer(
      string: "HTTP/1.1 \(reply.status)\r\n\(lines)\r\n\(body)")
    let channel = context.channel
    context.writeAndFlush(wrapOutboundOut(buffer)).whenComplete { _ in channel.close(promise: nil) }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }
}
