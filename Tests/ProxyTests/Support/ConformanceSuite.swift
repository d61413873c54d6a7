import Dispatch
import Foundation
import Testing

/// A suite of `Tests/Fixtures/conformance`: clients and an application in Python, on protocol
/// libraries that nobody here wrote. It tells what it finds as one JSON object a line.
struct ConformanceSuite {
  /// What a suite says.
  struct Line: Decodable, Sendable {
    /// Where its application listens; it waits for an answer.
    var application: Int?
    /// One of its cases is over.
    var `case`: String?
    /// What was wrong with the case; `nil`: nothing.
    var problem: String?
    /// What it asks for.
    var want: String?
  }

  private static let packages = [
    "h2==4.4.1", "hpack==4.2.0", "hyperframe==6.1.0", "websockets==17.4",
  ]
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path()
  /// How long a suite may take in all; then it is ended in the middle.
  private static let patience = DispatchTimeInterval.seconds(240)

  /// Runs a suite to its end, and records an issue for each of its cases that fails.
  ///
  /// - Parameters:
  ///   - answer: gives the answer to a line that is no case's, if it gets one.
  /// - Returns: how many cases there were.
  static func run(
    _ script: String, _ arguments: [String],
    answer: (Line) async throws -> String?
  ) async throws -> Int {
    let installed = try await Command.run(
      [root + "/Scripts/python-environment", root + "/.build/conformance"] + packages)
    let programs = installed.trimmingCharacters(in: .whitespacesAndNewlines)
    let python = programs + "/python"
    try #require(FileManager.default.isExecutableFile(atPath: python), "\(installed)")

    let process = Process()
    process.executableURL = URL(filePath: python)
    process.arguments = ["\(root)/Tests/Fixtures/conformance/\(script)"] + arguments
    process.environment = ["PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin"]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    let watchdog = DispatchWorkItem { process.terminate() }
    DispatchQueue.global().asyncAfter(deadline: .now() + patience, execute: watchdog)
    defer {
      watchdog.cancel()
      process.terminate()
      process.waitUntilExit()
    }
    var cases = 0
    for try await line in lines(of: output.fileHandleForReading) {
      let said = try JSONDecoder().decode(Line.self, from: Data(line.utf8))
      if let name = said.case {
        cases += 1
        if let problem = said.problem { Issue.record("\(name): \(problem)") }
      } else if let reply = try await answer(said) {
        try input.fileHandleForWriting.write(contentsOf: Data("\(reply)\n".utf8))
      }
    }
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(script) ended in the middle, or took too long")
    return cases
  }

  /// Each line as it comes.
  private static func lines(of handle: FileHandle) -> AsyncThrowingStream<String, any Error> {
    AsyncThrowingStream { continuation in
      Threads.start {
        var rest: [UInt8] = []
        while case let piece = handle.availableData, !piece.isEmpty {
          rest += piece
          while let end = rest.firstIndex(of: 10) {
            continuation.yield(String(decoding: rest[..<end], as: UTF8.self))
            rest.removeSubrange(...end)
          }
        }
        continuation.finish()
      }
    }
  }
}
