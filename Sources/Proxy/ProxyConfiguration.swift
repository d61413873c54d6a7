public import SegueModel

/// What a proxy process is told when it starts.
public struct ProxyConfiguration: Hashable, Sendable {
  /// Literal address to listen on.
  public var host: String
  /// 0: the kernel chooses. Both are ignored when a listening socket is inherited (`LISTEN_FDS`).
  public var port: Int
  /// Path of the control socket; created with mode 0600.
  public var controlSocket: String
  /// Where the last good tables are kept; created with mode 0700.
  public var stateDirectory: String
  /// Event loops; each is one thread.
  public var threads: Int
  /// Takes over from the proxy that runs with the same control socket and state directory: its
  /// listening socket, its tables, and then its clients. `host` and `port` are ignored.
  public var takesOver: Bool
  public var limits: ProxyLimits
  /// Where to tell the proxy's figures: `127.0.0.1:9464` or `unix:/path`; `nil`: nowhere.
  public var metrics: String?
  /// The file that gets a line for each request; `nil`: none.
  public var accessLog: String?
  /// A directory of pages for answers of the proxy's own, `502.html` or `5xx.html`; `nil`: its own.
  public var errorPages: String?
  public var naming = RequestNaming()
  /// Where the answers to a certificate authority are (``ChallengeFolder``), which asks for them
  /// without TLS; `nil`: nobody asks.
  public var certificateFolder: String?
  /// Of this build of Segue, for the figures.
  public var version = "unknown"

  /// Where TLS is spoken besides; `nil`: nowhere.
  public var tls: TLSListening?

  public init(
    host: String = "127.0.0.1", port: Int = 0, controlSocket: String, stateDirectory: String,
    threads: Int = 2, takesOver: Bool = false, limits: ProxyLimits = ProxyLimits()
  ) {
    self.host = host
    self.port = port
    self.controlSocket = controlSocket
    self.stateDirectory = stateDirectory
    self.threads = threads
    self.takesOver = takesOver
    self.limits = limits
  }
}

/// Where and how the proxy speaks TLS.
public struct TLSListening: Hashable, Sendable {
  /// Literal address to listen on.
  public var host: String
  /// 0: the kernel chooses.
  public var port: Int
  /// The first certificate is for whoever names no host, or an unknown one.
  public var certificates: [CertificateSource]
  /// Requests without TLS are answered with the address with it.
  public var redirects: Bool

  public init(
    host: String, port: Int, certificates: [CertificateSource], redirects: Bool = false
  ) {
    self.host = host
    self.port = port
    self.certificates = certificates
    self.redirects = redirects
  }
}

/// Every bound the proxy keeps: sizes in octets, spans of time.
public struct ProxyLimits: Hashable, Sendable {
  /// A whole head, in either direction; above it 431.
  public var headBytes = 65_536
  /// Header fields of a head; above it 431.
  public var headFields = 128
  /// The request line; above it 414.
  public var requestLine = 8_192
  /// Request octets held while an instance does not take them.
  public var heldInput = 65_536
  /// A request body up to this size is kept so that an idempotent request can be sent again.
  public var replayableBody = 65_536
  /// Client connections of all event loops together.
  public var connections = 10_000
  /// Idle connections kept per instance and event loop.
  public var idlePerInstance = 256
  /// Requests held by one event loop until there is an instance; above it 503.
  public var heldRequests = 1_000
  /// Requests out of a hold that an instance gets at once, from all event loops together; the next
  /// ones follow as those are answered.
  public var releasedPerInstance = 32
  /// Copies of requests that one event loop has under way; above it none are made.
  public var mirroredRequests = 64
  /// The body of either answer to a copied request; above it the two are not compared.
  public var mirroredBody = 262_144

  /// First octet of a head to its last; then 408.
  public var readHead = Milliseconds.seconds(10)
  /// A client connection without a request.
  public var clientIdle = Milliseconds.seconds(75)
  /// Connecting to an instance; then another one is tried.
  public var connect = Milliseconds.seconds(2)
  /// End of the request to the response head; then 504.
  public var responseHead = Milliseconds.seconds(60)
  /// Between two pieces of a request body, and for a client that does not read.
  public var bodyProgress = Milliseconds.seconds(60)
  /// Between two pieces of a response body: event streams are silent for long.
  public var responseSilence = Milliseconds.minutes(10)
  /// Between two pieces of an upgraded connection.
  public var tunnelIdle = Milliseconds.minutes(60)
  /// How long input is still read and thrown away after the last response, so that a client that is
  /// still sending gets to read it (RFC 9112 section 9.6).
  public var linger = Milliseconds.seconds(5)
  /// How long an unused connection to an instance is kept.
  public var poolIdle = Milliseconds.seconds(4)
  /// How long a connection may have been unused to be given a request that must not be sent twice.
  public var poolIdleOnce = Milliseconds.seconds(1)
  /// How long an instance that refused a connection is the last choice.
  public var penalty = Milliseconds.seconds(1)
  /// Failures in a row (no answer, or 5xx) until an instance is the last choice for a while; 0: never.
  public var ejectAfter = 5
  /// For how long the first time; each time soon after that for as long again.
  public var ejection = Milliseconds.seconds(10)
  public var longestEjection = Milliseconds.minutes(5)
  /// Over what time an instance that joins others comes to its full share of the requests; zero: at
  /// once.
  public var slowStart = Milliseconds.seconds(5)
  /// How long a request out of a hold keeps others waiting for its answer; one that takes longer,
  /// an event stream say, must not hold up the rest.
  public var releaseGrace = Milliseconds.seconds(1)
  /// From the start of a copied request to the end of both answers.
  public var mirrorAnswer = Milliseconds.seconds(10)
  /// How long an idle client connection is kept open once the proxy is shutting down, for the request
  /// that may already be on its way.
  public var drainIdle = Milliseconds.seconds(2)
  /// For each answer of the other proxy while one takes over from the other.
  public var handover = Milliseconds.seconds(10)
  /// From SIGTERM until what is left is cut.
  public var shutdown = Milliseconds.seconds(30)

  public init() {}

  /// Spans in nanoseconds are what the event loops compare.
  static func nanoseconds(_ span: Milliseconds) -> UInt64 {
    UInt64(max(span.count, 0)) * 1_000_000
  }

  /// How often deadlines are looked at: a quarter of the shortest, from 5 ms to 500 ms.
  var tick: Milliseconds {
    let shortest =
      [
        readHead, clientIdle, responseHead, bodyProgress, linger, poolIdle, drainIdle, mirrorAnswer,
      ].min() ?? .seconds(2)
    return Milliseconds(min(max(shortest.count / 4, 5), 500))
  }
}
