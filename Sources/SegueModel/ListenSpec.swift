/// How requests come to the instances of a service, where that is not by a port each.
public enum ListenSpec: Hashable, Codable, Sendable {
  /// Each instance listens on a Unix socket of its own, whose path is in `$SOCKET`.
  case unix
  /// All instances accept from one socket that Segue holds open: it is descriptor 3 of each
  /// (`LISTEN_FDS`, sd_listen_fds(3)), and no proxy stands on the path. `$PORT` is for health checks.
  case inherit(SharedAddress)
}

/// The address of a socket that instances share.
public struct SharedAddress: Hashable, Codable, Sendable, CustomStringConvertible {
  /// A literal address, IPv4 or IPv6, without brackets.
  public var host: String
  /// 1 to 65535.
  public var port: Int

  public init(host: String = "127.0.0.1", port: Int) {
    self.host = host
    self.port = port
  }

  public var description: String {
    host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}

extension ServiceSpec {
  /// Takes no requests at all, neither from the router nor from a socket that it shares.
  public var isWorker: Bool { route == nil && sharedAddress == nil }

  /// Where its instances take requests side by side, with no proxy on the path; `nil`: the router
  /// brings them, or nobody.
  public var sharedAddress: SharedAddress? {
    if case .inherit(let address) = listen { address } else { nil }
  }

  /// From SIGTERM to SIGKILL. Where no router drains an instance before it is stopped, it finishes its
  /// last requests in this time.
  public var stopDeadline: Milliseconds {
    sharedAddress == nil ? deadlines.stop : deadlines.drain + deadlines.stop
  }
}
