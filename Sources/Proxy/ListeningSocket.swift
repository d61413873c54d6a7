import Foundation
import NIOCore
import Ports

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Listening sockets, made by hand because what matters about them (who may connect to one, what is
/// queued in one, who held the address before) is decided before an event loop sees them.
enum ListeningSocket {
  /// Connections the kernel holds while nobody accepts them.
  static let backlog: Int32 = 4_096

  /// The socket that systemd, or Segue itself, opened beforehand (sd_listen_fds(3)); it keeps its
  /// accept queue from one proxy to the next.
  static func inherited(_ environment: [String: String], pid: Int32) -> CInt? {
    passed(environment, pid: pid).first { $0.name != secureName }?.descriptor
  }

  /// The one for TLS, which its name tells: `FileDescriptorName=https` of a socket unit.
  static func inheritedSecure(_ environment: [String: String], pid: Int32) -> CInt? {
    passed(environment, pid: pid).first { $0.name == secureName }?.descriptor
  }

  private static let secureName = "https"
  /// Descriptors that are looked at; the proxy has use for two.
  private static let passedLimit = 16

  private static func passed(
    _ environment: [String: String], pid: Int32
  ) -> [(name: String, descriptor: CInt)] {
    guard environment["LISTEN_PID"] == "\(pid)",
      let count = environment["LISTEN_FDS"].flatMap(Int.init), count >= 1
    else { return [] }
    let names = (environment["LISTEN_FDNAMES"] ?? "")
      .split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    return (0..<min(count, passedLimit)).map { index in
      let descriptor = CInt(3 + index)
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
      return (index < names.count ? names[index] : "", descriptor)
    }
  }

  static func tcp(host: String, port: Int) throws(PortError) -> CInt {
    var hints = addrinfo()
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, "\(port)", &hints, &found) == 0, let address = found else {
      throw PortError(
        "\(host) is not a literal address", fault: .user, retry: .never,
        nextStep: "Use an address such as 127.0.0.1, 0.0.0.0 or ::1")
    }
    defer { freeaddrinfo(found) }
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let descriptor = socket(address.pointee.ai_family, type, 0)
    guard descriptor >= 0 else { throw failure("open a socket for \(host):\(port)") }
    var on: Int32 = 1
    setsockopt(
      descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout.size(ofValue: on)))
    guard bind(descriptor, address.pointee.ai_addr, address.pointee.ai_addrlen) == 0,
      listen(descriptor, backlog) == 0
    else {
      let code = errno
      close(descriptor)
      guard code != EADDRINUSE else { throw taken(host, port) }
      throw failure("listen on \(host):\(port)", code)
    }
    return descriptor
  }

  private static func taken(_ host: String, _ port: Int) -> PortError {
    PortError(
      "\(host):\(port) is taken by \(PortHolder.describe(port: port) ?? "another process")",
      fault: .user, retry: .never,
      nextStep: "Stop it, or give the proxy another address")
  }

  /// A Unix socket that only its owner can connect to: the mode is set on the socket before `bind`
  /// makes a file of it, so that there is no moment in which others could.
  static func unix(path: String) throws(PortError) -> CInt {
    guard var address = UnixAddress(path) else {
      throw PortError(
        "The path of the control socket is longer than \(UnixAddress.limit) bytes: \(path)",
        fault: .user, retry: .never, nextStep: "Choose a shorter state directory")
    }
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    if let probe = try? UnixAddress.connect(to: path) {
      close(probe)
      throw PortError(
        "Another proxy answers at \(path)", fault: .user, retry: .never,
        nextStep: "Stop it first, or use another state directory")
    }
    unlink(path)
    let descriptor = socket(AF_UNIX, type, 0)
    guard descriptor >= 0 else { throw failure("open the control socket") }
    fchmod(descriptor, 0o600)
    guard address.withSockaddr({ bind(descriptor, $0, $1) }) == 0, chmod(path, 0o600) == 0,
      listen(descriptor, 64) == 0
    else {
      let code = errno
      close(descriptor)
      throw failure("listen on \(path)", code)
    }
    return descriptor
  }

  /// Makes a listening socket ready for an event loop. Connections inherit what is set here.
  static func prepare(_ descriptor: CInt) {
    let flags = fcntl(descriptor, F_GETFL)
    _ = fcntl(descriptor, F_SETFL, flags | O_NONBLOCK)
    var on: Int32 = 1
    setsockopt(
      descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  /// What a socket is bound to; `nil` for one that has no address and port.
  static func address(of descriptor: CInt) -> SocketAddress? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutablePointer(to: &storage) { pointer -> SocketAddress? in
      let found = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        getsockname(descriptor, $0, &length)
      }
      guard found == 0 else { return nil }
      switch Int32(pointer.pointee.ss_family) {
      case AF_INET:
        return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
          SocketAddress($0.pointee)
        }
      case AF_INET6:
        return pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
          SocketAddress($0.pointee)
        }
      default: return nil
      }
    }
  }

  private static func failure(_ what: String, _ code: Int32 = errno) -> PortError {
    PortError(
      "The proxy cannot \(what)", fault: .platform, retry: .safe,
      causes: [String(cString: strerror(code))])
  }
}

/// The address of a Unix socket.
struct UnixAddress {
  static let limit = 107
  private var address = sockaddr_un()

  /// `nil` when the path does not fit.
  init?(_ path: String) {
    let bytes = Array(path.utf8)
    guard !bytes.isEmpty, bytes.count <= Self.limit else { return nil }
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
  }

  mutating func withSockaddr(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }

  struct ConnectFailure: Error {
    var code: Int32
  }

  /// A connected, non-blocking socket. A local connect never waits for long: it succeeds, is refused,
  /// or finds the queue full.
  static func connect(to path: String) throws(ConnectFailure) -> CInt {
    guard var address = UnixAddress(path) else { throw ConnectFailure(code: ENAMETOOLONG) }
    let type =
      Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    let descriptor = socket(AF_UNIX, type, 0)
    guard descriptor >= 0 else { throw ConnectFailure(code: errno) }
    #if canImport(Glibc)
      let result = address.withSockaddr { Glibc.connect(descriptor, $0, $1) }
    #else
      let result = address.withSockaddr { Darwin.connect(descriptor, $0, $1) }
    #endif
    guard result == 0 else {
      let code = errno
      close(descriptor)
      throw ConnectFailure(code: code)
    }
    return descriptor
  }
}

/// Finds out who listens on a port, so that the message can name them.
enum PortHolder {
  /// `nginx (pid 4711)`; `nil` when it cannot be seen.
  static func describe(port: Int) -> String? {
    let inodes = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap { listeners(in: $0, port: port) }
    guard !inodes.isEmpty else { return nil }
    let wanted = Set(inodes.map { "socket:[\($0)]" })
    for pid in names(in: "/proc").compactMap({ Int32($0) }).sorted() {
      let folder = "/proc/\(pid)/fd"
      for file in names(in: folder) {
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(file)")
        guard let target, wanted.contains(target) else { continue }
        let name =
          FileManager.default.contents(atPath: "/proc/\(pid)/comm")
          .map { String(decoding: $0, as: UTF8.self) } ?? "a process"
        return "\(name.trimmingCharacters(in: .whitespacesAndNewlines)) (pid \(pid))"
      }
    }
    return nil
  }

  /// The entries of a directory; those that vanish meanwhile do no harm.
  private static func names(in path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let capacity = MemoryLayout.size(ofValue: entry.pointee.d_name)
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) { name in
          name.withMemoryRebound(to: CChar.self, capacity: capacity) { String(cString: $0) }
        })
    }
    return names
  }

  /// Inodes of the sockets in state 0A, listening, on `port` (proc_net_tcp(5)).
  private static func listeners(in path: String, port: Int) -> [String] {
    // The file says it has no size, so it must be read until its end.
    guard let data = try? FileHandle(forReadingAtPath: path)?.readToEnd() else { return [] }
    return String(decoding: data, as: UTF8.self).split(separator: "\n").dropFirst()
      .compactMap { line in
        let columns = line.split(separator: " ", omittingEmptySubsequences: true)
        guard columns.count > 9, columns[3] == "0A",
          let text = columns[1].split(separator: ":").last, Int(text, radix: 16) == port
        else { return nil }
        return String(columns[9])
      }
  }
}
