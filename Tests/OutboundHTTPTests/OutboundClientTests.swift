import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import OutboundHTTP
import Ports
import SegueModel
import Testing

@Suite struct OutboundClientTests {
  @Test func sendsARequestAndReadsItsAnswer() async throws {
    try await exchanging { client, server in
      let answer = try await client.exchange(
        server.base + "/echo", method: .POST, headers: ["x-name": "ada"],
        body: Array("hello".utf8))
      #expect(answer.status == 200)
      #expect(answer.headers.first(name: "x-name") == "ada")
      #expect(String(decoding: answer.body, as: UTF8.self) == "hello")
      let other = try await client.exchange(server.base + "/none")
      #expect(other.status == 404)
    }
  }

  @Test func followsNoRedirect() async throws {
    try await exchanging { client, server in
      let answer = try await client.exchange(server.base + "/elsewhere")
      #expect(answer.status == 302)
    }
  }

  @Test func anAnswerHasALimit() async throws {
    try await exchanging { client, server in
      await refuses("its answer is too long") {
        _ = try await client.exchange(server.base + "/large", limit: 1_000)
      }
      let clipped = try await client.exchange(
        server.base + "/large", limit: 1_000, statusSuffices: true)
      #expect(clipped.status == 200 && clipped.body.isEmpty)
      let whole = try await client.exchange(server.base + "/large")
      #expect(whole.body.count == 100_000)
    }
  }

  @Test func whatDoesNotAnswerIsTold() async throws {
    try await exchanging(deadline: Milliseconds(300)) { client, server in
      for path in ["/silent", "/half"] {
        await refuses("it did not answer within \(Milliseconds(300))") {
          _ = try await client.exchange(server.base + path)
        }
      }
      await refuses("it closed the connection without a whole answer") {
        _ = try await client.exchange(server.base + "/cut")
      }
      for address in ["", "host", "ftp://host/", "http://"] {
        await refuses("the address does not begin with http:// or https:// and a host") {
          _ = try await client.exchange(address)
        }
      }
    }
  }

  @Test func nobodyListening() async throws {
    let server = try await Server.start()
    try await server.stop()
    try await exchanging { client, _ in
      do {
        _ = try await client.exchange(server.base)
        Issue.record("it was answered")
      } catch {
        #expect("\(error)".hasPrefix("no connection could be made"), "\(error)")
      }
    }
  }

  @Test func aCertificateThatNobodyKnowsIsRefused() async throws {
    let secure = try await Server.start(tls: try SelfSigned.context())
    try await exchanging { client, _ in
      await refuses("TLS was not agreed on") {
        _ = try await client.exchange("https://localhost:\(secure.port)/none")
      }
    }
    try await secure.stop()
  }

  @Test func speaksTLSWithWhatItTrusts() async throws {
    let certificate = try SelfSigned()
    defer { certificate.remove() }
    let secure = try await Server.start(tls: try certificate.context())
    let client = OutboundClient(
      time: RealTime(), deadline: .seconds(10), rootFile: certificate.file)
    let answer = try? await client.exchange("https://localhost:\(secure.port)/none")
    await client.shutdown()
    try await secure.stop()
    #expect(answer?.status == 404)
  }
}

// MARK: Surroundings

private func refuses(_ reason: String, _ body: () async throws -> Void) async {
  do {
    try await body()
    Issue.record("it was answered, and should have said: \(reason)")
  } catch {
    #expect("\(error)" == reason)
  }
}

private func exchanging(
  deadline: Milliseconds = .seconds(10), _ body: (OutboundClient, Server) async throws -> Void
) async throws {
  let client = OutboundClient(time: RealTime(), deadline: deadline)
  let server = try await Server.start()
  let result: Result<Void, any Error>
  do { result = .success(try await body(client, server)) } catch { result = .failure(error) }
  await client.shutdown()
  try await server.stop()
  try result.get()
}

private struct RealTime: TimeSource {
  func now() -> Instant { Instant(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000)) }
  func sleep(for span: Milliseconds) async throws {
    // pause: what it measures is real time.
    try await Task.sleep(for: .milliseconds(span.count))
  }
}

/// A certificate of our own for `localhost`.
private struct SelfSigned {
  let directory = FileManager.default.temporaryDirectory.appending(path: "tls-\(UUID().uuidString)")
  var file: String { directory.appending(path: "certificate.pem").path }

  init() throws {
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/openssl")
    process.arguments = [
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
      "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
      "-keyout", directory.appending(path: "key.pem").path, "-out", file,
    ]
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
  }

  func remove() { try? FileManager.default.removeItem(at: directory) }

  func context() throws -> NIOSSLContext {
    let key = try NIOSSLPrivateKey(
      file: directory.appending(path: "key.pem").path, format: .pem)
    return try NIOSSLContext(
      configuration: .makeServerConfiguration(
        certificateChain: try NIOSSLCertificate.fromPEMFile(file).map { .certificate($0) },
        privateKey: .privateKey(key)))
  }

  static func context() throws -> NIOSSLContext {
    let certificate = try SelfSigned()
    defer { certificate.remove() }
    return try certificate.context()
  }
}

/// Answers as its paths say.
private struct Server {
  let channel: any Channel
  var port: Int { channel.localAddress?.port ?? 0 }
  var base: String { "http://127.0.0.1:\(port)" }

  static func start(tls: NIOSSLContext? = nil) async throws -> Server {
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if let tls {
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls))
          }
          try channel.pipeline.syncOperations.configureHTTPServerPipeline()
          try channel.pipeline.syncOperations.addHandler(Handler())
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    return Server(channel: channel)
  }

  func stop() async throws { try await channel.close() }
}

private final class Handler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private var head: HTTPRequestHead?
  private var body = ByteBuffer()

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): self.head = head
    case .body(var part): body.writeBuffer(&part)
    case .end: answer(context)
    }
  }

  private func answer(_ context: ChannelHandlerContext) {
    guard let head else { return }
    switch head.uri {
    case "/silent": break
    case "/cut": context.close(promise: nil)
    case "/half": write(context, .ok, ByteBuffer(string: "half"), length: 100, ends: false)
    case "/echo":
      write(context, .ok, body, headers: ["x-name": head.headers.first(name: "x-name") ?? ""])
    case "/elsewhere": write(context, .found, ByteBuffer(), headers: ["location": "/echo"])
    case "/large":
      write(context, .ok, ByteBuffer(repeating: 0x61, count: 100_000))
    default: write(context, .notFound, ByteBuffer())
    }
    body.clear()
  }

  private func write(
    _ context: ChannelHandlerContext, _ status: HTTPResponseStatus, _ body: ByteBuffer,
    headers: HTTPHeaders = [:], length: Int? = nil, ends: Bool = true
  ) {
    var headers = headers
    headers.replaceOrAdd(name: "content-length", value: "\(length ?? body.readableBytes)")
    let head = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
    if ends { context.write(wrapOutboundOut(.end(nil)), promise: nil) }
    context.flush()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }
}
