internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
public import Logging
internal import NIOCore
public import ServiceLifecycle

/// Takes webhooks over HTTP: `POST` to any path, a bounded body, and a deadline for each.
///
/// It knows nothing of what they say; whoever made it checks them. It speaks no TLS: where webhooks
/// come from other machines, put it behind a proxy that does.
public struct WebhookServer: Service {
  /// What a sender is answered.
  public struct Answer: Hashable, Sendable {
    public var status: Int
    public var text: String

    public init(status: Int, text: String) {
      self.status = status
      self.text = text
    }
  }

  public typealias Handler =
    @Sendable (_ headers: [(name: String, value: String)], _ body: [UInt8]) async -> Answer

  /// Octets of a body. Forges cut what they tell of a push long before.
  public static let bodyLimit = 4 * 1_024 * 1_024
  /// Connections at once, and so at most that many bodies.
  public static let connectionLimit = 16
  /// For the whole of a request, from its head to its last octet.
  public static let patience = Duration.seconds(10)

  let host: String
  let port: Int
  let logger: Logger
  let onListening: @Sendable (Int) async -> Void
  let handler: Handler

  /// - Parameters:
  ///   - port: 0 for any free one.
  ///   - onListening: Called with the port once connections are taken.
  public init(
    host: String, port: Int, logger: Logger,
    onListening: @escaping @Sendable (Int) async -> Void = { _ in }, handler: @escaping Handler
  ) {
    self.host = host
    self.port = port
    self.logger = logger
    self.onListening = onListening
    self.handler = handler
  }

  /// Serves until graceful shutdown or cancellation.
  ///
  /// - Throws: When the address is taken.
  public func run() async throws {
    var quiet = logger
    quiet.logLevel = max(logger.logLevel, .notice)
    let router = Router()
    router.post("**") { request, _ in await answer(request) }
    router.post("/") { request, _ in await answer(request) }
    let application = Application(
      router: router, server: .http1(configuration: .init(idleTimeout: .seconds(10))),
      configuration: ApplicationConfiguration(
        address: .hostname(host, port: port), serverName: nil,
        availableConnectionsDelegate: MaximumAvailableConnections(Self.connectionLimit)),
      onServerRunning: { [onListening] channel in
        await onListening(channel.localAddress?.port ?? 0)
      },
      logger: quiet)
    try await application.run()
  }

  private func answer(_ request: Request) async -> Response {
    let body: [UInt8]
    do {
      guard let whole = try await Self.body(of: request) else {
        return Self.response(Answer(status: 408, text: "the body did not come in time"))
      }
      body = whole
    } catch {
      return Self.response(
        Answer(status: 413, text: "the body is larger than \(Self.bodyLimit) octets, or was cut"))
    }
    let headers = request.headers.map { (name: $0.name.rawName, value: $0.value) }
    return Self.response(await handler(headers, body))
  }

  /// `nil` when it takes too long.
  private static func body(of request: Request) async throws -> [UInt8]? {
    try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
      group.addTask {
        let buffer = try await request.body.collect(upTo: bodyLimit)
        return Array(buffer.readableBytesView)
      }
      group.addTask {
        try await Task.sleep(for: patience)
        return nil
      }
      defer { group.cancelAll() }
      return try await group.next() ?? nil
    }
  }

  private static func response(_ answer: Answer) -> Response {
    var headers = HTTPFields()
    headers[.contentType] = "text/plain; charset=utf-8"
    // A request that was not read to its end leaves the rest of it on the connection.
    if answer.status != 202 { headers[.connection] = "close" }
    return Response(
      status: .init(code: answer.status), headers: headers,
      body: ResponseBody(byteBuffer: ByteBuffer(string: answer.text + "\n")))
  }
}
