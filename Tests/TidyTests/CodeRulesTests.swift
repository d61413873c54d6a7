import Testing

@Suite struct SwiftCodeTests {
  @Test(arguments: [
    ("a // b", "a     "),
    ("a /* b /* c */ d */ e", "a                   e"),
    (#"f("b") + c"#, "f(   ) + c"),
    (#"f("\(b)c") + d"#, #"f(  (b)  ) + d"#),
    (#"f("\(g("x"))") + d"#, #"f(  (g(   )) ) + d"#),
    (##"f(#"a"b\n"#) + c"##, "f(         ) + c"),
    ("\"\"\"\na \"b\" {\n\"\"\" + c", "   \n       \n    + c"),
    ("#if DEBUG {", "#if DEBUG {"),
    (##"#/a"b/# + c"##, "        + c"),
    (#""\\" + c"#, "     + c"),
  ])
  func blanksWhatIsNotCode(_ source: String, _ expected: String) {
    #expect(SwiftCode(source).lines.joined(separator: "\n") == expected)
  }

  @Test func keepsStringsWhenAsked() {
    #expect(SwiftCode(#"f("a") // b"#, keepingStrings: true).lines == [#"f("a")     "#])
  }

  @Test func findsWholeWordsOnly() {
    let code = SwiftCode("print(a)\nreprint(b)\nprintf(c)\nx.print(d)\n")
    #expect(code.offsets(of: "print(").map(code.line) == [1, 4])
  }
}

@Suite struct CodeRulesTests {
  @Test(arguments: [
    "let a = Date()", "let a = UUID().description", "print(a)", "Task { await a() }",
    "let a = Int.random(in: 0..<3)", "let a = ContinuousClock().now",
    "try await Task.sleep(for: a)",
  ])
  func noticesAnImpureCall(_ line: String) {
    let found = CodeRules.impureCalls(TextFile("Sources/RolloutEngine/A.swift", "\n" + line))
    #expect(found.map(\.line) == [2])
    #expect(CodeRules.impureCalls(TextFile("Sources/Proxy/A.swift", line)).isEmpty)
    #expect(CodeRules.impureCalls(TextFile("Sources/Ports/A.swift", "// " + line)).isEmpty)
  }

  @Test func noticesAnUnstructuredTask() {
    func found(_ text: String, in target: String = "ControlPlane") -> [Int] {
      CodeRules.unstructuredTasks(TextFile("Sources/\(target)/A.swift", text)).map(\.line)
    }
    #expect(found("Task { a() }\nTask.detached { b() }") == [1, 2])
    #expect(found("group.addTask { a() }") == [])
    #expect(found("Task { a() }", in: "segue") == [])
    #expect(
      found("// unstructured: ends with the stream,\n// which cancels it.\nTask { a() }") == [])
    #expect(found("// unstructured: ends with the stream.\na()\nTask { a() }") == [3])
  }

  @Test(arguments: [
    "try await Task.sleep(for: .seconds(1))", "usleep(3)", "Thread.sleep(forTimeInterval: 1)",
    "try await Task.sleep(for: .milliseconds(51))", "// pause: why\n\nsleep(1)",
  ])
  func noticesASleepingTest(_ text: String) {
    #expect(CodeRules.sleepingTests(TextFile("Tests/ATests/A.swift", text)).count == 1)
    #expect(CodeRules.sleepingTests(TextFile("Sources/A/A.swift", text)).isEmpty)
  }

  @Test(arguments: [
    "try await Task.sleep(for: .milliseconds(50))", "try await Task.sleep(for: deadline)",
    "// pause: the moment of\n// the kill\nsleep(1)", "func sleep(for span: Int) {}",
  ])
  func letsATestPause(_ text: String) {
    #expect(CodeRules.sleepingTests(TextFile("Tests/ATests/A.swift", text)).isEmpty)
  }

  @Test func noticesACrash() {
    let text = "fatalError(\"a\")\nlet b = try! c()\nlet d = try? e()\n"
    #expect(CodeRules.crashes(TextFile("Sources/A/A.swift", text)).map(\.line).sorted() == [1, 2])
    #expect(CodeRules.crashes(TextFile("Tests/ATests/A.swift", text)).isEmpty)
  }

  @Test func theCoreAsksForNothing() {
    expectNone(Repository.sources.flatMap(CodeRules.impureCalls))
  }

  @Test func tasksHaveAnOwner() {
    expectNone(Repository.sources.flatMap(CodeRules.unstructuredTasks))
  }

  @Test func testsDoNotSleep() {
    expectNone(Repository.tests.flatMap(CodeRules.sleepingTests))
  }

  @Test func nothingCrashesOnPurpose() {
    expectNone(Repository.sources.flatMap(CodeRules.crashes))
  }
}
