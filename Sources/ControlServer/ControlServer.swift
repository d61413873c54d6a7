public import ControlProtocol
internal import Hummingbird
internal import HummingbirdCore
public import Logging
internal import NIOCore
public import ServiceLifecycle
internal import Synchronization

/// The control API over HTTP on a Unix socket that only its owner can open.
///
/// Bodies are JSON; a refusal or failure is a ``ControlError`` with a fitting status. `feed` and
/// `logs` are server-sent events with a comment as a heartbeat, and end with an event that says so:
/// a stream without it was cut.
public struct ControlServer: Service {
  /// Limits and intervals; the defaults are what a daemon wants.
  public struct Configuration: Sendable {
    /// Between two comments on a stream, so that its reader can tell silence from death.
    public var heartbeat: Duration
    /// Streams served at once; one more is refused.
    public var maximumStreams: Int
    /// Connections held at once; more wait to be accepted.
    public var maximumConnections: Int
    /// Bytes of a request's body; more are refused.
    public var maximumBody: Int
    /// Elements taken from the API before the reader has been sent them.
    public var window: Int
    /// Heartbeats that may fall due while one write waits for the reader; then the stream is cut.
    public var patience: Int

    public init(
      heartbeat: Duration = .seconds(15), maximumStreams: Int = 64, maximumConnections: Int = 256,
      maximumBody: Int = 64 * 1024, window: Int = 64, patience: Int = 4
    ) {
      self.heartbeat = heartbeat
      self.maximumStreams = maximumStreams
      self.maximumConnections = maximumConnections
      self.maximumBody = maximumBody
      self.window = window
      self.patience = patience
    }
  }

  let api: any ControlAPI
  let socketPath: String
  let logger: Logger
  let configuration: Configuration
  let onListening: @Sendable () async -> Void

  /// - Parameter onListening: Called once the socket is in place and takes connections.
  public init(
    api: any ControlAPI, socketPath: String, logger: Logger,
    configuration: Configuration = Configuration(),
    onListening: @escaping @Sendable () async -> Void = {}
  ) {
    self.api = api
    self.socketPath = socketPath
    self.logger = logger
    self.configuration = configuration
    self.onListening = onListening
  }

  /// Serves until graceful shutdown or cancellation, then removes the socket.
  ///
  /// - Throws: ``ControlError`` of kind `refused` when another server lives at the path, `invalid`
  ///   when the path is too long for a socket, `failed` when the directory cannot be written.
  public func run() async throws {
    let socket = try OwnerOnlySocket(path: socketPath)
    defer { socket.remove() }
    let failure = Mutex<ControlError?>(nil)
    var quiet = logger
    quiet.logLevel = max(logger.logLevel, .notice)
    let application = Application(
      router: ControlRouter(api: api, configuration: configuration, logger: logger).build(),
      configuration: ApplicationConfiguration(
        address: .unixDomainSocket(path: socket.provisionalPath), serverName: nil,
        availableConnectionsDelegate: MaximumAvailableConnections(
          configuration.maximumConnections)),
      onServerRunning: { [onListening] channel in
        do throws(ControlError) {
          try socket.publish()
        } catch {
          failure.withLock { $0 = error }
          return channel.close(promise: nil)
        }
        await onListening()
      },
      logger: quiet)
    try await application.run()
    if let error = failure.withLock({ $0 }) { throw error }
  }
}
