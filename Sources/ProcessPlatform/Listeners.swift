import Glibc
import Ports
import SegueModel
import Synchronization

/// Sockets that listen on this machine, on a TCP port or on a Unix socket's path (proc(5),
/// `/proc/net/tcp` and `/proc/net/unix`).
struct Listener: Hashable, Sendable {
  /// How closely a listener's address fits a connection to 127.0.0.1: the kernel gives it to the
  /// closest.
  enum Closeness: Int, Comparable, Sendable {
    case anyVersion6, anyVersion4, exact
    static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
  }
  var inode: UInt64
  var closeness: Closeness

  /// The listeners that a connection to 127.0.0.1 and `port` may reach: more than one when they share
  /// the port (`SO_REUSEPORT`).
  static func atLoopback(port: Int) -> [Listener] {
    let all =
      parse(BlockingFile.read("/proc/net/tcp", limit: 16 << 20) ?? [], port: port)
      + parse(BlockingFile.read("/proc/net/tcp6", limit: 16 << 20) ?? [], port: port)
    guard let closest = all.map(\.closeness).max() else { return [] }
    return all.filter { $0.closeness == closest }
  }

  /// Inodes of the Unix sockets that listen on a path. One whose file was replaced still shows the path,
  /// though nobody reaches it any more.
  static func at(path: String) -> Set<UInt64> {
    Set(parseUnix(BlockingFile.read("/proc/net/unix", limit: 16 << 20) ?? [], path: path))
  }

  /// Lines look like `ffff8880: 00000002 00000000 00010000 0001 01 12345 /path`: of the flags, 10000
  /// is "listens", and the number before the path is the inode.
  static func parseUnix(_ table: [UInt8], path: String) -> [UInt64] {
    table.split(separator: UInt8(ascii: "\n")).dropFirst().compactMap { line in
      let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 7)
        .map { String(decoding: $0, as: UTF8.self) }
      guard fields.count == 8, fields[7] == path, let flags = Int(fields[3], radix: 16),
        flags & 0x10000 != 0
      else { return nil }
      return UInt64(fields[6])
    }
  }

  /// Lines look like `0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 ... UID TIMEOUT INODE`:
  /// addresses are words in host order, 0A is LISTEN.
  static func parse(_ table: [UInt8], port: Int) -> [Listener] {
    entries(table, port: port).compactMap { entry in
      closeness(of: entry.address).map { Listener(inode: entry.inode, closeness: $0) }
    }
  }

  /// Inodes of everything that listens on a port, at whatever address.
  static func onPort(_ port: Int) -> Set<UInt64> {
    Set(
      ["/proc/net/tcp", "/proc/net/tcp6"].flatMap { file in
        entries(BlockingFile.read(file, limit: 16 << 20) ?? [], port: port).map(\.inode)
      })
  }

  private static func entries(
    _ table: [UInt8], port: Int
  ) -> [(address: String, inode: UInt64)] {
    table.split(separator: UInt8(ascii: "\n")).dropFirst().compactMap { line in
      let fields = line.split(separator: UInt8(ascii: " ")).prefix(10)
        .map { String(decoding: $0, as: UTF8.self) }
      guard fields.count == 10, fields[3] == "0A", let inode = UInt64(fields[9]) else { return nil }
      let parts = fields[1].split(separator: ":")
      guard parts.count == 2, Int(parts[1], radix: 16) == port else { return nil }
      return (String(parts[0]), inode)
    }
  }

  private static func closeness(of address: String) -> Closeness? {
    let loopback = hexadecimal([127, 0, 0, 1])
    let mapped = "0000000000000000" + hexadecimal([0, 0, 255, 255])
    switch address {
    case loopback, mapped + loopback: return .exact
    case "00000000", mapped + "00000000": return .anyVersion4
    case "00000000000000000000000000000000": return .anyVersion6
    default: return nil
    }
  }

  /// Four bytes as this machine prints them when it takes them for a word.
  private static func hexadecimal(_ bytes: [UInt8]) -> String {
    let word = bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
    let digits = String(word, radix: 16, uppercase: true)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}

/// Ports given to instances, so that none is given twice while the first has not begun to listen.
final class PortBook: Sendable {
  /// One for the whole program: ports belong to the machine, not to a platform.
  static let shared = PortBook()

  private let taken = Mutex<Set<Int>>([])

  /// A port that nobody uses at any address of this machine, chosen by the kernel.
  ///
  /// Nothing can hold it for the instance (two sockets share a port only when both ask for it), so
  /// a stranger may still come first: ``ProcessPlatform/ownsListener(_:)`` finds that out.
  func reserve() throws(PortError) -> Int {
    // A socket stays open until another port is found, or the kernel might offer the same again.
    var refused: [Int32] = []
    defer { for fd in refused { close(fd) } }
    for _ in 0..<64 {
      let (fd, port) = try bindAny()
      if taken.withLock({ $0.insert(port).inserted }) {
        close(fd)
        return port
      }
      refused.append(fd)
    }
    throw PortError(
      "no free port", fault: .platform, retry: .after(.seconds(1)),
      nextStep: "Widen net.ipv4.ip_local_port_range or stop something.")
  }

  func note(_ port: Int) { taken.withLock { _ = $0.insert(port) } }
  func release(_ port: Int) { taken.withLock { _ = $0.remove(port) } }

  private func bindAny() throws(PortError) -> (Int32, Int) {
    // One socket for both versions of IP, so that the port is free whatever the instance binds.
    let six = socket(AF_INET6, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    if six >= 0 {
      var off: Int32 = 0
      setsockopt(
        six, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &off, socklen_t(MemoryLayout<Int32>.size))
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      if let port = bound(six, &address, { UInt16(bigEndian: $0.sin6_port) }) {
        return (six, port)
      }
      close(six)
    }
    let four = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard four >= 0 else { throw BlockingFile.failure("cannot choose a port", errno) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    guard let port = bound(four, &address, { UInt16(bigEndian: $0.sin_port) }) else {
      let code = errno
      close(four)
      throw BlockingFile.failure("cannot choose a port", code)
    }
    return (four, port)
  }

  private func bound<Address>(
    _ fd: Int32, _ address: inout Address, _ port: (Address) -> UInt16
  ) -> Int? {
    var length = socklen_t(MemoryLayout<Address>.size)
    let result = withUnsafeMutablePointer(to: &address) { typed in
      typed.withMemoryRebound(to: sockaddr.self, capacity: 1) { general in
        guard bind(fd, general, length) == 0 else { return Int32(-1) }
        return getsockname(fd, general, &length)
      }
    }
    return result == 0 ? Int(port(address)) : nil
  }
}
