import Foundation

/// What `Package.swift` declares, read from its text: asking SwiftPM would have to wait for the very
/// build that runs these tests.
struct Manifest {
  struct Target: Hashable {
    let name: String
    let isTest: Bool
    let path: String
    /// Targets of this package.
    var targets: [String]
    /// Products of other packages.
    var products: [String]
  }

  enum Problem: Error, CustomStringConvertible {
    case unreadable(String)
    var description: String {
      switch self {
      case .unreadable(let what): "Package.swift: cannot read \(what)"
      }
    }
  }

  let targets: [Target]

  func target(_ name: String) -> Target? { targets.first { $0.name == name } }

  init(_ text: String) throws {
    let source = String(decoding: SwiftCode(text, keepingStrings: true).bytes, as: UTF8.self)
    var products: [String: String] = [:]
    let constant = #/let (\w+) = Target\.Dependency\.product\(\s*name: "([^"]+)"/#
    for match in source.matches(of: constant) { products[String(match.1)] = String(match.2) }

    var found: [Target] = []
    for match in source.matches(of: #/\.(target|executableTarget|testTarget)\(/#) {
      let arguments = Self.balanced(source[match.range.upperBound...], closing: ")")
      found.append(
        try Self.target(arguments, isTest: match.1 == "testTarget", products: products))
    }
    targets = found
  }

  private static func target(
    _ arguments: Substring, isTest: Bool, products: [String: String]
  ) throws -> Target {
    guard let name = arguments.firstMatch(of: #/name: "([^"]+)"/#)?.1 else {
      throw Problem.unreadable("a target without a name")
    }
    let path = arguments.firstMatch(of: #/path: "([^"]+)"/#).map { String($0.1) }
    var target = Target(
      name: String(name), isTest: isTest, path: path ?? (isTest ? "Tests/" : "Sources/") + name,
      targets: [], products: [])
    guard let start = arguments.firstMatch(of: #/dependencies: \[/#) else { return target }
    let list = balanced(arguments[start.range.upperBound...], closing: "]")
    for element in list.split(separator: ",") {
      let word = element.trimmingCharacters(in: .whitespacesAndNewlines)
      if word.isEmpty { continue }
      if word.hasPrefix("\""), word.hasSuffix("\"") {
        target.targets.append(String(word.dropFirst().dropLast()))
      } else if let product = products[word] {
        target.products.append(product)
      } else {
        throw Problem.unreadable("'\(word)', a dependency of \(name)")
      }
    }
    return target
  }

  /// What comes before the bracket that closes the one just opened.
  private static func balanced(_ text: Substring, closing: Character) -> Substring {
    let opening: Character = closing == ")" ? "(" : "["
    var depth = 1
    for index in text.indices {
      if text[index] == opening { depth += 1 }
      if text[index] == closing { depth -= 1 }
      if depth == 0 { return text[..<index] }
    }
    return text
  }
}
