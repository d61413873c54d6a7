/// One thing that is wrong with a `segue.yaml`, or that looks wrong: where, what, and what to do.
public struct Diagnostic: Hashable, Codable, Sendable {
  public enum Severity: String, Codable, Sendable {
    /// The file is refused.
    case error
    /// The file is accepted; it probably does not do what its author meant.
    case warning
  }

  /// A second place that belongs to the story, such as the first of two definitions.
  public struct Note: Hashable, Codable, Sendable {
    /// Counted from 1.
    public var line: Int
    /// Counted from 1, in Unicode scalars.
    public var column: Int
    public var message: String
    /// The line of source text, shortened and made safe to print.
    public var excerpt: String

    public init(line: Int, column: Int, message: String, excerpt: String) {
      self.line = line
      self.column = column
      self.message = message
      self.excerpt = excerpt
    }
  }

  public var severity: Severity
  public var file: String
  /// Counted from 1.
  public var line: Int
  /// Counted from 1, in Unicode scalars.
  public var column: Int
  public var message: String
  /// What to do about it, when that can be said.
  public var hint: String?
  /// The line of source text and, under it, a line with a caret at the place. Shortened around the
  /// place when the line is long, and free of control characters.
  public var excerpt: String
  public var notes: [Note]

  public init(
    severity: Severity, file: String, line: Int, column: Int, message: String,
    hint: String? = nil, excerpt: String = "", notes: [Note] = []
  ) {
    self.severity = severity
    self.file = file
    self.line = line
    self.column = column
    self.message = message
    self.hint = hint
    self.excerpt = excerpt
    self.notes = notes
  }

  /// `file:line:column: error: message`, the source line, a caret line, and the hint: the form that
  /// editors and terminals turn into links. Ends without a line break.
  public var rendered: String {
    var lines = ["\(file):\(line):\(column): \(severity.rawValue): \(message)"]
    if !excerpt.isEmpty {
      lines += excerpt.split(separator: "\n", omittingEmptySubsequences: false).map { "  \($0)" }
    }
    for note in notes {
      lines.append("\(file):\(note.line):\(note.column): note: \(note.message)")
      if !note.excerpt.isEmpty {
        lines += note.excerpt.split(separator: "\n", omittingEmptySubsequences: false)
          .map { "  \($0)" }
      }
    }
    if let hint { lines.append("  hint: \(hint)") }
    return lines.joined(separator: "\n")
  }
}

/// Why a `segue.yaml` was refused: everything that is wrong with it at once, in the order of the
/// file. Holds at least one error, and the warnings too.
public struct SpecReport: Error, Hashable, Codable, Sendable, CustomStringConvertible {
  public var diagnostics: [Diagnostic]

  public init(diagnostics: [Diagnostic]) { self.diagnostics = diagnostics }

  /// Every diagnostic, an empty line between them, and a last line that counts them.
  public var rendered: String {
    let errors = diagnostics.count { $0.severity == .error }
    let warnings = diagnostics.count - errors
    var parts = ["\(errors) error\(errors == 1 ? "" : "s")"]
    if warnings > 0 { parts.append("\(warnings) warning\(warnings == 1 ? "" : "s")") }
    return (diagnostics.map(\.rendered) + [parts.joined(separator: ", ")])
      .joined(separator: "\n\n")
  }

  public var description: String { rendered }
}
