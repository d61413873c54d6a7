import Yams

/// What the YAML parser found wrong, in words for somebody who does not know its grammar.
struct YAMLProblem {
  private var span = Span.start
  private var message = "this is not valid YAML"
  private var hint: String?
  private var note: (span: Span, message: String)?

  /// The parser's words, the place, and what helps.
  private static let explanations: [(problem: String, message: String, hint: String)] = [
    (
      "mapping values are not allowed in this context", "there is a `: ` too many on this line",
      "put the value in quotes, or the second key on a line of its own"
    ),
    (
      "found character that cannot start any token", "a value cannot begin with this character",
      "put the value in quotes"
    ),
    (
      "could not find expected ':'", "this line is no `key: value`",
      "is the `:` missing, or the space after it? Is the line before complete?"
    ),
    (
      "did not find expected key", "this line does not fit in here",
      "check how far it is indented, and that quotes and brackets above it are closed"
    ),
    (
      "did not find expected '-' indicator", "this line does not fit into the list above it",
      "begin it with `- `, or indent it as far as the keys it belongs to"
    ),
    (
      "found unexpected end of stream", "a quote is opened and never closed", "close the quote"
    ),
    (
      "did not find expected ',' or ']'", "a `[` is opened and not closed",
      "close it with `]`; text with brackets in it needs quotes"
    ),
    (
      "did not find expected ',' or '}'", "a `{` is opened and not closed",
      "close it with `}`; text with braces in it needs quotes"
    ),
    (
      "block sequence entries are not allowed in this context", "a list cannot start here",
      "put each `- item` on a line of its own"
    ),
    (
      "found unknown escape character", "this is no escape that YAML knows",
      "write `\\\\` for a backslash, or use single quotes"
    ),
    (
      "found unexpected ':'", "a `:` needs a space after it here", "write `key: value`"
    ),
  ]

  init(_ error: YamlError, in source: SourceText) {
    switch error {
    case .scanner(let context, let problem, let mark, _),
      .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      explain(problem, at: mark, context: context, in: source)
    case .reader(let problem, _, _, _): message = "the file could not be read: \(problem)"
    default: message = "the file could not be read as YAML"
    }
  }

  private mutating func explain(
    _ problem: String, at mark: Mark, context: YamlError.Context?, in source: SourceText
  ) {
    span = Self.place(mark, in: source)
    if let known = Self.explanations.first(where: { problem.hasPrefix($0.problem) }) {
      message = known.message
      hint = known.hint
    } else {
      message = "this is not valid YAML: \(problem)"
    }
    if problem.hasPrefix("mapping values are not allowed") { blameLineBefore(in: source) }
    guard let context else { return }
    let opened = Self.place(context.mark, in: source)
    let isUnclosed =
      problem == "found unexpected end of stream" || problem.hasPrefix("did not find expected ','")
    if isUnclosed {
      span = opened
    } else if opened.line != span.line, opened.isBefore(span) {
      note = (opened, "the part that it should belong to begins here")
    }
  }

  /// `version:1` is only text, and text goes on in the next line: the parser complains there.
  private mutating func blameLineBefore(in source: SourceText) {
    let line = source.lines[span.line - 1].prefix(max(0, span.column - 1))
    guard span.line > 1, !line.contains(":") else { return }
    let before = source.lines[span.line - 2]
    guard let colon = before.firstIndex(of: ":"), colon + 1 < before.count,
      before[colon + 1] != " ", !before.contains("#")
    else { return }
    message = "a space is missing after this `:`"
    hint = "write `key: value`"
    span = Span(line: span.line - 1, column: colon + 1)
  }

  /// The parser may point behind the last line; a person looks at the last line with text on it.
  private static func place(_ mark: Mark, in source: SourceText) -> Span {
    if mark.line <= source.lines.count, !source.lines[mark.line - 1].isEmpty {
      return Span(line: mark.line, column: mark.column)
    }
    let last = source.lines.prefix(mark.line).lastIndex { line in line.contains { $0 != " " } } ?? 0
    return Span(line: last + 1, column: max(1, source.lines[last].count))
  }

  func diagnostic(in source: SourceText) -> Diagnostic {
    let notes = note.map { [source.note(at: $0.span, $0.message)] } ?? []
    return source.diagnostic(.error, at: span, message, hint: hint, notes: notes)
  }
}
