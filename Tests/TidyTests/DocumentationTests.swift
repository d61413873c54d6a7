import Testing

@Suite struct DocumentationTests {
  private func dead(_ text: String) -> [String] {
    let here = MarkdownDocument(TextFile("docs/guide/a.md", "# A heading, here\n" + text))
    let there = MarkdownDocument(TextFile("docs/b.md", "# Same\n## Same\n### `code` & more\n"))
    let known: Set = ["docs/guide/a.md", "docs/b.md", "docs", "LICENSE"]
    return DocumentRules.deadLinks(
      here, others: ["docs/guide/a.md": here, "docs/b.md": there], exists: known.contains
    ).map(\.message)
  }

  @Test(arguments: [
    "[a](../b.md)", "[a](../b.md#same)", "[a](../b.md#same-1)", "[a](../b.md#code--more)",
    "[a](#a-heading-here)", "[a](https://swift.org/x)", "`[a](nowhere.md)`", "[a]: ../b.md",
    "```\n[a](nowhere.md)\n```", "![a](../../LICENSE \"title\")", "[a](mailto:b@example.com)",
  ])
  func followsALivingLink(_ text: String) {
    #expect(dead(text) == [])
  }

  @Test(arguments: [
    "[a](b.md)", "[a](../b.md#other)", "[a](#other)", "see [a](../b.md) and [c](d.md)",
    "[a]: nowhere.md", "```\n```\n[a](nowhere.md)",
  ])
  func noticesADeadLink(_ text: String) {
    #expect(dead(text).count == 1)
  }

  @Test func noticesAnUndefinedWord() {
    let words = DocumentRules.vocabulary.map { "**\($0)**: what it is.\n" }
    #expect(DocumentRules.undefinedWords(TextFile("g.md", words.joined())).isEmpty)
    #expect(
      DocumentRules.undefinedWords(TextFile("g.md", words.dropLast().joined())).map(\.message)
        == ["does not define 'incident'"])
  }

  @Test func noticesAMisnumberedDecision() {
    func paths(_ names: (String, String)...) -> [String] {
      DocumentRules.misnumberedDecisions(names.map { TextFile("docs/adr/" + $0.0, $0.1) })
        .map(\.path)
    }
    #expect(
      paths(("0001-a.md", "# 0001. A\n"), ("0002-b.md", "# 2. B\n"), ("template.md", "")) == [])
    #expect(paths(("0001-a.md", "# 1. A\n"), ("0003-b.md", "# 3. B\n")) == ["docs/adr/0003-b.md"])
    #expect(paths(("0001-a.md", "# A\n")) == ["docs/adr/0001-a.md"])
    #expect(paths(("1-a.md", "# 1. A\n")) == ["docs/adr/1-a.md"])
  }

  @Test func noticesATestThatNobodyWrote() {
    let tests = [TextFile("Tests/ProxyTests/A.swift", "@Test func holds() {}\n")]
    let document = TextFile(
      "d.md", "`ProxyTests.holds()`\n`ProxyTests.breaks()`\n`OtherTests.holds()`\n")
    #expect(DocumentRules.missingTests(document, tests: tests).map(\.line) == [2, 3])
  }

  @Test func noticesALossThatNothingShows() {
    func messages(_ rows: String...) -> [String] {
      DocumentRules.unshownLosses(
        TextFile("l.md", rows.joined(separator: "\n")), count: 2, uncovered: [2]
      ).map(\.message)
    }
    let (one, two) = ("| 1 | a | b | `ATests.b()` |", "| 2 | a | **not yet:** because. | |")
    #expect(messages(one, two) == [])
    #expect(messages(one) == ["lacks row 2"])
    #expect(messages(one, two, one) == ["row 1 stands here twice"])
    #expect(messages("| 1 | a | b | |", two) == ["row 1 names no test"])
    #expect(messages(two.replacing("2", with: "1"), two) == ["row 1 says 'not yet'"])
    #expect(
      messages(one, one.replacing("1", with: "2")) == ["row 2 does not say 'not yet' and why"])
    #expect(messages(one, two, one.replacing("1", with: "3")).first == "row 3 is not one of the 2")
  }

  @Test func everyLossIsShown() {
    expectNone(
      DocumentRules.unshownLosses(
        Repository.read("docs/losses.md"), count: 46, uncovered: DocumentRules.uncoveredLosses))
  }

  @Test func everyTrapInEvidenceIsShown() {
    expectNone(
      DocumentRules.unshownLosses(
        Repository.read("docs/evidence-traps.md"), count: 55, uncovered: []))
  }

  @Test func noticesAMissingMakeTarget() {
    let document = TextFile("d.md", "run `make test`, then\n    make fun\nand make sense of it\n")
    #expect(DocumentRules.missingTargets(document, makefile: "test: x\n").map(\.line) == [2])
  }

  @Test func noticesADriftedTable() throws {
    let manifest = try Manifest(
      """
      let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
      .target(name: "A"), .target(name: "B", dependencies: ["A", nio]), .target(name: "C"),
      """)
    let table = TextFile("a.md", "| `A` | does this | |\n| `B` | does that | `A`, `X` |\n")
    #expect(
      DocumentRules.driftedTargets(table, manifest).map(\.message) == [
        "B differs from Package.swift in NIOCore, X", "the table of targets lacks C",
      ])
  }

  @Test func linksLeadSomewhere() {
    let documents = Repository.documents.map(MarkdownDocument.init)
    let others = Dictionary(uniqueKeysWithValues: documents.map { ($0.path, $0) })
    var known = Set(Repository.files)
    for file in Repository.files {
      let parts = file.split(separator: "/")
      for count in parts.indices { known.insert(parts[..<count].joined(separator: "/")) }
    }
    expectNone(
      documents.flatMap {
        DocumentRules.deadLinks($0, others: others, exists: known.contains)
      })
  }

  @Test func theGlossaryHasEveryWord() {
    expectNone(DocumentRules.undefinedWords(Repository.read("docs/glossary.md")))
  }

  @Test func decisionsAreNumbered() {
    expectNone(
      DocumentRules.misnumberedDecisions(
        Repository.documents.filter { $0.path.hasPrefix("docs/adr/") }))
  }

  @Test func namedTestsExist() {
    expectNone(
      Repository.documents.flatMap {
        DocumentRules.missingTests($0, tests: Repository.tests)
      })
  }

  @Test func namedCommandsExist() {
    let makefile = Repository.read("Makefile").text
    expectNone(
      Repository.documents.flatMap { DocumentRules.missingTargets($0, makefile: makefile) })
  }

  @Test func theArchitectureIsAsBuilt() throws {
    expectNone(
      DocumentRules.driftedTargets(
        Repository.read("docs/architecture.md"), try Manifest(Repository.manifest.text)))
  }
}
