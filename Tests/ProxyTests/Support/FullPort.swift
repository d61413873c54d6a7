import Glibc

/// A port on which connecting neither succeeds nor fails: its queue is full, and nobody accepts.
final class FullPort: Sendable {
  let port: Int
  private let listener: CInt
  private let fillers: [CInt]

  init() throws {
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let listener = socket(AF_INET, kind, 0)
    var address = Socket.loopback(port: 0)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, size) == 0 && listen(listener, 0) == 0
          && getsockname(listener, $0, &size) == 0
      }
    }
    guard bound else { throw Socket.Failure.system("listen", errno) }
    self.listener = listener
    port = Int(UInt16(bigEndian: address.sin_port))
    fillers = (0..<4).map { _ in
      let filler = socket(AF_INET, kind | Int32(SOCK_NONBLOCK.rawValue), 0)
      _ = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(filler, $0, size) }
      }
      return filler
    }
    let end = ContinuousClock.now + .seconds(60)
    // On a busy machine the kernel may still be at the first of them, and would let one more in.
    while Self.queued(at: listener) == 0, ContinuousClock.now < end {
      // pause: for the kernel
      usleep(1_000)
    }
  }

  /// Connections that wait to be accepted; a listening socket says so where others say what they have
  /// not had acknowledged (tcp(7), TCP_INFO).
  private static func queued(at listener: CInt) -> UInt32 {
    var info = tcp_info()
    var size = socklen_t(MemoryLayout<tcp_info>.size)
    guard getsockopt(listener, Int32(IPPROTO_TCP), TCP_INFO, &info, &size) == 0 else { return 1 }
    return info.tcpi_unacked
  }

  func release() { for descriptor in fillers + [listener] { close(descriptor) } }
}
