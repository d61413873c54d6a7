import CLinux
import Glibc
import Ports
import SegueModel

/// A TCP socket that listens, and that the instances of a service are given one after another.
enum SharedListener {
  /// Connections the kernel holds while nobody accepts them; the kernel lowers it to its own limit
  /// (`net.core.somaxconn`).
  private static let backlog: Int32 = 4_096

  /// Non-blocking, as systemd makes them: of several processes that see a connection, one gets it, and
  /// the others must not be stuck.
  static func open(_ address: SharedAddress) throws(PortError) -> Int32 {
    guard let name = SocketName(address) else {
      throw PortError(
        "\(address.host) is not a literal address", fault: .user, retry: .never,
        nextStep: "Write an address like 127.0.0.1 or 0.0.0.0 into `listen`.")
    }
    let fd = socket(name.family, Int32(SOCK_STREAM.rawValue) | flags, 0)
    guard fd >= 0 else { throw BlockingFile.failure("cannot open a socket", errno) }
    var on: Int32 = 1
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
    guard name.with({ bind(fd, $0, $1) }) == 0, listen(fd, backlog) == 0 else {
      let code = errno
      close(fd)
      throw refusal(address, code)
    }
    return fd
  }

  private static let flags = SEGUE_SOCK_NONBLOCK | SEGUE_SOCK_CLOEXEC

  private static func refusal(_ address: SharedAddress, _ code: Int32) -> PortError {
    let cause = String(cString: strerror(code))
    let what = "cannot listen on \(address)"
    return switch code {
    case EADDRINUSE:
      PortError(
        what, fault: .user, retry: .never,
        causes: [
          "it is taken by "
            + (ListenerOwner.holder(of: Listener.onPort(address.port)) ?? "another process")
        ],
        nextStep: "Stop that, or write another port into `listen`.")
    case EACCES:
      PortError(
        what, fault: .user, retry: .never, causes: [cause],
        nextStep: "Ports below 1024 need a privilege: give Segue CAP_NET_BIND_SERVICE, or lower "
          + "net.ipv4.ip_unprivileged_port_start.")
    case EADDRNOTAVAIL:
      PortError(
        what, fault: .user, retry: .never, causes: [cause],
        nextStep: "Write an address that this machine has, or 0.0.0.0 for all of them.")
    default: BlockingFile.failure(what, code)
    }
  }

  /// Whether a descriptor is a socket that listens at this very address.
  static func isOpen(_ fd: Int32, at address: SharedAddress) -> Bool {
    var listens: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0, listens == 1 else {
      return false
    }
    return SocketName(of: fd).map { $0 == SocketName(address) } ?? false
  }

  /// The socket at this address out of a process that was given it; `nil` when that has none, or when
  /// the kernel does not let us look (ptrace(2), "Ptrace access mode checking").
  static func copy(from pid: Int32, at address: SharedAddress) -> Int32? {
    let process = segue_pidfd_open(pid)
    guard process >= 0 else { return nil }
    defer { close(process) }
    let numbers = BlockingFile.names(in: "/proc/\(pid)/fd").compactMap { Int32($0) }
    for number in numbers.sorted()
    where ProcessTable.descriptor("\(number)", of: pid)?.hasPrefix("socket:[") == true {
      let fd = segue_pidfd_get_fd(process, number)
      guard fd >= 0 else { return nil }
      if isOpen(fd, at: address) { return fd }
      close(fd)
    }
    return nil
  }
}

/// An address as the kernel takes and gives it.
private struct SocketName: Equatable {
  let family: Int32
  private let octets: [UInt8]
  private let port: UInt16

  init?(_ address: SharedAddress) {
    guard let port = UInt16(exactly: address.port) else { return nil }
    self.port = port
    var four = in_addr()
    var six = in6_addr()
    if inet_pton(AF_INET, address.host, &four) == 1 {
      family = AF_INET
      octets = withUnsafeBytes(of: &four) { Array($0) }
    } else if inet_pton(AF_INET6, address.host, &six) == 1 {
      family = AF_INET6
      octets = withUnsafeBytes(of: &six) { Array($0) }
    } else {
      return nil
    }
  }

  /// What a socket is bound to.
  init?(of fd: Int32) {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let found = withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(fd, $0, &length) }
    }
    guard found == 0 else { return nil }
    family = Int32(storage.ss_family)
    switch family {
    case AF_INET:
      let name = withUnsafeBytes(of: &storage) { $0.loadUnaligned(as: sockaddr_in.self) }
      octets = withUnsafeBytes(of: name.sin_addr) { Array($0) }
      port = UInt16(bigEndian: name.sin_port)
    case AF_INET6:
      let name = withUnsafeBytes(of: &storage) { $0.loadUnaligned(as: sockaddr_in6.self) }
      octets = withUnsafeBytes(of: name.sin6_addr) { Array($0) }
      port = UInt16(bigEndian: name.sin6_port)
    default: return nil
    }
  }

  func with(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    if family == AF_INET {
      var name = sockaddr_in()
      name.sin_family = sa_family_t(AF_INET)
      name.sin_port = port.bigEndian
      withUnsafeMutableBytes(of: &name.sin_addr) { $0.copyBytes(from: octets) }
      return Self.general(&name, body)
    }
    var name = sockaddr_in6()
    name.sin6_family = sa_family_t(AF_INET6)
    name.sin6_port = port.bigEndian
    withUnsafeMutableBytes(of: &name.sin6_addr) { $0.copyBytes(from: octets) }
    return Self.general(&name, body)
  }

  private static func general<Name>(
    _ name: inout Name, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    withUnsafePointer(to: &name) { typed in
      typed.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<Name>.size))
      }
    }
  }
}
