import Foundation

/// A text file of the repository, or one that a test made up.
struct TextFile: Sendable {
  /// Relative to the root, with `/` between its parts.
  let path: String
  let text: String
  /// Empty unless this is Swift.
  let code: SwiftCode

  init(_ path: String, _ text: String) {
    self.path = path
    self.text = text
    code = SwiftCode(path.hasSuffix(".swift") ? text : "")
  }

  var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }

  /// `Proxy` for `Sources/Proxy/Pool.swift`; `nil` outside of `Sources` and `Tests`.
  var target: String? {
    let parts = path.split(separator: "/")
    guard parts.count > 2, parts[0] == "Sources" || parts[0] == "Tests" else { return nil }
    return String(parts[1])
  }

  var isSource: Bool { path.hasPrefix("Sources/") }
  var isTest: Bool { path.hasPrefix("Tests/") }
}

/// A place where a rule is broken.
struct Violation: Hashable, CustomStringConvertible {
  let path: String
  /// From 1; 0 when the whole file is meant.
  let line: Int
  let message: String

  var description: String { line > 0 ? "\(path):\(line): \(message)" : "\(path): \(message)" }
}

/// The repository that these tests were built from.
enum Repository {
  /// Its root: three levels above this file.
  static let root = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// Every file that is part of the project, in the order of their paths: nothing that was built,
  /// nothing of Git's, and no fixtures, which are broken on purpose.
  static let files: [String] = {
    var found: [String] = []
    collect(root, prefix: "", into: &found)
    return found.sorted()
  }()

  static let swiftFiles: [TextFile] = files.filter { $0.hasSuffix(".swift") }.map(read)
  static let sources: [TextFile] = swiftFiles.filter(\.isSource)
  static let tests: [TextFile] = swiftFiles.filter(\.isTest)
  static let documents: [TextFile] = files.filter { $0.hasSuffix(".md") }.map(read)
  static let manifest = read("Package.swift")

  static func read(_ path: String) -> TextFile {
    TextFile(path, (try? String(contentsOf: root.appending(path: path), encoding: .utf8)) ?? "")
  }

  /// Names of the folders directly in `folder`.
  static func folders(in folder: String) -> [String] {
    let prefix = folder + "/"
    return Set(
      files.filter { $0.hasPrefix(prefix) }.compactMap { path in
        let parts = path.dropFirst(prefix.count).split(separator: "/")
        return parts.count > 1 ? String(parts[0]) : nil
      }
    ).sorted()
  }

  private static func collect(_ folder: URL, prefix: String, into found: inout [String]) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path())) ?? []
    for name in names where !isForeign(prefix + name) {
      let item = folder.appending(path: name)
      let values = try? item.resourceValues(forKeys: [.isDirectoryKey, .isRegularFileKey])
      if values?.isDirectory == true {
        collect(item, prefix: prefix + name + "/", into: &found)
      } else if values?.isRegularFile == true {
        found.append(prefix + name)
      }
    }
  }

  private static func isForeign(_ path: String) -> Bool {
    path.hasPrefix(".build") || path == ".git" || path == ".swiftpm" || path == "Tests/Fixtures"
      || path.hasSuffix("/.build") || path.hasSuffix("/node_modules")
      || path.hasSuffix("/__pycache__")
  }
}
