import Glibc

/// A loopback address and what to ask there.
struct LoadTarget: Hashable, Sendable {
  enum Address: Hashable, Sendable {
    /// In host byte order; within 127.0.0.0/8.
    case ipv4(UInt32)
    /// `::1`
    case ipv6
  }
  var address: Address
  var port: UInt16
  /// Host and port as they were written: the `Host` field.
  var authority: String
  /// Path and query, beginning with `/`.
  var path: String

  init(url: String) throws(LoadError) {
    let scheme = "http://"
    guard url.lowercased().hasPrefix(scheme) else {
      throw .invalid("\(url) does not begin with http://")
    }
    let rest = url.dropFirst(scheme.count)
    let slash = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
    authority = String(rest[..<slash])
    path = String(rest[slash...])
    if !path.hasPrefix("/") { path = "/" + path }
    try Self.checkPath(path)

    let (host, portText) = Self.split(authority: authority)
    address = try Self.address(of: host)
    guard let portText else {
      port = 80
      return
    }
    guard let number = UInt16(portText), number > 0 else {
      throw .invalid("\(url) has no usable port: \(portText)")
    }
    port = number
  }

  /// Refuses what cannot stand in a request line (RFC 9112 section 3.2).
  static func checkPath(_ path: String) throws(LoadError) {
    guard path.hasPrefix("/"), path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }),
      !path.contains("#")
    else { throw .invalid("\(path) cannot be sent as a path") }
  }

  private static func split(authority: String) -> (host: String, port: String?) {
    if authority.hasPrefix("["), let bracket = authority.firstIndex(of: "]") {
      let after = authority[authority.index(after: bracket)...]
      let host = String(authority[...bracket])
      return (host, after.hasPrefix(":") ? String(after.dropFirst()) : nil)
    }
    guard let colon = authority.lastIndex(of: ":") else { return (authority, nil) }
    return (String(authority[..<colon]), String(authority[authority.index(after: colon)...]))
  }

  /// Names are not looked up: a resolver could answer with any address.
  private static func address(of host: String) throws(LoadError) -> Address {
    if host.lowercased() == "localhost" { return .ipv4(0x7f00_0001) }
    if host == "[::1]" { return .ipv6 }
    var parsed = in_addr()
    guard inet_pton(AF_INET, host, &parsed) == 1 else { throw .notLoopback(host: host) }
    let value = UInt32(bigEndian: parsed.s_addr)
    guard value >> 24 == 127 else { throw .notLoopback(host: host) }
    return .ipv4(value)
  }

  /// Begins to connect a new non-blocking socket. Returns its descriptor, or the error number of
  /// the call that failed.
  func connect() -> Result<Int32, SocketFailure> {
    let family = address == .ipv6 ? AF_INET6 : AF_INET
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let descriptor = socket(family, type, 0)
    guard descriptor >= 0 else { return .failure(SocketFailure(number: errno)) }
    var one: Int32 = 1
    _ = setsockopt(
      descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    if startConnecting(descriptor) == 0 || errno == EINPROGRESS { return .success(descriptor) }
    let failure = SocketFailure(number: errno)
    close(descriptor)
    return .failure(failure)
  }

  private func startConnecting(_ descriptor: Int32) -> Int32 {
    switch address {
    case .ipv4(let host):
      var socketAddress = sockaddr_in()
      socketAddress.sin_family = sa_family_t(AF_INET)
      socketAddress.sin_port = port.bigEndian
      socketAddress.sin_addr.s_addr = host.bigEndian
      return withUnsafePointer(to: &socketAddress) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
    case .ipv6:
      var socketAddress = sockaddr_in6()
      socketAddress.sin6_family = sa_family_t(AF_INET6)
      socketAddress.sin6_port = port.bigEndian
      socketAddress.sin6_addr = in6addr_loopback
      return withUnsafePointer(to: &socketAddress) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
        }
      }
    }
  }
}

/// The error number of a socket call.
struct SocketFailure: Error, Hashable {
  var number: Int32

  /// How the load counts it.
  var kind: LoadReport.FailureKind {
    switch number {
    case ECONNREFUSED: .refused
    case ECONNRESET, EPIPE: .reset
    default: .socket
    }
  }
}

/// The text of an error number, without the shared buffer of `strerror`.
func errnoText(_ number: Int32) -> String {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
    buffer.initialize(repeating: 0)
    guard let base = buffer.baseAddress, strerror_r(number, base, buffer.count) == 0 else {
      return "error \(number)"
    }
    return String(cString: base)
  }
}

/// Monotonic time in nanoseconds.
func monotonicNow() -> Int64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

extension Duration {
  var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? .max / 4 : min(product + attoseconds / 1_000_000_000, .max / 4)
  }
}
