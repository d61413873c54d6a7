import ControlClient
import ControlProtocol
import Foundation
import Logging
import SegueModel
import ServiceLifecycle
import Synchronization
import Testing

@testable import ControlServer

@Suite struct StreamTests {
  /// A feed that says nothing and does not end.
  private static func silence() -> AsyncThrowingStream<FeedItem, any Error> {
    AsyncThrowingStream { _ in }
  }

  private static let feedHead =
    "HTTP/1.1 200 OK\r\n\(RawSocket.versionHeader[0])\r\ntransfer-encoding: chunked\r\n\r\n"

  @Test func heartbeatsComeWhileNothingHappens() async throws {
    let api = FakeControlAPI(feed: Self.silence)
    try await withServer(api, .init(heartbeat: .milliseconds(20))) { path in
      let answer = try await RawSocket.ask(
        path, "GET", "/v1/feed?follow=true", until: ": alive\n\n")
      #expect(answer.contains("Content-Type: text/event-stream"))
    }
  }

  @Test func eventsCarryTheirSequenceAndTheEndIsMarked() async throws {
    try await withServer(FakeControlAPI()) { path in
      let answer = try await RawSocket.ask(path, "GET", "/v1/feed", until: "event: end")
      #expect(answer.contains("id: 1\nevent: item\ndata: {"))
      #expect(answer.contains("id: 2\nevent: item\ndata: {"))
    }
  }

  @Test func aCutIsAnErrorAndNotAnEnd() async throws {
    try await withDirectory { directory in
      let path = directory + "/control.sock"
      let listener = try RawSocket.listen(path)
      let read = Mutex(0)
      try await ControlClient.with(socketPath: path) { client in
        async let served: Void = {
          let connection = try await listener.accept()
          _ = try await connection.read(until: "\r\n\r\n")
          let event = "event: item\ndata: \(try JSON.text(Samples.item(1)))\n\n"
          let size = String(event.utf8.count, radix: 16)
          // A whole chunk and the last one: correct HTTP, and yet no end mark.
          try connection.send(Self.feedHead + "\(size)\r\n\(event)\r\n0\r\n\r\n")
        }()
        let error = await #expect(throws: ControlError.self) {
          for try await _ in client.feed(after: 0, follow: true, commit: nil) {
            read.withLock { $0 += 1 }
          }
        }
        #expect(error?.kind == .unreachable)
        try await served
      }
      #expect(read.withLock { $0 } == 1)
    }
  }

  @Test func aSilentServerIsTakenForDead() async throws {
    try await withDirectory { directory in
      let path = directory + "/control.sock"
      let listener = try RawSocket.listen(path)
      let client = ControlClient(socketPath: path, silence: .milliseconds(200))
      async let connection: RawSocket = {
        let connection = try await listener.accept()
        _ = try await connection.read(until: "\r\n\r\n")
        // On a busy machine the client may have given up before this.
        connection.offer(Self.feedHead)
        return connection
      }()
      let error = await #expect(throws: ControlError.self) {
        try await client.feed(after: 0, follow: true, commit: nil).all()
      }
      #expect(error?.kind == .unreachable)
      await client.shutdown()
      withExtendedLifetime(try await connection) {}
    }
  }

  @Test func aServerThatStopsSaysSo() async throws {
    try await withDirectory { directory in
      let path = directory + "/control.sock"
      let (listening, announce) = AsyncStream.makeStream(of: Void.self)
      let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      let server = ControlServer(
        api: FakeControlAPI { .init { $0.yield(Samples.item(1)) } }, socketPath: path,
        logger: logger
      ) { announce.finish() }
      let group = ServiceGroup(services: [server], logger: logger)
      try await withThrowingTaskGroup { tasks in
        tasks.addTask { try await group.run() }
        for await _ in listening {}
        try await ControlClient.with(socketPath: path) { client in
          let error = await #expect(throws: ControlError.self) {
            for try await _ in client.feed(after: 0, follow: true, commit: nil) {
              await group.triggerGracefulShutdown()
            }
          }
          #expect(error?.kind == .unreachable)
          #expect(error?.message == "the control plane is stopping")
        }
        try await tasks.waitForAll()
      }
    }
  }

  @Test func aReaderThatTakesNothingIsCutAndCostsLittle() async throws {
    let produced = Atomic(0)
    let ended = Atomic(false)
    let big = String(repeating: "x", count: 10_000)
    let api = FakeControlAPI {
      let end = OnDeinit { ended.store(true, ordering: .relaxed) }
      return AsyncThrowingStream {
        withExtendedLifetime(end) {}
        let number = produced.add(1, ordering: .relaxed).newValue
        return Samples.item(Int64(number), text: big)
      }
    }
    let configuration = ControlServer.Configuration(
      heartbeat: .milliseconds(50), window: 4, patience: 3)
    try await withServer(api, configuration) { path in
      let socket = try RawSocket.connect(path)
      try socket.send(
        "GET /v1/feed HTTP/1.1\r\nhost: segue\r\n\(RawSocket.versionHeader[0])\r\n\r\n")
      try await wait(for: "the stream's end") { ended.load(ordering: .relaxed) }
      // Socket buffers hold some hundred kilobytes; an unbounded server would have made millions.
      #expect(produced.load(ordering: .relaxed) < 1_000)
      withExtendedLifetime(socket) {}
    }
  }

  private final class OnDeinit: Sendable {
    let action: @Sendable () -> Void
    init(_ action: @escaping @Sendable () -> Void) { self.action = action }
    deinit { action() }
  }

  @Test func streamsAreLimitedAndTheirPlacesComeBack() async throws {
    let api = FakeControlAPI { .init { $0.yield(Samples.item(1)) } }
    let configuration = ControlServer.Configuration(
      heartbeat: .milliseconds(20), maximumStreams: 1)
    try await withServer(api, configuration) { path in
      do {
        let first = try RawSocket.connect(path)
        try first.send(
          "GET /v1/feed HTTP/1.1\r\nhost: segue\r\n\(RawSocket.versionHeader[0])\r\n\r\n")
        _ = try await first.read(until: "event: item")
        let refused = try await RawSocket.ask(
          path, "GET", "/v1/feed", until: "1 streams are open already")
        #expect(refused.hasPrefix("HTTP/1.1 409 "))
      }
      try await wait(for: "a free place") {
        let answer = try await RawSocket.ask(path, "GET", "/v1/feed", until: "\r\n\r\n")
        return answer.hasPrefix("HTTP/1.1 200 ")
      }
    }
  }
}

enum JSON {
  static func text(_ value: some Encodable) throws -> String {
    String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
  }
}
