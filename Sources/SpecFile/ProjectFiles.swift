/// The files of a repository that tell what it is: paths relative to its root, and the text of
/// those that were worth reading.
public struct ProjectFiles: Sendable {
  /// The text of each file, by its path with `/`; empty where only the name matters.
  public var contents: [String: String]

  public init(_ contents: [String: String]) { self.contents = contents }

  func has(_ path: String) -> Bool { contents[path] != nil }

  subscript(_ path: String) -> String? { contents[path] }

  /// Paths in order, so that two looks at one repository propose the same file.
  var paths: [String] { contents.keys.sorted() }

  /// The first of the paths that is there.
  func first(of candidates: [String]) -> String? { candidates.first { has($0) } }

  func anyFile(_ isWanted: (_ path: String, _ text: String) -> Bool) -> String? {
    paths.first { isWanted($0, contents[$0] ?? "") }
  }

  private static let healthPaths = [
    "/healthz", "/health", "/up", "/readyz", "/livez", "/ready", "/_health", "/-/healthy",
  ]

  /// A health path that some source file names in quotes, and the file: a guess with a reason.
  var healthPath: (path: String, file: String)? {
    for path in Self.healthPaths {
      for quote in ["\"", "'", "`"] {
        let written = quote + path + quote
        if let file = anyFile({ isSource($0) && $1.contains(written) }) { return (path, file) }
      }
    }
    let bare = ["health", "healthz", "up"]
    for name in bare {
      let swift = "get(\"\(name)\")"
      if let file = anyFile({ isSource($0) && $1.contains(swift) }) { return ("/\(name)", file) }
    }
    return nil
  }

  private func isSource(_ path: String) -> Bool {
    Self.sourceSuffixes.contains { path.hasSuffix($0) }
  }

  static let sourceSuffixes = [
    ".js", ".mjs", ".cjs", ".ts", ".py", ".go", ".swift", ".rs", ".rb",
  ]
}

extension String {
  /// The lines, without the carriage returns of Windows.
  var textLines: [String] {
    split(separator: "\n", omittingEmptySubsequences: false).map { line in
      var text = String(line)
      if text.unicodeScalars.last == "\r" { text.unicodeScalars.removeLast() }
      return text
    }
  }

  var trimmed: String {
    let start = drop { $0.isWhitespace }
    guard let end = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(start[...end])
  }
}
