/// What load to send, where to, and what counts as a good answer.
///
/// Without `requests` and `duration` the load runs until it is told to stop.
public struct LoadPlan: Hashable, Sendable {
  /// `http://127.0.0.1:8080/path`: plain HTTP to a loopback address; anything else is refused.
  public var url: String
  /// The path that is posted to; `nil`: the one in `url`.
  public var postPath: String?
  /// The `Host` field; `nil`: the authority in `url`.
  public var host: String?
  /// Keep-alive connections, each with one request at a time. 1 to 4,096.
  public var connections: Int
  /// How many of 100 requests are POST. The others are GET. 0 to 100.
  public var postShare: Int
  /// Padding in the body of each POST, in bytes. 0 to 1,048,576.
  public var postPadding: Int
  /// Connection n sends only the kind n modulo their number. Empty: every connection sends GET and
  /// POST, as `postShare` has it.
  public var kinds: [TrafficKind] = []
  /// The path that is upgraded to a websocket, which echoes; `nil`: the one in `url`.
  public var websocketPath: String?
  /// In this time each connection sends one request, and the connections are spread over it; `nil`:
  /// by `rate`. As with a rate, latency counts from the moment a request was due.
  public var pace: Duration?
  /// Whether the answer to a POST must contain the id that was posted.
  public var checksEcho: Bool
  /// Statuses that are no failure; empty: 200 to 299.
  public var expectedStatuses: [Int]
  /// Requests a second over all connections; `nil`: as fast as they are answered. With a rate,
  /// latency counts from the moment a request was due, so that a stall shows in every request it
  /// held up.
  public var rate: Int?
  /// Stop after this many requests.
  public var requests: Int?
  /// Stop sending after this time; what was sent is still waited for.
  public var duration: Duration?
  /// An answer that takes longer is a failure.
  public var timeout: Duration

  public init(
    url: String, postPath: String? = nil, host: String? = nil, connections: Int = 8,
    postShare: Int = 0, postPadding: Int = 0, checksEcho: Bool = true,
    expectedStatuses: [Int] = [], rate: Int? = nil, requests: Int? = nil,
    duration: Duration? = nil, timeout: Duration = .seconds(10)
  ) {
    self.url = url
    self.postPath = postPath
    self.host = host
    self.connections = connections
    self.postShare = postShare
    self.postPadding = postPadding
    self.checksEcho = checksEcho
    self.expectedStatuses = expectedStatuses
    self.rate = rate
    self.requests = requests
    self.duration = duration
    self.timeout = timeout
  }
}

/// Why a load was not started.
public enum LoadError: Error, Hashable, Sendable, CustomStringConvertible {
  /// A load test never leaves the machine: 127.0.0.0/8, ::1 and `localhost` only.
  case notLoopback(host: String)
  case invalid(String)
  case system(call: String, errno: Int32)

  public var description: String {
    switch self {
    case .notLoopback(let host):
      "load is sent to this machine only (127.0.0.1, [::1], localhost), and \(host) is not"
    case .invalid(let why): why
    case .system(let call, let number): "\(call): \(errnoText(number))"
    }
  }
}

extension LoadPlan {
  /// Throws what is wrong with the numbers of this plan.
  func validate() throws(LoadError) {
    let limits: [(String, Int?, ClosedRange<Int>)] = [
      ("connections", connections, 1...4096),
      ("post share", postShare, 0...100),
      ("post padding", postPadding, 0...1_048_576),
      ("rate", rate, 1...1_000_000),
      ("requests", requests, 1...Int.max),
    ]
    for (name, value, range) in limits {
      if let value, !range.contains(value) {
        throw .invalid(
          "\(name) is \(value), but must be \(range.lowerBound) to \(range.upperBound)")
      }
    }
    for status in expectedStatuses where !(200...599).contains(status) {
      throw .invalid("expected status is \(status), but must be 200 to 599")
    }
    if let pace {
      if pace <= .zero { throw .invalid("the pace must be longer than nothing") }
      if rate != nil { throw .invalid("a rate and a pace exclude one another") }
    }
    if timeout <= .zero { throw .invalid("the timeout must be longer than nothing") }
    if let duration, duration <= .zero {
      throw .invalid("the duration must be longer than nothing")
    }
  }
}
