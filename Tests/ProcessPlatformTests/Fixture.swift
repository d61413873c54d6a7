import Foundation
import Glibc
import Logging
import Ports
import SegueModel
import Synchronization
import Testing

@testable import ProcessPlatform

struct WallClock: TimeSource {
  func now() -> Instant {
    Instant(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000))
  }
  func sleep(for span: Milliseconds) async throws { try await Task.sleep(for: span.duration) }
}

struct FixedSecrets: SecretSource {
  var values: [String: String] = [:]
  func value(of name: String) throws(PortError) -> Secret? { values[name].map { Secret($0) } }
}

/// A temporary state directory, a release and a platform; whatever was started there is stopped when
/// the test ends, however it ends.
final class Fixture: Sendable {
  static let key = ServiceKey(environment: "production", service: "web")

  let directory: String
  let release: String
  let platform: ProcessPlatform
  private let started = Mutex<[RunningInstance]>([])
  private let counter = Mutex(0)

  private init(
    secrets: [String: String], retention: ProcessPlatform.Retention
  ) throws {
    let base = NSTemporaryDirectory() + "segue-platform-" + UUID().uuidString
    // As the kernel shows it in /proc.
    try FileManager.default.createDirectory(
      atPath: base + "/release", withIntermediateDirectories: true)
    directory = URL(fileURLWithPath: base).resolvingSymlinksInPath().path
    release = directory + "/release"
    platform = try Self.platform(in: directory, secrets: secrets, retention: retention)
  }

  private static func platform(
    in directory: String, secrets: [String: String], retention: ProcessPlatform.Retention
  ) throws -> ProcessPlatform {
    try ProcessPlatform(
      stateDirectory: directory + "/state", secrets: FixedSecrets(values: secrets),
      time: WallClock(), retention: retention,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
  }

  /// A control plane started again on the same state directory.
  func successor() throws -> ProcessPlatform {
    try Self.platform(in: directory, secrets: [:], retention: .init())
  }

  static func with(
    secrets: [String: String] = [:], retention: ProcessPlatform.Retention = .init(),
    _ body: (Fixture) async throws -> Void
  ) async throws {
    let fixture = try Fixture(secrets: secrets, retention: retention)
    let result: Result<Void, any Error>
    do {
      result = .success(try await body(fixture))
    } catch {
      result = .failure(error)
    }
    try await fixture.cleanUp()
    try result.get()
  }

  private func cleanUp() async throws {
    for instance in started.withLock({ $0 }) + (try await platform.observe()) {
      _ = try await platform.stop(instance, deadline: .zero)
    }
    try FileManager.default.removeItem(atPath: directory)
  }

  func request(
    _ run: String, environment: [String: String] = [:], secrets: [String] = [],
    limits: LimitSpec = LimitSpec()
  ) -> InstanceStart {
    let number = counter.withLock { counter in
      counter += 1
      return counter
    }
    return InstanceStart(
      instance: InstanceID("web-\(number)"), key: Self.key, release: "r-0123456789abcdef",
      directory: release, run: run, environment: environment, secrets: secrets, limits: limits)
  }

  func start(_ request: InstanceStart) async throws -> RunningInstance {
    let running = try await platform.start(request)
    started.withLock { $0.append(running) }
    return running
  }

  func start(_ run: String) async throws -> RunningInstance { try await start(request(run)) }

  func refusal(of request: InstanceStart) async -> PortError? {
    await #expect(throws: PortError.self) { try await start(request) }
  }

  func write(_ text: String, to file: String) throws {
    try text.write(toFile: release + "/" + file, atomically: true, encoding: .utf8)
  }

  func read(_ file: String) -> String? {
    try? String(contentsOfFile: release + "/" + file, encoding: .utf8)
  }

  /// A pid that a test subject wrote into a file, once it has.
  func pid(in file: String) async throws -> Int32 {
    try await eventually("\(file) holds a pid") {
      guard let text = self.read(file), text.hasSuffix("\n") else { return nil }
      return Int32(text.dropLast())
    }
  }

  func lines(of instance: RunningInstance, count: Int = 100) async throws -> [String] {
    try await platform.output(of: instance.instance, key: Self.key, limit: count)
  }

  func waitForLine(_ line: String, of instance: RunningInstance) async throws {
    try await eventually("\(instance.instance) printed \(line)") {
      let lines = try await self.lines(of: instance)
      guard !lines.contains(line) else { return () }
      guard isAlive(instance.process.pid) else {
        throw TooLate(description: "\(instance) ended after printing \(lines)")
      }
      return nil
    }
  }
}

struct TooLate: Error, CustomStringConvertible {
  var description: String
}

/// Asks again until there is an answer; a generous deadline, because the machine may be busy.
func eventually<Value>(
  _ what: String, _ question: () async throws -> Value?
) async throws -> Value {
  let end = ContinuousClock.now + .seconds(60)
  while ContinuousClock.now < end {
    if let answer = try await question() { return answer }
    try await Task.sleep(for: .milliseconds(10))
  }
  throw TooLate(description: "not within 60 s: \(what)")
}

func isAlive(_ pid: Int32) -> Bool {
  ProcessTable.status(of: pid).map { !$0.hasEnded } ?? false
}

/// A TCP socket, and what `call` makes of it and of 127.0.0.1:`port`.
private func withLoopback(
  _ port: Int, _ call: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
) -> (socket: Int32, result: Int32) {
  let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = UInt16(port).bigEndian
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  let result = withUnsafePointer(to: &address) { typed in
    typed.withMemoryRebound(to: sockaddr.self, capacity: 1) { general in
      call(fd, general, socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }
  return (fd, result)
}

/// A socket that listens on 127.0.0.1; closed by the caller.
func listen(on port: Int) throws -> Int32 {
  let (fd, result) = withLoopback(port) { bind($0, $1, $2) }
  try #require(fd >= 0 && result == 0 && Glibc.listen(fd, 1) == 0)
  return fd
}

func canConnect(to port: Int) -> Bool {
  let (fd, result) = withLoopback(port) { connect($0, $1, $2) }
  defer { close(fd) }
  return result == 0
}
