/// As much of a shell command as must be understood to see whether `exec` in front of it works.
struct ShellCommand {
  /// What keeps `exec` from running all of the command; `nil` when nothing was found.
  let problemBehindExec: String?

  init(_ text: String) {
    problemBehindExec = Self.problem(in: Array(text.unicodeScalars))
  }

  private static func problem(in scalars: [Unicode.Scalar]) -> String? {
    let trimmed = scalars.drop { $0 == " " || $0 == "\n" || $0 == "\t" }
    let word = trimmed.prefix { $0 != " " && $0 != "\t" && $0 != "\n" }
    let name = word.prefix { $0 != "=" }
    if name.count < word.count, TextRules.isVariable(String(String.UnicodeScalarView(name))) {
      return "no variable can be set in front of it; use `env`"
    }
    if word.elementsEqual("cd".unicodeScalars) {
      return "`cd` is no program"
    }
    guard let separator = separator(in: Array(trimmed)) else { return nil }
    return "what follows the first \(separator) would never run"
  }

  /// The first operator outside quotes and substitutions that ends a command, with something after.
  private static func separator(in scalars: [Unicode.Scalar]) -> String? {
    var quote: Unicode.Scalar?
    var depth = 0
    var index = 0
    while index < scalars.count {
      let scalar = scalars[index]
      let next = index + 1 < scalars.count ? scalars[index + 1] : nil
      index += 1
      if let open = quote {
        if scalar == "\\", open != "'" { index += 1 } else if scalar == open { quote = nil }
        continue
      }
      switch scalar {
      case "\\": index += 1
      case "'", "\"", "`": quote = scalar
      case "(", "{": depth += 1
      case ")", "}": depth -= 1
      case "&" where next == "&" && depth <= 0: return "`&&`"
      case "|" where next == "|" && depth <= 0: return "`||`"
      case ";" where depth <= 0: return "`;`"
      case "\n" where depth <= 0:
        let rest = scalars[index...].contains { $0 != " " && $0 != "\n" && $0 != "\t" }
        if rest { return "line" }
      default: break
      }
    }
    return nil
  }
}
