import Foundation
import Testing

/// Python as an independent judge: its time zones and its calendar library were written by others.
enum Python {
  static let packageRoot = URL(filePath: #filePath).resolvingSymlinksInPath()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  /// Runs a script with an input, and gives what it prints. It is ended after two minutes.
  static func run(_ script: String, _ input: Data, python: String = "python3") throws -> String {
    try run("timeout", ["120", python, "-c", script], input)
  }

  /// The Python that has a certain version of the package `icalendar`.
  static func withCalendarLibrary() throws -> String {
    let programs = try run(
      "timeout",
      [
        "400", packageRoot + "/Scripts/python-environment", packageRoot + "/.build/icalendar",
        "icalendar==7.3.2",
      ], Data())
    return programs.trimmingCharacters(in: .whitespacesAndNewlines) + "/python"
  }

  private static func run(_ program: String, _ arguments: [String], _ input: Data) throws -> String
  {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let (from, to) = (folder.appending(path: "in"), folder.appending(path: "out"))
    try input.write(to: from)
    try Data().write(to: to)
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [program] + arguments
    process.standardInput = try FileHandle(forReadingFrom: from)
    process.standardOutput = try FileHandle(forWritingTo: to)
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return try String(contentsOf: to, encoding: .utf8)
  }
}

/// Numbers that look random and are the same in every run (splitmix64, S. Vigna, public domain).
struct SteadyNumbers: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
