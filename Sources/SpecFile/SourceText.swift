/// A stretch of one line: where a diagnostic points.
struct Span: Hashable, Sendable {
  /// Counted from 1.
  var line: Int
  /// Counted from 1, in Unicode scalars.
  var column: Int
  /// In Unicode scalars; at least 1, the caret.
  var length: Int = 1

  static let start = Span(line: 1, column: 1)

  func isBefore(_ other: Span) -> Bool { (line, column) < (other.line, other.column) }
  func later(_ other: Span) -> Span { isBefore(other) ? other : self }
}

/// The text of a file as lines of Unicode scalars, which is how columns are counted.
///
/// Only `\n` and `\r\n` end a line here. YAML 1.1 knows three more line breaks that editors do not
/// show; they are refused, so that this reader, the YAML parser and the person see the same lines.
struct SourceText: Sendable {
  let file: String
  private(set) var lines: [[Unicode.Scalar]]

  /// - Throws: ``SpecReport`` when the bytes are too many, not UTF-8, or hold characters that
  ///   nobody can see.
  init(bytes: [UInt8], file: String) throws(SpecReport) {
    self.file = Printable.text(file, limit: 1_024)
    self.lines = []
    guard bytes.count <= SpecLimits.fileBytes else {
      throw refusal(
        "the file is \(bytes.count) bytes long; Segue reads up to \(SpecLimits.fileBytes)",
        hint: "move long scripts into files of their own and call them from `run`")
    }
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      throw refusal("the file is UTF-16", hint: "save it as UTF-8")
    }
    let bom: [UInt8] = [0xEF, 0xBB, 0xBF]
    let body = bytes.starts(with: bom) ? bytes[3...] : bytes[...]
    for line in body.split(separator: 0x0A, omittingEmptySubsequences: false) {
      let ending = line.last == 0x0D ? line.dropLast() : line
      let (scalars, isValid) = Self.decode(ending)
      lines.append(scalars)
      guard isValid else {
        throw refusal(
          "this is not UTF-8 text", at: Span(line: lines.count, column: scalars.count + 1),
          hint: "save the file as UTF-8; is it a `segue.yaml` at all?")
      }
    }
    if let problem = invisibleCharacter() { throw problem }
  }

  /// The scalars up to the first byte that is not UTF-8, and whether there was none.
  private static func decode(_ bytes: ArraySlice<UInt8>) -> ([Unicode.Scalar], Bool) {
    var scalars: [Unicode.Scalar] = []
    scalars.reserveCapacity(bytes.count)
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    while true {
      switch decoder.decode(&iterator) {
      case .scalarValue(let scalar): scalars.append(scalar)
      case .emptyInput: return (scalars, true)
      case .error: return (scalars, false)
      }
    }
  }

  private func invisibleCharacter() -> SpecReport? {
    for (number, line) in lines.enumerated() {
      for (offset, scalar) in line.enumerated()
      where scalar != "\t" && Printable.isInvisible(scalar) {
        return refusal(
          "the invisible character \(Printable.code(scalar)) is not allowed in this file",
          at: Span(line: number + 1, column: offset + 1),
          hint: scalar == "\r"
            ? "end the lines with LF or CR LF"
            : "delete it; inside double quotes it can be written as an escape")
      }
    }
    return nil
  }

  /// The text with `\n` line ends: what the YAML parser is given.
  var text: String {
    var scalars = String.UnicodeScalarView()
    for (number, line) in lines.enumerated() {
      if number > 0 { scalars.append("\n") }
      scalars.append(contentsOf: line)
    }
    return String(scalars)
  }

  func scalar(line: Int, column: Int) -> Unicode.Scalar? {
    guard lines.indices.contains(line - 1), lines[line - 1].indices.contains(column - 1) else {
      return nil
    }
    return lines[line - 1][column - 1]
  }

  mutating func replaceScalar(line: Int, column: Int, with scalar: Unicode.Scalar) {
    lines[line - 1][column - 1] = scalar
  }

  private func refusal(_ message: String, at span: Span = .start, hint: String) -> SpecReport {
    SpecReport(diagnostics: [diagnostic(.error, at: span, message, hint: hint)])
  }

  func diagnostic(
    _ severity: Diagnostic.Severity, at span: Span, _ message: String, hint: String? = nil,
    notes: [Diagnostic.Note] = []
  ) -> Diagnostic {
    Diagnostic(
      severity: severity, file: file, line: span.line, column: span.column, message: message,
      hint: hint, excerpt: excerpt(at: span), notes: notes)
  }

  func note(at span: Span, _ message: String) -> Diagnostic.Note {
    Diagnostic.Note(
      line: span.line, column: span.column, message: message, excerpt: excerpt(at: span))
  }

  /// The line and a caret under the span, with the line's number in front: at most 100 scalars of
  /// the line, around the span.
  func excerpt(at span: Span) -> String {
    guard lines.indices.contains(span.line - 1) else { return "" }
    let line = lines[span.line - 1]
    let width = 100
    let position = min(max(span.column - 1, 0), line.count)
    let start = line.count <= width ? 0 : max(0, min(position - width / 2, line.count - width))
    let end = min(line.count, start + width)
    let shown = line[start..<end].map { Printable.isInvisible($0) ? " " : Character($0) }
    let before = start > 0 ? "…" : ""
    let after = end < line.count ? "…" : ""
    let number = String(span.line)
    let gutter = String(repeating: " ", count: number.count)
    let carets = max(1, min(span.length, end - position))
    let marker =
      String(repeating: " ", count: position - start + before.count)
      + "^" + String(repeating: "~", count: carets - 1)
    return "\(number) | \(before)\(String(shown))\(after)\n\(gutter) | \(marker)"
  }
}

/// Text from a file that may be hostile, made fit for a terminal.
enum Printable {
  /// Control characters, line separators, and the marks that reorder or hide text: a file that
  /// holds one does not say what it seems to say.
  static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x00...0x1F, 0x7F...0x9F, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF,
      0xFFFE...0xFFFF:
      true
    default: false
    }
  }

  static func code(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16, uppercase: true)
    return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }

  /// The text with `?` for every invisible character, cut after `limit` scalars.
  static func text(_ text: String, limit: Int = 60) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars.prefix(limit) {
      result.append(isInvisible(scalar) ? "?" : scalar)
    }
    if text.unicodeScalars.count > limit { result.append("…") }
    return String(result)
  }

  /// As a message quotes it: `` `web` ``.
  static func quoted(_ text: String) -> String { "`\(Printable.text(text))`" }
}
