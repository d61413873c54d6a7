import ControlClient
import ControlProtocol
import ControlServer
import Foundation
import Glibc
import Logging
import Testing

/// A fresh directory with a path short enough for sockets, removed afterwards.
func withDirectory<Result>(_ body: (String) async throws -> Result) async throws -> Result {
  var template = Array("/tmp/segue-XXXXXX".utf8CString)
  try #require(mkdtemp(&template) != nil)
  let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  defer { try? FileManager.default.removeItem(atPath: path) }
  return try await body(path)
}

struct TimedOut: Error, CustomStringConvertible {
  var what: String
  var description: String { "gave up waiting for \(what)" }
}

/// Looks until `condition` holds.
func wait(for what: String, _ condition: () async throws -> Bool) async throws {
  let end = ContinuousClock.now + .seconds(60)
  while try await !condition() {
    guard ContinuousClock.now < end else { throw TimedOut(what: what) }
    try await Task.sleep(for: .milliseconds(5))
  }
}

func expectEqual<Value: Equatable>(
  _ left: Value, _ right: Value, at location: SourceLocation = #_sourceLocation
) {
  #expect(left == right, sourceLocation: location)
}

/// A server on a socket of its own while `body` runs.
func withServer(
  _ api: FakeControlAPI, _ configuration: ControlServer.Configuration = .init(),
  _ body: @escaping @Sendable (_ socketPath: String) async throws -> Void
) async throws {
  try await withDirectory { directory in
    let path = directory + "/control.sock"
    let (listening, announce) = AsyncStream.makeStream(of: Void.self)
    let server = ControlServer(
      api: api, socketPath: path, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
      configuration: configuration
    ) {
      announce.finish()
    }
    try await withThrowingTaskGroup { group in
      group.addTask {
        defer { announce.finish() }
        try await server.run()
      }
      for await _ in listening {}
      group.addTask { try await body(path) }
      _ = try await group.next()
      group.cancelAll()
      try? await group.waitForAll()
    }
  }
}

/// The same, with a client.
func withClient(
  _ api: FakeControlAPI, _ configuration: ControlServer.Configuration = .init(),
  _ body: @escaping @Sendable (ControlClient) async throws -> Void
) async throws {
  try await withServer(api, configuration) { path in
    try await ControlClient.with(socketPath: path, body)
  }
}

/// A Unix socket without any HTTP, for what a well-behaved client would never do.
final class RawSocket: Sendable {
  let descriptor: CInt

  private init(_ descriptor: CInt) { self.descriptor = descriptor }
  deinit { close(descriptor) }

  private static func make(_ path: String) throws -> (RawSocket, sockaddr_un) {
    let descriptor = socket(
      AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
    try #require(descriptor >= 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    return (RawSocket(descriptor), address)
  }

  private static func call(
    _ address: sockaddr_un, _ function: (UnsafePointer<sockaddr>, socklen_t) -> CInt
  ) -> CInt {
    withUnsafePointer(to: address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        function($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }

  static func connect(_ path: String) throws -> RawSocket {
    let (socket, address) = try make(path)
    try #require(call(address) { Glibc.connect(socket.descriptor, $0, $1) } == 0)
    return socket
  }

  static func listen(_ path: String) throws -> RawSocket {
    let (socket, address) = try make(path)
    try #require(call(address) { bind(socket.descriptor, $0, $1) } == 0)
    try #require(Glibc.listen(socket.descriptor, 8) == 0)
    return socket
  }

  func accept() async throws -> RawSocket {
    var accepted: CInt = -1
    try await wait(for: "a connection") {
      accepted = Glibc.accept(descriptor, nil, nil)
      return accepted >= 0
    }
    _ = fcntl(accepted, F_SETFL, O_NONBLOCK)
    return RawSocket(accepted)
  }

  func send(_ text: String) throws { try #require(offer(text)) }

  /// Whether the text was taken: the other side may be gone.
  @discardableResult func offer(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    return Glibc.send(descriptor, bytes, bytes.count, CInt(MSG_NOSIGNAL)) == bytes.count
  }

  /// Reads until the text is there.
  func read(until text: String) async throws -> String {
    var received: [UInt8] = []
    try await wait(for: text) {
      var buffer = [UInt8](repeating: 0, count: 65_536)
      let count = Glibc.recv(descriptor, &buffer, buffer.count, 0)
      if count > 0 { received += buffer.prefix(count) }
      let soFar = String(decoding: received, as: UTF8.self)
      if count == 0, !soFar.contains(text) { throw TimedOut(what: "\(text), cut after: \(soFar)") }
      return soFar.contains(text)
    }
    return String(decoding: received, as: UTF8.self)
  }

  /// Sends one request and gives back the head of the answer and what came with it.
  static func ask(
    _ path: String, _ method: String, _ target: String, headers: [String] = versionHeader,
    body: String = "", until end: String
  ) async throws -> String {
    let socket = try connect(path)
    let lines =
      ["\(method) \(target) HTTP/1.1", "host: segue"] + headers
      + (body.isEmpty ? [] : ["content-length: \(body.utf8.count)"])
    try socket.send(lines.joined(separator: "\r\n") + "\r\n\r\n" + body)
    return try await socket.read(until: end)
  }

  static let versionHeader = ["\(ControlWire.versionHeader): \(controlProtocolVersion)"]
}
