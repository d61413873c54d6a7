public import SegueModel

/// Failed tests as the program that runs them wants to be told of them.
///
/// Reports name tests in a way of their own; what a program takes on its command line is another
/// thing, and each has its own quoting.
public struct RerunList: Hashable, Sendable {
  /// One test each, as the program names it, in alphabetical order.
  public var lines: [String]
  /// One regular expression that fits these tests and, as far as the program allows, no others;
  /// empty for those that take a list.
  public var pattern: String

  /// - Parameters:
  ///   - tests: those that failed.
  ///   - isFile: whether there is such a file in the checkout: pytest's reports tell no paths.
  public init(
    of tests: [TestCase], as naming: RerunSpec.Naming, isFile: (String) -> Bool = { _ in false }
  ) {
    let names = tests.map { test in
      switch naming {
      case .pytest: Self.pytest(test, isFile)
      case .swift: Self.swift(test)
      case .go: Self.go(test)
      case .jest: Self.jest(test)
      case .names: test.fullName
      }
    }
    lines = Set(names).sorted()
    switch naming {
    case .pytest, .names: pattern = ""
    case .swift, .go: pattern = lines.joined(separator: "|")
    case .jest: pattern = "^(\(lines.joined(separator: "|")))$"
    }
  }

  /// `tests/test_cart.py::TestCart::test_adds[1]`. The class of a report is the module's dotted path
  /// with the classes in it: the longest part that is a file is the module.
  private static func pytest(_ test: TestCase, _ isFile: (String) -> Bool) -> String {
    // What could not be collected has no class, and the module for its name; a class that is left
    // empty is read as the suite.
    let isModule = test.className.isEmpty || test.className == test.suite
    let parts = (isModule ? test.name : test.className).split(separator: ".").map(String.init)
    var path = parts.joined(separator: "/") + ".py"
    var rest: [String] = []
    for count in stride(from: parts.count, to: 0, by: -1) {
      let candidate = parts[..<count].joined(separator: "/") + ".py"
      guard isFile(candidate) else { continue }
      path = candidate
      rest = Array(parts[count...])
      break
    }
    return ([path] + rest + (isModule ? [] : [test.name])).joined(separator: "::")
  }

  /// `^Target[./]Suite[./]adds\\(\\)`: XCTest and Swift Testing join the parts differently, and the
  /// latter goes on with the place in the source.
  private static func swift(_ test: TestCase) -> String {
    "^" + escaped(test.fullName).replacing("\\.", with: "[./]")
      + (test.name.hasSuffix(")") ? "" : "$")
  }

  /// `^TestTotal$/^two_items$`: each level of subtests is matched for itself.
  private static func go(_ test: TestCase) -> String {
    test.name.split(separator: "/", omittingEmptySubsequences: false)
      .map { "^\(escaped(String($0)))$" }.joined(separator: "/")
  }

  /// The names of the blocks around it and its own, as one text.
  private static func jest(_ test: TestCase) -> String {
    let isPath = test.className.isEmpty || test.className == test.file
    return escaped(
      isPath || test.name.hasPrefix(test.className) ? test.name : "\(test.className) \(test.name)")
  }

  private static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      if "\\^$.|?*+()[]{}".contains(character) { result.append("\\") }
      result.append(character)
    }
    return result
  }
}
