internal import Foundation

/// A short command whose output is wanted.
enum Command {
  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  /// Standard output of `name`, found on `PATH`.
  static func output(
    _ name: String, _ arguments: [String], environment: [String: String]
  ) async throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [name] + arguments
    process.environment = environment
    process.standardInput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    let pipe = Pipe()
    process.standardOutput = pipe
    let status: Int32 = try await withCheckedThrowingContinuation { continuation in
      process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
      do {
        try process.run()
      } catch {
        process.terminationHandler = nil
        continuation.resume(throwing: error)
      }
    }
    guard status == 0 else {
      throw Failure(description: "\(name) exited with status \(status)")
    }
    // The command is over and its few lines fit into the pipe: this does not wait.
    return String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self)
  }
}
