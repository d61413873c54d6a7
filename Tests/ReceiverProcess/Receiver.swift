internal import Foundation
internal import Glibc
internal import Synchronization

/// A receiver in a process of its own, written in Python: what it prints is what it got.
public final class Receiver: Sendable {
  /// One request, or one mail.
  public struct Line: Decodable, Sendable {
    /// How it was told to treat the request.
    public var behaviour: String?
    public var accepted: Bool?
    public var verified: Bool?
    public var path: String?
    public var id: String?
    public var type: String?
    public var body: String

    /// The ids of the notices in the body of a generic webhook.
    public var notices: [String] {
      struct Body: Decodable {
        struct Item: Decodable { var id: String }
        public var notices: [Item]
      }
      let body = try? JSONDecoder().decode(Body.self, from: Data(body.utf8))
      return body?.notices.map(\.id) ?? []
    }
  }

  private struct Output {
    var buffer = Data()
    var port: Int?
    var lines: [Line] = []
    var faults: [String] = []
  }

  private let output = Mutex(Output())
  private let pipe: FileHandle

  private init(reading pipe: FileHandle) {
    self.pipe = pipe
    let flags = fcntl(pipe.fileDescriptor, F_GETFL)
    _ = fcntl(pipe.fileDescriptor, F_SETFL, flags | O_NONBLOCK)
  }

  public var port: Int { latest { $0.port ?? 0 } }
  /// It prints a line before it answers: what has been answered is there.
  public var lines: [Line] { latest { $0.lines } }
  public var accepted: [Line] { lines.filter { $0.accepted == true } }
  /// What it printed that is not what it should print.
  public var faults: [String] { latest { $0.faults } }

  private func latest<Value: Sendable>(_ value: (Output) -> Value) -> Value {
    output.withLock { output in
      _ = Self.drain(pipe.fileDescriptor, into: &output)
      return value(output)
    }
  }

  /// - Returns: whether more may come.
  private static func drain(_ descriptor: Int32, into output: inout Output) -> Bool {
    var octets = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = read(descriptor, &octets, octets.count)
      if count == 0 { return false }
      if count < 0 {
        if errno == EINTR { continue }
        return errno == EAGAIN
      }
      take(octets[..<count], &output)
    }
  }

  private static func take(_ octets: ArraySlice<UInt8>, _ output: inout Output) {
    output.buffer.append(contentsOf: octets)
    while let end = output.buffer.firstIndex(of: 0x0A) {
      let line = Data(output.buffer[..<end])
      output.buffer.removeSubrange(...end)
      if output.port == nil {
        output.port = Int(String(decoding: line, as: UTF8.self)) ?? -1
      } else if let entry = try? JSONDecoder().decode(Line.self, from: line) {
        output.lines.append(entry)
      } else {
        output.faults.append(String(decoding: line, as: UTF8.self))
      }
    }
  }

  /// Runs `Tests/Fixtures/receivers/NAME` for as long as `body` takes.
  public static func with(
    _ name: String, _ arguments: [String], _ body: (Receiver) async throws -> Void
  ) async throws {
    let pipe = Pipe()
    let receiver = Receiver(reading: pipe.fileHandleForReading)
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/python3")
    process.arguments = ["-I", fixture(name)] + arguments
    process.standardOutput = pipe
    // So that it never waits for somebody to read.
    pipe.fileHandleForReading.readabilityHandler = { handle in
      let mayCome = receiver.output.withLock { drain(handle.fileDescriptor, into: &$0) }
      if !mayCome { handle.readabilityHandler = nil }
    }
    try process.run()
    let result: Result<Void, any Error>
    do {
      try await eventually("the receiver listens") { receiver.port != 0 }
      result = .success(try await body(receiver))
    } catch {
      result = .failure(error)
    }
    // Not `terminate`: a child started from a thread of the pool inherits its mask, in which SIGTERM
    // is blocked.
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    try result.get()
  }

  static func fixture(_ name: String) -> String {
    URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Fixtures/receivers/\(name)").path
  }
}

public struct TooLate: Error {
  public var what: String
  public init(what: String) { self.what = what }
}

/// Returns as soon as the condition holds; throws when it does not within `deadline`, which is long
/// because the machine may be busy, and costs nothing as long as all is well.
public func eventually(
  _ what: String, within deadline: Duration = .seconds(120), _ condition: () -> Bool
) async throws {
  let end = ContinuousClock.now + deadline
  while !condition() {
    guard ContinuousClock.now < end else { throw TooLate(what: what) }
    try await Task.sleep(for: .milliseconds(10))
  }
}
