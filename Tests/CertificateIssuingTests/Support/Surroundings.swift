import Foundation
import Glibc
import Ports
import SegueModel
import Synchronization

struct Failure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Waits for a condition, a minute at most.
func until(_ what: String, _ condition: () async throws -> Bool) async throws {
  let end = ContinuousClock.now + .seconds(60)
  while ContinuousClock.now < end {
    if try await condition() { return }
    try await Task.sleep(for: .milliseconds(20))
  }
  throw Failure("not within a minute: \(what)")
}

/// A program that a test speaks through.
enum Command {
  /// - Returns: what it printed, on either output.
  /// - Throws: `Failure` if it failed.
  static func run(_ command: [String]) throws -> String {
    let (process, pipe) = (Process(), Pipe())
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = command
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let output = String(
      decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    try? pipe.fileHandleForReading.close()
    guard process.terminationStatus == 0 else { throw Failure("\(command): \(output)") }
    return output
  }
}

enum Scratch {
  static func directory() throws -> String {
    var template = Array("/tmp/segue-acme-XXXXXX".utf8CString)
    guard let path = mkdtemp(&template) else { throw CocoaError(.fileWriteUnknown) }
    return String(cString: path)
  }
}

/// The wall clock, which a test can put forward; whoever sleeps notices.
final class TestTime: TimeSource {
  private let ahead = Mutex(Milliseconds.zero)

  func advance(by span: Milliseconds) { ahead.withLock { $0 = $0 + span } }

  /// Never goes back: whoever sleeps until a moment after `instant` would not wake while this is called
  /// again and again.
  func advance(to instant: Instant) { advance(by: max(instant - now(), .zero)) }

  func now() -> Instant {
    Instant(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000)) + ahead.withLock { $0 }
  }

  func sleep(for span: Milliseconds) async throws {
    let end = now() + span
    while now() < end { try await Task.sleep(for: .milliseconds(20)) }
  }
}
