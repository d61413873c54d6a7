import Glibc
import Synchronization

/// A blocking socket with deadlines, for clients and backends that must do exactly what a test says.
final class Socket: Sendable {
  enum Failure: Error {
    case system(String, Int32)
    case ended
    case timedOut
  }

  private let descriptor: CInt
  private let rest = Mutex<[UInt8]>([])
  private let isOpen = Mutex(true)

  init(descriptor: CInt) {
    self.descriptor = descriptor
    var timeout = timeval(tv_sec: 60, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, size)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, size)
    var on: Int32 = 1
    setsockopt(
      descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  deinit { close() }

  static func connect(port: Int, receiveBuffer: Int32? = nil) throws -> Socket {
    let descriptor = Glibc.socket(
      AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw Failure.system("socket", errno) }
    if var receiveBuffer {
      setsockopt(
        descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<Int32>.size))
    }
    var address = loopback(port: port)
    let result = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else {
      let code = errno
      Glibc.close(descriptor)
      throw Failure.system("connect", code)
    }
    return Socket(descriptor: descriptor)
  }

  static func loopback(port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port)).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
  }

  func write(_ text: String) throws { try write(Array(text.utf8)) }

  func write(_ bytes: [UInt8]) throws {
    var offset = 0
    while offset < bytes.count {
      let count = bytes.withUnsafeBytes {
        send(
          descriptor, $0.baseAddress.map { $0 + offset }, bytes.count - offset,
          Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw Failure.system("send", errno) }
      offset += count
    }
  }

  /// What is there, at least one octet; empty at the end.
  func readSome(limit: Int = 65_536) throws -> [UInt8] {
    let held = rest.withLock { rest in
      let taken = Array(rest.prefix(limit))
      rest.removeFirst(taken.count)
      return taken
    }
    if !held.isEmpty { return held }
    var buffer = [UInt8](repeating: 0, count: limit)
    let count = recv(descriptor, &buffer, limit, 0)
    if count < 0 {
      throw errno == EAGAIN ? Failure.timedOut : Failure.system("recv", errno)
    }
    return Array(buffer.prefix(count))
  }

  func pushBack(_ bytes: [UInt8]) { rest.withLock { $0 = bytes + $0 } }

  func readExactly(_ count: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      let piece = try readSome(limit: min(count - bytes.count, 65_536))
      guard !piece.isEmpty else { throw Failure.ended }
      bytes += piece
    }
    return bytes
  }

  /// Up to and with `mark`; `nil` at the end of the stream before the first octet.
  func read(through mark: String) throws -> String? {
    let mark = Array(mark.utf8)
    var bytes: [UInt8] = []
    while true {
      let piece = try readSome()
      if piece.isEmpty {
        if bytes.isEmpty { return nil }
        throw Failure.ended
      }
      let searchFrom = max(bytes.count - mark.count, 0)
      bytes += piece
      guard bytes.count >= mark.count else { continue }
      for index in searchFrom...(bytes.count - mark.count)
      where bytes[index..<index + mark.count].elementsEqual(mark) {
        pushBack(Array(bytes[(index + mark.count)...]))
        return String(decoding: bytes[..<(index + mark.count)], as: UTF8.self)
      }
    }
  }

  func readToEnd() throws -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
      let piece = try readSome()
      if piece.isEmpty { return bytes }
      bytes += piece
    }
  }

  /// Reads one more octet than there should be: `true` when the stream has ended instead.
  func hasEnded() -> Bool {
    do { return try readSome().isEmpty } catch { return true }
  }

  func closeOutput() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Ends the connection with a reset.
  func reset() {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    close()
  }

  /// Wakes whoever is blocked on it; the descriptor itself is closed with the object.
  func interrupt() { isOpen.withLock { if $0 { _ = shutdown(descriptor, Int32(SHUT_RDWR)) } } }

  func close() {
    isOpen.withLock { isOpen in
      guard isOpen else { return }
      isOpen = false
      Glibc.close(descriptor)
    }
  }
}
