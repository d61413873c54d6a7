import Glibc
import Synchronization

/// A server on 127.0.0.1 that answers each request with what a script says, byte for byte.
///
/// Each connection has a blocking thread of its own; `stop` ends them all.
final class ScriptedServer: Sendable {
  struct Request: Sendable {
    /// From 0, over all connections.
    var number: Int
    /// From 0, in the order of acceptance.
    var connection: Int
    var method: String
    var body: String

    /// The id of a POST, as segue-load writes it.
    var id: String { body.split(separator: "\"").dropFirst(3).first.map(String.init) ?? "" }
  }

  struct Answer: Sendable {
    var bytes: String
    /// Then nothing more is sent, and the connection ends.
    var closes = false
    /// Ends with a reset instead of an orderly close.
    var resets = false
    /// Never answered: the connection stays open until the client ends it.
    var hangs = false

    static func ok(_ body: String = "ok", fields: String = "", closes: Bool = false) -> Answer {
      Answer(
        bytes: "HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)",
        closes: closes)
    }
  }

  let port: UInt16
  private let listener: Int32
  private let script: @Sendable (Request) -> Answer
  private let state = Mutex(State())

  private struct State {
    var requests = 0
    var connections = 0
    var open: Set<Int32> = []
    var stopped = false
  }

  init(_ script: @escaping @Sendable (Request) -> Answer) throws {
    self.script = script
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let listener = listener
    let status = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, size) == 0 && listen(listener, 64) == 0
          ? getsockname(listener, $0, &size) : -1
      }
    }
    guard status == 0 else { throw Failure(number: errno) }
    port = UInt16(bigEndian: address.sin_port)
    spawn { [self] in acceptAll() }
  }

  struct Failure: Error { var number: Int32 }

  var url: String { "http://127.0.0.1:\(port)/" }
  var requests: Int { state.withLock { $0.requests } }

  /// Ends the listener and every connection.
  func stop() {
    let open = state.withLock { state in
      state.stopped = true
      return state.open
    }
    shutdown(listener, Int32(SHUT_RDWR))
    for descriptor in open { shutdown(descriptor, Int32(SHUT_RDWR)) }
  }

  private func acceptAll() {
    while true {
      let descriptor = accept(listener, nil, nil)
      if descriptor < 0, errno == EINTR || errno == ECONNABORTED { continue }
      guard descriptor >= 0 else { break }
      let number = state.withLock { state -> Int? in
        if state.stopped { return nil }
        state.open.insert(descriptor)
        state.connections += 1
        return state.connections - 1
      }
      guard let number else {
        close(descriptor)
        break
      }
      spawn { [self] in serve(descriptor, number: number) }
    }
    close(listener)
  }

  private func serve(_ descriptor: Int32, number: Int) {
    var received: [UInt8] = []
    while let (method, body) = nextRequest(descriptor, &received) {
      let request = state.withLock { state -> Request in
        state.requests += 1
        return Request(
          number: state.requests - 1, connection: number, method: method, body: body)
      }
      let answer = script(request)
      if answer.hangs { continue }
      let bytes = Array(answer.bytes.utf8)
      _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
      if answer.resets {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
          descriptor, SOL_SOCKET, SO_LINGER, &linger,
          socklen_t(MemoryLayout.size(ofValue: linger)))
      }
      if answer.closes || answer.resets { break }
    }
    state.withLock { _ = $0.open.remove(descriptor) }
    close(descriptor)
  }

  private func nextRequest(
    _ descriptor: Int32, _ received: inout [UInt8]
  ) -> (method: String, body: String)? {
    while true {
      let text = String(decoding: received, as: UTF8.self)
      if let end = text.firstRange(of: "\r\n\r\n") {
        let head = text[..<end.lowerBound]
        if head.contains("\r\nTransfer-Encoding: chunked") {
          if let body = nextChunks(text[end.upperBound...]) {
            received.removeAll()
            return (String(head.prefix { $0 != " " }), body)
          }
          guard receive(descriptor, &received) else { return nil }
          continue
        }
        let length =
          head.split(separator: "\r\n").first { $0.hasPrefix("Content-Length: ") }
          .flatMap { Int($0.dropFirst(16)) } ?? 0
        let size = head.utf8.count + 4 + length
        if received.count >= size {
          let body = String(decoding: received[(size - length)..<size], as: UTF8.self)
          received.removeFirst(size)
          return (String(head.prefix { $0 != " " }), body)
        }
      }
      guard receive(descriptor, &received) else { return nil }
    }
  }

  private func receive(_ descriptor: Int32, _ received: inout [UInt8]) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 16_384)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    guard count > 0 else { return false }
    received.append(contentsOf: buffer[..<count])
    return true
  }

  /// The body in chunks that ends with `text`; the client sends nothing after it.
  private func nextChunks(_ text: Substring) -> String? {
    guard text.hasSuffix("\r\n0\r\n\r\n") else { return nil }
    let lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)
    return stride(from: 1, to: lines.count - 3, by: 2).map { String(lines[$0]) }.joined()
  }
}

/// Runs `body` on a thread of its own.
private func spawn(_ body: @escaping @Sendable () -> Void) {
  final class Box: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
  var thread = pthread_t()
  let box = Unmanaged.passRetained(Box(body))
  let status = pthread_create(
    &thread, nil,
    { argument in
      guard let argument else { return nil }
      Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body()
      return nil
    }, box.toOpaque())
  precondition(status == 0, "a test needs a thread")
  pthread_detach(thread)
}
