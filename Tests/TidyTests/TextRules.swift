import Foundation

/// What must not stand in any file, and what must stand in some.
enum TextRules {
  /// Notes to self: what is not done belongs into an issue, what is wrong gets fixed.
  static func notesToSelf(_ file: TextFile) -> [Violation] {
    // Written so that this line does not find itself.
    scan(file, for: #/\b(?:TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b/#) { "'\($0)': do it, or file an issue" }
  }

  /// Paths that exist only on somebody's machine.
  static func privatePaths(_ file: TextFile) -> [Violation] {
    scan(file, for: #/(?:^|[\s"'`(=:])(?:/home/[a-z]|/Users/[A-Z]|/root/|/work/|/tmp/dev/)/#) {
      "'\($0)' is a path of somebody's machine"
    }
  }

  /// A shell script stops at the first failure instead of carrying on with what is left.
  static func carelessScript(_ file: TextFile) -> [Violation] {
    guard let first = file.lines.first, first.contains(#/^#!.*[\/ ](?:bash|sh)$/#) else {
      return []
    }
    let wanted = first.hasSuffix("bash") ? "set -euo pipefail" : "set -eu"
    let code = file.lines.first { !$0.hasPrefix("#") && !$0.isEmpty }
    guard code == wanted[...] else {
      return [
        Violation(path: file.path, line: 1, message: "its first command is not '\(wanted)'")
      ]
    }
    return []
  }

  private static func scan(
    _ file: TextFile, for pattern: Regex<Substring>, message: (String) -> String
  ) -> [Violation] {
    file.lines.enumerated().flatMap { index, line in
      line.matches(of: pattern).map {
        Violation(
          path: file.path, line: index + 1,
          message: message($0.output.trimmingCharacters(in: .whitespaces)))
      }
    }
  }
}
