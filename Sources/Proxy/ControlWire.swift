import Ports
public import SegueModel

/// The words between a control plane and the proxy: one JSON object a line, over a Unix socket.
enum ControlWire {
  static let version = 1
  /// Octets of one request line.
  static let requestLimit = 4 << 20
  /// Octets of one reply line: a report holds a histogram per release.
  static let replyLimit = 64 << 20
}

struct ControlRequest: Codable, Sendable {
  enum Verb: String, Codable, Sendable {
    case apply, remove, report, ping, shutdown, credit
  }

  var version = ControlWire.version
  var verb: Verb
  var table: ServiceTable?
  var key: ServiceKey?
  var generation: Generation?
  var deadline: Milliseconds?
  var reached: ReachedGoal?
}

struct ControlReply: Codable, Sendable {
  var version = ControlWire.version
  var error: WireError?
  var reports: [ServiceReport]?
  var status: ProxyStatus?
  var fate: ReachedGoal.Fate?
}

/// A `PortError` as it travels.
struct WireError: Codable, Sendable {
  var what: String
  var fault: PortError.Fault
  var retry: PortError.Retry
  var causes: [String]
  var nextStep: String?

  init(_ error: PortError) {
    what = error.what
    fault = error.fault
    retry = error.retry
    causes = error.causes
    nextStep = error.nextStep
  }

  var portError: PortError {
    PortError(what, fault: fault, retry: retry, causes: causes, nextStep: nextStep)
  }
}

/// What a running proxy says about itself.
public struct ProxyStatus: Hashable, Codable, Sendable {
  public struct Service: Hashable, Codable, Sendable {
    public var key: ServiceKey
    public var generation: Generation
  }

  public var pid: Int32
  /// Of the control protocol.
  public var protocolVersion: Int
  /// The address clients connect to, as `127.0.0.1:8080`.
  public var address: String
  /// In the order of their keys.
  public var services: [Service]
  /// Client connections open now.
  public var connections: Int
  /// The proxy is on its way out and accepts no one new.
  public var isDraining: Bool
  /// The number of its listening socket's descriptor, for whoever may take a copy
  /// (pidfd_getfd(2)); `nil` once it is closed.
  public var listener: Int32?
}
