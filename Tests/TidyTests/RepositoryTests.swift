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
}
