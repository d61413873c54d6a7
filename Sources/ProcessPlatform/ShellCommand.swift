/// How a `run` line becomes the `-c` argument of `/bin/sh`.
///
/// A single command replaces the shell (`exec`), so that the instance's process *is* the program:
/// signals reach it and its exit status is the instance's. Anything the shell itself must stay for
/// (lists, pipes, loops, its own builtins) is run as it stands, with the shell as the leader of the
/// session: `exec cd build && ./web` would run only `cd`.
struct ShellCommand: Hashable {
  var script: String
  /// Whether the program takes the shell's place.
  var replacesShell: Bool

  init(_ run: String) {
    let text = run.trimmed
    switch Self.kind(of: text) {
    case .simple:
      script = "exec " + text
      replacesShell = true
    case .assignment:
      // `exec NAME=value program` would look for a program of that name; env(1) reads assignments.
      script = "exec env " + text
      replacesShell = true
    case .replacesItself:
      script = text
      replacesShell = true
    case .compound:
      script = text
      replacesShell = false
    }
  }

  private enum Kind { case simple, assignment, replacesItself, compound }

  private static func kind(of text: String) -> Kind {
    guard !needsShell(text) else { return .compound }
    let words = text.split(whereSeparator: { $0 == " " || $0 == "\t" })
    guard let first = words.first else { return .compound }
    if first == "exec" { return .replacesItself }
    if shellWords.contains(String(first)) { return .compound }
    guard isAssignment(first) else { return .simple }
    // An assignment with quotes or blanks in its value still is one word to the shell; what follows
    // the assignments must be a program and not a builtin.
    let program = words.first { !isAssignment($0) }
    let plain = words.prefix { isAssignment($0) }.allSatisfy { word in
      !word.contains { $0 == "\"" || $0 == "'" || $0 == "\\" }
    }
    guard plain, let program, !shellWords.contains(String(program)), program != "exec" else {
      return .compound
    }
    return .assignment
  }

  private static func isAssignment(_ word: Substring) -> Bool {
    guard let equals = word.firstIndex(of: "="), let first = word.first, !first.isNumber else {
      return false
    }
    let name = word[..<equals]
    return !name.isEmpty
      && name.utf8.allSatisfy { $0 == UInt8(ascii: "_") || isLetterOrDigit($0) }
  }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: false
    }
  }

  /// Whether an operator stands outside quotes. Redirections do not count: `exec` takes them along.
  /// A doubt (such as a substitution, whose inside is not looked at) is decided for the shell, which
  /// is never wrong, only one process more.
  private static func needsShell(_ text: String) -> Bool {
    var quote: Character?
    var escaped = false
    var previous: Character = " "
    for character in text {
      defer { previous = character }
      if escaped {
        escaped = false
        continue
      }
      if character == "\\" && quote != "'" {
        escaped = true
        continue
      }
      if let open = quote {
        if character == open { quote = nil }
        continue
      }
      switch character {
      case "'", "\"": quote = character
      case "&" where previous == ">" || previous == "<": break
      case "{" where previous == "$": break
      case ";", "&", "|", "(", ")", "`", "\n", "{": return true
      default: break
      }
    }
    return quote != nil || escaped
  }

  /// Reserved words and builtins that mean nothing to `exec`.
  private static let shellWords: Set<String> = [
    "!", ".", ":", "alias", "bg", "break", "case", "cd", "command", "continue", "do", "done",
    "elif",
    "else", "esac", "eval", "exit", "export", "fg", "fi", "for", "function", "getopts", "hash",
    "if",
    "in", "jobs", "local", "read", "readonly", "return", "set", "shift", "source", "then", "time",
    "times", "trap", "type", "ulimit", "umask", "unalias", "unset", "until", "wait", "while",
  ]
}

extension String {
  fileprivate var trimmed: String {
    var text = self[...]
    while let first = text.first, first.isWhitespace { text.removeFirst() }
    while let last = text.last, last.isWhitespace { text.removeLast() }
    return String(text)
  }
}
