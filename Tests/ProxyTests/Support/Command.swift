import Foundation

/// A program that a test speaks through, as a user would.
enum Command {
  /// - Returns: what it printed, on either output.
  static func run(_ command: [String]) async throws -> String {
    try await onThread {
      let process = Process()
      process.executableURL = URL(filePath: "/usr/bin/env")
      process.arguments = command
      let pipe = Pipe()
      process.standardOutput = pipe
      process.standardError = pipe
      process.standardInput = FileHandle.nullDevice
      try process.run()
      let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
      process.waitUntilExit()
      try? pipe.fileHandleForReading.close()
      return String(decoding: output, as: UTF8.self)
    }
  }
}
