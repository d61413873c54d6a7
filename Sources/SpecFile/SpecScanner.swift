/// Reads the file's tokens, before the YAML parser does, for what the parser must never see:
/// nesting deep enough to cost its stack, anchors and aliases (a few lines of them unfold to gigabytes),
/// tags, and more than one document.
///
/// It follows the parser's own rules for where a token may start and how far a scalar reaches, so
/// that nothing hides from it in what it takes for text. Rare ways of writing YAML in which the two
/// could come to differ (`? key`, a block scalar on a line of its own) are refused too.
struct SpecScanner {
  /// What the characters at hand belong to.
  private enum Mode {
    /// A token may start here.
    case start
    case plain
    case singleQuoted
    case doubleQuoted
  }

  private let source: SourceText
  private var line: [Unicode.Scalar] = []
  private var lineNumber = 0
  private var position = 0
  private var mode = Mode.start
  /// The columns of the open block mappings and lists, counted from 0.
  private var indents: [Int] = []
  private var flowDepth = 0
  /// Where the key begins, if what stands here turns out to be one.
  private var keyColumn: Int?
  /// A `key:` or `-` stands before this place on the same line.
  private var isValuePosition = false
  private var hasContent = false
  private var isTooDeep = false
  private(set) var diagnostics: [Diagnostic] = []

  init(_ source: SourceText) { self.source = source }

  /// Everything the parser must not see; empty when the text may be parsed.
  static func refusals(in source: SourceText) -> [Diagnostic] {
    var scanner = SpecScanner(source)
    scanner.scan()
    return scanner.diagnostics
  }

  private mutating func scan() {
    while lineNumber < source.lines.count, !isTooDeep,
      diagnostics.count < SpecLimits.diagnostics
    {
      line = source.lines[lineNumber]
      lineNumber += 1
      position = 0
      beginLine()
      while position < line.count, !isTooDeep { step() }
    }
  }

  // MARK: Lines

  private mutating func beginLine() {
    guard mode != .singleQuoted, mode != .doubleQuoted else { return }
    if isDocumentMark(0) { return documentMark() }
    let column = line.firstIndex { $0 != " " } ?? line.count
    guard column < line.count else {
      position = line.count
      return
    }
    if flowDepth > 0 { return }
    let continues = mode == .plain && column > indents.last ?? -1
    if line[column] == "\t" {
      if line[column...].contains(where: { $0 != " " && $0 != "\t" }) {
        refuse(column, "a tab cannot indent a line in YAML", hint: "use spaces")
      }
      position = line.count
      return
    }
    position = column
    if continues, line[column] != "#" { return }
    mode = .start
    guard line[column] != "#" else {
      position = line.count
      return
    }
    while let last = indents.last, last > column { indents.removeLast() }
    keyColumn = nil
    isValuePosition = false
  }

  private func isDocumentMark(_ column: Int) -> Bool {
    guard line.count >= column + 3, isBlankOrEnd(column + 3) else { return false }
    let mark = line[column..<column + 3]
    return mark.elementsEqual("---".unicodeScalars) || mark.elementsEqual("...".unicodeScalars)
  }

  private mutating func documentMark() {
    let rest = line.dropFirst(3).drop { $0 == " " || $0 == "\t" }
    position = line.count
    if line[0] == ".", hasContent || flowDepth > 0 {
      refuse(
        0, "`...` ends the document", length: 3, hint: "delete this line; the file ends itself")
    } else if hasContent || flowDepth > 0 || line[0] == "." {
      refuse(
        0, "a second document starts here; a `segue.yaml` is one document", length: 3,
        hint: "delete this line, or keep each project in its own repository")
    } else if let first = rest.first, first != "#" {
      refuse(3, "nothing may follow `---` on its line", hint: "start on the next line")
    }
    hasContent = true
  }

  // MARK: Characters

  private mutating func step() {
    switch mode {
    case .start: startToken()
    case .plain: continuePlain()
    case .singleQuoted:
      if line[position] == "'" {
        if position + 1 < line.count, line[position + 1] == "'" {
          position += 1
        } else {
          mode = .start
        }
      }
      position += 1
    case .doubleQuoted:
      if line[position] == "\"" { mode = .start }
      position += line[position] == "\\" ? 2 : 1
    }
  }

  private mutating func startToken() {
    let scalar = line[position]
    switch scalar {
    case " ", "\t":
      position += 1
      return
    case "#":
      position = line.count
      return
    default: break
    }
    hasContent = true
    let column = position
    switch scalar {
    case "-" where isBlankOrEnd(column + 1): listItem()
    case "?" where isBlankOrEnd(column + 1) || flowDepth > 0:
      refuse(column, "keys that begin with `?` are not read", hint: "write `key: value`")
      position = line.count
    case ":" where isBlankOrEnd(column + 1) || flowDepth > 0: colon()
    case "[", "{":
      rememberKey()
      flowDepth += 1
      position += 1
      checkDepth(at: column)
    case "]", "}":
      flowDepth = max(0, flowDepth - 1)
      position += 1
    case ",": position += 1
    case "&", "*", "!": property(scalar)
    case "|" where flowDepth == 0, ">" where flowDepth == 0: blockScalar()
    case "'":
      rememberKey()
      mode = .singleQuoted
      position += 1
    case "\"":
      rememberKey()
      mode = .doubleQuoted
      position += 1
    case "%" where column == 0:
      refuse(0, "YAML directives are not read", hint: "delete this line")
      position = line.count
    default:
      rememberKey()
      mode = .plain
    }
  }

  private mutating func continuePlain() {
    let scalar = line[position]
    if scalar == "#", position == 0 || line[position - 1] == " " || line[position - 1] == "\t" {
      mode = .start
      position = line.count
    } else if scalar == ":", isBlankOrEnd(position + 1) {
      mode = .start
    } else if flowDepth > 0, ",[]{}".unicodeScalars.contains(scalar) {
      mode = .start
    } else {
      position += 1
    }
  }

  private mutating func rememberKey() {
    if flowDepth == 0, keyColumn == nil { keyColumn = position }
  }

  private mutating func listItem() {
    guard flowDepth == 0 else {
      refuse(position, "`-` cannot stand inside brackets", hint: "separate items with commas")
      position += 1
      return
    }
    if indents.last ?? -1 < position { indents.append(position) }
    checkDepth(at: position)
    position += 1
    keyColumn = nil
    isValuePosition = true
  }

  private mutating func colon() {
    if flowDepth == 0 {
      if let keyColumn {
        if indents.last ?? -1 < keyColumn { indents.append(keyColumn) }
        checkDepth(at: keyColumn)
      } else {
        refuse(position, "a key is missing before this `:`", hint: "write `key: value`")
      }
      isValuePosition = true
    }
    position += 1
  }

  /// `&anchor`, `*alias`, `!tag`.
  private mutating func property(_ mark: Unicode.Scalar) {
    let end =
      line[position...].firstIndex { " \t,[]{}".unicodeScalars.contains($0) } ?? line.count
    let word = Printable.quoted(String(String.UnicodeScalarView(line[position..<end])))
    let length = end - position
    rememberKey()
    switch mark {
    case "&":
      refuse(
        position, "the anchor \(word) is not allowed", length: length,
        hint: "write the value out where it is used")
    case "*":
      refuse(
        position, "the alias \(word) is not allowed", length: length,
        hint: "write the value out; text that begins with `*` needs quotes")
    default:
      refuse(
        position, "the tag \(word) is not allowed", length: length,
        hint: "delete it; text that begins with `!` needs quotes")
    }
    position = max(end, position + 1)
  }

  // MARK: Block scalars

  /// Passes over `|` or `>`, its header, and the lines of its text.
  private mutating func blockScalar() {
    guard isValuePosition else {
      refuse(
        position, "a block of text starts on the line of its key", hint: "write `key: |`")
      position = line.count
      return
    }
    var increment: Int?
    var header = position + 1
    while header < line.count, "+-123456789".unicodeScalars.contains(line[header]) {
      if line[header].value >= 0x31 { increment = Int(line[header].value - 0x30) }
      header += 1
    }
    position = line.count
    let parent = indents.last ?? -1
    var indent = increment.map { max(parent, 0) + $0 }
    if indent == nil {
      var widest = 0
      for candidate in source.lines[lineNumber...] {
        let spaces = candidate.prefix { $0 == " " }.count
        widest = max(widest, spaces)
        if spaces < candidate.count { break }
      }
      indent = max(widest, parent + 1, 1)
    }
    while lineNumber < source.lines.count {
      let candidate = source.lines[lineNumber]
      let spaces = candidate.prefix { $0 == " " }.count
      guard spaces == candidate.count || spaces >= indent ?? 1 else { break }
      lineNumber += 1
    }
  }

  // MARK: Refusals

  private func isBlankOrEnd(_ column: Int) -> Bool {
    column >= line.count || line[column] == " " || line[column] == "\t"
  }

  private mutating func checkDepth(at column: Int) {
    guard indents.count + flowDepth > SpecLimits.depth, !isTooDeep else { return }
    isTooDeep = true
    refuse(
      column, "this is nested more than \(SpecLimits.depth) levels deep",
      hint: "no part of a `segue.yaml` needs more than five")
  }

  private mutating func refuse(
    _ column: Int, _ message: String, length: Int = 1, hint: String? = nil
  ) {
    let span = Span(line: lineNumber, column: column + 1, length: max(1, length))
    diagnostics.append(source.diagnostic(.error, at: span, message, hint: hint))
  }
}
