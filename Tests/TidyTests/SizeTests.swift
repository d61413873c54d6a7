import Testing

@Suite struct SizeTests {
  private func functions(_ text: String) -> [String] {
    Function.all(in: SwiftCode(text)).map { "\($0.keyword) \($0.line)+\($0.length)" }
  }

  @Test func measuresFromTheKeywordToTheClosingBrace() {
    #expect(functions("func a() {}\n") == ["func 1+1"])
    #expect(functions("func a(\n  b: Int = { 3 }()\n) -> Int {\n  b\n}\n") == ["func 1+5"])
    #expect(
      functions("struct A {\n  init() {\n  }\n  deinit {\n  }\n}\n") == ["init 2+2", "deinit 4+2"])
    #expect(functions("var a: Int {\n  1\n}\n") == ["var 1+3"])
  }

  @Test func isNotMisledByBracesThatAreNotCode() {
    #expect(functions("func a() {\n  b(\"}\") // }\n  /* } */\n}\n") == ["func 1+4"])
    #expect(functions("func a() {\n  b(\"\"\"\n    }\n    \"\"\")\n}\n") == ["func 1+5"])
    #expect(functions("func a() {\n  b(\"\\(c { d })\")\n}\n") == ["func 1+3"])
  }

  @Test func leavesOutWhatHasNoBody() {
    #expect(functions("protocol A {\n  func b() -> Int\n  init(c: Int)\n  func d()\n}\n") == [])
    #expect(functions("var a = b {\n  c\n}\nvar d: Int\nfunc e() {}\n") == ["func 5+1"])
    #expect(functions("func a() {\n  self.init(b: { c })\n}\n") == ["func 1+3"])
  }

  @Test func noticesALongFunction() {
    let body = String(repeating: "  a()\n", count: SizeRules.functionLimit - 1)
    let file = TextFile("Sources/A/A.swift", "func b() {\n" + body + "}\n")
    #expect(SizeRules.longFunctions(file).map(\.line) == [1])
    let shorter = TextFile("Sources/A/A.swift", "func b() {\n" + body.dropFirst(6) + "}\n")
    #expect(SizeRules.longFunctions(shorter).isEmpty)
  }

  @Test func noticesALongFile() {
    let lines = String(repeating: "\n", count: SizeRules.fileLimit)
    #expect(SizeRules.longFiles(TextFile("Sources/A/A.swift", lines)).isEmpty)
    #expect(SizeRules.longFiles(TextFile("Sources/A/A.swift", lines + "\n")).count == 1)
  }

  @Test func filesAreReadInOneSitting() {
    expectNone(Repository.swiftFiles.flatMap(SizeRules.longFiles))
  }

  @Test func functionsFitOnOneScreen() {
    expectNone(Repository.swiftFiles.flatMap(SizeRules.longFunctions))
  }
}
