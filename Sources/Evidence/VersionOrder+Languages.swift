/// Runs of digits and runs of letters by turns, without what is neither.
private func digitsAndLetters(_ text: Substring) -> [Substring] {
  var runs: [Substring] = []
  var rest = text
  while let first = rest.first {
    let run = rest.prefix {
      first.isNumber ? $0.isNumber : first.isLetter ? $0.isLetter : !$0.isNumber && !$0.isLetter
    }
    if first.isNumber || first.isLetter { runs.append(run) }
    rest = rest[run.endIndex...]
  }
  return runs
}

/// A letter anywhere makes a pre-release, and zeros at the end mean nothing.
struct GemVersion {
  private var segments: [Substring]

  init?(_ text: String) {
    let allowed = text.allSatisfy {
      $0.isASCII && ($0.isNumber || $0.isLetter) || $0 == "." || $0 == "-"
    }
    guard allowed, text.first?.isNumber ?? false else { return nil }
    let dotted = text.split(separator: "-").joined(separator: ".pre.")
    segments = digitsAndLetters(dotted[...])
    let isZero = { (segment: Substring) in segment.allSatisfy { $0 == "0" } }
    let letters = segments.firstIndex { $0.first?.isLetter ?? false } ?? segments.endIndex
    var head = segments[..<letters]
    var tail = segments[letters...]
    while let last = head.last, isZero(last) { head = head.dropLast() }
    while let last = tail.last, isZero(last) { tail = tail.dropLast() }
    segments = Array(head + tail)
  }

  func compare(_ other: GemVersion) -> Int {
    for index in 0..<max(segments.count, other.segments.count) {
      let left = segments.indices.contains(index) ? segments[index] : "0"
      let right = other.segments.indices.contains(index) ? other.segments[index] : "0"
      let result =
        switch (isDigits(left), isDigits(right)) {
        case (true, true): orderDigits(left, right)
        case (true, false): 1
        case (false, true): -1
        case (false, false): order(String(left), String(right))
        }
      if result != 0 { return result }
    }
    return 0
  }
}

/// Tokens with the separator before each; qualifiers below, numbers above the plain version.
struct MavenVersion {
  private struct Token {
    var separator: Character
    var text: String

    var isNumber: Bool { isDigits(text) }
    var isNull: Bool {
      ["", "final", "ga", "release"].contains(text) || text.allSatisfy { $0 == "0" }
    }

    /// Known qualifiers in their order; others come after all of them.
    var rank: Int {
      switch text {
      case "alpha": 0
      case "beta": 1
      case "milestone": 2
      case "rc", "cr": 3
      case "snapshot": 4
      case "", "final", "ga", "release": 5
      case "sp": 6
      default: 7
      }
    }

    /// `-qualifier` and `.qualifier` before `-number` before `.number`.
    var kind: Int { isNumber ? separator == "-" ? 1 : 2 : 0 }

    /// What a version that is shorter has in this place.
    var padding: Token { Token(separator: separator, text: isNumber ? "0" : "") }

    func compare(_ other: Token) -> Int {
      // A number that is null is as good as the qualifier that is.
      if isNull, other.isNull { return 0 }
      if kind != other.kind {
        if isNumber, other.isNumber { return order(kind, other.kind) }
        return isNumber ? 1 : -1
      }
      if isNumber { return orderDigits(text, other.text) }
      let ranks = order(rank, other.rank)
      return ranks != 0 || rank < 7 ? ranks : order(text, other.text)
    }
  }

  private var tokens: [Token] = []

  init(_ version: String) {
    var separator: Character = "."
    var run = ""
    func isEdge(_ left: Character, _ right: Character) -> Bool { left.isNumber != right.isNumber }
    for character in version.lowercased() {
      if character == "." || character == "-" || character == "_" {
        append(run.isEmpty ? "0" : run, separator)
        run = ""
        separator = character == "." ? "." : "-"
      } else if let last = run.last, isEdge(last, character) {
        append(Self.named(run, before: character), separator)
        run = String(character)
        separator = "-"
      } else {
        run.append(character)
      }
    }
    append(run.isEmpty ? "0" : run, separator)
    trim()
  }

  private mutating func append(_ text: String, _ separator: Character) {
    tokens.append(Token(separator: separator, text: text))
  }

  /// `a1`, `b1` and `m1` are short for `alpha1`, `beta1` and `milestone1`.
  private static func named(_ run: String, before next: Character) -> String {
    guard next.isNumber else { return run }
    switch run {
    case "a": return "alpha"
    case "b": return "beta"
    case "m": return "milestone"
    default: return run
    }
  }

  /// Drops null values before each hyphen, and at the end.
  private mutating func trim() {
    var index = tokens.count - 1
    while index > 0 {
      let isLast = index == tokens.count - 1 || tokens[index + 1].separator == "-"
      if tokens[index].isNull, isLast { tokens.remove(at: index) }
      index -= 1
    }
  }

  func compare(_ other: MavenVersion) -> Int {
    for index in 0..<max(tokens.count, other.tokens.count) {
      let own = tokens.indices.contains(index) ? tokens[index] : nil
      let others = other.tokens.indices.contains(index) ? other.tokens[index] : nil
      let result =
        switch (own, others) {
        case (let left?, let right?): left.compare(right)
        case (let left?, nil): left.compare(left.padding)
        case (nil, let right?): right.padding.compare(right)
        case (nil, nil): 0
        }
      if result != 0 { return result }
    }
    return 0
  }
}

/// `1.2.3.4-beta2`: numbers, a stability, its number.
struct ComposerVersion {
  private var numbers: [Substring]
  private var stability = 4
  private var count: Substring = "0"

  init?(_ text: String) {
    let text = text.lowercased()
    let core = (text.hasPrefix("v") ? text.dropFirst() : text[...]).prefix { $0 != "+" }
    let head = core.prefix { $0.isNumber || $0 == "." }
    numbers = head.split(separator: ".")
    // A branch (`dev-main`) has no place among versions.
    guard !numbers.isEmpty, numbers.allSatisfy({ isDigits($0) }) else { return nil }
    let runs = digitsAndLetters(core[head.endIndex...])
    guard let word = runs.first else { return }
    switch word {
    case "dev": stability = 0
    case "alpha", "a": stability = 1
    case "beta", "b": stability = 2
    case "rc": stability = 3
    case "stable": stability = 4
    case "patch", "pl", "p": stability = 5
    default: return nil
    }
    if runs.count > 1, isDigits(runs[1]) { count = runs[1] }
    if runs.last == "dev" { stability = 0 }
  }

  func compare(_ other: ComposerVersion) -> Int {
    let results = [
      orderNumbers(numbers, other.numbers), order(stability, other.stability),
      orderDigits(count, other.count),
    ]
    return results.first { $0 != 0 } ?? 0
  }
}
