import Dispatch
import Foundation
public import Ports
public import SegueModel

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Segue's own proxy as a ``TrafficDirector``, spoken to over its control socket.
///
/// Each call opens a connection of its own, so that a proxy that was restarted is simply found again,
/// and ends within its deadline. Blocking calls run on a queue of their own.
public final class ProxyDirector: TrafficDirector {
  private let path: String
  private let deadline: Milliseconds
  private let queue = DispatchQueue(label: "segue.proxy-director", attributes: .concurrent)

  /// - Parameters:
  ///   - controlSocket: the path of the proxy's control socket.
  ///   - deadline: for one call from connecting to the whole reply.
  public init(controlSocket: String, deadline: Milliseconds = .seconds(5)) {
    path = controlSocket
    self.deadline = deadline
  }

  public func apply(_ table: ServiceTable) async throws(PortError) {
    _ = try await call(ControlRequest(verb: .apply, table: table))
  }

  public func remove(_ key: ServiceKey, generation: Generation) async throws(PortError) {
    _ = try await call(ControlRequest(verb: .remove, key: key, generation: generation))
  }

  public func report() async throws(PortError) -> [ServiceReport] {
    guard let reports = try await call(ControlRequest(verb: .report)).reports else {
      throw Self.malformed("no reports")
    }
    return reports
  }

  public func credit(_ reached: ReachedGoal) async throws(PortError) -> ReachedGoal.Fate {
    guard let fate = try await call(ControlRequest(verb: .credit, reached: reached)).fate else {
      throw Self.malformed("no answer to what became of a goal")
    }
    return fate
  }

  /// Whether the proxy is there, and what it serves.
  public func ping() async throws(PortError) -> ProxyStatus {
    guard let status = try await call(ControlRequest(verb: .ping)).status else {
      throw Self.malformed("no status")
    }
    return status
  }

  /// Asks the proxy to drain and end; returns when it has begun to.
  public func shutdown(deadline: Milliseconds? = nil) async throws(PortError) {
    _ = try await call(ControlRequest(verb: .shutdown, deadline: deadline))
  }

  private func call(_ request: ControlRequest) async throws(PortError) -> ControlReply {
    let exchange = LineExchange(path: path, deadline: deadline)
    let result: Result<ControlReply, PortError> = await withCheckedContinuation { continuation in
      queue.async {
        continuation.resume(
          returning: Result { () throws(PortError) in
            try Self.exchange(request, exchange)
          })
      }
    }
    return try result.get()
  }

  private static func exchange(
    _ request: ControlRequest, _ exchange: LineExchange
  ) throws(PortError) -> ControlReply {
    let line: Data
    do {
      line = try JSONEncoder().encode(request)
    } catch {
      throw PortError(
        "The request to the proxy cannot be encoded", fault: .segue, retry: .never,
        causes: ["\(error)"])
    }
    let answer = try exchange.send(line)
    guard let reply = try? JSONDecoder().decode(ControlReply.self, from: answer) else {
      throw malformed("not a reply")
    }
    if let error = reply.error { throw error.portError }
    return reply
  }

  private static func malformed(_ reason: String) -> PortError {
    PortError(
      "The proxy's reply is not understood", fault: .traffic, retry: .never, causes: [reason],
      nextStep: "Start the proxy of the same Segue version")
  }
}

/// One line there and one line back over a Unix socket, within a deadline. Blocks.
struct LineExchange: Sendable {
  let path: String
  let deadline: Milliseconds

  func send(_ line: Data) throws(PortError) -> Data {
    let end = ContinuousClock.now + deadline.duration
    let descriptor: CInt
    do {
      descriptor = try UnixAddress.connect(to: path)
    } catch {
      throw PortError(
        "The proxy cannot be reached at \(path)", fault: .traffic, retry: .safe,
        causes: [String(cString: strerror(error.code))],
        nextStep: "Start it with: segue proxy")
    }
    defer { close(descriptor) }
    try write(line + Data("\n".utf8), to: descriptor, until: end)
    return try readLine(from: descriptor, until: end)
  }

  private func write(
    _ data: Data, to descriptor: CInt, until end: ContinuousClock.Instant
  ) throws(PortError) {
    var rest = data[...]
    while !rest.isEmpty {
      try wait(for: Int16(POLLOUT), on: descriptor, until: end)
      let count = rest.withUnsafeBytes {
        Self.sendBytes(descriptor, $0.baseAddress, $0.count)
      }
      if count < 0, errno == EAGAIN || errno == EINTR { continue }
      guard count > 0 else { throw ended(errno) }
      rest = rest.dropFirst(count)
    }
  }

  private static func sendBytes(
    _ descriptor: CInt, _ bytes: UnsafeRawPointer?, _ count: Int
  ) -> Int {
    #if canImport(Glibc)
      Glibc.send(descriptor, bytes, count, Int32(MSG_NOSIGNAL))
    #else
      Darwin.send(descriptor, bytes, count, 0)
    #endif
  }

  private func readLine(
    from descriptor: CInt, until end: ContinuousClock.Instant
  ) throws(PortError) -> Data {
    var data = Data()
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      try wait(for: Int16(POLLIN), on: descriptor, until: end)
      let count = recv(descriptor, &chunk, chunk.count, 0)
      if count < 0, errno == EAGAIN || errno == EINTR { continue }
      guard count > 0 else { throw ended(count < 0 ? errno : 0) }
      data.append(contentsOf: chunk[..<count])
      if chunk[count - 1] == UInt8(ascii: "\n") { return data.dropLast() }
      guard data.count < ControlWire.replyLimit else { throw ended(EMSGSIZE) }
    }
  }

  private func wait(
    for events: Int16, on descriptor: CInt, until end: ContinuousClock.Instant
  ) throws(PortError) {
    while true {
      let left = Milliseconds(end - ContinuousClock.now).count
      guard left > 0 else {
        throw PortError(
          "The proxy did not answer within \(deadline)", fault: .traffic, retry: .safe)
      }
      var entry = pollfd(fd: descriptor, events: events, revents: 0)
      let ready = poll(&entry, 1, Int32(clamping: left))
      if ready > 0 { return }
      if ready < 0, errno != EINTR { throw ended(errno) }
    }
  }

  private func ended(_ code: Int32) -> PortError {
    PortError(
      "The connection to the proxy ended", fault: .traffic, retry: .safe,
      causes: code == 0 ? [] : [String(cString: strerror(code))])
  }
}
