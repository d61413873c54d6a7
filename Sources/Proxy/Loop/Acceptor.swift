import CLinux
import Glibc

/// Takes new connections off a listening socket that other loops, and other processes, may take from
/// as well.
final class Acceptor: LoopSource {
  /// Connections taken in one turn; the rest waits in the kernel's queue, where another loop finds it.
  private static let perTurn = 16
  /// How long nothing is taken once the descriptors have run out. Nanoseconds.
  private static let pause: UInt64 = 50_000_000

  private unowned let loop: SocketLoop
  private let descriptor: CInt
  private let body: (CInt, PeerAddress) -> Void
  private var slot: Int?
  private var timer: LoopTimer?
  private var isClosed = false

  /// - Parameters:
  ///   - descriptor: a listening socket, which stays its owner's.
  ///   - body: gets each connection, non-blocking, to keep.
  init(_ descriptor: CInt, on loop: SocketLoop, _ body: @escaping (CInt, PeerAddress) -> Void) {
    self.descriptor = descriptor
    self.loop = loop
    self.body = body
  }

  func open() {
    guard !isClosed else { return }
    slot = loop.add(
      self, descriptor: descriptor, events: SEGUE_EPOLL_IN | SEGUE_EPOLL_EXCLUSIVE)
  }

  /// Takes no more. What is queued stays queued for whoever else has the socket.
  func close() {
    isClosed = true
    timer?.cancel()
    leave()
  }

  private func leave() {
    if let slot { loop.remove(slot, descriptor: descriptor) }
    slot = nil
  }

  func ready(_ events: UInt32) {
    for _ in 0..<Self.perTurn {
      var address = sockaddr_storage()
      var length = UInt32(MemoryLayout<sockaddr_storage>.size)
      let accepted = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          segue_accept4(descriptor, $0, &length, SEGUE_SOCK_NONBLOCK | SEGUE_SOCK_CLOEXEC)
        }
      }
      guard accepted >= 0 else {
        if errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM { rest() }
        return
      }
      body(accepted, PeerAddress(address))
    }
  }

  /// Waits for connections to end: an event that cannot be acted upon comes again and again.
  private func rest() {
    leave()
    timer = loop.schedule(after: Self.pause) { [weak self] in self?.open() }
  }
}

/// Where a connection comes from.
struct PeerAddress: Sendable {
  /// Without a port, `127.0.0.1`; an IPv4 address that came in IPv6's clothes is given plainly.
  let text: String

  init(_ storage: sockaddr_storage) {
    var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let isKnown = withUnsafePointer(to: storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        segue_address_text($0, &buffer, UInt32(INET6_ADDRSTRLEN))
      }
    }
    let name = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    text = isKnown ? String(decoding: name, as: UTF8.self) : "unknown"
  }
}
