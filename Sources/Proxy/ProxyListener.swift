public import Ports

/// The socket on which a proxy takes requests, opened by whoever starts the proxy.
///
/// As long as somebody holds it open, a connection that arrives while no proxy runs waits in the
/// kernel's queue instead of being refused.
public enum ProxyListener {
  /// Listens on a literal address; port 0 takes any free one. The caller owns the descriptor.
  ///
  /// - Throws: fault `user` when the port is taken, with who holds it.
  public static func open(host: String, port: Int) throws(PortError) -> CInt {
    try ListeningSocket.tcp(host: host, port: port)
  }
}
