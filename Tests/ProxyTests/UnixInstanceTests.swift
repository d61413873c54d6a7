import Glibc
import SegueModel
import Testing

@testable import Proxy

/// An instance on a Unix socket, which accepts when a test says so.
private final class UnixBackend: Sendable {
  let path: String
  private let listener: CInt

  /// - Parameter backlog: how many connections wait in the queue, besides one.
  init(path: String, backlog: Int32) throws {
    self.path = path
    listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard var address = UnixAddress(path) else { throw Socket.Failure.system("path", ENAMETOOLONG) }
    let descriptor = listener
    guard address.withSockaddr({ bind(descriptor, $0, $1) }) == 0,
      listen(descriptor, backlog) == 0
    else { throw Socket.Failure.system("listen", errno) }
  }

  /// Answers every request on every connection, until ``stop()``.
  func serve() {
    Threads.start { [self] in
      while true {
        let descriptor = accept(listener, nil, nil)
        guard descriptor >= 0 else { return }
        let socket = Socket(descriptor: descriptor)
        Threads.start {
          while let request = try? socket.readRequest() {
            try? socket.answer(body: request.header("host") ?? "")
          }
          socket.close()
        }
      }
    }
  }

  /// Connects until the queue has room for nobody.
  func fill() -> [CInt] {
    var fillers: [CInt] = []
    while let filler = try? UnixAddress.connect(to: path) { fillers.append(filler) }
    return fillers
  }

  func stop() {
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
  }
}

@Suite struct UnixInstanceTests {
  private static func table(_ path: String) -> ServiceTable {
    ServiceTable(
      key: Fixture.key, generation: Generation(1), route: RouteSpec(),
      versions: [
        VersionTarget(
          release: "r-1", weight: .all, endpoints: [Endpoint(instance: "i-unix", socket: path)])
      ])
  }

  @Test func requestsReachAnInstanceOnAUnixSocket() async throws {
    try await withProxy { proxy in
      let backend = try UnixBackend(path: proxy.directory + "/i.sock", backlog: 64)
      defer { backend.stop() }
      backend.serve()
      try await proxy.director.apply(Self.table(backend.path))
      let client = try proxy.connect()
      for _ in 0..<3 {
        let answer = try await onThread { try client.get() }
        #expect(answer.status == 200)
        #expect(answer.text == "shop.test")
      }
    }
  }

  /// Where TCP would wait, a Unix socket says that there is no room.
  @Test func aFullQueueIsWaitedFor() async throws {
    var limits = ProxyLimits()
    limits.connect = .seconds(60)
    try await withProxy(limits: limits) { proxy in
      let backend = try UnixBackend(path: proxy.directory + "/i.sock", backlog: 0)
      defer { backend.stop() }
      let fillers = backend.fill()
      defer { for filler in fillers { close(filler) } }
      #expect(!fillers.isEmpty)
      try await proxy.director.apply(Self.table(backend.path))
      let client = try proxy.connect()
      try client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      try await eventually("the request is on its way") {
        try await proxy.report().inFlight["i-unix"] == 1
      }
      backend.serve()
      #expect(try await onThread { try client.readResponse() }.status == 200)
    }
  }

  @Test func aQueueThatStaysFullIsGivenUp() async throws {
    var limits = ProxyLimits()
    limits.connect = Milliseconds(100)
    try await withProxy(limits: limits) { proxy in
      let backend = try UnixBackend(path: proxy.directory + "/i.sock", backlog: 0)
      defer { backend.stop() }
      let fillers = backend.fill()
      defer { for filler in fillers { close(filler) } }
      try await proxy.director.apply(Self.table(backend.path))
      let client = try proxy.connect()
      #expect(try await onThread { try client.get() }.status >= 502)
    }
  }
}
