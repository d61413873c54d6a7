import Dispatch
import Glibc
import Synchronization

/// Runs blocking code on a thread of its own, so that the few threads of async code stay free.
func onThread<Value: Sendable>(
  _ body: @escaping @Sendable () throws -> Value
) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    Threads.start { continuation.resume(with: Result(catching: body)) }
  }
}

enum Threads {
  private static let queue = DispatchQueue(label: "proxy-tests", attributes: .concurrent)

  /// Threads that block one another's progress must never wait for a pool: each is a real one.
  static func start(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Box(body))
    pthread_create(
      &thread, nil,
      { argument in
        if let argument { Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body() }
        return nil
      }, box.toOpaque())
    pthread_detach(thread)
  }

  private final class Box {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
}

/// An instance whose every octet a test decides: it runs a closure for each connection.
final class Backend: Sendable {
  let port: Int
  private let listener: CInt
  private let state = Mutex(State())
  private let ended = DispatchSemaphore(value: 0)

  private struct State {
    var isStopped = false
    var connections: [Socket] = []
    var accepted = 0
  }

  /// Connections accepted so far.
  var accepted: Int { state.withLock { $0.accepted } }

  init(_ serve: @escaping @Sendable (Socket) throws -> Void) throws {
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = Socket.loopback(port: 0)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let descriptor = listener
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, size) == 0 && listen(descriptor, 1_024) == 0
          && getsockname(descriptor, $0, &size) == 0
      }
    }
    guard bound else { throw Socket.Failure.system("listen", errno) }
    port = Int(UInt16(bigEndian: address.sin_port))
    Threads.start { [self] in accept(serve) }
  }

  /// Answers every request by a closure, keeping connections alive.
  static func http(
    _ answer: @escaping @Sendable (SeenRequest, Socket) throws -> Void
  ) throws -> Backend {
    try Backend { socket in
      while let request = try socket.readRequest() { try answer(request, socket) }
    }
  }

  /// Says its name to every request.
  static func named(_ name: String) throws -> Backend {
    try http { _, socket in try socket.answer(body: name) }
  }

  private func accept(_ serve: @escaping @Sendable (Socket) throws -> Void) {
    while true {
      let descriptor = Glibc.accept(listener, nil, nil)
      if descriptor < 0 {
        if errno == EINTR || errno == ECONNABORTED { continue }
        break
      }
      let socket = Socket(descriptor: descriptor)
      let isStopped = state.withLock { state in
        state.accepted += 1
        state.connections.append(socket)
        return state.isStopped
      }
      if isStopped { break }
      Threads.start {
        try? serve(socket)
        socket.close()
      }
    }
    ended.signal()
  }

  /// Refuses from now on; what is open goes on.
  func stopListening() {
    let first = state.withLock { state in
      defer { state.isStopped = true }
      return !state.isStopped
    }
    guard first else { return }
    shutdown(listener, Int32(SHUT_RDWR))
    ended.wait()
    close(listener)
  }

  func stop() {
    stopListening()
    for socket in state.withLock({ $0.connections }) { socket.interrupt() }
  }
}

/// A port that refuses connections and that nobody else can be given meanwhile: bound, but not
/// listened on.
final class RefusingPort: Sendable {
  let port: Int
  private let descriptor: CInt

  init() throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = Socket.loopback(port: 0)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let held = descriptor
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(held, $0, size) == 0 && getsockname(held, $0, &size) == 0
      }
    }
    guard bound else { throw Socket.Failure.system("bind", errno) }
    port = Int(UInt16(bigEndian: address.sin_port))
  }

  /// Gives the port back; the object alone might be let go after its last use.
  func release() { close(descriptor) }
}
