import Foundation
import Testing

@Suite struct RepositoryTests {
  /// Text that people write; not what tools write.
  private static let texts = Repository.files.filter { path in
    let name = path.split(separator: "/").last ?? ""
    return !name.contains(".")
      || [".swift", ".md", ".yaml", ".yml", ".json", ".service", ".h", ".c"]
        .contains { path.hasSuffix($0) }
  }.map(Repository.read)

  @Test func findsTheRepository() {
    #expect(Repository.files.contains("Package.swift"))
    #expect(Repository.files.contains("Tests/TidyTests/RepositoryTests.swift"))
    #expect(!Repository.files.contains { $0.hasPrefix(".build") || $0.hasPrefix(".git/") })
    #expect(Repository.sources.count > 10)
  }

  @Test(arguments: ["TO" + "DO: later", "// FIX" + "ME", "a X" + "XX b"])
  func noticesANoteToSelf(_ line: String) {
    #expect(TextRules.notesToSelf(TextFile("a.md", "\n" + line)).map(\.line) == [2])
    #expect(TextRules.notesToSelf(TextFile("a.md", "mastodon" + line.lowercased())).isEmpty)
  }

  @Test(arguments: [
    "/ho" + "me/ann/a", "`/wo" + "rk/a`", "cd /ro" + "ot/a", "\"/Us" + "ers/Ann/a\"",
  ])
  func noticesAPrivatePath(_ text: String) {
    #expect(TextRules.privatePaths(TextFile("a.md", text)).count == 1)
    #expect(
      TextRules.privatePaths(TextFile("a.md", "https://example.com/a" + text.drop { $0 != "/" }))
        .isEmpty)
  }

  @Test func noticesACarelessScript() {
    func careless(_ text: String) -> Bool {
      !TextRules.carelessScript(TextFile("Scripts/a", text)).isEmpty
    }
    #expect(careless("#!/usr/bin/env bash\n# why\necho a\n"))
    #expect(careless("#!/bin/sh\necho a\nset -eu\n"))
    #expect(!careless("#!/usr/bin/env bash\n# why\n\nset -euo pipefail\n"))
    #expect(!careless("#!/bin/sh\nset -eu\n"))
    #expect(!careless("#!/usr/bin/env python3\nimport os\n"))
  }

  @Test func nobodyLeftNotes() {
    expectNone(Self.texts.flatMap(TextRules.notesToSelf))
  }

  @Test func nothingNamesSomebodysMachine() {
    expectNone(Self.texts.flatMap(TextRules.privatePaths))
  }

  @Test func scriptsStopAtTheFirstFailure() {
    expectNone(Repository.files.map(Repository.read).flatMap(TextRules.carelessScript))
  }

  private static let analyze = "/usr/bin/systemd-analyze"

  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: analyze)))
  func unitsAreSound() async throws {
    let units = Repository.files.filter { $0.hasPrefix("Packaging/systemd/") }
    #expect(units.count == 3)
    let folder = FileManager.default.temporaryDirectory.appending(path: "units-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    for unit in units {
      // The program need not be installed where this test runs.
      let text = Repository.read(unit).text.replacing("/usr/local/bin/segue", with: "/bin/true")
      let name = unit.split(separator: "/").last.map(String.init) ?? unit
      try Data(text.utf8).write(to: folder.appending(path: name))
    }
    let process = Process()
    process.executableURL = URL(filePath: Self.analyze)
    let paths = units.map { folder.path() + "/" + ($0.split(separator: "/").last ?? "") }
    process.arguments = ["verify", "--man=no"] + paths
    let status = try await withCheckedThrowingContinuation { continuation in
      process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
      do { try process.run() } catch { continuation.resume(throwing: error) }
    }
    #expect(status == 0, "systemd-analyze verify says above what is wrong")
  }
}
